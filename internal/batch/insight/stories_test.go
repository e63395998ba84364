package insight

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// month are thirty days of four models and four tenants. With a story, beta is 1.6 times as slow from day 18 on, gamma 1.5 times as dear from
// day 15, initech is gone from day 22, and weekends are quiet.
type month struct {
	latency, unit []Series
	errors        []Rate
	models        []ModelCost
	tenants       []Activity
	total         []float64
}

var start = time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)

func make30(seed uint64, story bool) (m month) {
	rng := rand.New(rand.NewPCG(seed, 1))
	const days = 30
	m.total = make([]float64, days)
	rate := func(day int) float64 {
		if wd := start.AddDate(0, 0, day).Weekday(); story && (wd == time.Saturday || wd == time.Sunday) {
			return 0.45
		}
		return 1
	}
	for _, name := range []string{"acme", "globex", "initech", "umbrella"} {
		a := Activity{Dimension: "tenant", Value: name, Requests: make([]float64, days)}
		for d := range days {
			if !story || name != "initech" || d < 22 {
				a.Requests[d] = math.Round(max(0, 75*rate(d)+math.Sqrt(75*rate(d))*rng.NormFloat64()))
			}
			m.total[d] += a.Requests[d]
		}
		m.tenants = append(m.tenants, a)
	}
	for _, name := range []string{"alpha", "beta", "gamma", "delta"} {
		s := Series{Dimension: "model", Value: name, Metric: "latency_ms.p50", Unit: "ms", Words: "the median latency is", Least: 0.1}
		u := Series{Dimension: "model", Value: name, Metric: "usd_per_million_tokens", Unit: "USD", Words: "a token costs", Kind: "unit_cost_change", Least: 0.1}
		e := Rate{Dimension: "model", Value: name, Metric: "error_rate"}
		c := ModelCost{Model: name, Scores: 400, Score: 3.9, P95MS: 2000}
		for d := range days {
			n := math.Round(60 * rate(d))
			slow, dear, bad := 1.0, 1.0, 0.0
			if story && name == "beta" && d >= 18 {
				slow = 1.6
			}
			if story && name == "gamma" && d >= 15 {
				dear = 1.5
			}
			for range int(n) {
				if rng.Float64() < 0.02 {
					bad++
				}
			}
			s.Values, s.Count = append(s.Values, 1340*slow*math.Exp(0.05*rng.NormFloat64())), append(s.Count, n)
			u.Values, u.Count = append(u.Values, 1.65*dear*math.Exp(0.03*rng.NormFloat64())), append(u.Count, n)
			e.Of, e.Bad = append(e.Of, n), append(e.Bad, bad)
			c.Unit, c.Cost, c.Requests = append(c.Unit, u.Values[d]), append(c.Cost, int64(n*1e6*dear)), append(c.Requests, n)
		}
		m.latency, m.unit, m.errors, m.models = append(m.latency, s), append(m.unit, u), append(m.errors, e), append(m.models, c)
	}
	return m
}

func (m *month) findings() []Finding {
	var out []Finding
	for _, look := range []func(r *Report){
		func(r *Report) { r.Week(m.total); r.Lost(m.tenants, m.total); r.Volumes(m.tenants) },
		func(r *Report) { r.Changes(m.latency); r.Rates(m.errors) },
		func(r *Report) { r.UnitCosts(m.unit, m.models); r.Savings(m.models) },
	} {
		r := &Report{Start: start}
		look(r)
		out = append(out, r.Findings()...)
	}
	return out
}

// The four things that happen are told with size and date, in every month, and next to nothing else is.
func TestStories(t *testing.T) {
	want := map[string]func(f *Finding) bool{
		"level_shift beta latency_ms.p50":               func(f *Finding) bool { return f.At.Equal(start.AddDate(0, 0, 18)) && about(f, 1.6) },
		"unit_cost_change gamma usd_per_million_tokens": func(f *Finding) bool { return f.At.Equal(start.AddDate(0, 0, 15)) && about(f, 1.5) && f.Saving != nil },
		"lost_tenant initech requests":                  func(f *Finding) bool { return f.At.Equal(start.AddDate(0, 0, 22)) },
		"weekly_pattern all together requests":          func(f *Finding) bool { return about(f, 0.45) },
		"cheaper_model gamma usd_per_million_tokens":    func(f *Finding) bool { return *f.Saving > 0 && f.Risk == "low" },
	}
	months, others := uint64(60), 0
	for seed := range months {
		m := make30(seed, true)
		told := map[string]bool{}
		for _, f := range m.findings() {
			key := f.Kind + " " + name(f.Subject) + " " + f.Metric
			check := want[key]
			if check == nil {
				others++
				t.Logf("month %d: %s", seed, f.Text)
			} else if told[key] = true; !check(&f) {
				t.Errorf("month %d: %s %v", seed, f.Text, f.At)
			}
			if len(f.Evidence) < 3 || !strings.HasSuffix(f.Text, ".") {
				t.Errorf("%+v says too little", f)
			}
		}
		for key := range want {
			if !told[key] {
				t.Errorf("month %d does not tell %s", seed, key)
			}
		}
	}
	if others > int(months)/20 {
		t.Errorf("%d false findings in %d months", others, months)
	}
}

