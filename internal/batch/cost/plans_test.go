package cost

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

func TestWhatIf(t *testing.T) {
	from := &agg.Usage{Requests: 10, Priced: 10, Cost: 5_000_000_000, Tokens: agg.Tokens{Prompt: 1_000_000, Completion: 100_000, Total: 1_100_000, Cached: 200_000}}
	cheap := priceOf(t, `"input_cost_per_token":1e-6,"output_cost_per_token":2e-6,"cache_read_input_token_cost":5e-7`)
	seen := &agg.Usage{Requests: 4, Priced: 4, Cost: 1_100_000_000, Tokens: agg.Tokens{Total: 1_100_000}}
	half := Move{From: "a", To: "b", Share: 500_000}
	for _, tc := range []struct {
		name        string
		from, other *agg.Usage
		to          *Price
		after       agg.USD
		basis, bad  string
	}{
		{"by its price", from, &agg.Usage{}, cheap, (800_000*1000 + 200_000*500 + 100_000*2000) / 2, "price", ""},
		{"by what it has cost", from, seen, nil, 1_100_000_000 / 2, "observed", ""},
		{"nobody knows", from, &agg.Usage{Requests: 1}, nil, 0, "", "nobody knows what b costs"},
		{"no requests", &agg.Usage{}, seen, cheap, 0, "", "no requests to a"},
		{"not all priced", &agg.Usage{Requests: 2, Priced: 1}, seen, cheap, 0, "", "1 of 2 requests to a have no price"},
	} {
		o, err := WhatIf(half, tc.from, tc.other, tc.to, nil, 360)
		if tc.bad != "" {
			if err == nil || !strings.Contains(err.Error(), tc.bad) {
				t.Errorf("%s: %v", tc.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if o.Before != 2_500_000_000 || o.After != tc.after || o.Saving != o.Before-o.After || o.Month != 2*o.Saving || o.Basis != tc.basis || o.Requests != 5 {
			t.Errorf("%s: %+v", tc.name, o)
		}
	}
	dear, err := WhatIf(half, from, &agg.Usage{}, priceOf(t, `"input_cost_per_token":1e-5,"output_cost_per_token":0`), nil, 720)
	if err != nil || dear.Saving >= 0 || dear.Month != dear.Saving {
		t.Errorf("a dearer model: %+v, %v", dear, err)
	}
}

func TestShare(t *testing.T) {
	for text, want := range map[string]Share{"1": 1_000_000, "0.3": 300_000, "1e-6": 1, "0": -1, "1.1": -1, "-1": -1, `"x"`: -1, "null": -1, "1e-7": -1, "1e-999999": -1, "1E-9999": -1} {
		var s Share
		if err := s.UnmarshalJSON([]byte(text)); (err != nil) != (want < 0) || err == nil && s != want {
			t.Errorf("%s: %d, %v", text, s, err)
		}
	}
	if text, _ := json.Marshal(Share(250_000)); string(text) != "0.25" {
		t.Errorf("%s", text)
	}
}

func TestPoolCost(t *testing.T) {
	p := Pool{Name: "p", Models: []string{"a", "b"}, GPUs: 8, GPUHourUSD: 2, PowerKW: 10, IdlePowerKW: 4, PUE: 1.5, KWhUSD: 0.2, HostHourUSD: 1, OutputWeight: 4}
	work := []Work{{Model: "a", Requests: 10, Prompt: 4000, Completion: 1000}, {Model: "b", Prompt: 4000}}
	c := p.Begin()
	for range 10 {
		c.Add(p.Hour(0, 0.5, work, map[string]Phases{"a": {Prefill: 100, Total: 1000}}), work)
	}
	c.End()
	// An hour: 16 USD of GPUs, (4 + 6·0.5)·1.5·0.2 = 2.1 USD of power, 1 USD of hosts.
	if c.CostUSD != 191_000_000_000 || c.CapitalUSD != 160_000_000_000 || c.PowerUSD != 21_000_000_000 || *c.UsedUSD != 95_500_000_000 || *c.IdleUSD != 95_500_000_000 || c.GPUHours != 80 || *c.Utilization != 0.5 {
		t.Errorf("%+v", c)
	}
	a, b := c.Models[0], c.Models[1]
	if len(c.Models) != 2 || a.Model != "a" || a.LoadedUSD+b.LoadedUSD != c.CostUSD || *a.MarginalUSD+*b.MarginalUSD != *c.UsedUSD || a.PrefillUSD+a.DecodeUSD != a.LoadedUSD {
		t.Errorf("%+v", c.Models)
	}
	if a.SplitBy != "time" || math.Abs(a.PrefillUSD.Float()/a.LoadedUSD.Float()-0.1) > 1e-9 || b.SplitBy != "weight" || b.DecodeUSD != 0 || b.PerMillionOu != nil {
		t.Errorf("the split: %+v %+v", a, b)
	}
	bought := Pool{Name: "q", Models: []string{"a"}, GPUs: 1, CapexUSD: 87_660, LifeYears: 4, Residual: 0.2, PUE: 1}
	c = bought.Begin()
	c.Add(bought.Hour(0, -1, nil, nil), nil)
	if c.End(); c.CapitalUSD != 2_000_000_000 || !c.Unused || c.Utilization != nil || c.IdleUSD != nil || c.Unmeasured != 1 {
		t.Errorf("%+v", c)
	}
}

// Whatever was used, what all requests had of it and what was idle make up what the pool cost, to the last nano, for each hour and for all.
func TestPoolHoursAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		money := rapid.Float64Range(0, 1e4)
		p := Pool{Name: "p", Models: []string{"a", "b"}, GPUs: rapid.IntRange(1, 999).Draw(t, "gpus"), GPUHourUSD: money.Draw(t, "rent"), PowerKW: money.Draw(t, "power"), IdlePowerKW: 1, PUE: 1.3, KWhUSD: 0.3, HostHourUSD: money.Draw(t, "host"),
			OutputWeight: rapid.Float64Range(0, 9).Draw(t, "weight")}
		c, shared, idle, whole := p.Begin(), int64(0), int64(0), int64(0)
		for range rapid.IntRange(0, 5).Draw(t, "hours") {
			var work []Work
			tokens := rapid.Int64Range(0, 1e9)
			for range rapid.IntRange(0, 9).Draw(t, "keys") {
				work = append(work, Work{Model: rapid.SampledFrom(p.Models).Draw(t, "model"), Requests: 1, Prompt: tokens.Draw(t, "prompt"), Cached: tokens.Draw(t, "cached"), Completion: tokens.Draw(t, "answer")})
			}
			h := p.Hour(0, rapid.Float64Range(-0.5, 1.5).Draw(t, "busy"), work, map[string]Phases{"a": {rapid.Float64Range(0, 10).Draw(t, "prefill"), 8}})
			used := int64(0)
			for i, s := range h.Shares {
				if used += s.Prefill + s.Decode; s.Prefill < 0 || s.Decode < 0 || work[i].Prompt == 0 && s.Prefill > 0 || work[i].Completion == 0 && s.Decode > 0 {
					t.Fatalf("%+v has %+v", work[i], s)
				}
			}
			if used != h.Used || h.Idle() < 0 || used+h.Idle() != h.Cost() {
				t.Fatalf("shares of %d and %d idle of %d", used, h.Idle(), h.Cost())
			}
			c.Add(h, work)
			shared, idle, whole = shared+used, idle+h.Idle(), whole+h.Cost()
		}
		c.End()
		loaded, marginal := agg.USD(0), agg.USD(0)
		for _, m := range c.Models {
			if loaded += m.LoadedUSD; m.PrefillUSD+m.DecodeUSD != m.LoadedUSD {
				t.Fatalf("%+v", m)
			}
			if m.MarginalUSD != nil {
				marginal += *m.MarginalUSD
			}
		}
		if int64(c.CostUSD) != whole || !c.Unused && loaded != c.CostUSD || c.UsedUSD != nil && (int64(*c.UsedUSD) != shared || int64(*c.IdleUSD) != idle || marginal != *c.UsedUSD) {
			t.Fatalf("%d shared, %d idle, %d in all: %+v", shared, idle, whole, c)
		}
	})
}

