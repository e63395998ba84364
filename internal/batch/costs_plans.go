package batch

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/batch/forecast"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// What follows from costs: what a move to another model would have done, what own GPUs cost, and how budgets stand.

func (s *Service) mountPlans(m *httpx.Mux) {
	from, to := httpx.Query("from", "Start, RFC 3339; the first of the month when not given."), httpx.Query("to", "End, exclusive; the end of the running hour when not given.")
	bad := httpx.Answer("422", "A parameter cannot be used; errors says which.")
	m.HandleFunc("POST /costs/whatif", s.postWhatIf, httpx.Doc("What costs would have been, had another model served a share of the requests: {\"from\", \"to\", \"moves\": [{\"from\": model, \"to\": model, \"share\": 0.3}]}."),
		httpx.Body("application/json"), httpx.Answer("200", "What each move would have done, and all together.", whatIfAnswer{}), bad)
	m.HandleFunc("GET /costs/self-hosted", s.getOwnCosts, httpx.Doc("What own GPUs (costs.self_hosted) cost, fully loaded and as used, by pool and model."), from, to,
		httpx.Answer("200", "The pools.", ownAnswer{}), bad)
	m.HandleFunc("GET /costs/accepted", s.getAccepted, httpx.Doc("What an accepted answer costs, by model: the cost of the requests that users judged, by those that they accepted (a thumb up, or a score of 4 or 5)."), from, to,
		httpx.Answer("200", "The models.", acceptedAnswer{}), bad)
	m.HandleFunc("GET /costs/reconciliation", s.getReconciliation, httpx.Doc("Tokens that requests tell against those that the engines counted, by hour."), from, to,
		httpx.Answer("200", "The hours, and all together.", reconciliation{}), bad)
	m.HandleFunc("GET /costs/budgets", s.getBudgets, httpx.Doc("How the budgets of the month (costs.budgets) stand, and when they are likely to be spent."),
		httpx.Answer("200", "The budgets.", budgetsAnswer{}))
}

// maxMoves bounds one question.
const maxMoves = 20

type whatIfAnswer struct {
	From   time.Time       `json:"from"`
	To     time.Time       `json:"to"`
	Moves  []*cost.Outcome `json:"moves"`
	Before agg.USD         `json:"cost_usd_before"` // of everything
	After  agg.USD         `json:"cost_usd_after"`
	Saving agg.USD         `json:"saving_usd"`
	Month  agg.USD         `json:"saving_usd_month"`
}

func (s *Service) postWhatIf(w http.ResponseWriter, r *http.Request) {
	var req struct {
		From  string      `json:"from"`
		To    string      `json:"to"`
		Moves []cost.Move `json:"moves"`
	}
	if !readBody(w, r, &req, httpx.Strict) {
		return
	}
	q := &query{values: map[string][]string{"from": {req.From}, "to": {req.To}}}
	a := whatIfAnswer{Moves: []*cost.Outcome{}}
	a.From, a.To = s.costTimes(q)
	shares := map[string]cost.Share{}
	if len(req.Moves) == 0 || len(req.Moves) > maxMoves {
		q.bad("/moves", "out_of_range", "%d moves; give 1 to %d", len(req.Moves), maxMoves)
		req.Moves = nil
	}
	for i, m := range req.Moves {
		at := fmt.Sprintf("/moves/%d", i)
		if m.From == "" || m.To == "" || m.From == m.To {
			q.bad(at, "required", "name two models, from and to")
		}
		if m.Share == 0 {
			q.bad(at+"/share", "required", "give the share of the requests, above 0 and up to 1")
		}
		if shares[m.From] += m.Share; shares[m.From] > 1_000_000 {
			q.bad(at+"/share", "out_of_range", "more than all requests to %q would move", m.From)
		}
	}
	if q.refused(w, r) {
		return
	}
	table, err := asking(r.Context(), s, func() (*cost.Table, error) {
		return s.costTable(r.Context(), &costQuery{from: a.From, to: a.To, by: []string{agg.ByModel}})
	})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	a.Before = agg.USD(table.Total.Cost)
	hours := max(1, int64(a.To.Sub(a.From)/time.Hour))
	for i, m := range req.Moves {
		o, err := cost.WhatIf(m, table.Of(m.From), table.Of(m.To), s.deps.Prices.Find(m.To, s.now().UnixMicro(), s.now().UnixMicro()), hours)
		if err != nil {
			q.bad(fmt.Sprintf("/moves/%d", i), "unknown_cost", "%s", err)
			continue
		}
		a.Moves = append(a.Moves, o)
		a.Saving, a.Month = a.Saving+o.Saving, a.Month+o.Month
	}
	if a.After = a.Before - a.Saving; q.refused(w, r) {
		return
	}
	httpx.JSON(w, http.StatusOK, a)
}

type ownAnswer struct {
	From    time.Time        `json:"from"`
	To      time.Time        `json:"to"`
	Total   agg.USD          `json:"cost_usd"`
	Pools   []*cost.PoolCost `json:"pools"`
	Samples uint64           `json:"gpu_samples"` // that utilization stands on
}

