package rule

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// An engine that is saved and taken up at any second goes on as if nothing had been.
func TestSnapshot(t *testing.T) {
	rules := []Rule{
		one(t, "name: ratio\ntype: ratio\nof: data.success == false\nop: '>'\nvalue: 0.3\nwindow: 20s\nfor: 3s\nkeep_firing_for: 5s\ngroup_by: [model]"),
		one(t, "name: p95\ntype: threshold\nmetric: latency_ms.p95\nop: '>'\nvalue: 3500\nwindow: 30s\ngroup_by: [model]"),
		one(t, "name: absence\ntype: absence\nwindow: 5s\ngroup_by: [model]"),
		one(t, "name: sequence\ntype: sequence\nsteps: [data.success == false, data.success == true, data.success == false]\nwithin: 9s\ngroup_by: [model]"),
		one(t, "name: distinct\ntype: distinct\nfield: request_id\nop: '>'\nvalue: 8\nwindow: 15s\ngroup_by: [model]"),
		one(t, "name: burn\ntype: burn_rate\ngood: data.success == true\nobjective: 0.99\nmin_count: 5\ngroup_by: [model]"),
		one(t, "name: anomaly\ntype: anomaly\nmetric: tokens.total\nop: '>'\nfactor: 1.5\nwindow: 10s\nbaseline: 30s\nmin_count: 2\ngroup_by: [model]"),
	}
	rnd := rand.New(rand.NewPCG(9, 10))
	for range 10 {
		events := traffic(rnd, 250, 120)
		want := story(play(t, rules, events, 150, nil))
		for _, r := range rules {
			if !strings.Contains(want, r.Name) {
				t.Fatalf("%s decided nothing", r.Name)
			}
		}
		cut := 1 + rnd.Int64N(149)
		if got := story(broken(t, rules, events, 150, cut)); got != want {
			t.Fatalf("saved at %d\ngot\n%s\nwant\n%s", cut, got, want)
		}
	}
}

