package rule

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// verdict is what brute force says of a key at a tick: whether the rule is looked at between the seconds, whether it holds, and by
// which number.
type verdict struct {
	early bool
	holds bool
	value float64
}

// expected turns ticks into the alerts that must follow, by the words of the language alone: an alert fires once it held for r.For,
// and resolves once it has not held for r.KeepFiringFor; between whole seconds only what holds counts.
func expected(r Rule, key string, end int64, at func(tick int64) verdict) string {
	var b strings.Builder
	state, start, held := none, int64(0), int64(0)
	tell := func(t int64, rest string) {
		fmt.Fprintf(&b, "%.2f %s %s%s\n", float64(t)/float64(ticks), key, state, rest)
	}
	for t := int64(0); t <= end*ticks; t++ {
		m := at(t)
		if t%ticks != 0 && !(m.early && m.holds) {
			continue
		}
		if m.holds {
			held = t
		}
		switch {
		case m.holds && state == none:
			start, state = t, Pending
			if r.For == 0 {
				state = Firing
			}
			tell(t, fmt.Sprintf(" %.9g", m.value))
		case m.holds && state == Pending && t-start >= r.For.seconds()*ticks:
			state = Firing
			tell(t, fmt.Sprintf(" %.9g", m.value))
		case !m.holds && state == Pending:
			state = Lapsed
			tell(t, "")
			state = none
		case !m.holds && state == Firing && t-held >= r.KeepFiringFor.seconds()*ticks:
			state = Resolved
			tell(t, "")
			state = none
		}
	}
	return b.String()
}

