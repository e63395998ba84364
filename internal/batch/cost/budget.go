package cost

import (
	"errors"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Budget is what may be spent in a month.
type Budget struct {
	Name   string  `yaml:"name" doc:"name of the budget"`
	USD    float64 `yaml:"usd" default:"0" min:"0" max:"1000000000" doc:"most that may be spent in a calendar month (UTC), in USD"`
	Model  string  `yaml:"model" doc:"only requests to this model"`
	Tenant string  `yaml:"tenant" doc:"only requests of this tenant; not together with a model"`
}

// Validate reports what is wrong with one budget.
func (b Budget) Validate() error {
	var errs []error
	if b.Name == "" {
		errs = append(errs, errors.New("name: give the budget a name"))
	}
	if b.USD <= 0 {
		errs = append(errs, errors.New("usd: give an amount above 0"))
	}
	if b.Model != "" && b.Tenant != "" {
		errs = append(errs, errors.New("tenant: a budget is for a model or for a tenant, not for both"))
	}
	return errors.Join(errs...)
}

// CheckBudgets reports what is wrong between budgets.
func CheckBudgets(all []Budget) error {
	seen := map[string]bool{}
	for i := range all {
		if seen[all[i].Name] {
			return fmt.Errorf("two budgets are called %q", all[i].Name)
		}
		seen[all[i].Name] = true
	}
	return nil
}

// Ahead is how a series of days goes on: the likely values with an interval.
type Ahead struct {
	Likely, Lo, Hi []float64
	Interval       float64
	Method         string
}

// Standing is how a budget stands.
type Standing struct {
	Name        string     `json:"name"`
	Model       string     `json:"model,omitempty"`
	Tenant      string     `json:"tenant,omitempty"`
	Month       string     `json:"month"`
	BudgetUSD   agg.USD    `json:"budget_usd"`
	SpentUSD    agg.USD    `json:"spent_usd"`
	UsedRatio   float64    `json:"used_ratio"`
	Unpriced    uint64     `json:"unpriced_requests"` // they may cost something as well
	State       string     `json:"state"`             // within, will_breach, may_breach, breached, or insufficient_data when nobody can tell how it goes on
	ExpectedUSD *float64   `json:"expected_usd"`      // at the end of the month
	LoUSD       *float64   `json:"lo_usd"`
	HiUSD       *float64   `json:"hi_usd"`
	BreachOn    *time.Time `json:"breach_on"` // the day on which the budget is likely to be spent
	Earliest    *time.Time `json:"breach_earliest"`
	Why         string     `json:"why,omitempty"`
}

// Stand tells how a budget stands. spent is what was spent before today, today what has been by now, and ahead how today and the days after
// it go on (nil = not known); the first of them is today.
func (b *Budget) Stand(month, today time.Time, spent, sofar int64, unpriced uint64, ahead *Ahead) Standing {
	s := Standing{Name: b.Name, Model: b.Model, Tenant: b.Tenant, Month: month.Format("2006-01"), BudgetUSD: agg.USD(nanos(b.USD)), SpentUSD: agg.USD(spent + sofar), Unpriced: unpriced, State: "within"}
	s.UsedRatio = s.SpentUSD.Float() / s.BudgetUSD.Float()
	if s.SpentUSD >= s.BudgetUSD {
		s.State = "breached"
	}
	if ahead == nil {
		if s.State != "breached" {
			s.State = "insufficient_data"
		}
		return s
	}
	path := func(days []float64) (sum float64, breach *time.Time) {
		sum = agg.USD(spent).Float()
		for i, x := range days {
			if x = max(0, x); i == 0 { // today can only grow
				x = max(x, agg.USD(sofar).Float())
			}
			if sum += x; sum >= s.BudgetUSD.Float() && breach == nil {
				breach = new(today.AddDate(0, 0, i))
			}
		}
		return sum, breach
	}
	likely, on := path(ahead.Likely)
	lo, _ := path(ahead.Lo)
	hi, earliest := path(ahead.Hi)
	s.ExpectedUSD, s.LoUSD, s.HiUSD = &likely, &lo, &hi
	if s.State == "breached" {
		return s
	}
	s.BreachOn, s.Earliest = on, earliest
	switch {
	case on != nil:
		s.State = "will_breach"
	case earliest != nil:
		s.State = "may_breach"
	case unpriced > 0: // they may cost anything
		s.State, s.Why = "insufficient_data", fmt.Sprintf("%d requests of the month have no price, so nobody knows whether the budget lasts", unpriced)
	}
	return s
}
