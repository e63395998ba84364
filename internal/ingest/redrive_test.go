package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// refused sends lines that are no events and returns the ids of their letters.
func (f *fixture) refused(lines ...string) []string {
	f.tb.Helper()
	r := f.post("/events?results=all", ndjsonType_, []byte(strings.Join(lines, "\n")))
	if r.Rejected != len(lines) {
		f.tb.Fatalf("%d %s", r.Status, r.Body)
	}
	ids := make([]string, len(lines))
	for _, x := range r.Errors {
		ids[x.Index] = x.DeadLetterID
	}
	return ids
}

func (f *fixture) redrive(body string) (int, Redrive) {
	f.tb.Helper()
	var r Redrive
	return f.call("POST", "/dead-letters/redrive", body, &r), r
}

func (f *fixture) letter(id string) DeadLetter {
	f.tb.Helper()
	var d DeadLetter
	if s := f.call("GET", "/dead-letters/"+id, nil, &d); s != 200 {
		f.tb.Fatalf("letter %s: %d", id, s)
	}
	return d
}

// stored returns the events of the requests topic by id, however often each is there.
func (f *fixture) stored() map[string][]string {
	out := map[string][]string{}
	for _, m := range f.all("llm-requests") {
		var e struct {
			ID string `json:"event_id"`
		}
		if err := json.Unmarshal(m.Value, &e); err != nil {
			f.tb.Fatal(err)
		}
		out[e.ID] = append(out[e.ID], string(m.Value))
	}
	return out
}

func TestRedrive(t *testing.T) {
	f := start(t, Defaults())
	ids := f.refused(
		`{"event_id":"named","event_type":"llm_request","timestamp":"2026-03-01T10:00:00Z","data":{"model":"m","duration_ms":"fast"}}`,
		`{"event_type":"llm_request","data":{"model":"m","duration_ms":-1}}`,
		`{"event_type":"llm_request","data":`)
	if s, r := f.redrive(`{"ids":["` + ids[0] + `"]}`); s != 422 || r.Results[0].Outcome != "rejected" || r.Results[0].Pointer != "/data/duration_ms" {
		t.Errorf("not mended: %d %+v", s, r)
	}
	if d := f.letter(ids[0]); d.State != "open" || d.RedriveCount != 1 {
		t.Errorf("after a try in vain: %s, %d", d.State, d.RedriveCount)
	}
	const patch = `,"patch":{"data":{"duration_ms":90}}`
	if s, r := f.redrive(`{"ids":["` + ids[0] + `"],"dry_run":true` + patch + `}`); s != 200 || r.Results[0].Outcome != "valid" || !strings.Contains(string(r.Results[0].Event), `"duration_ms":90`) {
		t.Errorf("dry run: %d %+v", s, r)
	}
	if s, r := f.redrive(`{"filter":{},"dry_run":true}`); s != 200 || r.Counts["rejected"] != 3 || len(r.Results) != 3 {
		t.Errorf("dry run of all: %d %+v", s, r)
	}
	if d := f.letter(ids[1]); len(f.stored()) != 0 || d.RedriveCount != 0 {
		t.Error("a dry run wrote something")
	}
	s, r := f.redrive(`{"ids":["` + strings.Join(ids, `","`) + `"]` + patch + `}`)
	if s != 207 || r.Counts["redriven"] != 2 || r.Counts["not_patchable"] != 1 {
		t.Fatalf("%d %+v", s, r)
	}
	before := f.letter(ids[1])
	if before.State != "redriven" || before.RedriveCount != 1 {
		t.Errorf("after a redrive: %+v", before)
	}
	again, r := f.redrive(`{"ids":["` + ids[0] + `","` + ids[1] + `"]` + patch + `}`)
	if again != 200 || r.Counts["already_redriven"] != 2 {
		t.Errorf("a second redrive: %d %+v", again, r)
	}
	got := f.stored()
	if len(got) != 2 || len(got["named"]) != 1 || len(got[ids[1]]) != 1 {
		t.Fatalf("stored %v", got)
	}
	if want := `"timestamp":"` + before.ReceivedAt + `"`; !strings.Contains(got[ids[1]][0], want) {
		t.Errorf("an event without a time: %s, want %s", got[ids[1]][0], want)
	}
	var sum DeadLetterSummary
	if f.call("GET", "/dead-letters/summary", nil, &sum); sum.Redriven != 2 || sum.Total != 3 || sum.Open["syntax"] != 1 || len(sum.Open) != 1 {
		t.Errorf("%+v", sum)
	}
	// Another instance on the same topics says the same, though it saw none of this.
	other := secondAPI(t, f)
	if d := other.letter(ids[0]); d.State != "redriven" || d.RedriveCount != 2 {
		t.Errorf("another instance: %s, %d", d.State, d.RedriveCount)
	}
}

