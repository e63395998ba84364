package rule

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// placed is an event with its place and the time of its arrival.
type placed struct {
	event   event.Event
	arrival int64
	at      Position
}

// kindsOfRules is one rule of each type, which the events of drawLane make decide.
const kindsOfRules = `
- {name: ratio, type: ratio, of: data.success == false, op: '>', value: 0.3, window: 20s, for: 3s, keep_firing_for: 5s, group_by: [model]}
- {name: few, type: threshold, metric: requests, op: '<', value: 3, window: 7s, group_by: [model]}
- {name: p95, type: threshold, metric: latency_ms.p95, op: '>', value: 3500, window: 30s, group_by: [model]}
- {name: usage, type: threshold, metric: system.kv_cache_usage, op: '>=', value: 0.5, window: 9s}
- {name: rate, type: rate, metric: tokens.total, op: '>', value: 100, window: 4s}
- {name: absence, type: absence, window: 5s, group_by: [model]}
- {name: sequence, type: sequence, steps: [data.success == false, data.success == true, data.success == false], within: 9s, group_by: [model]}
- {name: across, type: sequence, steps: [data.success == false, 'event_type == "user_feedback"'], within: 9s, group_by: [model]}
- {name: single, type: sequence, steps: ['event_type == "user_feedback"'], within: 1s, keep_firing_for: 2s, group_by: [request_id]}
- {name: distinct, type: distinct, field: request_id, op: '>', value: 5, window: 15s, group_by: [model]}
- {name: burn, type: burn_rate, good: data.success == true, objective: 0.99, min_count: 5, group_by: [model]}
- {name: anomaly, type: anomaly, metric: tokens.total, op: '>', factor: 1.5, window: 10s, baseline: 30s, min_count: 2, group_by: [model], max_groups: 1}
`

func rulesOfAllTypes(t testing.TB) []Rule {
	t.Helper()
	rules, faults := Decode([]byte(kindsOfRules))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return rules
}

// drawLane makes the events of one partition, in the order of their arrival. They happened up to some seconds before, or a
// little after it by a clock that is wrong.
func drawLane(rnd *rand.Rand, kind event.Kind, partition int32, n int) (out []placed) {
	arrival := testBegin + rnd.Int64N(5*second)
	for i := range n {
		arrival += rnd.Int64N([]int64{tick / 8, second, 3 * second}[rnd.IntN(3)] + 1)
		at := arrival - rnd.Int64N([]int64{1, tick, 6 * second}[rnd.IntN(3)]) + rnd.Int64N([]int64{1, 1, 2 * second}[rnd.IntN(3)])
		e := call(float64(at-testBegin)/1e6, string(rune('a'+rnd.IntN(3))), rnd.IntN(3) > 0)
		e.Time, e.Kind = at, kind
		e.SetText(event.RequestID, fmt.Sprintf("r-%d-%d-%d", kind, partition, i))
		switch kind {
		case event.LLMRequest:
			e.SetInt(event.DurationMS, rnd.Int64N(4e9))
			e.SetInt(event.TotalTokens, rnd.Int64N(500))
		case event.SystemMetric:
			e.SetFloat(event.KVCacheUsage, rnd.Float64()*rnd.Float64()*1.5)
		}
		out = append(out, placed{e, arrival, Position{kind, partition, int64(i)}})
	}
	return out
}

// fold makes one unit of some events. Half of them travel over the journal.
func fold(t *rapid.T, f *Folder, events []placed, travels bool) *Partials {
	p := f.Begin()
	for i := range events {
		f.Event(p, &events[i].event, events[i].arrival, events[i].at)
	}
	if !travels {
		return p
	}
	there := NewPartials()
	for _, block := range p.Blocks() {
		if err := there.Decode(block); err != nil {
			t.Fatal(err)
		}
	}
	p.Release()
	return there
}

const lanesEnd = testBegin + 200*second

// inOrder is what one folder and one engine decide that see all events one after the other.
func inOrder(t *rapid.T, program *Program, lanes [][]placed) []Decision {
	all := slices.Concat(lanes...)
	slices.SortStableFunc(all, func(a, b placed) int { return cmp.Compare(a.arrival, b.arrival) })
	folder, engine := program.Folder(), NewEngine(program, Options{})
	var out []Decision
	for i := range all {
		p := fold(t, folder, all[i:i+1], false)
		out = append(out, engine.Merge(p)...)
		p.Release()
		out = append(out, engine.Advance(all[i].arrival)...)
	}
	return append(out, engine.Advance(lanesEnd)...)
}

