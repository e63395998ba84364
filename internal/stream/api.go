package stream

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Mount adds the questions that event-processing-api answers.
func (s *Service) Mount(m *httpx.Mux) {
	m.HandleFunc("GET /analytics", s.getAnalytics, httpx.Doc("Numbers of one window of event time, overall and by group."),
		httpx.Query("window", "seconds; REAL_TIME_ANALYTICS_WINDOW_SIZE when absent"), httpx.Query("at", "end of the window, RFC 3339; now when absent"),
		httpx.Query("model", "only this model"), httpx.Query("tenant", "only this tenant"), httpx.Query("group_by", "model, tenant or both"),
		httpx.Query("limit", "groups of a page, 1 to 1000, 100 by default"), httpx.Query("cursor", "next_cursor of the page before"))
	m.HandleFunc("GET /analytics/performance", s.getPerformance, httpx.Doc("How fast and how complete the fast path is."))
}

const maxWindow = 400 * 24 * 3600 // seconds; older panes are gone

// question is a parsed query of GET /analytics.
type question struct {
	span          Span
	model, tenant *string
	groupBy       []string
	limit, offset int
}

func (s *Service) parseQuestion(q url.Values) (question, []httpx.FieldError) {
	var bad []httpx.FieldError
	refuse := func(name, format string, args ...any) {
		bad = append(bad, httpx.FieldError{Pointer: "?" + name, Code: "invalid", Detail: fmt.Sprintf(format, args...)})
	}
	out := question{limit: 100}
	window := int64(s.cfg.WindowSeconds)
	if v := q.Get("window"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n <= 0 || n > maxWindow {
			refuse("window", "window=%q: give whole seconds from 1 to %d", v, maxWindow)
		} else {
			window = n
		}
	}
	end := time.Now()
	if v := q.Get("at"); v != "" {
		t, err := time.Parse(time.RFC3339, v)
		if err != nil || t.Year() < 1970 || t.Year() > 9999 {
			refuse("at", "at=%q: give the end of the window as RFC 3339, e.g. 2026-03-01T10:00:00Z", v)
		} else {
			end = t
		}
	}
	out.span = Span{Start: floor(end.UnixMicro()-window*1e6, 1e6) / 1e6, End: ceilSecond(end)}
	if v := q.Get("group_by"); v != "" {
		for _, dim := range strings.Split(v, ",") {
			if dim != "model" && dim != "tenant" {
				refuse("group_by", "group_by=%q: unknown dimension %q, known are model and tenant", v, dim)
			} else if !slices.Contains(out.groupBy, dim) {
				out.groupBy = append(out.groupBy, dim)
			}
		}
	}
	for name, to := range map[string]**string{"model": &out.model, "tenant": &out.tenant} {
		if q.Has(name) && q.Get(name) != "" {
			*to = new(q.Get(name))
		}
	}
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 1000 {
			refuse("limit", "limit=%q: give a number from 1 to 1000", v)
		} else {
			out.limit = n
		}
	}
	if v := q.Get("cursor"); v != "" {
		raw, err := base64.RawURLEncoding.DecodeString(v)
		n, err2 := strconv.Atoi(string(raw))
		if err != nil || err2 != nil || n < 0 {
			refuse("cursor", "cursor=%q: give the next_cursor of the page before", v)
		} else {
			out.offset = n
		}
	}
	return out, bad
}

type windowAnswer struct {
	Start   time.Time `json:"start"`
	End     time.Time `json:"end"`
	Seconds int64     `json:"seconds"`
	Widened bool      `json:"widened,omitempty"`
}

type groupAnswer struct {
	Key   map[string]*string `json:"key"`
	Stats agg.Stats          `json:"stats"`
}

type analyticsAnswer struct {
	Window       windowAnswer  `json:"window"`
	Watermark    *time.Time    `json:"watermark"`
	Completeness float64       `json:"completeness"`
	Final        bool          `json:"final"`
	Overall      agg.Stats     `json:"overall"`
	Groups       []groupAnswer `json:"groups"`
	NextCursor   *string       `json:"next_cursor"`
}

func (s *Service) getAnalytics(w http.ResponseWriter, r *http.Request) {
	q, bad := s.parseQuestion(r.URL.Query())
	if len(bad) > 0 {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, bad[0].Detail, bad...)
		return
	}
	res := s.Query(q.span)
	seconds := float64(res.Span.End - res.Span.Start)
	a := analyticsAnswer{
		Window:       windowAnswer{time.Unix(res.Span.Start, 0).UTC(), time.Unix(res.Span.End, 0).UTC(), res.Span.End - res.Span.Start, res.Widened},
		Completeness: res.Completeness, Final: res.Final, Groups: []groupAnswer{},
	}
	if !res.Watermark.IsZero() {
		a.Watermark = &res.Watermark
	}
	overall, groups := q.group(res.Groups)
	a.Overall = overall.Stats(seconds)
	if q.groupBy != nil {
		page := groups[min(q.offset, len(groups)):min(q.offset+q.limit, len(groups))]
		for _, g := range page {
			a.Groups = append(a.Groups, groupAnswer{q.key(g.key), g.cell.Stats(seconds)})
		}
		if next := q.offset + q.limit; next < len(groups) {
			a.NextCursor = new(base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(next))))
		}
	}
	httpx.JSON(w, http.StatusOK, a)
}

type keyed struct {
	key  agg.Key
	cell *agg.Cell
}