// secondAPI is one more kafka-api on the brokers of f.
func secondAPI(t *testing.T, f *fixture) *fixture {
	api, err := New(Defaults(), f.bus, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, api, f.bus)
}

func TestRedriveByFilter(t *testing.T) {
	f := start(t, Defaults())
	var lines []string
	for i := range 30 {
		lines = append(lines, fmt.Sprintf(`{"event_id":"n%d","event_type":"llm_request","data":{"model":"m","prompt_tokens":-1}}`, i))
	}
	f.refused(append(lines, `{"event_id":"t","event_type":"llm_request","data":{"duration_ms":"x"}}`)...)
	for cursor, n := "null", 0; ; {
		s, r := f.redrive(`{"filter":{"reason":"negative"},"limit":7,"cursor":` + strings.Replace(cursor, "null", `""`, 1) + `,"patch":{"data":{"prompt_tokens":5}}}`)
		n += r.Counts["redriven"]
		if s != 200 {
			t.Fatalf("%d %+v", s, r)
		}
		if r.Next == nil {
			if n != 30 {
				t.Errorf("%d letters were found by pages", n)
			}
			break
		}
		cursor = `"` + *r.Next + `"`
	}
	if s, r := f.redrive(`{"filter":{"reason":"negative"}}`); s != 200 || len(r.Counts) != 0 {
		t.Errorf("nothing is left: %d %+v", s, r)
	}
	if got := f.stored(); len(got) != 30 {
		t.Errorf("%d events", len(got))
	}
}

// A letter that is tried in vain again and again is left out by filters; by its id it can be tried on.
func TestLoopsAreNoticed(t *testing.T) {
	f := start(t, Defaults())
	id := f.refused(`{"event_type":"llm_request","data":{"duration_ms":"fast"}}`)[0]
	for i := range maxRedriveCount {
		if s, r := f.redrive(`{"filter":{}}`); s != 422 || r.Counts["rejected"] != 1 || r.Results[0].RedriveCount != i+1 {
			t.Fatalf("try %d: %d %+v", i, s, r)
		}
	}
	if s, r := f.redrive(`{"filter":{}}`); s != 422 || r.Counts["too_often"] != 1 {
		t.Errorf("%d %+v", s, r)
	}
	if s, r := f.redrive(`{"ids":["` + id + `"],"patch":{"data":{"duration_ms":1}}}`); s != 200 || r.Counts["redriven"] != 1 {
		t.Errorf("%d %+v", s, r)
	}
	for _, m := range f.all("llm-requests") { // what becomes of it carries the count on
		if len(m.Headers) != 1 || m.Headers[0].Key != event.HeaderRedrives || string(m.Headers[0].Value) != "6" {
			t.Errorf("headers %+v", m.Headers)
		}
	}
}

