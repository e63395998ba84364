package watch

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// traffic is a model as people use it: its day has a peak, its minutes are uneven, its latencies have a long tail.
type traffic struct {
	name   string
	rate   float64 // requests a second, at the middle of its day
	phase  float64
	swing  float64 // of the day, part of the rate
	rough  float64 // of the minutes, part of the rate
	errors float64
	median float64 // ms
	sigma  float64 // of the logarithm
	tokens float64

	gust float64
}

func anyTraffic(rnd *rand.Rand, name string, rate float64) *traffic {
	return &traffic{
		name: name, rate: rate, phase: rnd.Float64() * 2 * math.Pi, swing: 0.2 + 0.5*rnd.Float64(), rough: 0.05 + 0.1*rnd.Float64(), errors: 0.001 + 0.01*rnd.Float64(),
		median: 300 + 4000*rnd.Float64(), sigma: 0.4 + 0.6*rnd.Float64(), tokens: 200 + 2000*rnd.Float64(),
	}
}

// fault is what goes wrong with a model.
type fault struct {
	name                        string
	metrics                     []string // in which it shows
	rate, latency, ttft, tokens float64  // factors; 0 = unchanged
	errors                      float64  // part of the requests
	silent                      bool
	from, to                    int64
}

var faults = []fault{
	{name: "latency step", metrics: []string{"latency_ms.p50"}, latency: 2},
	{name: "ttft step", metrics: []string{"ttft_ms.p50"}, ttft: 2.5},
	{name: "error burst", metrics: []string{"error_rate"}, errors: 0.2},
	{name: "token spike", metrics: []string{"tokens_per_request"}, tokens: 3},
	{name: "silence", metrics: []string{"requests"}, silent: true},
	{name: "surge", metrics: []string{"requests"}, rate: 4},
}

func factor(f float64) float64 {
	if f == 0 {
		return 1
	}
	return f
}

// step makes the cell of ten seconds.
func (m *traffic) step(rnd *rand.Rand, at int64, f *fault) *agg.Cell {
	m.gust += 0.1*(-m.gust) + m.rough*rnd.NormFloat64()*0.45
	rate := m.rate * (1 + m.swing*math.Sin(2*math.Pi*float64(at)/86400+m.phase)) * math.Exp(m.gust)
	bad := f != nil && at >= f.from && at < f.to
	if !bad {
		f = &fault{}
	}
	if f.silent {
		return nil
	}
	c := new(agg.Cell)
	for range poisson(rnd, rate*factor(f.rate)*Step) {
		var e event.Event
		e.Kind = event.LLMRequest
		e.SetText(event.Model, m.name)
		e.SetBool(event.Success, rnd.Float64() >= m.errors+f.errors)
		d := m.median * math.Exp(m.sigma*rnd.NormFloat64()) * factor(f.latency)
		e.SetInt(event.DurationMS, int64(d*1e6))
		e.SetInt(event.TTFT, int64(m.median/5*math.Exp(0.5*rnd.NormFloat64())*factor(f.ttft)*1e6))
		e.SetInt(event.TotalTokens, int64(m.tokens*math.Exp(0.7*rnd.NormFloat64())*factor(f.tokens)))
		c.Add(&e, false)
	}
	return c
}

func poisson(rnd *rand.Rand, mean float64) (n int) {
	if mean > 200 {
		return max(0, int(mean+math.Sqrt(mean)*rnd.NormFloat64()+0.5))
	}
	for p := rnd.Float64(); p > math.Exp(-mean); n++ {
		p *= rnd.Float64()
	}
	return n
}

// Faults of all sorts are put into the traffic of a model among others: nearly all are found within a minute, and nearly nothing
// else is.
func TestInjectedFaults(t *testing.T) {
	runs := 48
	if testing.Short() {
		runs = 6
	}
	found, wrong, right := 0, 0, 0
	var delays []int64
	for run := range runs {
		rnd := rand.New(rand.NewPCG(uint64(run), 11))
		f := faults[run%len(faults)]
		f.from = int64(3600+rnd.IntN(1800)) / Step * Step
		f.to = f.from + 600
		models := []*traffic{anyTraffic(rnd, "a", 1), anyTraffic(rnd, "b", 2), anyTraffic(rnd, "c", 5), anyTraffic(rnd, "d", 10)}
		ill := models[rnd.IntN(len(models))].name
		w, seen := New(), false
		for at := int64(Step); at < 2*3600; at += Step {
			cells := map[string]*agg.Cell{}
			for _, m := range models {
				var of *fault
				if m.name == ill {
					of = &f
				}
				if c := m.step(rnd, at, of); c != nil {
					cells[m.name] = c
				}
			}
			for _, a := range w.Step(at, cells) {
				switch {
				case a.EndedAt != 0:
				case a.Model == ill && a.DetectedAt > f.from && a.DetectedAt <= f.to+120:
					right++
					if !seen && slices.Contains(f.metrics, a.Metric) {
						seen = true
						delays = append(delays, a.DetectedAt-f.from)
					}
				default:
					wrong++
					t.Logf("run %d (%s of %s at %d): %s of %s at %d, %s", run, f.name, ill, f.from, a.Metric, a.Model, a.DetectedAt, fmt.Sprint(a.Opinions, a.Value, a.Usual))
				}
			}
		}
		if seen {
			found++
		} else {
			t.Logf("run %d: %s of %s at %d was not found", run, f.name, ill, f.from)
		}
		if open := w.Open(); len(open) > 0 {
			t.Errorf("run %d: open at the end: %+v", run, open[0])
		}
	}
	slices.Sort(delays)
	precision, recall := float64(right)/float64(max(right+wrong, 1)), float64(found)/float64(runs)
	t.Logf("%d faults, precision %.3f, recall %.3f, delay median %d s, worst %d s", runs, precision, recall, delays[len(delays)/2], delays[len(delays)-1])
	if precision < 0.95 || recall < 0.95 || delays[len(delays)*95/100] > 60 {
		t.Errorf("wanted: precision and recall 0.95, 95 %% found within 60 s")
	}
}
