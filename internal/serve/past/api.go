package past

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// Bounds of one question.
const (
	longest     = 400 * day
	mostPoints  = 1000
	mostMetrics = 40
	mostGroups  = 24
	patience    = 10 * time.Second // waiting and answering together
)

// filters are the parameters that narrow a question; whether the windows keep them apart the windows say.
var filters = []string{"model", "tenant", "user_id", "session_id", "operation", "endpoint", "host", "gpu", "error_type", "finish_reason", "usage_source", "thumbs", "business_event_type", "source", "event_type", "status_class", "streaming", "prompt_version"}

// request is a parsed query.
type request struct {
	question
	points       int64
	metrics      []metric // of everything
	groupMetrics []metric // of each value
	bins         string   // the measure whose distribution is asked for, "" = none
	bad          []httpx.FieldError
	url.Values
}

func (q *request) refuse(name, format string, args ...any) {
	q.bad = append(q.bad, httpx.FieldError{Pointer: "?" + name, Code: "invalid", Detail: fmt.Sprintf(format, args...)})
}

// parse reads a query. now is the end of a span that names none.
func parse(v url.Values, now time.Time) *request {
	q := &request{Values: v}
	q.filter = map[string]string{}
	for _, name := range filters {
		if value := v.Get(name); len(value) > 512 {
			q.refuse(name, "%s: %d bytes, at most 512 are allowed", name, len(value))
		} else if value != "" {
			q.filter[name] = value
		}
	}
	q.without, q.bad = httpx.LeftOutOf(v, filters)
	q.to = q.moment("to", now.Unix())
	q.from = q.moment("from", q.to-hour)
	q.points, q.step = q.whole("points", 10, mostPoints, 300), q.whole("step", 1, 7*day, 0)
	q.by, q.most = v.Get("group_by"), int(q.whole("limit", 1, mostGroups, 8))
	if q.by != "" && !slices.Contains(filters, q.by) {
		q.refuse("group_by", "group_by=%q: known are %s", clip(q.by), strings.Join(filters, ", "))
		q.by = ""
	}
	q.metrics, q.groupMetrics = q.list("metric"), q.list("group_metric")
	q.bins = v.Get("bins")
	if _, known := measures[q.bins]; q.bins != "" && !known {
		q.refuse("bins", "bins=%q: known are latency_ms, ttft_ms and tpot_ms", clip(q.bins))
	}
	switch span := q.to - q.from; {
	case len(q.bad) > 0:
	case span <= 0:
		q.refuse("to", "to is not after from")
	case span > longest:
		q.refuse("from", "from lies more than %d days before to", longest/day)
	case q.step > 0 && span/q.step > mostPoints:
		q.refuse("step", "step=%d gives more than %d points; take %d or more", q.step, mostPoints, span/mostPoints+1)
	}
	return q
}

func (q *request) moment(name string, otherwise int64) int64 {
	v := q.Get(name)
	if v == "" {
		return otherwise
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		q.refuse(name, "%s=%q: give a time as RFC 3339, e.g. 2026-03-01T10:00:00Z", name, clip(v))
		return otherwise
	}
	return t.Unix()
}