// Letters of records of topics go again under the identity that the record would have had.
func TestRedriveOfARecord(t *testing.T) {
	f := start(t, Defaults())
	d := event.DeadLetter{ID: "00112233445566778899aabbccddeeff:2:77", Topic: "llm-requests", Partition: 2, Offset: 77, ReceivedAt: 1777636800123456,
		Code: event.CodeNegative, Reason: "negative", Payload: []byte(`{"model":"m","duration_ms":-1}`),
		Headers: [][2]string{{"ce_specversion", "1.0"}, {"ce_id", "c1"}, {"ce_source", "/kafka"}, {"ce_type", "llm_request"}, {"content-type", "application/json"}}}
	bare := d
	bare.ID, bare.Headers, bare.Payload = "00112233445566778899aabbccddeeff:2:78", nil, []byte(`{"event_type":"llm_request","data":{"model":"m","duration_ms":-1}}`)
	cut := d
	cut.ID, cut.Headers, cut.Payload = "x:1:1", nil, []byte(strings.Repeat("x", 1<<20))
	var msgs []*bus.Message
	for _, one := range []event.DeadLetter{d, bare, cut, d} { // the stream may write one twice
		key, value, headers := one.Record()
		m := &bus.Message{Topic: event.TopicDeadLetters, Key: key, Value: value}
		for _, h := range headers {
			m.Headers = append(m.Headers, bus.Header(h))
		}
		msgs = append(msgs, m)
	}
	if err := f.api.out.Send(t.Context(), msgs); err != nil {
		t.Fatal(err)
	}
	s, r := f.redrive(`{"filter":{"topic":"llm-requests"},"patch":{"duration_ms":5,"data":{"duration_ms":5}}}`)
	if s != 207 || r.Counts["redriven"] != 2 || r.Counts["cut"] != 1 {
		t.Fatalf("%d %+v", s, r)
	}
	got := f.stored()
	if len(got["c1"]) != 1 || !strings.Contains(got["c1"][0], `"source":"/kafka"`) || len(got[bare.ID]) != 1 || !strings.Contains(got[bare.ID][0], `"timestamp":"2026-05-01T12:00:00.123456Z"`) {
		t.Errorf("%v", got)
	}
}

func TestRedriveOfTheFuture(t *testing.T) {
	b := bustest.New(t)
	api, err := New(Defaults(), b, nil, telemetry.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	var later atomic.Int64 // than the first moment; the API looks at the clock by itself, too
	api.now = func() time.Time {
		return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(later.Load()))
	}
	f := serve(t, api, b)
	id := f.refused(`{"event_id":"later","event_type":"llm_request","timestamp":"2026-03-01T12:00:00Z","data":{"model":"m"}}`)[0]
	if d := f.letter(id); d.ReasonCode != event.CodeFuture || d.RedrivableAt == nil || *d.RedrivableAt != "2026-03-01T11:55:00Z" {
		t.Errorf("%+v", d)
	}
	for range maxRedriveCount + 2 { // waiting is no attempt
		if s, r := f.redrive(`{"filter":{}}`); s != 422 || r.Counts["too_early"] != 1 {
			t.Fatalf("%d %+v", s, r)
		}
	}
	later.Store(int64(12 * time.Hour))
	if s, r := f.redrive(`{"filter":{}}`); s != 200 || r.Counts["redriven"] != 1 {
		t.Errorf("%d %+v", s, r)
	}
}

func TestRedriveRefusals(t *testing.T) {
	f := start(t, Defaults())
	id := f.refused(`{"event_type":"none"}`)[0]
	for body, status := range map[string]int{
		`{}`: 422, `{"ids":[]}`: 422, `{"ids":["a"],"filter":{}}`: 422, `{"filter":{"colour":"red"}}`: 422, `{"filter":{"since":"soon"}}`: 422,
		`{"filter":{"state":"redriven"}}`: 422, `{"filter":{},"limit":-1}`: 422, `{"filter":{},"cursor":"x"}`: 422, `{"ids":["` + id + `"],"patch":[]}`: 422,
		`{"ids":["no-such-letter"]}`: 404, `{"ids":"all"}`: 422, `{`: 400, `{"ids":["a"]} x`: 400, `{"ids":["` + strings.Repeat(`x","`, 1001) + `"]}`: 422,
		`{"ids":["none","` + id + `"]}`: 422,
	} {
		if s := f.call("POST", "/dead-letters/redrive", body, nil); s != status {
			t.Errorf("%.80s: %d, want %d", body, s, status)
		}
	}
}

