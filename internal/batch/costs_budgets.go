package batch

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/batch/forecast"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// How the budgets of a month stand, and when they are likely to be spent.

type budgetsAnswer struct {
	At      time.Time       `json:"at"`
	Budgets []cost.Standing `json:"budgets"`
}

func (s *Service) getBudgets(w http.ResponseWriter, r *http.Request) {
	q := &query{values: r.URL.Query()}
	q.only()
	if q.refused(w, r) {
		return
	}
	a := budgetsAnswer{At: s.now().UTC()}
	var err error
	a.Budgets, err = asking(r.Context(), s, func() ([]cost.Standing, error) { return s.standings(r.Context(), s.cfg.Costs.Budgets, a.At) })
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.JSON(w, http.StatusOK, a)
}

// budgetDays are the days before today that a forecast of costs is made from.
const budgetDays = 84

// standings tells how budgets stand at a moment. That of the end of a month belongs to the month. What they have in common is read once.
func (s *Service) standings(ctx context.Context, budgets []cost.Budget, at time.Time) ([]cost.Standing, error) {
	tables, rows := map[string]*cost.Table{}, reading{}
	out := make([]cost.Standing, 0, len(budgets))
	for i := range budgets {
		dimension, value := subjectOf(&budgets[i])
		if tables[dimension] == nil {
			q := &costQuery{from: at.Truncate(24*time.Hour).AddDate(0, 0, -budgetDays), to: at.Add(-1).Truncate(time.Hour).Add(time.Hour), by: []string{"day"}, rows: &rows}
			if dimension != "" {
				q.by = append(q.by, dimension)
			}
			for k := range budgets {
				if d, v := subjectOf(&budgets[k]); d == dimension && d != "" {
					q.only = append(q.only, v)
				}
			}
			t, err := s.costTable(ctx, q)
			if err != nil {
				return nil, err
			}
			tables[dimension] = t
		}
		out = append(out, standing(&budgets[i], tables[dimension], value, at))
	}
	return out, nil
}

// subjectOf is the dimension and the value that a budget is for; "" for everything.
func subjectOf(b *cost.Budget) (dimension, value string) {
	switch {
	case b.Model != "":
		return agg.ByModel, b.Model
	case b.Tenant != "":
		return agg.ByTenant, b.Tenant
	}
	return "", ""
}

// standing tells how one stands, from costs by day and by what it is for.
func standing(b *cost.Budget, costs *cost.Table, value string, at time.Time) cost.Standing {
	first := at.Truncate(24*time.Hour).AddDate(0, 0, -budgetDays)
	x := &cost.Spending{Today: first.AddDate(0, 0, budgetDays)}
	last := at.Add(-1)
	x.Month = time.Date(last.Year(), last.Month(), 1, 0, 0, 0, 0, time.UTC)
	begun := budgetDays - int(x.Today.Sub(x.Month)/(24*time.Hour)) // of the month, among the days
	days, unknown := slices.Repeat([]float64{math.NaN()}, budgetDays), make([]bool, budgetDays)
	x.Days = make([]int64, budgetDays-begun)
	for n := range budgetDays + 1 {
		key := []string{first.AddDate(0, 0, n).Format(time.DateOnly)}
		if len(costs.By) > 1 {
			key = append(key, value)
		}
		u := costs.Of(key...)
		if n == budgetDays {
			x.Sofar = u.Cost
		} else if u.Requests > 0 {
			days[n], unknown[n] = float64(u.Cost)/1e9, u.Unpriced() > 0
		}
		if n >= begun {
			x.Unpriced += u.Unpriced()
			if n < budgetDays {
				x.Days[n-begun] = u.Cost
			}
		}
	}
	why := ""
	if left := int(x.Month.AddDate(0, 1, 0).Sub(x.Today) / (24 * time.Hour)); left > 0 {
		x.Ahead, why = daysAhead(days, unknown, left)
	} else {
		x.Ahead = &cost.Ahead{} // the month is over
	}
	st := b.Stand(x)
	if st.Why == "" {
		st.Why = why
	}
	return st
}

// leastDays is how many days a forecast of costs needs.
const leastDays = 14

// daysAhead tells how days go on, or why nobody can tell. A day without requests between others cost nothing; what a day with requests
// without a price cost is unknown.
func daysAhead(days []float64, unknown []bool, steps int) (*cost.Ahead, string) {
	from := slices.IndexFunc(days, func(x float64) bool { return !math.IsNaN(x) })
	if from < 0 || len(days)-from < leastDays {
		return nil, fmt.Sprintf("costs of %d whole days are known; a forecast needs %d", map[bool]int{true: 0, false: len(days) - from}[from < 0], leastDays)
	}
	days, unknown = slices.Clone(days[from:]), unknown[from:]
	for i, x := range days {
		switch {
		case unknown[i]:
			days[i] = math.NaN()
		case math.IsNaN(x):
			days[i] = 0
		}
	}
	const interval = 0.8
	f, err := forecast.Series(days, forecast.Options{Horizon: steps, Seasons: []int{7}, Interval: interval})
	if bad, ok := errors.AsType[*forecast.Error](err); ok {
		return nil, bad.Detail
	} else if err != nil {
		return nil, err.Error()
	}
	return &cost.Ahead{Likely: f.Forecast, Lo: f.Lo, Hi: f.Hi, Interval: interval, Method: f.Method}, ""
}