// group merges the cells that the filters let through: all of them, and by the dimensions asked for, busiest first. What
// names no model or tenant has null in its key, so that the groups add up to the whole.
func (q *question) group(cells map[agg.Key]*agg.Cell) (*agg.Cell, []keyed) {
	overall, by := new(agg.Cell), map[agg.Key]*agg.Cell{}
	for k, c := range cells {
		if q.model != nil && k.Model != *q.model || q.tenant != nil && k.Tenant != *q.tenant {
			continue
		}
		overall.Merge(c)
		if q.groupBy == nil {
			continue
		}
		var gk agg.Key
		if slices.Contains(q.groupBy, "model") {
			gk.Model = k.Model
		}
		if slices.Contains(q.groupBy, "tenant") {
			gk.Tenant = k.Tenant
		}
		if have := by[gk]; have != nil {
			have.Merge(c)
		} else {
			by[gk] = c
		}
	}
	groups := make([]keyed, 0, len(by))
	for k, c := range by {
		groups = append(groups, keyed{k, c})
	}
	slices.SortFunc(groups, func(a, b keyed) int {
		return cmp.Or(cmp.Compare(b.cell.Requests, a.cell.Requests), cmp.Compare(b.cell.Events, a.cell.Events),
			cmp.Compare(a.key.Model, b.key.Model), cmp.Compare(a.key.Tenant, b.key.Tenant))
	})
	return overall, groups
}

func (q *question) key(k agg.Key) map[string]*string {
	out := map[string]*string{}
	for _, dim := range q.groupBy {
		v := k.Model
		if dim == "tenant" {
			v = k.Tenant
		}
		out[dim] = nil
		if v != "" {
			out[dim] = &v
		}
	}
	return out
}

type delayAnswer struct {
	P50 *float64 `json:"p50"`
	P95 *float64 `json:"p95"`
	P99 *float64 `json:"p99"`
	Max *float64 `json:"max"`
}

type partitionAnswer struct {
	Topic     string     `json:"topic"`
	Partition int32      `json:"partition"`
	Offset    int64      `json:"offset"`
	End       int64      `json:"end"`
	Lag       int64      `json:"lag"`
	Watermark *time.Time `json:"watermark"`
	Idle      bool       `json:"idle"`
	Late      int64      `json:"late"`
	Lost      int64      `json:"lost,omitempty"`
	GapReason string     `json:"gap_reason,omitempty"`
}

type stageAnswer struct {
	Name    string  `json:"name"`
	Events  int64   `json:"events"`
	Seconds float64 `json:"seconds"`
}

type performanceAnswer struct {
	EventsTotal     int64             `json:"events_total"`
	EventsPerSecond float64           `json:"events_per_second"`
	Latency         delayAnswer       `json:"processing_latency_ms"`
	WatermarkLag    float64           `json:"watermark_lag_seconds"`
	ConsumerLag     int64             `json:"consumer_lag"`
	Late            int64             `json:"late_events"`
	Future          int64             `json:"future_events"`
	DeadLetters     int64             `json:"dead_letters"`
	Duplicates      int64             `json:"duplicates"`
	ErrorRate       *float64          `json:"error_rate"`
	CPUPercent      float64           `json:"cpu_percent"`
	MemoryBytes     uint64            `json:"memory_bytes"`
	Goroutines      int               `json:"goroutines"`
	Completeness    float64           `json:"completeness"`
	Partitions      []partitionAnswer `json:"partitions"`
	Stages          []stageAnswer     `json:"stages"`
}

func (s *Service) getPerformance(w http.ResponseWriter, _ *http.Request) {
	parts := s.partitions()
	now := time.Now()
	a := performanceAnswer{
		EventsPerSecond: s.metrics.perSecond(), WatermarkLag: s.lag().Seconds(), ConsumerLag: s.behind(),
		Goroutines: runtime.NumGoroutine(), Completeness: completeness(parts), CPUPercent: cpuPercent(s.started), MemoryBytes: memoryBytes(),
		Stages:     []stageAnswer{{"fold", s.metrics.folded.Load(), time.Duration(s.metrics.busy.Load()).Seconds()}},
		Partitions: []partitionAnswer{},
	}
	if d := s.metrics.delays(); d.Count() > 0 {
		a.Latency = delayAnswer{new(d.QuantileMS(.5)), new(d.QuantileMS(.95)), new(d.QuantileMS(.99)), new(float64(d.Max()) / 1e6)}
	}
	var failed int64
	for _, src := range sortedSources(parts) {
		p := parts[src]
		t := &p.Tally
		a.EventsTotal += t.Events
		a.Late += t.Late
		a.Future += t.Future
		a.DeadLetters += t.DeadLetters
		a.Duplicates += t.Duplicates
		failed += t.DeadLetters
		pa := partitionAnswer{Topic: src.Topic, Partition: src.Partition, Offset: p.Counted, End: p.High, Lag: max(p.High-p.Counted, 0), Idle: p.Idle, Late: t.Late, Lost: p.Lost, GapReason: p.GapReason}
		if low := watermark([]progress{p}, s.cfg.Disorder, now); low != noWatermark {
			pa.Watermark = new(time.UnixMicro(low).UTC())
		}
		a.Partitions = append(a.Partitions, pa)
	}
	if n := a.EventsTotal + failed; n > 0 {
		a.ErrorRate = new(float64(failed) / float64(n))
	}
	httpx.JSON(w, http.StatusOK, a)
}

// Problems says what an operator should know: reasons for which the service is degraded.
func (s *Service) Problems() (reasons []string) {
	parts := s.partitions()
	for _, src := range sortedSources(parts) {
		if p := parts[src]; p.Lost > 0 {
			reasons = append(reasons, fmt.Sprintf("%d records of %s/%d were never read: %s", p.Lost, src.Topic, src.Partition, p.GapReason))
		}
	}
	if reach := s.reach(); reach >= 0 && reach < 10*time.Minute {
		reasons = append(reasons, fmt.Sprintf("duplicates are recognised only %s back: raise duplicate_filter_bytes", reach.Round(time.Second)))
	}
	return reasons
}
