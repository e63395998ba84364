package rule

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
)

const promised = `name: promised
type: burn_rate
when: event_type == "llm_request"
good: data.success == true
objective: 0.99
group_by: [model]
min_count: 10
`

// Objectives count every event once, from the moment on that it is judged, also when the steps are coarse.
func TestObjectives(t *testing.T) {
	r := one(t, promised)
	g, err := New([]Rule{r}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := g.Objectives(); len(got) != 0 {
		t.Errorf("without events: %+v", got)
	}
	var parser event.Parser
	n := int64(0)
	send := func(from, count, every int64, model string, good bool) {
		for i := range count {
			at := testBegin + (from+i*every)*second
			var e event.Event
			if bad := parser.Parse(fmt.Appendf(nil, `{"event_id":"e%d","event_type":"llm_request","timestamp":0,"data":{"model":%q,"success":%t}}`, n, model, good), &e); bad != nil {
				t.Fatal(bad)
			}
			e.Time = at
			g.Event(&e, Position{Kind: e.Kind, Offset: n})
			n++
			g.Advance(at + second)
		}
	}
	send(0, 1000, 1, "a", true)
	send(1000, 50, 1, "a", false)
	send(1050, 20, 1, "b", true)
	g.Advance(testBegin + 1100*second)
	got := g.Objectives()
	if len(got) != 2 || got[0].Key["model"] != "a" || got[1].Key["model"] != "b" {
		t.Fatalf("%+v", got)
	}
	a, b := got[0], got[1]
	if a.Total != 1050 || a.Good != 1000 || math.Abs(a.Budget.Remaining-(1-50/(1050*0.01))) > 1e-9 || a.Budget.Bad != 50 {
		t.Errorf("%+v", a)
	}
	if len(a.Burn) != len(pairs) || a.Burn[0].Class != "page" || a.Burn[0].Long.String() != "1h" || math.Abs(*a.Burn[0].Rate-50.0/1050/0.01) > 1e-9 || a.Burn[0].Holds || !a.Burn[2].Holds {
		t.Errorf("%+v", a.Burn)
	}
	if b.Total != 20 || b.Good != 20 || b.Budget.Remaining != 1 || *b.Burn[0].Rate != 0 {
		t.Errorf("%+v", b)
	}
	g.Advance(testBegin + 7200*second) // the short windows are empty, the long one is not
	if a := g.Objectives()[0]; a.Total != 1050 || a.Burn[0].Rate != nil || a.Burn[0].ShortRate != nil || a.Burn[2].Rate == nil {
		t.Errorf("two hours later: %+v", a)
	}
	g.Advance(testBegin + (longest+7200)*second)
	if got := g.Objectives(); len(got) != 2 || got[0].Total != 1050 || got[0].Good != 1000 || got[0].Burn[2].Rate != nil {
		t.Errorf("three days later: %+v", got)
	}
	for day := int64(5); day <= 31; day += 2 {
		g.Advance(testBegin + day*24*3600*second)
	}
	if got := g.Objectives(); len(got) != 0 || g.Stats().Groups != 0 {
		t.Errorf("a month later: %+v", got)
	}
}

// The budget is counted over the whole period, exactly, however often the state is written and read: each event of the whole hours of the
// period, and of the hour under way up to now. How much of the period was counted at all is said.
func TestBudgetOfThePeriod(t *testing.T) {
	r := one(t, promised+"period: 72h\n")
	for seed := range uint64(3) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		g, err := New([]Rule{r}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var events []event.Event
		now := int64(0)
		for now < 5*24*3600 {
			for range rnd.IntN(5) {
				e := call(float64(now), []string{"a", "b"}[rnd.IntN(2)], rnd.IntN(3) > 0)
				events = append(events, e)
				g.Event(&e, Position{Offset: int64(len(events))})
			}
			now += 1 + rnd.Int64N(5000)
			g.Advance(testBegin + now*second)
			if rnd.IntN(4) == 0 {
				next, err := New([]Rule{r}, Options{})
				if err != nil {
					t.Fatal(err)
				}
				if err := next.Import(exported(g)); err != nil {
					t.Fatal(err)
				}
				g = next
			}
			at := testBegin/second + now + 1 // the second under way is counted
			from := (at - 72*3600) / 3600 * 3600
			want := map[string][2]int64{}
			for _, e := range events {
				if e.Time >= from*second {
					n := want[e.Text(event.Model)]
					if n[0]++; !e.Bool(event.Success) {
						n[1]++
					}
					want[e.Text(event.Model)] = n
				}
			}
			got := map[string][2]int64{}
			for _, o := range g.Objectives() {
				got[o.Key["model"]] = [2]int64{o.Total, o.Budget.Bad}
				if complete := min(float64(at-testBegin/second)/float64(at-from), 1); math.Abs(o.Complete-complete) > 1e-4 {
					t.Fatalf("seed %d after %d s: completeness %v, want %v", seed, now, o.Complete, complete)
				}
			}
			if !maps.Equal(got, want) {
				t.Fatalf("seed %d after %d s: total and bad %v, want %v", seed, now, got, want)
			}
		}
	}
}

// A state of before there were budgets tells what its steps do: three days. A period that becomes longer is not whole at once.
func TestBudgetOfBefore(t *testing.T) {
	r := one(t, promised)
	g, err := New([]Rule{r}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(100) {
		e := call(float64(i*60), "a", i%10 > 0)
		g.Event(&e, Position{Offset: i})
		g.Advance(testBegin + (i+1)*60*second)
	}
	group := g.rules[0].all[0]
	if rebuilt := group.rebuilt(); !slices.Equal(rebuilt, group.budget) {
		t.Errorf("%v, want %v", rebuilt, group.budget)
	}
	longer, err := Compile([]Rule{one(t, promised+"period: 1440h\n")})
	if err != nil {
		t.Fatal(err)
	}
	g.rules[0].since = 1 // for ever
	g.Swap(longer)
	if o := g.Objectives()[0]; o.Total != 100 || o.Good != 90 || math.Abs(o.Complete-0.5) > 1e-2 {
		t.Errorf("%+v", o)
	}
	if of := g.Unknown(); len(of) != 0 { // the first hour that it knows of it knows whole
		t.Errorf("what it has counted would be counted again: %+v", of)
	}
}

// What an objective would have counted before it was there is found out once, counts in its budget, and outlives a restart. It makes nothing burn.
func TestObjectivesRecall(t *testing.T) {
	r := one(t, promised)
	g, err := New([]Rule{r}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	const begun = testBegin + 90*60*second
	event := func(at int64, model string, good bool) *event.Event {
		e := new(event.Event)
		e.Kind, e.Time, e.HasTime = event.LLMRequest, at, true
		e.SetText(event.Model, model)
		e.SetBool(event.Success, good)
		return e
	}
	g.Advance(begun)
	for i := range int64(100) {
		g.Event(event(begun+i*second, "a", true), Position{Kind: 1, Offset: i})
	}
	g.Advance(begun + 100*second)
	of := g.Unknown()
	if len(of) != 1 || of[0].Since != begun/second-1 {
		t.Fatalf("%+v", of)
	}
	past := g.program.Past(of)
	for i := range int64(200) { // by a quarter of an hour each 50; the last ones arrived when it counted already
		at := testBegin + i/50*900*second + i*second
		arrival := at
		if i >= 190 {
			arrival = begun
		}
		for _, model := range []string{"a", "b"} {
			if err := past.Event(event(at, model, i%10 > 0), arrival); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := past.Event(event(begun-60*24*3600*second, "a", false), 1); err != nil { // before its period
		t.Fatal(err)
	}
	from := floor(testBegin, 3600*second) * 3600
	if n := g.Recall(past, from); n != 1 || len(g.Unknown()) != 0 {
		t.Fatalf("%d objectives, unknown are %+v", n, g.Unknown())
	}
	if n := g.Recall(past, from); n != 0 {
		t.Error("it takes the same twice")
	}
	check := func(g *Engine) {
		t.Helper()
		got := g.Objectives()
		if len(got) != 2 || got[0].Total != 290 || got[0].Budget.Bad != 19 || got[1].Key["model"] != "b" || got[1].Total != 190 || got[1].Budget.Bad != 19 {
			t.Fatalf("%+v", got)
		}
		if got[1].Burn[0].Rate != nil || got[0].Burn[0].Holds {
			t.Errorf("what was before burns: %+v", got)
		}
		if days := got[0].Complete * 30 * 24 * 60; math.Abs(days-float64(begun/second+100-from)/60) > 61 {
			t.Errorf("counted for %v minutes", days)
		}
	}
	g.Advance(testBegin + 2*3600*second) // the hour is over
	check(g)
	back, err := New([]Rule{r}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := back.Import(exported(g)); err != nil {
		t.Fatal(err)
	}
	check(back)
	if len(back.Unknown()) != 0 {
		t.Error("it is to be told again after a restart")
	}
	g.Advance(testBegin + 40*24*3600*second)
	if got := g.Objectives(); len(got) != 0 {
		t.Errorf("when the period is over: %+v", got)
	}
}

// An objective that is new at a start does not claim the time before it: its past is found out, and it begins behind what was folded without it.
func TestObjectiveThatIsNewAtAStart(t *testing.T) {
	const begun = testBegin + 90*60*second
	before, err := New(nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	before.Advance(begun)
	g, err := New([]Rule{one(t, promised)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Import(exported(before)); err != nil {
		t.Fatal(err)
	}
	if of := g.Unknown(); len(of) != 0 {
		t.Errorf("it has not begun: %+v", of)
	}
	g.Begin(begun + 20*second) // the journal has what arrived until then
	if of := g.Unknown(); len(of) != 1 || of[0].Since != begun/second+25 {
		t.Fatalf("%+v, want one from %d on", of, begun/second+25)
	}
	folder := g.program.Folder()
	for _, at := range []int64{10, 30} {
		e := call(float64(90*60+at), "a", true)
		p := folder.Begin()
		folder.Event(p, &e, e.Time, Position{})
		g.Merge(p)
		p.Release()
	}
	g.Advance(testBegin + 3*3600*second)
	if all := g.Objectives(); len(all) != 1 || all[0].Total != 1 || all[0].Complete > 0.01 {
		t.Errorf("%+v, want one event and an hour of the period", all)
	}
}

// Each event counts once in the budget of an objective that is taken up while they come: those that were folded without it, and those that were
// folded for it before it begins, are counted of the past. Burn rates know of the latter at once.
func TestObjectiveBeginsBehindWhatIsInFlight(t *testing.T) {
	program, err := Compile([]Rule{one(t, promised)})
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	const begun = testBegin + 90*60*second
	g.Advance(begun)
	g.Swap(program)
	folder := program.Folder()
	arrivals := []int64{-1, 1, 10}
	var events []event.Event
	for _, at := range arrivals {
		e := call(float64(90*60+at), "a", true)
		events = append(events, e)
		if at < 0 {
			continue // a lane folded it by the rules of before
		}
		p := folder.Begin()
		folder.Event(p, &e, e.Time, Position{})
		g.Merge(p)
		p.Release()
	}
	g.Advance(begun + 60*second)
	if all := g.Objectives(); len(all) != 1 || all[0].Total != 2 {
		t.Fatalf("in the hour under way: %+v", all)
	}
	past := g.program.Past(g.Unknown())
	for i := range events {
		if err := past.Event(&events[i], events[i].Time); err != nil {
			t.Fatal(err)
		}
	}
	if n := g.Recall(past, floor(testBegin/second, 3600)*3600); n != 1 {
		t.Fatalf("%d objectives are told", n)
	}
	g.Advance(testBegin + 3*3600*second)
	if all := g.Objectives(); len(all) != 1 || all[0].Total != 3 {
		t.Errorf("%+v, want 3 events", all)
	}
}

// Events that are stamped ahead, all of one second, arrive on both sides of the beginning of an objective, in one flush and in several. Each counts
// once: those of before are of its past, which is not told before the last of them is seen.
func TestObjectiveBeginsAmongEventsStampedAhead(t *testing.T) {
	const begun = testBegin + 90*60*second
	for _, flushes := range []int{1, 2, 6} {
		program, err := Compile([]Rule{one(t, promised)})
		if err != nil {
			t.Fatal(err)
		}
		g, err := New(nil, Options{})
		if err != nil {
			t.Fatal(err)
		}
		g.Advance(begun)
		g.Swap(program)
		of := g.Unknown()
		folder := program.Folder()
		past := program.Past(of)
		for part := range flushes {
			p := folder.Begin()
			for i := part; i < 12; i += flushes {
				e := call(90*60+100.5, "a", true)
				arrival := begun + int64(i)*second + 1
				folder.Event(p, &e, arrival, Position{Offset: int64(i)})
				if err := past.Event(&e, arrival); err != nil {
					t.Fatal(err)
				}
			}
			read := NewPartials() // as another instance has it
			for _, block := range p.Blocks() {
				if err := read.Decode(block); err != nil {
					t.Fatal(err)
				}
			}
			g.Merge(read)
		}
		g.Advance(begun + 50*second)
		if !g.Expects(of[0]) {
			t.Fatalf("%d flushes: what arrived before it is not seen, and it expects nothing", flushes)
		}
		if e := g.Export(); !g.Expects(of[0]) {
			t.Error("it expects nothing while its state is written")
		} else {
			e.Abandon()
		}
		back, err := New([]Rule{one(t, promised)}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := back.Import(exported(g)); err != nil {
			t.Fatal(err)
		}
		for _, g := range []*Engine{g, back} {
			g.Advance(begun + 200*second)
			if g.Expects(of[0]) {
				t.Error("all is seen, and it expects more")
			}
			if n := g.Recall(past, floor(testBegin/second, 3600)*3600); n != 1 {
				t.Fatalf("%d objectives are told", n)
			}
			g.Advance(testBegin + 3*3600*second)
			if all := g.Objectives(); len(all) != 1 || all[0].Total != 12 {
				t.Errorf("%d flushes: %+v, want 12 events", flushes, all)
			}
		}
	}
}

// What is older than the longest window when it arrives counts nowhere: an objective that was there has not seen it, and of its past it is not told.
func TestPastKnowsOfNothingThatIsAncient(t *testing.T) {
	g, err := New([]Rule{one(t, promised)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	later, err := New([]Rule{one(t, promised)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	const begun = testBegin + 10*24*3600*second
	g.Advance(testBegin)
	later.Advance(begun)
	folder := g.program.Folder()
	past := later.program.Past(later.Unknown())
	for i, age := range []int64{0, 3600, longest, longest + 60, longest + 61, 5 * 24 * 3600, 9 * 24 * 3600} {
		arrival := begun - int64(10-i)*second
		e := call(float64((arrival-testBegin)/second-age), "a", true)
		p := folder.Begin()
		folder.Event(p, &e, arrival, Position{Offset: int64(i)})
		g.Merge(p)
		if err := past.Event(&e, arrival); err != nil {
			t.Fatal(err)
		}
	}
	if n := later.Recall(past, testBegin/second/3600*3600); n != 1 {
		t.Fatalf("%d objectives are told", n)
	}
	for name, g := range map[string]*Engine{"was there": g, "is told": later} {
		g.Advance(begun + 3600*second)
		if all := g.Objectives(); len(all) != 1 || all[0].Total != 4 {
			t.Errorf("the one that %s: %+v, want 4 events", name, all)
		}
	}
}
