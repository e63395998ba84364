package join

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/event"
)

const second = 1_000_000

var roomy = Limits{Window: 60 * second, Bytes: 8 << 20, Parts: 64}

// part is an event of a request; n tells events of one kind apart.
func part(k event.Kind, request string, n int) *event.Event {
	e := &event.Event{ID: fmt.Sprintf("%s-%s-%d", k, request, n), Source: "s", Kind: k, Time: int64(n) * 1000, HasTime: true}
	e.SetText(event.RequestID, request)
	switch k {
	case event.LLMRequest:
		e.SetText(event.Model, "m"+request)
		e.SetInt(event.Cost, 2_000_000)
	case event.UserFeedback:
		e.SetFloat(event.SatisfactionScore, float64(1+n%5))
	case event.BusinessEvent:
		e.SetInt(event.BusinessValue, int64(n)*1_000_000)
	}
	return e
}

func takeAll(t *Table) (out []byte) {
	for {
		more := t.Take(nil, 1<<60)
		if len(more) == 0 {
			return out
		}
		out = append(out, more...)
	}
}

func feed(t *Table, e *event.Event, arrival int64) {
	t.Feed(event.JoinKey(e.Text(event.RequestID)), e, arrival)
}

// topic holds what was written, as its readers see it: of each request the union of the parts of all records.
type topic map[string]map[string]bool

func (w topic) write(tb rapid.TB, records []byte) {
	var r Record
	for len(records) > 0 {
		rest, err := r.Read(records)
		if err != nil {
			tb.Fatalf("a record that was taken: %v", err)
		}
		records = rest
		fresh := false
		for _, p := range r.Parts {
			var e event.Event
			if _, err := e.ReadCompact(p); err != nil {
				tb.Fatal(err)
			}
			id := string([]byte(e.Text(event.RequestID)))
			if w[id] == nil {
				w[id] = map[string]bool{}
			}
			fresh = fresh || !w[id][e.ID]
			w[id][string([]byte(e.ID))] = true
		}
		if !fresh {
			tb.Fatalf("a record of %s with nothing new", r.Parts[0])
		}
	}
}

// brute is what must be joined in the end.
func brute(events []*event.Event) topic {
	w := topic{}
	for _, e := range events {
		id := e.Text(event.RequestID)
		if w[id] == nil {
			w[id] = map[string]bool{}
		}
		w[id][e.ID] = true
	}
	return w
}

// In whatever order, however often, with whatever kills and restarts in between: the union of the records is what brute force
// finds, and no record says nothing new.
func TestRecordsAreTheUnionOfTheirParts(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var events []*event.Event
		for id := range rapid.IntRange(1, 12).Draw(r, "requests") {
			for _, k := range []event.Kind{event.LLMRequest, event.UserFeedback, event.BusinessEvent} {
				for n := range rapid.IntRange(0, 3).Draw(r, "parts") {
					events = append(events, part(k, fmt.Sprint("r", id), n))
				}
			}
		}
		if len(events) == 0 {
			return
		}
		order := rapid.Permutation(events).Draw(r, "order")
		limits := roomy
		table, written := New(limits), topic{}
		var log, saved []byte // what is in the topic, and a snapshot
		saved = table.AppendState(nil)
		savedAt, savedLog, clock := 0, 0, int64(0)
		write := func(b []byte) {
			written.write(r, b)
			log = append(log, b...)
		}
		restart := func() int { // from the snapshot and what was written since
			back, err := Restore(saved, limits, clock)
			if err != nil {
				r.Fatal(err)
			}
			if err := back.Absorb(log[savedLog:], Written, clock); err != nil {
				r.Fatal(err)
			}
			table = back
			return savedAt
		}
		for i, steps := 0, 0; i < len(order); steps++ {
			action := rapid.IntRange(0, 9).Draw(r, "action")
			if steps > 400 {
				action = 0
			}
			switch action {
			case 6:
				clock += int64(rapid.IntRange(1, 50).Draw(r, "seconds")) * second
				table.Advance(clock, 1<<62)
			case 7:
				write(table.Take(nil, clock))
			case 8:
				saved, savedAt, savedLog = table.AppendState(nil), i, len(log)
			case 9:
				i = restart()
			default:
				feed(table, order[i], clock)
				if rapid.Bool().Draw(r, "again") {
					feed(table, order[rapid.IntRange(0, i).Draw(r, "which")], clock)
				}
				i++
			}
		}
		table.Advance(clock+1000*second, 1<<62)
		write(takeAll(table))
		want := brute(events)
		if !maps.EqualFunc(written, want, maps.Equal) {
			r.Fatalf("written %v, want %v", written, want)
		}
		s := table.Stats
		if int(s.Complete+s.Partial) != len(want) || s.Open != 0 {
			r.Fatalf("%+v for %d requests", s, len(want))
		}
		for id, ids := range want {
			v := view(r, table.Get(event.JoinKey(id)))
			if v.RequestID != id || v.Sequence != len(ids) || (v.Status == StatusComplete) != (len(v.Missing) == 0) {
				r.Fatalf("%+v, want %d parts of %s", v, len(ids), id)
			}
		}
	})
}

