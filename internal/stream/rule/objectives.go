package rule

import (
	"cmp"
	"encoding/json"
	"maps"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// Objective is how the objective of a burn_rate rule stands for a key, by exact counters over its period.
type Objective struct {
	Name      string            `json:"name"`
	Rule      string            `json:"rule"`                // of type burn_rate that watches over it
	Indicator string            `json:"indicator,omitempty"` // "" when the rule says itself what is good
	Limit     *float64          `json:"limit,omitempty"`     // of the indicator
	Objective float64           `json:"objective"`           // share of good events that is promised
	Key       map[string]string `json:"key"`
	Labels    map[string]string `json:"labels"`
	Severity  string            `json:"severity"`
	Period    Duration          `json:"period"`       // of the budget
	Window    Window            `json:"window"`       // over which is counted; it begins where the key was first seen, or later
	Complete  float64           `json:"completeness"` // part of the period in which the objective was counted at all
	Total     int64             `json:"total"`
	Good      int64             `json:"good"`
	Budget    Budget            `json:"budget"`
	Burn      []Burn            `json:"burn"`
}

// Budget is what may go wrong.
type Budget struct {
	Bad       int64   `json:"bad"`             // that went wrong
	Allowed   float64 `json:"allowed"`         // that may, of so many
	Remaining float64 `json:"remaining_ratio"` // 1 = nothing is spent; below 0 more than there is
}

// Burn is how fast a budget is spent over a pair of windows; 1 = just as fast as allowed.
type Burn struct {
	Class     string   `json:"class"` // page or ticket
	Long      Duration `json:"long"`
	Short     Duration `json:"short"`
	Rate      *float64 `json:"rate"`       // over the long window; nil without events
	ShortRate *float64 `json:"short_rate"` // over the short one
	Threshold float64  `json:"threshold"`  // that both must be above
	Holds     bool     `json:"holds"`      // they are, of enough events
}

// Objectives says how the objectives of the rules stand at the time of the last Advance, by rule and key.
func (g *Engine) Objectives() []Objective {
	out := []Objective{}
	for _, r := range g.rules {
		if r.Type != BurnRate {
			continue
		}
		for _, group := range r.all {
			if o, ok := r.stands(group, floor(g.tick, ticks)+1); ok {
				out = append(out, o)
			}
		}
	}
	sorting.By(out, func(a, b Objective) int {
		return cmp.Compare(a.Place(), b.Place())
	})
	return out
}

// Place orders objectives by rule and key.
func (o *Objective) Place() string {
	key, err := json.Marshal(o.Key)
	if err != nil {
		panic("rule: " + err.Error()) // of texts
	}
	return o.Rule + " " + string(key)
}

// stands counts the objective of a group at a second, which itself is not counted.
func (r *judged) stands(g *group, at int64) (Objective, bool) {
	from := r.budgetFrom(at)
	total, bad := g.spent(from, at)
	if total == 0 {
		return Objective{}, false
	}
	o := Objective{
		Name: r.Promise(), Rule: r.Name, Objective: r.Objective, Key: map[string]string{}, Labels: map[string]string{}, Severity: r.Severity, Total: total, Good: total - bad,
		Window: Window{Time(max(from, g.first) * second), Time(at * second)}, Period: Duration(r.period * 1e9), Complete: 1,
	}
	maps.Copy(o.Labels, r.Labels)
	if r.SLO != nil {
		o.Indicator, o.Limit = r.SLO.Indicator, r.SLO.Limit
	}
	for i, name := range r.GroupBy {
		o.Key[name] = g.values[i]
	}
	if at > from && r.since > from {
		o.Complete = max(float64(at-r.since)/float64(at-from), 0)
	}
	allowed := float64(total) * (1 - r.Objective)
	o.Budget = Budget{bad, allowed, 1 - float64(bad)/allowed}
	for i, p := range pairs {
		o.Burn = append(o.Burn, r.pace(g, at, i/classes, p))
	}
	return o, true
}

func (r *judged) pace(g *group, at int64, class int, p pair) Burn {
	b := Burn{Class: classNames[class], Long: Duration(p.long * 1e9), Short: Duration(p.short * 1e9), Threshold: p.factor}
	long, n := r.burned(g, at, p.long)
	short, recent := r.burned(g, at, p.short)
	if n > 0 {
		b.Rate = &long
	}
	if recent > 0 {
		b.ShortRate = &short
	}
	b.Holds = n >= r.MinCount && long > p.factor && short > p.factor
	return b
}