// told lists the decisions of a key in the same words.
func toldOf(decisions []Decision, model string) string {
	var b strings.Builder
	for _, d := range decisions {
		if d.Key["model"] != model {
			continue
		}
		fmt.Fprintf(&b, "%.2f %s %s", float64(int64(d.At)-testBegin)/1e6, model, d.State)
		if d.State == Pending || d.State == Firing {
			fmt.Fprintf(&b, " %.9g", d.Value)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// within are the events of a model from a second on that are seen at a tick.
func within(events []event.Event, model string, from, seen int64) (out []event.Event) {
	for _, e := range events {
		if e.Text(event.Model) == model && e.Time >= testBegin+from*second && e.Time < testBegin+seen*tick {
			out = append(out, e)
		}
	}
	return out
}

// window are the events that a rule sees at a tick: those of the window that ends with the second. early says that the tick
// brought some.
func window(r Rule, events []event.Event, model string, t int64) (seen []event.Event, early bool) {
	seen = within(events, model, (t+ticks-1)/ticks-r.Window.seconds(), t)
	for _, e := range seen {
		early = early || e.Time >= testBegin+(t-1)*tick
	}
	return seen, early
}

// traffic is requests of three models that come in bursts, with some feedback in between.
func traffic(rnd *rand.Rand, n int, end float64) (out []event.Event) {
	at := map[string]float64{"a": 0, "b": 0, "c": 0}
	bad := 0.1
	for range n {
		model := string(rune('a' + rnd.IntN(3)))
		if rnd.IntN(20) == 0 {
			bad = []float64{0, 0.2, 0.9}[rnd.IntN(3)]
		}
		at[model] += rnd.ExpFloat64() * []float64{0.2, 1, 4}[rnd.IntN(3)]
		if at[model] >= end {
			continue
		}
		e := call(math.Floor(at[model]*1e6)/1e6, model, rnd.Float64() >= bad)
		e.SetInt(event.DurationMS, rnd.Int64N(4e9))
		e.SetInt(event.TotalTokens, rnd.Int64N(500))
		if rnd.IntN(5) == 0 {
			e.SetInt(event.Cost, rnd.Int64N(1e9))
		}
		out = append(out, e)
	}
	return out
}

const trials = 24

func check(t *testing.T, rnd *rand.Rand, r Rule, events []event.Event, at func(model string, tick int64) verdict) {
	t.Helper()
	const end = 150
	decisions := play(t, []Rule{r}, events, end, nil)
	for _, model := range []string{"a", "b", "c"} {
		want := expected(r, model, end, func(tick int64) verdict { return at(model, tick) })
		if got := toldOf(decisions, model); got != want {
			t.Fatalf("%s of %+v\ngot\n%s\nwant\n%s", model, r, got, want)
		}
	}
	if got, want := story(play(t, []Rule{r}, events, end, rnd)), story(decisions); got != want {
		t.Fatalf("other order, other decisions\ngot\n%s\nwant\n%s", got, want)
	}
}

func random(rnd *rand.Rand) string {
	return fmt.Sprintf("for: %ds\nkeep_firing_for: %ds\nwindow: %ds\ngroup_by: [model]\n", rnd.IntN(3)*rnd.IntN(6), rnd.IntN(2)*rnd.IntN(20), 1+rnd.IntN(40))
}

// A threshold says what a cell of agg over the window says.
func TestThresholdIsBruteForce(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	metrics := []string{"requests", "errors", "error_rate", "tokens.total", "cost_usd", "latency_ms.avg", "latency_ms.p95", "latency_ms.max", "throughput_rps", "unpriced_requests"}
	fires := 0
	for i := range trials {
		name := metrics[i%len(metrics)]
		events := traffic(rnd, 200, 120)
		value := map[string]float64{"requests": 8, "errors": 4, "error_rate": 0.4, "tokens.total": 2000, "cost_usd": 1, "latency_ms.avg": 2000, "latency_ms.p95": 3700, "latency_ms.max": 3900, "throughput_rps": 0.5, "unpriced_requests": 5}[name]
		r := one(t, fmt.Sprintf("name: x\ntype: threshold\nmetric: %s\nop: '>'\nvalue: %g\n%s", name, value, random(rnd)))
		metric, _ := agg.ParseMetric(name)
		check(t, rnd, r, events, func(model string, t int64) verdict {
			var c agg.Cell
			seen, early := window(r, events, model, t)
			for i := range seen {
				c.Add(&seen[i], false)
			}
			v, ok := metric.Of(&c, float64(r.Window.seconds()))
			if ok && !c.Empty() && v > value {
				fires++
			}
			return verdict{early, ok && !c.Empty() && v > value, v}
		})
	}
	if fires < trials {
		t.Errorf("the rules held in %d seconds only: nothing was tried", fires)
	}
}

func TestRatioIsBruteForce(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	fires := 0
	for range trials {
		events := traffic(rnd, 250, 120)
		least := 1 + rnd.IntN(8)
		r := one(t, fmt.Sprintf("name: x\ntype: ratio\nwhen: event_type == \"llm_request\"\nof: data.success == false\nop: '>='\nvalue: 0.5\nmin_count: %d\n%s", least, random(rnd)))
		check(t, rnd, r, events, func(model string, t int64) verdict {
			all, early := window(r, events, model, t)
			bad := 0
			for _, e := range all {
				if !e.Bool(event.Success) {
					bad++
				}
			}
			m := verdict{early, len(all) >= least && 2*bad >= len(all), float64(bad) / float64(max(len(all), 1))}
			if m.holds {
				fires++
			}
			return m
		})
	}
	if fires < trials {
		t.Errorf("the rules held in %d seconds only: nothing was tried", fires)
	}
}

// A rate is the sum over the window for each of its seconds.
func TestRateIsBruteForce(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 10))
	fires := 0
	for range trials / 3 {
		events := traffic(rnd, 250, 120)
		r := one(t, "name: x\ntype: rate\nmetric: tokens.total\nop: '>='\nvalue: 150\n"+random(rnd))
		check(t, rnd, r, events, func(model string, t int64) verdict {
			seen, early := window(r, events, model, t)
			sum := int64(0)
			for i := range seen {
				sum += seen[i].Int(event.TotalTokens)
			}
			rate := float64(sum) / float64(r.Window.seconds())
			m := verdict{early, len(seen) > 0 && rate >= 150, rate}
			if m.holds {
				fires++
			}
			return m
		})
	}
	if fires < trials {
		t.Errorf("the rules held in %d seconds only: nothing was tried", fires)
	}
}

// Distinct values are counted one by one; events without the field count for none.
func TestDistinctIsBruteForce(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	fires := 0
	for range trials / 3 {
		events := traffic(rnd, 250, 120)
		for i := range events {
			if rnd.IntN(4) > 0 {
				events[i].SetText(event.UserID, fmt.Sprint("u", rnd.IntN(9)))
			}
		}
		r := one(t, "name: x\ntype: distinct\nfield: user_id\nop: '>'\nvalue: 4\n"+random(rnd))
		check(t, rnd, r, events, func(model string, t int64) verdict {
			seen, early := window(r, events, model, t)
			users := map[string]bool{}
			for i := range seen {
				if seen[i].Has(event.UserID) {
					users[seen[i].Text(event.UserID)] = true
				}
			}
			m := verdict{early, len(users) > 4, float64(len(users))}
			if m.holds {
				fires++
			}
			return m
		})
	}
	if fires < trials {
		t.Errorf("the rules held in %d seconds only: nothing was tried", fires)
	}
}

func TestAbsenceIsBruteForce(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range trials {
		events := traffic(rnd, 60, 120)
		r := one(t, "name: x\ntype: absence\nwhen: event_type == \"llm_request\"\n"+random(rnd))
		check(t, rnd, r, events, func(model string, t int64) verdict {
			last := int64(-1)
			for _, e := range within(events, model, 0, t) {
				last = max(last, e.Time)
			}
			silent := testBegin + t*tick - last
			return verdict{false, last >= 0 && silent >= r.Window.seconds()*second, float64(silent) / 1e6}
		})
	}
}

// An anomaly is the sum of the window against that of the baseline before it, as far as the key was known.
func TestAnomalyIsBruteForce(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	fires := 0
	for range trials {
		events := traffic(rnd, 250, 120)
		factor := 1 + rnd.Float64()
		window := 2 + rnd.Int64N(8)
		baseline := 2*window + rnd.Int64N(20)
		r := one(t, fmt.Sprintf("name: x\ntype: anomaly\nmetric: tokens.total\nop: '>'\nfactor: %g\nwindow: %ds\nbaseline: %ds\nmin_count: 2\ngroup_by: [model]", factor, window, baseline))
		check(t, rnd, r, events, func(model string, t int64) verdict {
			from := (t+ticks-1)/ticks - window
			first := known(within(events, model, 0, t), window+baseline)
			start := max(from-baseline, first)
			var now, before, usual, value int64
			early := false
			for _, e := range within(events, model, start, t) {
				early = early || e.Time >= testBegin+(t-1)*tick
				if e.Time >= testBegin+from*second {
					now, value = now+1, value+e.Int(event.TotalTokens)
				} else {
					before, usual = before+1, usual+e.Int(event.TotalTokens)
				}
			}
			m := verdict{early, false, float64(value)}
			m.holds = 2*(from-start) >= baseline && now >= 2 && before >= 2 && m.value > factor*(float64(usual)*(float64(window)/float64(from-start)))
			if m.holds {
				fires++
			}
			return m
		})
	}
	if fires < trials {
		t.Errorf("the rules held in %d ticks only: nothing was tried", fires)
	}
}

// known is the second from which on a key is known whose events are these: it is forgotten when all it has done is too old.
func known(events []event.Event, reach int64) (first int64) {
	last := int64(-1 << 40)
	at := slices.Clone(events)
	slices.SortFunc(at, func(a, b event.Event) int { return int(min(max(a.Time-b.Time, -1), 1)) })
	for i := range at {
		s := (at[i].Time - testBegin) / second
		if s > last+reach {
			first = s
		}
		last = s
	}
	return first
}

// A sequence is found at the first event that ends one, whichever events of it one takes, and the next begins behind it.
func TestSequenceIsBruteForce(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	found := 0
	for range 3 * trials {
		events := traffic(rnd, 120, 120)
		steps := 2 + rnd.IntN(3)
		conditions := make([]string, steps)
		wants := make([]bool, steps)
		for i := range steps {
			wants[i] = rnd.IntN(2) == 0
			conditions[i] = fmt.Sprintf("data.success == %v", wants[i])
		}
		r := one(t, fmt.Sprintf("name: x\ntype: sequence\nsteps: ['%s']\nwithin: %ds\nkeep_firing_for: 1s\ngroup_by: [model]\n", strings.Join(conditions, "', '"), 1+rnd.IntN(12)))
		ends := map[string]map[int64]int{} // by model and tick
		for _, model := range []string{"a", "b", "c"} {
			ends[model] = matchTicks(within(events, model, 0, 1000*ticks), wants, micros(r.Within))
			found += len(ends[model])
		}
		check(t, rnd, r, events, func(model string, t int64) verdict {
			return verdict{true, ends[model][t-1] > 0, float64(ends[model][t-1])}
		})
	}
	if found < trials {
		t.Errorf("only %d sequences: nothing was tried", found)
	}
}

func micros(d Duration) int64 { return d.seconds() * second }

// matchTicks finds the sequences by trying all ways to choose their events.
func matchTicks(events []event.Event, wants []bool, within int64) map[int64]int {
	out := map[int64]int{}
	begin := 0
	for i := range events {
		if ways(events[begin:i+1], wants, within) {
			out[(events[i].Time-testBegin)/tick]++
			begin = i + 1
		}
	}
	return out
}

// ways tells whether wants can be chosen from events, in order, with the last one as the last.
func ways(events []event.Event, wants []bool, within int64) bool {
	last := len(events) - 1
	var try func(from, step int, first int64) bool
	try = func(from, step int, first int64) bool {
		for i := from; i <= last; i++ {
			if events[i].Bool(event.Success) != wants[step] || step == len(wants)-1 && i != last {
				continue
			}
			begin := first
			if step == 0 {
				begin = events[i].Time
			}
			if events[last].Time-begin > within {
				continue
			}
			if step == len(wants)-1 || try(i+1, step+1, begin) {
				return true
			}
		}
		return false
	}
	return try(0, 0, 0)
}