// Under a memory that holds next to nothing every part still reaches the topic, and the memory stays what it may be.
func TestMemoryIsBounded(t *testing.T) {
	limits := Limits{Window: 60 * second, Bytes: 400 << 10, Parts: 64}
	table, written := New(limits), topic{}
	var events []*event.Event
	for i := range 20_000 {
		k := []event.Kind{event.LLMRequest, event.UserFeedback, event.BusinessEvent}[i%3]
		e := part(k, fmt.Sprint("r", i*7919%9000), i)
		events = append(events, e)
		feed(table, e, int64(i)*1000)
		if m := table.Memory(); m > limits.Bytes {
			t.Fatalf("%d bytes after %d events, at most %d are allowed", m, i, limits.Bytes)
		}
		if i%500 == 0 {
			written.write(t, takeAll(table))
		}
	}
	table.Advance(1<<50, 1<<62)
	written.write(t, takeAll(table))
	if want := brute(events); !maps.EqualFunc(written, want, maps.Equal) {
		t.Error("the topic does not hold all parts")
	}
	if s := table.Stats; s.Evicted == 0 || s.Forgotten < s.Evicted || s.Overflow != 0 {
		t.Errorf("%+v", s)
	}
}

func TestPartsOfOneRequestAreBounded(t *testing.T) {
	table := New(Limits{Window: second, Bytes: 1 << 20, Parts: 5})
	for n := range 12 {
		feed(table, part(event.UserFeedback, "r", n), 0)
	}
	if v := view(t, table.Get(event.JoinKey("r"))); v.Sequence != 5 || table.Stats.Overflow != 7 {
		t.Errorf("%d parts, %d left out", v.Sequence, table.Stats.Overflow)
	}
}

// A record is never larger than what a topic takes.
func TestBytesOfOneRequestAreBounded(t *testing.T) {
	table := New(Limits{Window: second, Bytes: 4 << 20, Parts: 1024})
	for n := range 1000 {
		e := part(event.LLMRequest, "r", n)
		e.SetText(event.Endpoint, strings.Repeat("x", 1000))
		feed(table, e, 0)
	}
	table.Advance(second, 1<<62)
	if b := table.Take(nil, second); len(b) > mostBytes+mostBytes/64 || table.Stats.Overflow == 0 {
		t.Errorf("a record of %d bytes, %d parts left out", len(b), table.Stats.Overflow)
	}
}

// A part that is too large for a record is left out, whoever brings it, and leaves nothing behind that the table stumbles over when
// memory is full.
func TestOversizedPartIsLeftOut(t *testing.T) {
	large := part(event.LLMRequest, "large", 1)
	large.SetText(event.Endpoint, strings.Repeat("x", mostBytes))
	record := appendHead(nil, &entry{parts: 1})
	compact := event.AppendCompact(nil, large)
	record = append(binary.AppendUvarint(record, uint64(len(compact))<<1), compact...)
	for name, bring := range map[string]func(*Table) error{
		"hxp-joins":        func(t *Table) error { t.FeedCompact(large, compact, 1); return nil },
		"hxp-correlations": func(t *Table) error { return t.Absorb(record, Written, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			table := New(Limits{Window: 60 * second, Bytes: 400 << 10, Parts: 64})
			feed(table, part(event.LLMRequest, "first", 1), 0)
			if err := bring(table); err != nil {
				t.Fatal(err)
			}
			if table.Get(event.JoinKey("large")) != nil || table.Stats.Overflow != 1 || table.Stats.Open != 1 || table.Memory() > table.limits.Bytes {
				t.Errorf("%+v, %d bytes", table.Stats, table.Memory())
			}
			for i := range 5000 {
				feed(table, part(event.LLMRequest, fmt.Sprint(i), 1), 2)
			}
			if table.Stats.Forgotten == 0 {
				t.Error("memory was never full")
			}
			if _, err := Restore(table.AppendState(nil), roomy, 2); err != nil {
				t.Error(err)
			}
		})
	}
}

