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
	if !s.cfg().Intelligence.on(kind) {
		httpx.Problem(w, r, http.StatusConflict, kind+" is switched off (business_intelligence.enabled, business_intelligence.analysis_types)", httpx.FieldError{Pointer: "kind", Code: "disabled", Detail: "switched off"})
		return
	}
	q := &query{values: r.URL.Query()}
	q.only("from", "to")
	from, to := s.insightDays(q)
	if q.refused(w, r) {
		return
	}
	l, err := asking(r.Context(), s, func() (*insightLook, error) { return s.insights(r.Context(), []string{kind}, from, to) })
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.JSON(w, http.StatusOK, insightAnswer{kind, from, to, l.days, l.hours, l.findings, l.sections[kind], l.limits})
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

// insightLook is what one or more kinds say of the same days. Nobody changes it: it is kept for who asks again.
type insightLook struct {
	days, hours int
	findings    []insight.Finding
	sections    map[string]map[string]any // by kind
	limits      []insightLimit
}

// keptLooks is how many are kept.
const keptLooks = 16

func (l *insightLook) limit(what, format string, args ...any) {
	if x := (insightLimit{what, fmt.Sprintf(format, args...)}); !slices.Contains(l.limits, x) {
		l.limits = append(l.limits, x)
	}
}

// insights makes kinds of business intelligence. All their tests are held together; what two kinds find is told once.
func (s *Service) insights(ctx context.Context, kinds []string, from, to time.Time) (*insightLook, error) {
	setup := s.setup.Load()
	hours, state, err := s.hourStates(ctx, from, to)
	if err != nil {
		return nil, err
	}
	key := fmt.Sprintf("%d %q %d %d %s", setup.number, kinds, from.Unix(), to.Unix(), state)
	if l, ok := s.looks.look(key); ok {
		return l, nil
	}
	rows := reading{}
	o, err := s.outlook(ctx, hours, from, to, &rows, agg.ByModel, agg.ByTenant)
	if err != nil {
		return nil, err
	}
	l := &insightLook{days: o.days, hours: o.hours, sections: map[string]map[string]any{}, limits: []insightLimit{}}
	if o.hours == 0 {
		l.limit("days", "no event was counted from %s to %s; a day counts when it is over", from.Format(time.DateOnly), to.Format(time.DateOnly))
	}
	r := &insight.Report{Start: from, Steady: !setup.cfg.Intelligence.Trends}
	for _, kind := range kinds {
		sections := map[string]any{}
		switch kind {
		case userBehavior:
			o.behavior(r)
			err = s.people(ctx, o, r, l, sections, &rows)
		case performanceTrends:
			o.performance(r, sections)
			err = s.versions(ctx, o, r, l, sections, &rows)
		case costOptimization:
			o.costs(r, sections)
		case capacityPlanning:
			o.capacity(r, l, sections)
		}
		if err != nil {
			return nil, err
		}
		if !setup.cfg.Intelligence.Metrics {
			clear(sections)
		}
		l.sections[kind] = sections
	}
	o.limits(l)
	l.findings = once(r.Findings())
	s.looks.keep(key, 1, l)
	return l, nil
}

// once leaves out what another kind has found as well.
func once(all []insight.Finding) []insight.Finding {
	seen, out := map[string]bool{}, []insight.Finding{}
	for _, f := range all {
		if key := fmt.Sprint(f.Kind, f.Subject, f.Metric, f.At); !seen[key] { // fmt writes maps in the order of their keys
			seen[key] = true
			out = append(out, f)
		}
	}
	return out
}

// limits says what could not be told.
func (o *outlook) limits(l *insightLook) {
	if o.days < 10 {
		l.limit("changes", "%d days; a change needs 10", o.days)
	}
	for _, dimension := range slices.Sorted(maps.Keys(o.cut)) {
		l.limit(dimension, "there are more than %d values; those with the fewest requests are left out", mostKept)
	}
	if o.behind > 0 {
		l.limit("late data", "%d hours have data that are not aggregated yet and are too many to be counted here; they stand as they were aggregated before", o.behind)
	}
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

func (l *outlook) performance(r *insight.Report, sections map[string]any) {
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
	sections["models"] = rows
}

func (l *outlook) costs(r *insight.Report, sections map[string]any) {
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
	sections["models"] = rows
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

// leastQueue is the mean queue of a day, in requests on a machine, from which on its changes are told: twice nothing is nothing.
const leastQueue = 0.5

func (l *outlook) capacity(r *insight.Report, look *insightLook, sections map[string]any) {
	all := l.total()
	r.Week(all.requests)
	r.Volumes([]insight.Activity{{Requests: all.requests}})
	uses := []insight.Series{
		{Metric: "gpu_usage", Unit: "% of the GPUs", Words: "the use of the GPUs is", Least: 0.1, Values: all.gpu, Count: all.requests},
		{Metric: "kv_cache_usage", Unit: "of the KV cache", Words: "the use of the KV cache is", Least: 0.1, Values: all.kv, Count: all.requests},
	}
	queued := slices.ContainsFunc(all.waiting, func(v float64) bool { return v >= leastQueue }) // NaN is none
	if queued {
		uses = append(uses, insight.Series{Metric: gaugeWaiting, Unit: "requests in the queue of a machine", Words: "the queue is", Least: 0.5, Values: all.waiting, Count: all.requests})
	}
	r.Changes(uses)
	r.Day(l.hourly)
	use := map[string]any{"gpu_usage": insight.Middle(all.gpu), "kv_cache_usage": insight.Middle(all.kv), gaugeRunning: insight.Middle(all.running), gaugeWaiting: insight.Middle(all.waiting), "requests_waiting_max": nil, "requests_a_day": insight.Middle(all.requests)}
	if insight.Middle(all.waiting) != nil {
		use["requests_waiting_max"] = all.queue
	} else {
		look.limit(gaugeWaiting, "no system metric tells the length of a queue")
	}
	sections["utilization"] = use
	if insight.Middle(all.gpu) == nil {
		look.limit("gpu_usage", "no system metric tells it")
	}
	look.limit("replicas", "GET /capacity/analysis recommends them")
}