// broken is play with an engine that is replaced at a second.
func broken(t *testing.T, rules []Rule, events []event.Event, end, cut int64) (out []Decision) {
	engine, err := New(rules, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for now := int64(0); now <= end; now++ {
		for i := range events {
			if at := events[i].Time - testBegin; at >= (now-1)*second && at < now*second {
				engine.Event(&events[i], Position{Offset: int64(i)})
			}
		}
		if now == cut {
			engine.Advance(engine.Now() + 1) // takes in what Event got
			saved := exported(engine)
			if engine, err = New(rules, Options{}); err != nil {
				t.Fatal(err)
			}
			if err := engine.Import(saved); err != nil {
				t.Fatal(err)
			}
		}
		out = append(out, engine.Advance(testBegin+now*second)...)
	}
	return out
}

// A rule that was changed begins anew; the others go on.
func TestSnapshotOfAChangedRule(t *testing.T) {
	old, kept := one(t, plain), one(t, strings.Replace(plain, "name: x", "name: y", 1))
	engine, err := New([]Rule{old, kept}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	e := call(0, "a", true)
	engine.Event(&e, Position{})
	engine.Advance(testBegin + tick)
	saved := exported(engine)
	changed := one(t, strings.Replace(plain, "60s", "61s", 1))
	if engine, err = New([]Rule{changed, kept}, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := engine.Import(saved); err != nil {
		t.Fatal(err)
	}
	if n := engine.Stats().Groups; n != 1 {
		t.Errorf("%d groups, want that of y", n)
	}
	for name, bad := range map[string][]byte{
		"nothing": nil, "text": []byte("{}"), "another form": append([]byte(snapshotMagic), 9), "half of it": saved[:len(saved)/2], "more than it": append(slices.Clone(saved), 0),
		"another time": bytes.Replace(saved, binary.AppendVarint(nil, engine.Now()), binary.AppendVarint(nil, engine.Now()+second), 1),
	} {
		if engine.Import(bad) == nil {
			t.Errorf("taken: %s", name)
		}
	}
	if n := engine.Stats().Groups; n != 1 {
		t.Errorf("%d groups after what was refused", n)
	}
}

// Whatever a snapshot holds, it is refused, or the engine runs on.
func FuzzImport(f *testing.F) {
	rules := []Rule{
		one(f, "name: a\ntype: ratio\nof: data.success == false\nop: '>'\nvalue: 0.3\nwindow: 20s\ngroup_by: [model]"),
		one(f, "name: b\ntype: threshold\nmetric: latency_ms.p95\nop: '>'\nvalue: 0\nwindow: 20s"),
		one(f, "name: c\ntype: sequence\nsteps: [data.success == false, data.success == true]\nwithin: 9s\ngroup_by: [model]"),
		one(f, "name: d\ntype: burn_rate\ngood: data.success == true\nobjective: 0.99\nmin_count: 1"),
	}
	engine, err := New(rules, Options{})
	if err != nil {
		f.Fatal(err)
	}
	engine.Advance(testBegin)
	for i := range 9 {
		e := call(float64(i), "a", i%3 == 0)
		e.SetInt(event.DurationMS, int64(i)*1e9)
		engine.Event(&e, Position{Offset: int64(i)})
	}
	engine.Advance(testBegin + 5*second)
	f.Add(exported(engine))
	f.Fuzz(func(t *testing.T, data []byte) {
		engine, err := New(rules, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if engine.Import(data) != nil {
			return
		}
		e := call(6, "a", true)
		engine.Event(&e, Position{})
		for _, d := range engine.Advance(testBegin + 20*second) {
			if _, err := json.Marshal(d); err != nil {
				t.Fatal(err)
			}
		}
		again, err := New(rules, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Import(exported(engine)); err != nil {
			t.Fatal(err)
		}
	})
}

// Events that are older than allowed change nothing.
func TestLate(t *testing.T) {
	engine, err := New([]Rule{one(t, plain)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	engine.Advance(testBegin + 100*second)
	for i := range 10 {
		e := call(89.9-float64(i), "a", true)
		engine.Event(&e, Position{})
	}
	if d := engine.Advance(testBegin + 110*second); len(d) != 0 {
		t.Errorf("got %v", d)
	}
	if s := engine.Stats(); s.Late != 10 || s.Groups != 0 {
		t.Errorf("got %+v", s)
	}
}

// A stranger's keys cost bounded memory: a ratio counts them together, absence passes them over.
func TestTooManyGroups(t *testing.T) {
	engine, err := New([]Rule{
		one(t, "name: ratio\ntype: ratio\nof: data.success == false\nop: '>'\nvalue: 0.5\nmin_count: 100\nwindow: 60s\ngroup_by: [model]\nmax_groups: 10"),
		one(t, "name: silent\ntype: absence\nwindow: 600s\ngroup_by: [model]\nmax_groups: 10"),
	}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	engine.Advance(testBegin)
	for i := range 1000 {
		e := call(float64(i)/100, fmt.Sprint("m", i), false)
		engine.Event(&e, Position{Offset: int64(i)})
	}
	decisions := engine.Advance(testBegin + 10*second)
	if len(decisions) != 1 || decisions[0].Key["model"] != "__other__" || decisions[0].Value != 1 {
		t.Errorf("got %v", decisions)
	}
	if s := engine.Stats(); s.Groups != 21 || s.Overflow != 2*990 || s.Bytes > 1<<20 {
		t.Errorf("got %+v", s)
	}
	engine.Advance(testBegin + 26*3600*second)
	if s := engine.Stats(); s.Groups != 0 {
		t.Errorf("after a day: %+v", s)
	}
}

// A decision says what people need to look further.
func TestDecisionExplains(t *testing.T) {
	r := one(t, "name: x\ntype: ratio\nof: data.success == false\nop: '>'\nvalue: 0.5\nwindow: 60s\ngroup_by: [model]\nlabels: {team: red}\nseverity: critical")
	var events []event.Event
	for i := range 40 {
		e := call(float64(i), "a", i%4 == 0)
		e.SetText(event.Tenant, "t1")
		if i%4 == 1 {
			e.SetText(event.ErrorType, "timeout")
		}
		events = append(events, e)
	}
	decisions := play(t, []Rule{r}, events, 200, nil)
	if len(decisions) != 2 || decisions[0].State != Firing || decisions[1].State != Resolved || decisions[0].ID != decisions[1].ID {
		t.Fatalf("got %v", decisions)
	}
	text, err := json.Marshal(decisions[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"labels":{"alertname":"x","model":"a","team":"red"}`, `"severity":"critical"`, `"key":{"model":"a"}`, `{"field":"tenant","value":"t1","share":1,"of":`,
		`"ends_at":"2026-01-01T00:01:40Z"`, `"request_ids":["r-a-39.000000"`, `"starts_at":"2026-01-01T00:00:02.25Z"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	if strings.Contains(string(text), "r-a-36.") { // a success
		t.Errorf("a success is shown as an example: %s", text)
	}
}

func benchmark(b *testing.B, rules []Rule) {
	engine, err := New(rules, Options{})
	if err != nil {
		b.Fatal(err)
	}
	events := benchmarkEvents()
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		e := &events[n%len(events)]
		e.Time = testBegin + int64(n)*second/300_000 // 300,000 events in a second
		engine.Event(e, Position{Offset: int64(n)})
		if n++; n%300_000 == 0 {
			engine.Advance(testBegin + int64(n)*second/300_000)
		}
	}
}

// benchmarkEvents are requests as they come, 300,000 in a second.
func benchmarkEvents() []event.Event {
	rnd := rand.New(rand.NewPCG(1, 1))
	events := make([]event.Event, 4096)
	for i := range events {
		events[i] = call(0, fmt.Sprint("model-", rnd.IntN(20)), rnd.IntN(50) > 0)
		events[i].SetText(event.UserID, fmt.Sprint("u", rnd.IntN(500)))
		events[i].SetText(event.Tenant, fmt.Sprint("t", rnd.IntN(30)))
		events[i].SetInt(event.DurationMS, rnd.Int64N(2e9))
		events[i].SetInt(event.TTFT, rnd.Int64N(1e9))
		events[i].SetInt(event.Cost, rnd.Int64N(1e6))
	}
	return events
}

// The cost of an event on its lane, in units of 5,000.
func BenchmarkFold(b *testing.B) {
	program, err := Compile(Pack())
	if err != nil {
		b.Fatal(err)
	}
	events, folder := benchmarkEvents(), program.Folder()
	p, n := folder.Begin(), 0
	b.ReportAllocs()
	for b.Loop() {
		e := &events[n%len(events)]
		e.Time = testBegin + int64(n)*second/300_000
		folder.Event(p, e, e.Time, Position{Offset: int64(n)})
		if n++; n%5000 == 0 {
			p.Release()
			p = folder.Begin()
		}
	}
}

// The cost of an event from the lane to the decision, in units of 5,000 that are written, too.
func BenchmarkFoldAndJudge(b *testing.B) {
	program, err := Compile(Pack())
	if err != nil {
		b.Fatal(err)
	}
	events, folder, engine := benchmarkEvents(), program.Folder(), NewEngine(program, Options{})
	p, n, written := folder.Begin(), 0, 0
	b.ReportAllocs()
	for b.Loop() {
		e := &events[n%len(events)]
		e.Time = testBegin + int64(n)*second/300_000
		folder.Event(p, e, e.Time, Position{Offset: int64(n)})
		if n++; n%5000 == 0 {
			for _, block := range p.Blocks() {
				written += len(block)
			}
			engine.Merge(p)
			engine.Advance(e.Time)
			p.Release()
			p = folder.Begin()
		}
	}
	b.ReportMetric(float64(written)/float64(n), "written-B/op")
}

// The cost of an event, Advance each second included.
func BenchmarkPack(b *testing.B) { benchmark(b, Pack()) }

// A thousand rules about models that the events are not of.
func BenchmarkOthers(b *testing.B) {
	var rules []Rule
	for i := range MaxRules {
		rules = append(rules, one(b, fmt.Sprintf("name: x%d\ntype: threshold\nwhen: event_type == \"llm_request\" && data.model == \"other-%d\"\nmetric: requests\nop: '>'\nvalue: 1\nwindow: 60s", i, i)))
	}
	benchmark(b, rules)
}

// Who catches up does so second by second, with the same decisions; more than a day is not caught up with.
func TestApproach(t *testing.T) {
	rules, faults := Decode([]byte("- {name: quiet, type: absence, window: 5s, keep_firing_for: 1m, group_by: [model]}\n"))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	engine := func() *Engine {
		g, err := New(rules, Options{})
		if err != nil {
			t.Fatal(err)
		}
		e := call(0, "a", true)
		g.Event(&e, Position{})
		g.Advance(testBegin + second)
		return g
	}
	const away = 3600
	whole := engine().Advance(testBegin + away*second)
	g, steps := engine(), 0
	var out []Decision
	for there := false; !there; steps++ {
		var some []Decision
		before := g.Now()
		some, there = g.Approach(testBegin + away*second)
		out = append(out, some...)
		if gain := g.Now() - before; gain <= 0 || gain > second {
			t.Fatalf("went on by %d µs at once", gain)
		}
	}
	if len(whole) == 0 || story(out) != story(whole) {
		t.Errorf("step by step\n%s\nat once\n%s", story(out), story(whole))
	}
	g = engine()
	for there, n := false, 0; !there; n++ {
		if _, there = g.Approach(testBegin + 365*86_400*second); n > 86_400 {
			t.Fatal("a year is caught up with")
		}
	}
}

// Ten thousand groups of each rule of the pack that has so many: how long is nothing merged at most, while a tick is judged and while the state
// is written, and what that takes.
func BenchmarkManyGroups(b *testing.B) {
	program, err := Compile(Pack())
	if err != nil {
		b.Fatal(err)
	}
	const groups = 10_000
	folder, g := program.Folder(), NewEngine(program, Options{})
	rnd := rand.New(rand.NewPCG(1, 1))
	now := testBegin
	p := folder.Begin()
	traffic := func(seconds int) {
		for range seconds * groups {
			e := call(0, fmt.Sprint("m", rnd.IntN(groups)), rnd.IntN(50) > 0)
			now += second / groups
			e.Time = now
			e.SetText(event.UserID, fmt.Sprint("u", rnd.IntN(groups)))
			e.SetText(event.Tenant, fmt.Sprint("t", rnd.IntN(groups)))
			e.SetInt(event.TotalTokens, rnd.Int64N(2000))
			e.SetInt(event.DurationMS, rnd.Int64N(1e10))
			e.SetInt(event.TTFT, rnd.Int64N(1e9))
			e.SetInt(event.Cost, rnd.Int64N(1e6))
			folder.Event(p, &e, now, Position{})
			if now%(second/20) == 0 {
				g.Merge(p)
				p.Release()
				p = folder.Begin()
			}
		}
	}
	for range 40 {
		traffic(1)
		g.Advance(now)
	}
	var stint, look, piece, whole time.Duration
	var bytes int
	for b.Loop() {
		traffic(1)
		all := time.Now()
		for there := false; !there; {
			one := time.Now()
			_, there = g.Approach(now)
			stint = max(stint, time.Since(one))
		}
		look = max(look, time.Since(all))
		all = time.Now()
		e := g.Export()
		for more := true; more; {
			one := time.Now()
			more = e.Next()
			piece = max(piece, time.Since(one))
		}
		whole = max(whole, time.Since(all))
		bytes = 0
		for _, p := range e.Pieces {
			bytes += len(p)
		}
	}
	s := g.Stats()
	b.ReportMetric(float64(stint.Microseconds())/1e3, "ms/stint")
	b.ReportMetric(float64(look.Microseconds())/1e3, "ms/look")
	b.ReportMetric(float64(piece.Microseconds())/1e3, "ms/piece")
	b.ReportMetric(float64(whole.Microseconds())/1e3, "ms/export")
	b.ReportMetric(float64(bytes)/1e6, "MB/export")
	b.ReportMetric(float64(s.Bytes)/1e6, "MB/engine")
	b.ReportMetric(float64(s.Groups), "groups")
}

// Which values a full group of distinct ones keeps follows from the events, also of one second that arrived in two: the state of all who read them is
// the same.
func TestFullGroupKeepsTheSameValues(t *testing.T) {
	rules := []Rule{one(t, "name: full\ntype: distinct\nfield: user_id\nop: '>'\nvalue: 100\nwindow: 15s\ngroup_by: [model]")}
	program, err := Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	folder := program.Folder()
	p := folder.Begin()
	for i := range 2 * MaxDistinct {
		e := call(3.5, "m", true) // is seen when all have arrived
		e.SetText(event.UserID, fmt.Sprint(i))
		folder.Event(p, &e, testBegin+int64(i%2)*second+1, Position{Offset: int64(i)})
	}
	var want []byte
	for i := range 12 {
		g, err := New(rules, Options{})
		if err != nil {
			t.Fatal(err)
		}
		g.Advance(testBegin)
		read := NewPartials()
		for _, block := range p.Blocks() {
			if err := read.Decode(block); err != nil {
				t.Fatal(err)
			}
		}
		g.Merge(read)
		g.Advance(testBegin + 5*second)
		got := exported(g)
		if i == 0 {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("engine %d keeps others than the first", i)
		}
	}
}

// A partial has no more samples than can be read back, also where the arrivals of a unit go back and forth between two seconds, as they do by the
// clocks of two producers.
func TestPartialsCanBeReadBack(t *testing.T) {
	program, err := Compile([]Rule{one(t, "name: slow\ntype: threshold\nmetric: latency_ms.p95\nop: '>'\nvalue: 3500\nwindow: 30s\ngroup_by: [model]")})
	if err != nil {
		t.Fatal(err)
	}
	folder := program.Folder()
	p := folder.Begin()
	for i := range 200 {
		e := call(3.5, "m", true)
		e.SetInt(event.DurationMS, 1e9)
		folder.Event(p, &e, testBegin+(4+int64(i%2))*second, Position{Offset: int64(i)})
	}
	for _, block := range p.Blocks() {
		if err := NewPartials().Decode(block); err != nil {
			t.Error(err)
		}
	}
}
