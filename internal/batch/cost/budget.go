package cost

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Budget is what may be spent in a month, on everything or on one model, tenant, user, key, feature or endpoint.
type Budget struct {
	Name     string  `yaml:"name" doc:"name of the budget"`
	USD      float64 `yaml:"usd" default:"0" min:"0" max:"1000000000" doc:"most that may be spent in a calendar month (UTC), in USD"`
	Model    string  `yaml:"model" doc:"only requests to this model; not together with the others below"`
	Tenant   string  `yaml:"tenant" doc:"only requests of this tenant"`
	UserID   string  `yaml:"user_id" doc:"only requests of this user"`
	Key      string  `yaml:"key" doc:"only requests with this key (key_alias or key)"`
	Feature  string  `yaml:"feature" doc:"only requests for this feature"`
	Endpoint string  `yaml:"endpoint" doc:"only requests to this endpoint"`
	OwnGPUs  bool    `yaml:"own_gpus" doc:"count also what they take of own GPUs (self_hosted), and for a budget of everything what is idle; their requests then need no price"`
}

// Subject is what a budget is for, by the name of the part of a cost; nothing for everything.
func (b *Budget) Subject() (part, value string) {
	for i, v := range b.subjects() {
		if v != "" {
			return SubjectParts[i], v
		}
	}
	return "", ""
}

// SubjectParts are the parts of a cost that a budget may be for.
var SubjectParts = []string{"model", "tenant", "user_id", "key", "feature", "endpoint"}

func (b *Budget) subjects() []string {
	return []string{b.Model, b.Tenant, b.UserID, b.Key, b.Feature, b.Endpoint}
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
	var given []string
	for i, v := range b.subjects() {
		if v != "" {
			given = append(given, SubjectParts[i])
		}
	}
	if len(given) > 1 {
		errs = append(errs, fmt.Errorf("%s: a budget is for one thing, not for %s at once", given[1], strings.Join(given, " and ")))
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
	UserID      string     `json:"user_id,omitempty"`
	Key         string     `json:"key,omitempty"`
	Feature     string     `json:"feature,omitempty"`
	Endpoint    string     `json:"endpoint,omitempty"`
	OwnGPUs     bool       `json:"own_gpus,omitempty"`
	Month       string     `json:"month"`
	BudgetUSD   agg.USD    `json:"budget_usd"`
	SpentUSD    agg.USD    `json:"spent_usd"`
	UsedRatio   float64    `json:"used_ratio"`
	Unpriced    uint64     `json:"unpriced_requests"` // they may cost something as well
	State       State      `json:"state"`
	ExpectedUSD *float64   `json:"expected_usd"` // at the end of the month, without what has no price
	LoUSD       *float64   `json:"lo_usd"`
	HiUSD       *float64   `json:"hi_usd"`
	BreachOn    *time.Time `json:"breach_on"`       // the day on which the budget was spent, or is likely to be
	Earliest    *time.Time `json:"breach_earliest"` // the day on which it may be spent already
	Why         string     `json:"why,omitempty"`
}

// State is the word for how a budget stands.
type State string

// The states.
const (
	Within     State = "within"
	MayBreach  State = "may_breach"
	WillBreach State = "will_breach"
	Breached   State = "breached"
	Unclear    State = "insufficient_data" // nobody can tell how it goes on
)

// Spending is what is known of a month up to a moment.
type Spending struct {
	Month, Today time.Time // their starts; today is the first day that is not over, and lies behind the month when that is
	Days         []int64   // nano-USD of the days of the month before today
	Sofar        int64     // nano-USD of today
	Unpriced     uint64    // requests of the month without a price
	Ahead        *Ahead    // how today and the days after it go on; nil = not known
}

// Stand tells how a budget stands.
func (b *Budget) Stand(x *Spending) Standing {
	s := Standing{Name: b.Name, Model: b.Model, Tenant: b.Tenant, UserID: b.UserID, Key: b.Key, Feature: b.Feature, Endpoint: b.Endpoint, OwnGPUs: b.OwnGPUs, Month: x.Month.Format("2006-01"), BudgetUSD: agg.USD(nanos(b.USD)), Unpriced: x.Unpriced, State: Within}
	s.spend(x)
	if x.Ahead != nil {
		s.look(x)
	} else if s.State != Breached {
		s.State = Unclear
	}
	s.doubt()
	return s
}

// Unknown is how a budget stands of which nobody can tell what was spent, and why.
func (b *Budget) Unknown(month time.Time, why string) Standing {
	s := b.Stand(&Spending{Month: month, Today: month})
	s.State, s.Why = Unclear, why
	return s
}

// spend adds up what was spent, and finds the day on which that was the budget.
func (s *Standing) spend(x *Spending) {
	for i, nano := range append(x.Days[:len(x.Days):len(x.Days)], x.Sofar) {
		s.SpentUSD += agg.USD(nano)
		if s.SpentUSD >= s.BudgetUSD && s.BreachOn == nil {
			s.State, s.BreachOn = Breached, new(x.Month.AddDate(0, 0, i))
		}
	}
	s.UsedRatio = s.SpentUSD.Float() / s.BudgetUSD.Float()
}

// look tells how the month is likely to end.
func (s *Standing) look(x *Spending) {
	path := func(days []float64) (sum float64, breach *time.Time) {
		sum = (s.SpentUSD - agg.USD(x.Sofar)).Float()
		for i, usd := range days {
			if usd = max(0, usd); i == 0 { // today can only grow
				usd = max(usd, agg.USD(x.Sofar).Float())
			}
			if sum += usd; sum >= s.BudgetUSD.Float() && breach == nil {
				breach = new(x.Today.AddDate(0, 0, i))
			}
		}
		return sum, breach
	}
	likely, on := path(x.Ahead.Likely)
	lo, _ := path(x.Ahead.Lo)
	hi, earliest := path(x.Ahead.Hi)
	s.ExpectedUSD, s.LoUSD, s.HiUSD = &likely, &lo, &hi
	if s.State == Breached {
		return
	}
	switch s.BreachOn, s.Earliest = on, earliest; {
	case on != nil:
		s.State = WillBreach
	case earliest != nil:
		s.State = MayBreach
	}
}

// doubt says what requests without a price leave open: they may cost anything, so a budget that is kept without them may not be, and one
// that is spent without them was spent earlier.
func (s *Standing) doubt() {
	if s.Unpriced == 0 {
		return
	}
	requests := fmt.Sprintf("%d requests of the month have no price", s.Unpriced)
	if s.Unpriced == 1 {
		requests = "one request of the month has no price"
	}
	switch s.State {
	case Within, Unclear:
		s.State, s.Why = Unclear, requests+", so nobody knows whether the budget is kept"
	case MayBreach:
		s.Why = requests + " and what they cost comes on top: the budget may be spent earlier, and more likely"
	case WillBreach:
		s.Why = requests + " and what they cost comes on top: the budget may be spent earlier"
	case Breached:
		s.Why = requests + " and what they cost comes on top: more was spent than is told"
	}
}