// What a record says of its times is not believed beyond what can be: it neither keeps the windows behind it open nor what is
// queued behind it from being written, and can be shown.
func TestForgedTimesHoldNothingUp(t *testing.T) {
	for _, forged := range []entry{
		{first: 1 << 60, changed: 1 << 60, parts: 1},
		{first: math.MaxInt64, changed: math.MaxInt64, parts: 1, state: closed},
		{first: math.MinInt64, changed: math.MinInt64, parts: 1, state: closed},
		{first: 1 << 60, parts: 1, state: closed | stub},
	} {
		record := appendHead(nil, &forged)
		compact := event.AppendCompact(nil, part(event.LLMRequest, "forged", 1))
		record = append(binary.AppendUvarint(record, uint64(len(compact))<<1), compact...)
		table := New(roomy)
		if err := table.Absorb(record, Written, 10*second); err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(view(t, table.Get(event.JoinKey("forged")))); err != nil {
			t.Errorf("%+v: %v", forged, err)
		}
		feed(table, part(event.UserFeedback, "forged", 1), 10*second)
		feed(table, part(event.LLMRequest, "honest", 1), 10*second)
		table.Advance(70*second, 1<<62)
		if s := table.Stats; s.Open != 0 || s.Partial != 2 {
			t.Errorf("%+v: %+v", forged, s)
		}
		written := topic{}
		written.write(t, table.Take(nil, 70*second))
		if len(written) != 2 {
			t.Errorf("%+v: written %v", forged, written)
		}
	}
}

// Scores that no range holds, which only a stranger writes, have no mean, and do not keep the others from being shown.
func TestScoresBeyondAllRangesCanBeShown(t *testing.T) {
	table := New(roomy)
	for n := range 2 {
		e := part(event.UserFeedback, "r", n)
		e.SetFloat(event.SatisfactionScore, math.MaxFloat64)
		table.FeedCompact(e, event.AppendCompact(nil, e), 0)
	}
	v := view(t, table.Get(event.JoinKey("r")))
	if _, err := json.Marshal(v); err != nil || v.Derived.Satisfaction != nil {
		t.Errorf("%+v: %v", v.Derived, err)
	}
}