func (q *request) whole(name string, low, high, otherwise int64) int64 {
	v := q.Get(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < low || n > high {
		q.refuse(name, "%s=%q: give a whole number from %d to %d", name, clip(v), low, high)
		return otherwise
	}
	return n
}

func (q *request) list(name string) (out []metric) {
	v := q.Get(name)
	if v == "" {
		return nil
	}
	names := strings.Split(v, ",")
	if len(names) > mostMetrics {
		q.refuse(name, "%s: %d names, at most %d", name, len(names), mostMetrics)
		return nil
	}
	for _, n := range names {
		m, ok := parseMetric(n)
		if !ok {
			q.refuse(name, "%s=%q: unknown metric %q, known are %s, percentiles p50 to p99.9 of latency_ms, ttft_ms and tpot_ms, and system.NAME", name, clip(v), clip(n), strings.Join(agg.MetricNames(), ", "))
			continue
		}
		out = append(out, m)
	}
	return out
}

func clip(s string) string { return words.Clip(s, 80) }

// Mount adds GET /range to the mux of an API.
func (s *Service) Mount(m *httpx.Mux) {
	options := []httpx.Option{
		httpx.Doc("Numbers of any span of time by step, from live windows, stored hours and days, or raw events, as each step needs. It says of each step where it comes from and how complete it is."),
		httpx.Query("from", "RFC 3339; an hour before to when absent"), httpx.Query("to", "RFC 3339; now when absent. At most 400 days after from"),
		httpx.Query("points", "most steps of the answer, from which the step follows; 300 by default", httpx.Whole(10, mostPoints)), httpx.Query("step", "seconds of a step that is wished; it is larger where nothing tells such steps apart", httpx.Whole(1, 7*day)),
		httpx.Query("metric", "names separated by commas, e.g. requests,latency_ms.p95"), httpx.Query("group_by", "a dimension, whose busiest values are told one by one"), httpx.Query("group_metric", "names of the metrics of each value"),
		httpx.Query("limit", "most values that are told one by one; 8 by default", httpx.Whole(1, mostGroups)), httpx.Query("bins", "the measure whose distribution is told by step", httpx.OneOf("latency_ms", "ttft_ms", "tpot_ms")),
	}
	for _, name := range filters {
		options = append(options, httpx.Query(name, "only this "+name))
	}
	m.Handle("GET /range", s, append(options, httpx.Without("The windows tell its dimension apart together with the others of the question, or all of it stands in raw events: else 422."), httpx.TenantIn("tenant"), httpx.Answer("200", "the numbers", shown{}), httpx.Answer("422", "a parameter is wrong"), httpx.Answer("503", "too many such questions are being answered, or this one takes too long"))...)
}

// ServeHTTP answers GET /range.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := parse(r.URL.Query(), s.Now())
	if len(q.bad) > 0 {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, q.bad[0].Detail, q.bad...)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		httpx.Unavailable(w, r, http.StatusServiceUnavailable, patience, "too many questions about long spans are being answered; ask again")
		return
	}
	step, wished, have := s.plan(ctx, &q.question, q.points)
	q.question.from, q.question.to = align(q.from, q.to, step)
	q.question.step = step
	a, bad, err := s.answer(ctx, q.question, have)
	switch {
	case len(bad) > 0:
		httpx.Problem(w, r, http.StatusUnprocessableEntity, bad[0].Detail, bad...)
	case r.Context().Err() != nil: // nobody is there to hear it
	case errors.Is(err, context.DeadlineExceeded):
		httpx.Unavailable(w, r, http.StatusServiceUnavailable, patience, "the answer takes too long; ask for a shorter span or fewer points")
	case err != nil:
		s.Log.Error("range cannot be answered", "err", err)
		httpx.Problem(w, r, http.StatusInternalServerError, "the range cannot be answered: "+err.Error())
	default:
		w.Header().Set("Cache-Control", "no-store")
		v := q.shown(a)
		v.Wished = wished
		httpx.JSON(w, http.StatusOK, v)
	}
}

// line is one metric of everything or of one value, by step; null where data are absent.
type line struct {
	Metric string             `json:"metric"`
	Key    map[string]*string `json:"key"`
	Values []*float64         `json:"values"`
}

// run is a span whose steps come from one source.
type run struct {
	From   int64  `json:"from"`
	To     int64  `json:"to"`
	Source string `json:"source"`
}

// shown is the body of an answer. Times are seconds since the epoch; step k begins at from + k·step.
type shown struct {
	From         int64      `json:"from"`
	To           int64      `json:"to"`
	Step         int64      `json:"step"`
	Wished       int64      `json:"wished_step"` // a smaller one than step, where nothing tells such steps apart
	Watermark    *time.Time `json:"watermark"`
	Completeness []float64  `json:"completeness"` // by step: 1 = everything of it is counted
	Sources      []run      `json:"sources"`
	Series       []line     `json:"series"`
	Bins         *bins      `json:"bins,omitempty"`
}

func (q *request) shown(a *answer) shown {
	v := shown{From: a.from, To: a.to, Step: a.step, Completeness: a.completeness, Sources: []run{}, Series: []line{}}
	if !a.watermark.IsZero() {
		v.Watermark = &a.watermark
	}
	for k, source := range a.sources {
		at := a.from + int64(k)*a.step
		if n := len(v.Sources); n > 0 && v.Sources[n-1].Source == source {
			v.Sources[n-1].To = at + a.step
		} else {
			v.Sources = append(v.Sources, run{at, at + a.step, source})
		}
	}
	for _, m := range q.metrics {
		v.Series = append(v.Series, a.line(&m, map[string]*string{}, a.cells[0]))
	}
	for i, name := range a.values {
		key := map[string]*string{a.by: nil}
		if name != "" {
			key[a.by] = &name
		}
		for _, m := range q.groupMetrics {
			v.Series = append(v.Series, a.line(&m, key, a.cells[i+1]))
		}
	}
	if q.bins != "" {
		v.Bins = binned(q.bins, a.cells[0])
	}
	return v
}

func (a *answer) line(m *metric, key map[string]*string, cells []*agg.Cell) line {
	l := line{m.name, key, make([]*float64, len(cells))}
	for k, c := range cells {
		if c.Events == 0 && a.completeness[k] == 0 {
			continue // whatever happened, nothing is known of it
		}
		if x, ok := m.of(c, float64(a.step)); ok {
			l.Values[k] = &x
		}
	}
	return l
}