// The brokers go away under a redrive: nothing is called done that is not, and sent again nothing is doubled.
func TestRedriveWithoutItsMark(t *testing.T) {
	f := start(t, Defaults())
	id := f.refused(`{"event_id":"once","event_type":"llm_request","data":{"duration_ms":-1}}`)[0]
	sound := f.api.out
	f.api.out = markless{sound}
	const body = `,"patch":{"data":{"duration_ms":1}}}`
	if s := f.call("POST", "/dead-letters/redrive", `{"ids":["`+id+`"]`+body, nil); s != 503 {
		t.Errorf("%d", s)
	}
	f.api.out = sound
	if d := f.letter(id); d.State != "open" {
		t.Errorf("%+v", d)
	}
	if s, r := f.redrive(`{"ids":["` + id + `"]` + body); s != 200 || !r.Results[0].Duplicate {
		t.Errorf("%d %+v", s, r)
	}
	if got := f.stored(); len(got["once"]) != 1 {
		t.Errorf("%v", got)
	}
}

// Letters that were chosen, and that an erasure then writes again at the end before it shortens their topic, are read where they lie now.
func TestRedriveOfLettersThatMove(t *testing.T) {
	f := start(t, Defaults())
	ids := f.refused(`{"event_id":"moves","event_type":"llm_request","data":{"duration_ms":-1}}`, `{"event_id":"goes","event_type":"llm_request","data":{"duration_ms":-1}}`)
	f.letter(ids[0]) // the index has it
	body := redriveBody{IDs: ids, Patch: json.RawMessage(`{"data":{"duration_ms":1}}`)}
	out := &Redrive{Counts: map[string]int{}}
	chosen, err := f.api.chosen(&body, out)
	if err != nil || len(chosen) != 2 {
		t.Fatal(chosen, err)
	}
	logs, err := f.bus.Offsets(t.Context(), event.TopicDeadLetters)
	if err != nil {
		t.Fatal(err)
	}
	ends := map[int32]int64{}
	for p, log := range logs[event.TopicDeadLetters] {
		ends[p] = log.End
	}
	producer, err := f.bus.NewProducer(bus.ProducerOptions{ManualPartition: true})
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for _, m := range f.all(event.TopicDeadLetters) {
		again := &bus.Message{Topic: m.Topic, Partition: m.Partition, Key: m.Key, Value: m.Value, Headers: m.Headers}
		if string(m.Key) != ids[0] { // a record of nobody, for the broker keeps the last one
			key, headers := (&event.DeadMark{ID: string(m.Key)}).Record()
			again.Key, again.Value, again.Headers = key, nil, nil
			for _, h := range headers {
				again.Headers = append(again.Headers, bus.Header(h))
			}
		}
		if err := producer.Send(t.Context(), []*bus.Message{again}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.bus.DeleteRecords(t.Context(), event.TopicDeadLetters, ends); err != nil {
		t.Fatal(err)
	}
	if err := f.api.redriveAll(t.Context(), &body, chosen, out); err != nil || out.Counts[didRedrive] != 1 || len(out.Counts) != 1 {
		t.Errorf("%+v, %v", out, err)
	}
	if got := f.stored(); len(got) != 1 || len(got["moves"]) != 1 {
		t.Errorf("stored %v", got)
	}
	if d := f.letter(ids[0]); d.State != "redriven" {
		t.Errorf("%+v", d)
	}
}

// markless refuses to write marks.
type markless struct{ sender }

func (m markless) Send(ctx context.Context, msgs []*bus.Message) error {
	if len(msgs) > 0 && msgs[0].Topic == event.TopicDeadLetters {
		return bus.ErrAway
	}
	return m.sender.Send(ctx, msgs)
}

func TestDeadLetterMetrics(t *testing.T) {
	reg := telemetry.NewRegistry()
	b := bustest.New(t)
	api, err := New(Defaults(), b, nil, reg)
	if err != nil {
		t.Fatal(err)
	}
	f := serve(t, api, b)
	f.refused(`{"event_type":"llm_request","data":{"duration_ms":-1}}`, `{"event_type":"none"}`)
	f.redrive(`{"filter":{"reason":"negative"},"patch":{"data":{"duration_ms":1}}}`)
	var sum DeadLetterSummary
	if s := f.call("GET", "/dead-letters/summary", nil, &sum); s != http.StatusOK {
		t.Fatal(s)
	}
	f.api.showLetters()
	w := httptest.NewRecorder()
	reg.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{`dead_letters{reason="negative",state="open"} 0`, `dead_letters{reason="negative",state="redriven"} 1`,
		`dead_letters{reason="unknown_event_type",state="open"} 1`, `dead_letters{reason="other",state="open"} 0`, `dead_letter_redrives_total{outcome="redriven"} 1`} {
		if !strings.Contains(w.Body.String(), line+"\n") {
			t.Errorf("no %s", line)
		}
	}
}

// An event that waits on our disk for the brokers is taken, and lies nowhere yet.
func TestRedriveOntoTheDisk(t *testing.T) {
	api := newAPI(Defaults(), &written{}, nil, telemetry.NewRegistry())
	out := &Redrive{Counts: map[string]int{}}
	tries := []attempt{{letter: &letter{}, dead: &event.DeadLetter{ID: "1"}}}
	if err := api.settleLetters(t.Context(), tries, []Outcome{{EventID: "e", Topic: "llm-requests", Partition: -1, Offset: held}}, out); err != nil {
		t.Fatal(err)
	}
	if r := out.Results[0]; r.Outcome != didRedrive || r.Partition != nil || r.Offset != nil {
		t.Errorf("%+v", r)
	}
}

// A letter that an erasure has written again, before it shortened the topic, is the same one with the same state: where this was seen, and where
// the topic is read anew. A mark that stayed where it was lies before its letter then.
func TestLettersThatWereWrittenAgain(t *testing.T) {
	f := start(t, Defaults())
	ids := f.refused(
		`{"event_type":"llm_request","data":{"model":"m","duration_ms":"redriven"}}`,
		`{"event_type":"llm_request","data":{"model":"m","duration_ms":"open"}}`,
		`{"event_type":"llm_request","data":{"model":"m","duration_ms":"erased"}}`)
	ends := map[int32]int64{}
	var again []*bus.Message
	for _, m := range f.all(event.TopicDeadLetters) {
		ends[m.Partition] = max(ends[m.Partition], m.Offset+1)
		if string(m.Key) != ids[2] {
			again = append(again, &bus.Message{Topic: m.Topic, Partition: m.Partition, Key: m.Key, Value: m.Value, Headers: m.Headers})
		} else { // a record that is none of these stays behind it
			again = append(again, &bus.Message{Topic: m.Topic, Partition: m.Partition, Key: []byte("x"), Headers: []bus.Header{{Key: "mark", Value: []byte("x")}}})
		}
	}
	if s, r := f.redrive(`{"ids":["` + ids[0] + `"],"patch":{"data":{"duration_ms":90}}}`); s != 200 {
		t.Fatalf("%d %+v", s, r)
	}
	out, err := f.bus.NewProducer(bus.ProducerOptions{ManualPartition: true})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := out.Send(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if err := f.bus.DeleteRecords(t.Context(), event.TopicDeadLetters, ends); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]*fixture{"where this was seen": f, "where the topic is read anew": secondAPI(t, f)} {
		var sum DeadLetterSummary
		for f.call("GET", "/dead-letters/summary", nil, &sum); sum.Total > 2; f.call("GET", "/dead-letters/summary", nil, &sum) { // until the index has noticed
		}
		if d := f.letter(ids[0]); d.State != "redriven" || d.RedriveCount != 1 {
			t.Errorf("%s: %+v", name, d)
		}
		if d := f.letter(ids[1]); d.State != "open" {
			t.Errorf("%s: %+v", name, d)
		}
		if s := f.call("GET", "/dead-letters/"+ids[2], nil, nil); s != 404 || sum.Total != 2 || sum.Redriven != 1 {
			t.Errorf("%s: %d, %+v", name, s, sum)
		}
	}
}