func view(tb rapid.TB, record []byte) *View {
	var r Record
	if rest, err := r.Read(record); err != nil || len(rest) > 0 {
		tb.Fatalf("record %q: %v", record, err)
	}
	v, err := r.View()
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func TestWhatIsShown(t *testing.T) {
	table := New(roomy)
	req := part(event.LLMRequest, "r", 1)
	req.SetInt(event.TTFT, 5_000_000)
	feed(table, part(event.UserFeedback, "r", 4), 10)
	feed(table, req, 20)
	show := func() string {
		b, err := json.Marshal(view(t, table.Get(event.JoinKey("r"))))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	want := func(text string) {
		t.Helper()
		if got := show(); got != text {
			t.Errorf("got  %s\nwant %s", got, text)
		}
	}
	const request = `"request":{"event_id":"llm_request-r-1","timestamp":"1970-01-01T00:00:00.001Z","source":"s","model":"mr","request_id":"r","ttft_ms":5,"cost_usd":0.002},"engine":{"ttft_ms":5},` +
		`"feedback":[{"event_id":"user_feedback-r-4","timestamp":"1970-01-01T00:00:00.004Z","source":"s","request_id":"r","satisfaction_score":5}],`
	want(`{"request_id":"r","status":"open","missing":["business_event"],"tier":"live","sequence":2,"closed_at":null,` + request +
		`"business_events":[],"derived":{"satisfaction":5,"value_usd":null,"cost_usd":0.002,"margin_usd":null,"feedback_delay_ms":3}}`)
	table.Advance(10+60*second, 1<<62)
	want(`{"request_id":"r","status":"partial","missing":["business_event"],"tier":"live","sequence":2,"closed_at":"1970-01-01T00:01:00.00001Z",` + request +
		`"business_events":[],"derived":{"satisfaction":5,"value_usd":null,"cost_usd":0.002,"margin_usd":null,"feedback_delay_ms":3}}`)
	feed(table, part(event.BusinessEvent, "r", 7), 70*second)
	want(`{"request_id":"r","status":"complete","missing":[],"tier":"stub","sequence":3,"closed_at":"1970-01-01T00:01:10Z",` + request +
		`"business_events":[{"event_id":"business_event-r-7","timestamp":"1970-01-01T00:00:00.007Z","source":"s","request_id":"r","business_value_usd":0.007}],` +
		`"derived":{"satisfaction":5,"value_usd":0.007,"cost_usd":0.002,"margin_usd":0.005,"feedback_delay_ms":3}}`)
	if s := table.Stats; s.Closed != 1 || s.CompleteLive != 0 || s.CompleteStub != 1 {
		t.Errorf("%+v", s)
	}
}

// Gateway and engine each tell of a request. The earlier event stands for it, and what it does not say of the engine's work is taken from the
// next, whatever order they come in.
func TestTimingsOfSeveralEvents(t *testing.T) {
	told := func(n int, times map[event.Field]int64) *event.Event {
		e := part(event.LLMRequest, "r", n)
		for f, v := range times {
			e.SetInt(f, v*1_000_000)
		}
		return e
	}
	gateway := told(1, map[event.Field]int64{event.TTFT: 90})
	engine := told(2, map[event.Field]int64{event.TTFT: 80, event.TPOT: 7})
	second := told(3, map[event.Field]int64{event.TPOT: 9, event.Queue: 30})
	for _, order := range [][]*event.Event{{gateway, engine, second}, {second, engine, gateway}, {engine, gateway, second}} {
		table := New(roomy)
		for i, e := range order {
			feed(table, e, int64(i))
		}
		v := view(t, table.Get(event.JoinKey("r")))
		if got, want := string(v.Engine), `{"ttft_ms":90,"tpot_ms":7,"queue_ms":30}`; got != want || v.Sequence != 3 || !strings.Contains(string(v.Request), `"llm_request-r-1"`) {
			t.Errorf("engine %s, want %s; %d parts, request %s", got, want, v.Sequence, v.Request)
		}
	}
	silent := New(roomy)
	feed(silent, told(1, nil), 0)
	if v := view(t, silent.Get(event.JoinKey("r"))); v.Engine != nil {
		t.Errorf("nobody said anything, and the engine is %s", v.Engine)
	}
}

func TestScanChooses(t *testing.T) {
	table := New(roomy)
	for i := range 4 {
		id := fmt.Sprint(i % 2)
		feed(table, part(event.LLMRequest, fmt.Sprint(id, "-", i), i), int64(i)*second)
	}
	feed(table, part(event.UserFeedback, "0-0", 1), 4*second)
	feed(table, part(event.BusinessEvent, "0-0", 1), 5*second)
	table.Advance(61*second, 1<<62)
	scan := func(f Filter) (firsts []int64) {
		from, to := table.Bounds()
		table.Scan(from, to, f, func(i Item) { firsts = append(firsts, i.First/second) })
		return firsts
	}
	for _, c := range []struct {
		f    Filter
		want []int64
	}{
		{Filter{}, []int64{0, 1, 2, 3}},
		{Filter{Status: StatusComplete}, []int64{0}},
		{Filter{Status: StatusPartial}, []int64{1}},
		{Filter{Status: StatusOpen}, []int64{2, 3}},
		{Filter{Model: "m1-3"}, []int64{3}},
		{Filter{Since: 5 * second}, []int64{0, 1}},
	} {
		if got := scan(c.f); !slices.Equal(got, c.want) {
			t.Errorf("%+v chooses %v, want %v", c.f, got, c.want)
		}
	}
}

// What a table that is quiet forgets it does not write: somebody else does.
func TestQuietTableForgetsWithoutAWord(t *testing.T) {
	table := New(Limits{Window: 60 * second, Bytes: 200 << 10, Parts: 8})
	table.Quiet = true
	for i := range 5000 {
		feed(table, part(event.LLMRequest, fmt.Sprint(i), 1), int64(i))
	}
	if out := takeAll(table); len(out) > 0 || table.Stats.Forgotten == 0 {
		t.Errorf("%d bytes, %+v", len(out), table.Stats)
	}
}

// Whatever a record of hxp-correlations or a snapshot holds, the table stays sound, and what it holds can be shown and kept.
func FuzzAbsorb(f *testing.F) {
	table := New(roomy)
	feed(table, part(event.LLMRequest, "r", 1), 1)
	feed(table, part(event.UserFeedback, "r", 1), 1)
	f.Add(table.Get(event.JoinKey("r")))
	f.Add(table.AppendState(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		table := New(Limits{Window: second, Bytes: 100 << 10, Parts: 8})
		_ = table.Absorb(data, Written, 1<<50)
		if r, err := Restore(data, roomy, 1<<50); err == nil {
			sound(t, r)
		}
		sound(t, table)
	})
}

// Whatever parts a record of hxp-joins holds, in a memory that is soon full.
func FuzzFeedCompact(f *testing.F) {
	var seed []byte
	for n, k := range []event.Kind{event.LLMRequest, event.UserFeedback, event.BusinessEvent, event.UserFeedback} {
		seed = event.AppendCompact(seed, part(k, fmt.Sprint("r", n/3), n))
	}
	f.Add(seed, int64(1), uint16(3))
	f.Fuzz(func(t *testing.T, data []byte, arrival int64, filler uint16) {
		table := New(Limits{Window: second, Bytes: 200 << 10, Parts: 4})
		pad := part(event.LLMRequest, "pad", 1)
		pad.SetText(event.Endpoint, strings.Repeat("x", int(filler)))
		feed(table, pad, 1)
		var e event.Event
		for src := data; len(src) > 0; {
			rest, err := e.ReadCompact(src)
			if err != nil {
				break
			}
			if e.Text(event.RequestID) != "" && Joins(e.Kind) {
				for range 1 + filler%4 { // the same again, and others between
					table.FeedCompact(&e, src[:len(src)-len(rest)], arrival)
					pad.SetText(event.RequestID, fmt.Sprint("pad", len(rest)))
					feed(table, pad, arrival/2)
				}
			}
			src = rest
		}
		sound(t, table)
	})
}

// sound tells of a table whatever it holds: it can be shown, counts itself, is within its memory, can be kept, closes, is written
// and forgotten.
func sound(t *testing.T, table *Table) {
	t.Helper()
	var now Stats
	from, to := table.Bounds()
	table.Scan(from, to, Filter{}, func(i Item) {
		v := view(t, table.Get(i.Key))
		if _, err := json.Marshal(v); err != nil {
			t.Errorf("%+v: %v", v, err)
		}
		switch i.Status {
		case StatusOpen:
			now.Open++
		case StatusComplete:
			now.Complete++
		default:
			now.Partial++
		}
	})
	if s := table.Stats; s.Open != now.Open || s.Complete != now.Complete || s.Partial != now.Partial {
		t.Errorf("counted %+v, there are %+v", s, now)
	}
	if m := table.Memory(); m > table.limits.Bytes {
		t.Errorf("%d bytes, at most %d", m, table.limits.Bytes)
	}
	if _, err := Restore(table.AppendState(nil), roomy, 1<<62); err != nil {
		t.Error(err)
	}
	table.Advance(1<<62, 1<<62)
	if table.Stats.Open != 0 {
		t.Errorf("%d still open", table.Stats.Open)
	}
	var r Record
	for out := takeAll(table); len(out) > 0; {
		rest, err := r.Read(out)
		if err != nil {
			t.Fatalf("a record that was taken: %v", err)
		}
		out = rest
	}
	for table.head < table.next {
		table.evict()
	}
	if table.Memory() != New(table.limits).Memory()*int64(len(table.entries))/64 || table.Stats.Open+table.Stats.Complete+table.Stats.Partial+table.Stats.Feedback+table.Stats.Business != 0 {
		t.Errorf("empty, but %+v in %d bytes", table.Stats, table.Memory())
	}
}

func BenchmarkFeed(b *testing.B) {
	table := New(Limits{Window: 60 * second, Bytes: 16 << 20, Parts: 64})
	e := part(event.LLMRequest, "r", 1)
	for _, f := range []event.Field{event.UserID, event.Tenant, event.Operation} {
		e.SetText(f, "operation-or-user")
	}
	for _, f := range []event.Field{event.DurationMS, event.TTFT, event.PromptTokens, event.CompletionTokens, event.TotalTokens} {
		e.SetInt(f, 123456)
	}
	var out []byte
	n, total := 0, 0
	for b.Loop() {
		n++
		id := fmt.Sprintf("01J9Z8Q4T0-%d", 10_000_000+n)
		e.ID = id
		e.SetText(event.RequestID, id)
		feed(table, e, int64(n))
		if n%2000 == 0 {
			out = table.Take(out[:0], 1<<60)
			total += len(out)
		}
	}
	b.ReportMetric(float64(total)/float64(n), "B/record")
}

// What came before the clock was set back closes, and so does what comes behind it, in its own time.
func TestAdvanceAfterTheClockWasSetBack(t *testing.T) {
	table := New(roomy)
	now := int64(7200 * second)
	feed(table, part(event.LLMRequest, "before", 1), now)
	now -= 3600 * second
	feed(table, part(event.LLMRequest, "after", 1), now)
	table.Advance(now+30*second, now+90*second)
	if s := table.Stats; s.Open != 1 || s.Partial != 1 {
		t.Errorf("%d open, %d partial, want 1 and 1", s.Open, s.Partial)
	}
	table.Advance(now+61*second, now+121*second)
	if s := table.Stats; s.Open != 0 || s.Partial != 2 {
		t.Errorf("%d open, %d partial, want 0 and 2", s.Open, s.Partial)
	}
}