func about(f *Finding, ratio float64) bool { return math.Abs(*f.After / *f.Before / ratio - 1) < 0.1 }

// In months in which nothing happens nothing is told.
func TestQuietMonths(t *testing.T) {
	said := 0
	for seed := range uint64(60) {
		m := make30(seed+1000, false)
		for _, f := range m.findings() {
			said++
			t.Log(f.Text)
		}
	}
	if said > 2 {
		t.Errorf("%d findings in 60 months in which nothing happened", said)
	}
}

// A drift is no step, and its size is that of the whole way.
func TestDrift(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	s := Series{Dimension: "model", Value: "m", Metric: "latency_ms.p50", Unit: "ms", Words: "the median latency is", Least: 0.1}
	for d := range 30 {
		s.Values, s.Count = append(s.Values, 1000*math.Exp(float64(d)/29*math.Log(2)+0.03*rng.NormFloat64())), append(s.Count, 100)
	}
	r := Report{Start: start}
	r.Changes([]Series{s})
	f := r.Findings()
	if len(f) != 1 || f[0].Kind != "trend" || !about(&f[0], 2) {
		t.Errorf("%+v", f)
	}
}

// Days without data are no days with zero, and too few days say nothing.
func TestGaps(t *testing.T) {
	m := make30(5, true)
	holes := slices.Clone(m.latency[1].Values)
	for _, d := range []int{3, 4, 19, 25} {
		holes[d] = Absent
	}
	found := false
	for _, s := range Steps(holes) {
		found = found || s.Day >= 18 && s.Day <= 20 && s.P < 1e-6
	}
	if !found {
		t.Errorf("with holes: %+v", Steps(holes))
	}
	if s := Steps(holes[:9]); s != nil {
		t.Errorf("nine days: %+v", s)
	}
	quiet := Activity{Dimension: "tenant", Value: "a", Requests: append(slices.Repeat([]float64{5}, 12), 0, 0, 0, 0, 0)}
	r := Report{Start: start}
	r.Lost([]Activity{quiet}, quiet.Requests) // when nobody comes, nobody is lost
	if f := r.Findings(); len(f) != 0 {
		t.Errorf("%+v", f)
	}
}

// A rate that rises is told, one whose errors come in clusters is not.
func TestRates(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	jump, clusters := Rate{Dimension: "model", Value: "jump", Metric: "error_rate"}, Rate{Dimension: "model", Value: "clusters", Metric: "error_rate"}
	for d := range 30 {
		bad := 4.0
		if d >= 20 {
			bad = 30
		}
		jump.Of, jump.Bad = append(jump.Of, 200), append(jump.Bad, bad+float64(rng.IntN(3)))
		some := 0.0
		if rng.IntN(5) == 0 {
			some = 40
		}
		clusters.Of, clusters.Bad = append(clusters.Of, 200), append(clusters.Bad, some)
	}
	r := Report{Start: start}
	r.Rates([]Rate{jump, clusters})
	f := r.Findings()
	if len(f) != 1 || name(f[0].Subject) != "jump" || !f[0].At.Equal(start.AddDate(0, 0, 20)) {
		t.Errorf("%+v", f)
	}
}

// Users who judge slow answers worse are heard.
func TestLiking(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	bands := []Scores{{Name: "fast"}, {Name: "middling"}, {Name: "slow"}}
	for i := range 600 {
		score := 4.0
		if i%3 == 2 {
			score = 3
		}
		bands[i%3].Add(min(5, max(1, math.Round(score+rng.NormFloat64()))))
	}
	r := Report{Start: start}
	r.Liking(bands, nil)
	f := r.Findings()
	if i := slices.IndexFunc(f, func(f Finding) bool { return name(f.Subject) == "slow" }); i < 0 || *f[i].After > *f[i].Before-0.5 {
		t.Errorf("%+v", f)
	}
}

func TestDiscoveries(t *testing.T) {
	got := Discoveries([]float64{0.04, 0.001, 0.02, 0.5}, 0.05)
	if !slices.Equal(got, []bool{false, true, true, false}) { // 0.001 ≤ 0.0125, 0.02 ≤ 0.025, 0.04 > 0.0375
		t.Error(got)
	}
}