func (s *Service) getOwnCosts(w http.ResponseWriter, r *http.Request) {
	q := &query{values: r.URL.Query()}
	q.only("from", "to")
	a := ownAnswer{Pools: []*cost.PoolCost{}}
	a.From, a.To = s.costTimes(q)
	a.From, a.To = s.wholeHours(q, a.From, a.To)
	hours := int64(a.To.Sub(a.From) / time.Hour)
	if hours > maxCostHours {
		q.bad("from", "too_much", "%d hours; at most %d are read at a time", hours, maxCostHours)
	}
	if q.refused(w, r) {
		return
	}
	var gpu agg.Gauge
	use, err := asking(r.Context(), s, func() (use []cost.Use, err error) {
		use, gpu, err = s.use(r.Context(), a.From, a.To)
		return use, err
	})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	utilization := -1.0
	if a.Samples = gpu.Count; gpu.Count > 0 {
		utilization = gpu.Mean() / 100
	}
	for i := range s.cfg.Costs.SelfHosted {
		c := s.cfg.Costs.SelfHosted[i].Cost(hours, use, utilization)
		a.Pools, a.Total = append(a.Pools, c), a.Total+c.CostUSD
	}
	httpx.JSON(w, http.StatusOK, a)
}

// use is what each model did in whole hours, and how much the GPUs were in use.
func (s *Service) use(ctx context.Context, from, to time.Time) ([]cost.Use, agg.Gauge, error) {
	hours, err := s.deps.Hours.HourStates(ctx, from.Unix(), to.Unix())
	if err != nil {
		return nil, agg.Gauge{}, err
	}
	by, all := map[string]*cost.Use{}, new(agg.Cell)
	for _, h := range hours {
		encoded, err := s.cellsOf(ctx, h)
		if err != nil {
			return nil, agg.Gauge{}, err
		}
		for g, text := range encoded {
			if g.Dimension != agg.ByModel {
				continue
			}
			var c agg.Cell
			if _, err := c.Decode(text); err != nil {
				return nil, agg.Gauge{}, fmt.Errorf("the stored cell of model %q of hour %s is damaged: %w; aggregate its period again", g.Value, hourName(h.Hour), err)
			}
			if g.Value == agg.AllModels {
				all.Merge(&agg.Cell{System: c.System})
				continue
			}
			u := by[g.Value]
			if u == nil {
				u = &cost.Use{Model: g.Value}
				by[g.Value] = u
			}
			u.Requests, u.Prompt, u.Completion = u.Requests+c.Requests, u.Prompt+c.Tokens.Prompt, u.Completion+c.Tokens.Completion
			if n := c.TTFT.Count(); n > 0 && n == c.Latency.Count() { // else they are of different requests
				u.PrefillMS, u.TotalMS = u.PrefillMS+c.TTFT.AvgMS()*float64(n), u.TotalMS+c.Latency.AvgMS()*float64(n)
			}
		}
	}
	out := make([]cost.Use, 0, len(by))
	for _, u := range by {
		out = append(out, *u)
	}
	sorting.By(out, func(a, b cost.Use) int { return strings.Compare(a.Model, b.Model) })
	return out, all.System.Gauge("gpu_usage"), nil
}

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
	a := budgetsAnswer{At: s.now().UTC(), Budgets: []cost.Standing{}}
	rows := int64(0)
	for i := range s.cfg.Costs.Budgets {
		st, err := asking(r.Context(), s, func() (cost.Standing, error) {
			return s.standing(r.Context(), &s.cfg.Costs.Budgets[i], a.At, &rows)
		})
		if err != nil {
			s.fail(w, r, err)
			return
		}
		a.Budgets = append(a.Budgets, st)
	}
	httpx.JSON(w, http.StatusOK, a)
}

// budgetDays are the days before today that a forecast of costs is made from.
const budgetDays = 84

// standing tells how a budget stands at a moment.
func (s *Service) standing(ctx context.Context, b *cost.Budget, at time.Time, rows *int64) (cost.Standing, error) {
	today := at.Truncate(24 * time.Hour)
	month := time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
	first := today.AddDate(0, 0, -budgetDays)
	by, want := []string{"day"}, ""
	switch {
	case b.Model != "":
		by, want = append(by, agg.ByModel), b.Model
	case b.Tenant != "":
		by, want = append(by, agg.ByTenant), b.Tenant
	}
	table, err := s.costTable(ctx, &costQuery{from: first, to: at.Truncate(time.Hour).Add(time.Hour), by: by, only: want, rows: rows})
	if err != nil {
		return cost.Standing{}, err
	}
	days, unknown := slices.Repeat([]float64{math.NaN()}, budgetDays), make([]bool, budgetDays)
	spent, sofar, unpriced := int64(0), int64(0), uint64(0)
	for _, g := range table.Groups() {
		day, err := time.Parse(time.DateOnly, g.Key[0])
		if err != nil {
			return cost.Standing{}, err
		}
		if n := int(day.Sub(first) / (24 * time.Hour)); n < budgetDays {
			days[n], unknown[n] = float64(g.Cost)/1e9, g.Unpriced() > 0
		} else {
			sofar += g.Cost
		}
		if !day.Before(month) {
			unpriced += g.Unpriced()
			if day.Before(today) {
				spent += g.Cost
			}
		}
	}
	left := int(month.AddDate(0, 1, 0).Sub(today) / (24 * time.Hour))
	ahead, why := daysAhead(days, unknown, left)
	st := b.Stand(month, today, spent, sofar, unpriced, ahead)
	if why != "" {
		st.Why = why
	}
	return st, nil
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