// A model in two pools is told apart by its machines; requests that name none are the first one's.
func TestPoolsByHost(t *testing.T) {
	here, there := Pool{Name: "here", Models: []string{"m"}, GPUHourUSD: 1, Hosts: []string{"a-*"}}, Pool{Name: "there", Models: []string{"m"}, GPUHourUSD: 1, Hosts: []string{"b-1"}}
	if err := CheckPools([]Pool{here, there}); err != nil {
		t.Error(err)
	}
	if err := CheckPools([]Pool{here, {Name: "all", Models: []string{"m"}}}); err == nil {
		t.Error("two pools serve a model, and nothing tells which")
	}
	if !here.Serves("m", "a-7") || here.Serves("m", "b-1") || !there.Serves("m", "b-1") || !here.Serves("m", "") || here.Serves("x", "a-7") {
		t.Error("requests are another pool's")
	}
	if bad := (Pool{Name: "p", Models: []string{"m"}, GPUHourUSD: 1, Hosts: []string{"a["}}); bad.Validate() == nil {
		t.Error("a pattern that matches nothing is taken")
	}
}

// What is shared out adds up, and each gets what is his to less than one.
func TestDivideAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1e15).Draw(t, "n")
		weights := rapid.SliceOfN(rapid.Float64Range(0, 1e9), 1, 9).Draw(t, "weights")
		sum, total := int64(0), 0.0
		parts := Divide(n, weights)
		for i, p := range parts {
			sum += p
			total += weights[i]
		}
		if sum != n {
			t.Fatalf("%v adds up to %d, not %d", parts, sum, n)
		}
		whole := make([]int64, len(weights))
		for i, w := range weights {
			whole[i] = int64(w)
		}
		sum = 0
		for _, p := range DivideWhole(n, whole) {
			sum += p
		}
		if sum != n {
			t.Fatalf("by whole weights %v it is %d, not %d", whole, sum, n)
		}
		for i, p := range parts {
			if exact := float64(n) * weights[i] / total; total > 0 && math.Abs(float64(p)-exact) > 1+exact*1e-12 {
				t.Fatalf("part %d is %d, its due is %v", i, p, exact)
			}
		}
	})
}

