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
	a.Budgets, err = asking(r.Context(), s, func() ([]cost.Standing, error) { return s.standings(r.Context(), s.cfg().Costs.Budgets, a.At) })
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.JSON(w, http.StatusOK, a)
}

// budgetDays are the days before today that a forecast of costs is made from.
const budgetDays = 84

// standings tells how budgets stand at a moment. That of the end of a month belongs to the month. What they have in common is read once, and
// what is too much to be read for some is no reason not to read for the others.
func (s *Service) standings(ctx context.Context, budgets []cost.Budget, at time.Time) ([]cost.Standing, error) {
	type common struct {
		part string
		own  bool
	}
	type known struct {
		table *cost.Table
		no    *agg.Refusal // why it is not known
	}
	read := map[common]known{}
	out := make([]cost.Standing, 0, len(budgets))
	for i := range budgets {
		b := &budgets[i]
		part, value := b.Subject()
		c := common{part, b.OwnGPUs}
		k, ok := read[c]
		if !ok {
			var err error
			k.table, err = s.costDays(ctx, budgetQuery(budgets, part, b.OwnGPUs, at))
			if k.no, ok = errors.AsType[*agg.Refusal](err); err != nil && !ok {
				return nil, err
			}
			read[c] = k
		}
		if k.no != nil {
			last := at.Add(-1)
			out = append(out, b.Unknown(time.Date(last.Year(), last.Month(), 1, 0, 0, 0, 0, time.UTC), k.no.Fields[0].Detail))
			continue
		}
		out = append(out, standing(b, k.table, value, at))
	}
	return out, nil
}

// budgetQuery asks for the days of all budgets that are for a part of costs.
func budgetQuery(budgets []cost.Budget, part string, own bool, at time.Time) *costQuery {
	q := &costQuery{from: at.Truncate(24*time.Hour).AddDate(0, 0, -budgetDays), to: at.Add(-1).Truncate(time.Hour).Add(time.Hour), by: []string{"day"}, rows: new(reading), own: own}
	if own { // nobody knows yet what the running hour takes of them
		q.to = at.Truncate(time.Hour)
	}
	if part != "" {
		q.by = append(q.by, part)
	}
	for k := range budgets {
		if d, v := budgets[k].Subject(); d == part && d != "" {
			q.only = append(q.only, v)
		}
	}
	return q
}

// costDays answers a question about days: at once where stored hours tell it, else day by day, so that a day that is over is read once and then
// remembered.
func (s *Service) costDays(ctx context.Context, q *costQuery) (*cost.Table, error) {
	if _, stored := q.dimension(); stored && !q.own {
		return s.costTable(ctx, q)
	}
	sum := cost.NewTable(q.by)
	for from := q.from; from.Before(q.to); {
		day := *q
		day.from, day.to = from, earlierOf(from.Truncate(24*time.Hour).AddDate(0, 0, 1), q.to)
		t, err := s.costTable(ctx, &day)
		if err != nil {
			return nil, err
		}
		sum.Merge(t)
		from = day.to
	}
	return sum, nil
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
		nano, unpriced, requests := spentOf(b, costs, key)
		if n == budgetDays {
			x.Sofar = nano
		} else if requests > 0 || nano > 0 {
			days[n], unknown[n] = float64(nano)/1e9, unpriced > 0
		}
		if n >= begun {
			x.Unpriced += unpriced
			if n < budgetDays {
				x.Days[n-begun] = nano
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

// spentOf is what was spent of a budget on the day of a key.
func spentOf(b *cost.Budget, costs *cost.Table, key []string) (nano int64, unpriced, requests uint64) {
	u := costs.Of(key...)
	if nano, unpriced = u.Cost, u.Unpriced(); !b.OwnGPUs {
		return nano, unpriced, u.Requests
	}
	if nano, unpriced = nano+u.Own, unpriced-u.Covered; len(key) == 1 { // of everything: also what was idle
		for i := range costs.Idle {
			if costs.Idle[i].Key[0] == key[0] {
				nano += costs.Idle[i].Nano
			}
		}
	}
	return nano, unpriced, u.Requests
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
