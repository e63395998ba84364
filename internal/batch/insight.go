package batch

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/insight"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// The kinds of business intelligence.
const (
	userBehavior      = "user_behavior"
	performanceTrends = "performance_trends"
	costOptimization  = "cost_optimization"
	capacityPlanning  = "capacity_planning"
)

var insightKinds = []string{userBehavior, performanceTrends, costOptimization, capacityPlanning}

// insightAnswer is the answer of GET /business-intelligence/{kind}.
type insightAnswer struct {
	Kind     string            `json:"kind"`
	From     time.Time         `json:"from"`
	To       time.Time         `json:"to"`
	Days     int               `json:"days"`
	Hours    int               `json:"hours_with_data"`
	Findings []insight.Finding `json:"findings"`
	Sections map[string]any    `json:"sections"`
	Limits   []insightLimit    `json:"limits"`
}

// insightLimit says what could not be told, and why.
type insightLimit struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

func (s *Service) mountInsight(m *httpx.Mux) {
	m.HandleFunc("GET /business-intelligence/{kind}", s.getInsight, httpx.Doc("What changed and what could be done, from whole days (UTC): user_behavior, performance_trends, cost_optimization or capacity_planning. Each finding stands with the numbers behind it; of all findings at most one in a hundred is false."),
		httpx.Query("from", "First day; 30 days before to when not given."), httpx.Query("to", "End, exclusive; today when not given."),
		httpx.Answer("200", "The findings, and sections with the numbers at large.", insightAnswer{}), httpx.Answer("404", "There is no such kind."),
		httpx.Answer("409", "This kind is switched off."), httpx.Answer("422", "A parameter cannot be used; errors says which."))
}

func (s *Service) getInsight(w http.ResponseWriter, r *http.Request) {
	kind := r.PathValue("kind")
	if !slices.Contains(insightKinds, kind) {
		httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("there is no business intelligence %.80q; choose one of %s", kind, strings.Join(insightKinds, ", ")))
		return
	}
	if !s.cfg.Intelligence.on(kind) {
		httpx.Problem(w, r, http.StatusConflict, kind+" is switched off (business_intelligence.enabled, business_intelligence.analysis_types)", httpx.FieldError{Pointer: "kind", Code: "disabled", Detail: "switched off"})
		return
	}
	q := &query{values: r.URL.Query()}
	q.only("from", "to")
	from, to := s.insightDays(q)
	if q.refused(w, r) {
		return
	}
	a, err := asking(r.Context(), s, func() (*insightAnswer, error) { return s.insightOf(r.Context(), kind, from, to) })
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.JSON(w, http.StatusOK, a)
}

// insightDays reads from and to: whole days that lie within.
func (s *Service) insightDays(q *query) (from, to time.Time) {
	const day = 24 * time.Hour
	from, to = q.time("from"), q.time("to")
	if to.IsZero() {
		to = s.now().UTC()
	}
	to = to.Truncate(day)
	if from.IsZero() {
		from = to.AddDate(0, 0, -30)
	}
	from = from.Add(day - 1).Truncate(day)
	switch days := int(to.Sub(from) / day); {
	case len(q.errs) > 0:
	case days < 1:
		q.bad("to", "out_of_range", "no whole day (UTC) lies between from and to")
	case days > mostDays:
		q.bad("from", "too_much", "%d days; at most %d are read at a time", days, mostDays)
	}
	return from, to
}

// insightOf makes one kind of business intelligence.
func (s *Service) insightOf(ctx context.Context, kind string, from, to time.Time) (*insightAnswer, error) {
	l, err := s.outlook(ctx, from, to, agg.ByModel, agg.ByTenant)
	if err != nil {
		return nil, err
	}
	a := &insightAnswer{Kind: kind, From: from, To: to, Days: l.days, Hours: l.hours, Sections: map[string]any{}, Limits: []insightLimit{}}
	r := &insight.Report{Start: from, Steady: !s.cfg.Intelligence.Trends}
	switch kind {
	case userBehavior:
		l.behavior(r)
		err = s.people(ctx, l, r, a)
	case performanceTrends:
		l.performance(r, a)
	case costOptimization:
		l.costs(r, a)
	case capacityPlanning:
		l.capacity(r, a)
	}
	if err != nil {
		return nil, err
	}
	if l.days < 10 {
		a.Limits = append(a.Limits, insightLimit{"changes", fmt.Sprintf("%d days; a change needs 10", l.days)})
	}
	for _, dimension := range slices.Sorted(maps.Keys(l.cut)) {
		a.Limits = append(a.Limits, insightLimit{dimension, fmt.Sprintf("there are more than %d values; those with the fewest requests are left out", mostKept)})
	}
	if !s.cfg.Intelligence.Metrics {
		clear(a.Sections)
	}
	if a.Findings = r.Findings(); a.Findings == nil {
		a.Findings = []insight.Finding{}
	}
	return a, nil
}

