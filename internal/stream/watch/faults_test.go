package watch

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
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
	name                                    string
	metrics                                 []string // in which it shows
	rate, latency, ttft, tpot, tokens, cost float64  // factors; 0 = unchanged
	errors                                  float64  // part of the requests
	unhappy                                 bool     // those who answer give one star
	silent                                  bool
	ramp                                    int64 // seconds that it takes to come to its size
	from, to                                int64
}

var faults = []fault{
	{name: "latency step", metrics: []string{"latency_ms.p50"}, latency: 2},
	{name: "ttft step", metrics: []string{"ttft_ms.p50"}, ttft: 2.5},
	{name: "slow tokens", metrics: []string{"tpot_ms.p50"}, tpot: 2},
	{name: "error burst", metrics: []string{"error_rate"}, errors: 0.2},
	{name: "token spike", metrics: []string{"tokens_per_request", "cost_usd_per_request"}, tokens: 3},
	{name: "cost surge", metrics: []string{"cost_usd_per_request"}, cost: 4},
	{name: "silence", metrics: []string{"requests"}, silent: true},
	{name: "surge", metrics: []string{"requests"}, rate: 4},
	{name: "retry storm", metrics: []string{"requests", "error_rate"}, rate: 3, errors: 0.4},
	{name: "queue", metrics: []string{"ttft_ms.p50", "latency_ms.p50"}, ttft: 8, latency: 3, ramp: 120},
	{name: "drift", metrics: []string{"latency_ms.p50"}, latency: 2.5, ramp: 480},
	{name: "unhappy users", metrics: []string{"feedback.satisfaction"}, unhappy: true},
}

// at is the fault as far as it has come at a second.
func (f *fault) at(second int64) fault {
	if f == nil || second < f.from || second >= f.to {
		return fault{}
	}
	now, part := *f, 1.0
	if f.ramp > 0 {
		part = min(float64(second-f.from+Step)/float64(f.ramp), 1)
	}
	for _, x := range []*float64{&now.rate, &now.latency, &now.ttft, &now.tpot, &now.tokens, &now.cost} {
		if *x != 0 {
			*x = 1 + (*x-1)*part
		}
	}
	return now
}

// shows is the second from which on the fault is there to be found: at once, or when it has come to half of its size.
func (f *fault) shows() int64 { return f.from + f.ramp/2 }

func factor(f float64) float64 {
	if f == 0 {
		return 1
	}
	return f
}

// step makes the cell of ten seconds.
func (m *traffic) step(rnd *rand.Rand, at int64, wrong *fault) *agg.Cell {
	m.gust += 0.1*(-m.gust) + m.rough*rnd.NormFloat64()*0.45
	rate := m.rate * (1 + m.swing*math.Sin(2*math.Pi*float64(at)/86400+m.phase)) * math.Exp(m.gust)
	f := wrong.at(at)
	if f.silent {
		return nil
	}
	c := new(agg.Cell)
	for range poisson(rnd, rate*factor(f.rate)*Step) {
		var e event.Event
		e.Kind = event.LLMRequest
		e.SetText(event.Model, m.name)
		e.SetBool(event.Success, rnd.Float64() >= m.errors+f.errors)
		e.SetInt(event.DurationMS, int64(m.median*math.Exp(m.sigma*rnd.NormFloat64())*factor(f.latency)*1e6))
		e.SetInt(event.TTFT, int64(m.median/5*math.Exp(0.5*rnd.NormFloat64())*factor(f.ttft)*1e6))
		e.SetInt(event.TPOT, int64(30*math.Exp(0.3*rnd.NormFloat64())*factor(f.tpot)*1e6))
		tokens := m.tokens * math.Exp(0.7*rnd.NormFloat64()) * factor(f.tokens)
		e.SetInt(event.TotalTokens, int64(tokens))
		e.SetInt(event.Cost, int64(tokens*2000*factor(f.cost))) // nano-USD
		c.Add(&e, false)
		if rnd.Float64() < 0.5 {
			e = event.Event{Kind: event.UserFeedback}
			score := float64(3 + rnd.IntN(3))
			if f.unhappy {
				score = 1
			}
			e.SetFloat(event.SatisfactionScore, score)
			c.Add(&e, false)
		}
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

// outcome is what became of some faults.
type outcome struct {
	mu           sync.Mutex
	runs, found  int
	right, wrong int     // anomalies
	delays       []int64 // seconds, of those that were found
}

// inject lets a fault come over one of three models and notes what is found of it, and what else.
func (o *outcome) inject(t *testing.T, f fault, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 11))
	f.from = int64(1500+rnd.IntN(600)) / Step * Step
	f.to = f.from + max(420, f.ramp+240)
	models := []*traffic{anyTraffic(rnd, "a", 1), anyTraffic(rnd, "b", 2), anyTraffic(rnd, "c", 5)}
	ill := models[rnd.IntN(len(models))].name
	w, delay, right, wrong := New(), int64(-1), 0, 0
	for at := int64(Step); at < f.to+600; at += Step {
		cells := map[string]*agg.Cell{}
		for _, m := range models {
			of := &f
			if m.name != ill {
				of = nil
			}
			if c := m.step(rnd, at, of); c != nil {
				cells[m.name] = c
			}
		}
		for _, a := range w.Step(at, cells, Content) {
			switch {
			case a.EndedAt != 0:
			case a.Model == ill && a.DetectedAt > f.from && a.DetectedAt <= f.to+120:
				right++
				if delay < 0 && slices.Contains(f.metrics, a.Metric) {
					delay = max(0, a.DetectedAt-f.shows())
				}
			default:
				wrong++
				t.Logf("%s of %s at %d: %s of %s at %d, %+v, %.4g where %.4g is usual", f.name, ill, f.from, a.Metric, a.Model, a.DetectedAt, a.Opinions, a.Value, a.Usual)
			}
		}
	}
	if delay < 0 || delay >= 60 {
		t.Logf("%s of %s at %d was found after %d s (-1 = not at all)", f.name, ill, f.from, delay)
	}
	if open := w.Open(); len(open) > 0 {
		t.Errorf("%s: open at the end: %+v", f.name, open[0])
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.runs, o.right, o.wrong = o.runs+1, o.right+right, o.wrong+wrong
	if delay >= 0 {
		o.found, o.delays = o.found+1, append(o.delays, delay)
	}
}

// Faults of all sorts come over the traffic of a model among others, with several seeds each: nearly all are found within a minute, and
// nearly nothing else is. Time is simulated, so it takes seconds.
func TestInjectedFaults(t *testing.T) {
	seeds := 6
	if testing.Short() {
		seeds = 2
	}
	var o outcome
	t.Run("faults", func(t *testing.T) {
		for i, f := range faults {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				for seed := range seeds {
					o.inject(t, f, uint64(seed*len(faults)+i))
				}
			})
		}
	})
	slices.Sort(o.delays)
	precision, recall := float64(o.right)/float64(max(o.right+o.wrong, 1)), float64(o.found)/float64(o.runs)
	t.Logf("%d faults, precision %.3f, recall %.3f, delay median %d s, worst %d s", o.runs, precision, recall, o.delays[len(o.delays)/2], o.delays[len(o.delays)-1])
	if precision < 0.95 || recall < 0.95 || o.delays[len(o.delays)*95/100] >= 60 {
		t.Errorf("wanted: precision and recall 0.95, 95 %% found in less than 60 s, delays are %v", o.delays)
	}
}