// anyhow is what is decided when each lane folds for itself, in units of any size, that are merged in any order, by an engine that judges in
// stints of any size, with any number of them between, that is exported while more is merged, and that is replaced now and then by what was exported
// and what was merged since.
func anyhow(t *rapid.T, program *Program, lanes [][]placed) (out []Decision) {
	stint := rapid.IntRange(1, 200).Draw(t, "stint")
	made := func() *Engine {
		g := NewEngine(program, Options{})
		g.stint = stint
		return g
	}
	engine := made()
	var export *Export
	var since [][][]byte // the units that were merged since it began
	var told []Decision  // what they gave rise to
	folders := make([]*Folder, len(lanes))
	for i := range folders {
		folders[i] = program.Folder()
	}
	next := make([]int, len(lanes))
	for {
		clock, open := lanesEnd, []int{}
		for i, lane := range lanes {
			if next[i] < len(lane) {
				clock = min(clock, lane[next[i]].arrival)
				open = append(open, i)
			}
		}
		switch rapid.IntRange(0, 9).Draw(t, "next") {
		case 0, 1:
			if export == nil {
				some, _ := engine.Approach(clock - rapid.Int64Range(0, 3*second).Draw(t, "less"))
				out = append(out, some...)
			}
		case 2:
			if export == nil {
				out = append(out, engine.Complete()...)
				export, since, told = engine.Export(), nil, nil
				export.size = rapid.IntRange(1, 1000).Draw(t, "piece")
			} else if !export.Next() {
				engine, export = replaced(t, engine, made(), export, since, told), nil
			}
		default:
			if len(open) == 0 {
				export.Abandon()
				return append(out, engine.Advance(lanesEnd)...)
			}
			i := rapid.SampledFrom(open).Draw(t, "lane")
			to := min(next[i]+rapid.IntRange(1, 20).Draw(t, "events"), len(lanes[i]))
			p := fold(t, folders[i], lanes[i][next[i]:to], rapid.Bool().Draw(t, "travels"))
			blocks := p.Blocks()
			some := engine.Merge(p)
			if out = append(out, some...); export != nil {
				since, told = append(since, blocks), append(told, some...)
			}
			p.Release()
			next[i] = to
		}
	}
}

// replaced is an engine or, by chance, another one that takes up what was exported and merges what came since.
func replaced(t *rapid.T, engine, other *Engine, export *Export, since [][][]byte, told []Decision) *Engine {
	if rapid.Bool().Draw(t, "stays") {
		return engine
	}
	if err := other.Import(slices.Concat(export.Pieces...)); err != nil {
		t.Fatal(err)
	}
	var again []Decision
	for _, blocks := range since {
		p := NewPartials()
		for _, block := range blocks {
			if err := p.Decode(block); err != nil {
				t.Fatal(err)
			}
		}
		again = append(again, other.Merge(p)...)
		p.Release()
	}
	if got, want := sorted(again), sorted(told); got != want {
		t.Fatalf("what came since says\n%s\nwant\n%s", got, want)
	}
	return other
}

// sorted is the story of decisions, which single events may put out of order, with what caused them.
func sorted(decisions []Decision) string {
	lines := make([]string, len(decisions))
	for i := range decisions {
		lines[i] = strings.TrimSpace(story(decisions[i:i+1])) + fmt.Sprintf(" by %d", int64(decisions[i].CausedAt)-testBegin)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Decisions follow from the events, their arrival and their places alone.
func TestDecisionsFollowFromTheRecords(t *testing.T) {
	rules := rulesOfAllTypes(t)
	program, err := Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	decided := map[string]bool{}
	rapid.Check(t, func(t *rapid.T) {
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		var lanes [][]placed
		for partition := range int32(2) {
			lanes = append(lanes, drawLane(rnd, event.LLMRequest, partition, rnd.IntN(80)))
			lanes = append(lanes, drawLane(rnd, event.UserFeedback, partition, rnd.IntN(10)))
		}
		lanes = append(lanes, drawLane(rnd, event.SystemMetric, 0, rnd.IntN(20)))
		decisions := inOrder(t, program, lanes)
		for i := range decisions {
			decided[decisions[i].Rule] = true
		}
		if got, want := sorted(anyhow(t, program, lanes)), sorted(decisions); got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	})
	for _, r := range rules {
		if !decided[r.Name] {
			t.Errorf("%s decided nothing: nothing was tried", r.Name)
		}
	}
}

// What was folded comes out of blocks as it went in, and blocks that are damaged are refused.
func FuzzPartials(f *testing.F) {
	rules := rulesOfAllTypes(f)
	program, err := Compile(rules)
	if err != nil {
		f.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, kind := range event.Kinds {
		folder := program.Folder()
		p := folder.Begin()
		for _, x := range drawLane(rnd, kind, 0, 30) {
			folder.Event(p, &x.event, x.arrival, x.at)
		}
		for _, block := range p.Blocks() {
			f.Add(block)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p := NewPartials()
		if p.Decode(data) != nil {
			return
		}
		again := NewPartials()
		for _, block := range p.Blocks() {
			if err := again.Decode(block); err != nil {
				t.Fatal(err)
			}
		}
		engine := NewEngine(program, Options{})
		engine.Advance(testBegin)
		engine.Merge(p)
		engine.Merge(again)
		engine.Advance(testBegin + 60*second)
		other := NewEngine(program, Options{})
		if err := other.Import(exported(engine)); err != nil {
			t.Fatal(err)
		}
		p.Release()
		again.Release()
	})
}