// activities are who made how many requests.
func (l *outlook) activities(dimension string) []insight.Activity {
	var out []insight.Activity
	for _, d := range l.values(dimension) {
		out = append(out, insight.Activity{Dimension: dimension, Value: d.value, Requests: d.requests})
	}
	return out
}

func (l *outlook) behavior(r *insight.Report) {
	tenants, total := l.activities(agg.ByTenant), l.total().requests
	r.Week(total)
	r.Lost(tenants, total)
	r.Volumes(append(tenants, insight.Activity{Requests: total}))
}

func (l *outlook) performance(r *insight.Report, a *insightAnswer) {
	var all []insight.Series
	rates := []insight.Rate{}
	rows := []map[string]any{}
	for _, d := range l.values(agg.ByModel) {
		add := func(metric, words string, values []float64) {
			all = append(all, insight.Series{Dimension: agg.ByModel, Value: d.value, Metric: metric, Unit: "ms", Words: words, Least: 0.1, Values: values, Count: d.requests})
		}
		add("latency_ms.p50", "the median latency is", d.p50)
		add("ttft_ms.p50", "the median time to the first token is", d.ttft)
		rates = append(rates, insight.Rate{Dimension: agg.ByModel, Value: d.value, Metric: "error_rate", Of: d.requests, Bad: d.errors})
		rows = append(rows, map[string]any{"model": d.value, "requests": sumOf(d.requests), "errors": sumOf(d.errors), "latency_p50_ms": insight.Middle(d.p50), "latency_p95_ms": insight.Middle(d.p95), "ttft_p50_ms": insight.Middle(d.ttft)})
	}
	r.Changes(all)
	r.Rates(rates)
	a.Sections["models"] = rows
}

func (l *outlook) costs(r *insight.Report, a *insightAnswer) {
	var units []insight.Series
	var models []insight.ModelCost
	rows := []map[string]any{}
	for _, d := range l.values(agg.ByModel) {
		units = append(units, insight.Series{Dimension: agg.ByModel, Value: d.value, Metric: "usd_per_million_tokens", Unit: "USD per million tokens", Kind: "unit_cost_change", Words: "a token costs", Least: 0.1, Values: d.unit, Count: d.requests})
		m := insight.ModelCost{Model: d.value, Unit: d.unit, Cost: d.cost, Requests: d.requests, Scores: d.scores, P95MS: insight.Median(d.p95)}
		if d.scores > 0 {
			m.Score = d.score / d.scores
		}
		models = append(models, m)
		rows = append(rows, map[string]any{"model": d.value, "requests": sumOf(d.requests), "unpriced_requests": d.unpriced, "cost_usd": d.spent(), "usd_per_million_tokens": insight.Middle(d.unit), "scores": d.scores, "satisfaction": insight.Mean(d.score, d.scores)})
	}
	r.UnitCosts(units, models)
	r.Savings(models)
	all := l.total()
	r.Unpriced(sumOf(all.requests), all.unpriced)
	a.Sections["models"] = rows
}

// spent is what the priced requests cost, nil when none is priced.
func (d *valueDays) spent() *agg.USD {
	if d.unpriced == d.sofar {
		return nil
	}
	n := int64(0)
	for _, x := range d.cost {
		n += x
	}
	return new(agg.USD(n))
}

func (l *outlook) capacity(r *insight.Report, a *insightAnswer) {
	all := l.total()
	r.Week(all.requests)
	r.Volumes([]insight.Activity{{Requests: all.requests}})
	r.Changes([]insight.Series{
		{Metric: "gpu_usage", Unit: "% of the GPUs", Words: "the use of the GPUs is", Least: 0.1, Values: all.gpu, Count: all.requests},
		{Metric: "kv_cache_usage", Unit: "of the KV cache", Words: "the use of the KV cache is", Least: 0.1, Values: all.kv, Count: all.requests},
	})
	r.Day(l.hourly)
	a.Sections["utilization"] = map[string]any{"gpu_usage": insight.Middle(all.gpu), "kv_cache_usage": insight.Middle(all.kv), "requests_a_day": insight.Middle(all.requests)}
	if insight.Middle(all.gpu) == nil {
		a.Limits = append(a.Limits, insightLimit{"gpu_usage", "no system metric tells it"})
	}
	a.Limits = append(a.Limits, insightLimit{"replicas", "GET /capacity/analysis recommends them"})
}