func TestBudget(t *testing.T) {
	month, today := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC)
	b := Budget{Name: "b", USD: 100}
	flat := func(x float64) []float64 {
		days := make([]float64, 21)
		for i := range days {
			days[i] = x
		}
		return days
	}
	const usd = 1_000_000_000
	for _, tc := range []struct {
		name          string
		spent, sofar  int64
		ahead         *Ahead
		state         State
		on, earliest  int // day of the month, 0 = none
		expectedFloor float64
	}{
		{"within", 20 * usd, usd, &Ahead{Likely: flat(2), Lo: flat(1), Hi: flat(3)}, "within", 0, 0, 62},
		{"may", 20 * usd, usd, &Ahead{Likely: flat(2), Lo: flat(1), Hi: flat(5)}, "may_breach", 0, 26, 62},
		{"will", 20 * usd, usd, &Ahead{Likely: flat(5), Lo: flat(4), Hi: flat(10)}, "will_breach", 26, 18, 125},
		{"today is dear already", 20 * usd, 70 * usd, &Ahead{Likely: flat(1), Lo: flat(1), Hi: flat(1)}, "will_breach", 21, 21, 110},
		{"spent", 99 * usd, usd, &Ahead{Likely: flat(1), Lo: flat(1), Hi: flat(1)}, "breached", 11, 0, 120},
		{"nobody can tell", 20 * usd, usd, nil, "insufficient_data", 0, 0, 0},
		{"spent, nobody needs to", 120 * usd, usd, nil, "breached", 10, 0, 0},
	} {
		x := Spending{Month: month, Today: today, Days: make([]int64, 10), Sofar: tc.sofar, Ahead: tc.ahead}
		x.Days[9] = tc.spent
		s := b.Stand(&x)
		x.Unpriced = 3
		if u := b.Stand(&x); !strings.Contains(u.Why, "3 requests of the month have no price") || tc.state == Within && u.State != Unclear || tc.state != Within && u.State != tc.state {
			t.Errorf("%s, with requests without a price: %+v", tc.name, u)
		}
		day := func(d *time.Time) int {
			if d == nil {
				return 0
			}
			return d.Day()
		}
		if s.State != tc.state || day(s.BreachOn) != tc.on || day(s.Earliest) != tc.earliest || (s.ExpectedUSD == nil) != (tc.ahead == nil) || s.ExpectedUSD != nil && *s.ExpectedUSD != tc.expectedFloor {
			t.Errorf("%s: %+v expected %v", tc.name, s, s.ExpectedUSD)
		}
	}
}

// A month that is over needs no forecast: it kept to its budget, or not.
func TestBudgetOfAMonthThatIsOver(t *testing.T) {
	month := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	x := Spending{Month: month, Today: month.AddDate(0, 1, 0), Days: make([]int64, 31), Ahead: &Ahead{}}
	x.Days[4], x.Days[19] = 60e9, 40e9
	b := Budget{Name: "b", USD: 100}
	if s := b.Stand(&x); s.State != Breached || s.BreachOn.Day() != 20 || *s.ExpectedUSD != 100 || s.UsedRatio != 1 || s.Month != "2026-03" {
		t.Errorf("%+v, expected %v", s, *s.ExpectedUSD)
	}
	b.USD = 101
	if s := b.Stand(&x); s.State != Within || s.BreachOn != nil || *s.HiUSD != 100 {
		t.Errorf("%+v, at most %v", s, *s.HiUSD)
	}
}

func TestSettings(t *testing.T) {
	good := Pool{Name: "p", Models: []string{"m"}, GPUHourUSD: 1}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for _, p := range []Pool{{Models: []string{"m"}, GPUHourUSD: 1}, {Name: "p", GPUHourUSD: 1}, {Name: "p", Models: []string{"m"}}} {
		if p.Validate() == nil {
			t.Errorf("%+v is taken", p)
		}
	}
	if CheckPools([]Pool{good, good}) == nil || CheckPools([]Pool{good, {Name: "q", Models: []string{"m"}}}) == nil {
		t.Error("a model in two pools is taken")
	}
	for _, b := range []Budget{{USD: 1}, {Name: "b"}, {Name: "b", USD: 1, Model: "m", Tenant: "t"}} {
		if b.Validate() == nil {
			t.Errorf("%+v is taken", b)
		}
	}
	if CheckBudgets([]Budget{{Name: "b"}, {Name: "b"}}) == nil {
		t.Error("two budgets of one name are taken")
	}
}
