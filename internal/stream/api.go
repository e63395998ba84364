package stream

import (
	"net/http"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/auth"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	alertbook "github.com/hxp-enterprise/hxp/internal/stream/alerts"
)

// Beside is what answers take from elsewhere. Each of it may be nil.
type Beside struct {
	Alerts *alertbook.Book // for the patterns of GET /correlations
	Stored Stored          // for a request that memory has forgotten
}

// Mount adds the questions that event-processing-api answers.
func (s *Service) Mount(m *httpx.Mux, beside Beside) {
	groups := "one dimension, or two separated by commas: model, tenant, and what event_processing.dimensions names"
	m.HandleFunc("GET /analytics", s.getAnalytics, filtered(httpx.Doc("Numbers of one window of event time, overall and by group."),
		httpx.Query("window", "seconds; REAL_TIME_ANALYTICS_WINDOW_SIZE when absent"), httpx.Query("at", "end of the window, RFC 3339; now when absent"),
		httpx.Query("group_by", groups),
		httpx.Query("limit", "groups of a page, 1 to 1000, 100 by default"), httpx.Query("cursor", "next_cursor of the page before"))...)
	wrong := httpx.Answer("422", "a parameter is wrong")
	m.HandleFunc("GET /analytics/series", s.getSeries, filtered(httpx.Doc("Numbers over time, overall or by group."),
		httpx.Query("metric", "names separated by commas, e.g. requests,latency_ms.p95"), httpx.Query("from", "RFC 3339; an hour before to when absent"), httpx.Query("to", "RFC 3339; now when absent"),
		httpx.Query("step", "seconds, 60 by default"), httpx.Query("group_by", groups),
		httpx.Query("limit", "groups of a page, the busiest first, 1 to 1000, 100 by default; fewer where they have more than 200,000 steps or 2 million points together"), httpx.Query("cursor", "next_cursor of the page before"),
		httpx.Answer("200", "one line for each metric and group"), wrong)...)
	m.HandleFunc("GET /analytics/top", s.getTop, filtered(httpx.Doc("Who has most of a metric in a window."),
		httpx.Query("by", "model, tenant, user_id, or what event_processing.dimensions names"), httpx.Query("metric", "e.g. requests; of users requests, tokens and cost_usd, unless event_processing.dimensions names them"),
		httpx.Query("window", "seconds; REAL_TIME_ANALYTICS_WINDOW_SIZE when absent"), httpx.Query("at", "end of the window, RFC 3339; now when absent"),
		httpx.Query("limit", "1 to 1000, 100 by default"), httpx.Query("cursor", "next_cursor of the page before"), httpx.Answer("200", "the items, largest first"), wrong)...)
	m.HandleFunc("GET /analytics/compare", s.getCompare, httpx.Doc("What changed between two spans: the values of all dimensions by their part in the change of a metric."),
		httpx.Query("a", "START/END as RFC 3339, or the end of a window"), httpx.Query("b", "likewise"), httpx.Query("metric", "e.g. requests"),
		httpx.Query("window", "seconds, for spans given by their end"), httpx.Query("limit", "1 to 1000, 100 by default"), httpx.Query("cursor", "next_cursor of the page before"), without,
		httpx.Answer("200", "contributions, largest first: contribution is the part of the change of the whole that is the value's, change what the value itself changed by; of sums they are the same"), wrong)
	mountCorrelations(s, m, beside)
	s.deployments.Mount(m)
	s.mountObjectives(m)
	m.HandleFunc("GET /analytics/performance", s.getPerformance, httpx.Doc("How fast and how complete the fast path is."))
}

var without = httpx.Without("Its dimension is kept apart together with the others of the question, and where values are beyond the budget, leave out __other__ as well: else 422.")

// filtered adds the filters of a question. That by tenant is what keeps tenants apart.
func filtered(options ...httpx.Option) []httpx.Option {
	options = append(options, httpx.TenantIn("tenant"))
	for _, d := range vocabulary {
		options = append(options, httpx.Query(d.name, "only this "+d.name))
	}
	return append(options, without)
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
	// Overflow estimates, by dimension, how many values count under __other__ in the minutes of the window.
	Overflow map[string]uint64 `json:"overflow,omitempty"`
}

func (s *Service) getAnalytics(w http.ResponseWriter, r *http.Request) {
	q, bad := s.parseQuestion(r.URL.Query(), time.Now())
	if len(bad) > 0 {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, bad[0].Detail, bad...)
		return
	}
	res := s.about(q.span, 0, q.set)
	overall, groups, all := s.page(&q, res.Span)
	if bad := s.hides(&q, res.Span); len(bad) > 0 {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, bad[0].Detail, bad...)
		return
	}
	seconds := float64(res.Span.End - res.Span.Start)
	a := analyticsAnswer{
		Window:       windowAnswer{time.Unix(res.Span.Start, 0).UTC(), time.Unix(res.Span.End, 0).UTC(), res.Span.End - res.Span.Start, q.widened || res.Widened},
		Completeness: res.Completeness, Final: res.Final, Groups: []groupAnswer{},
	}
	if !res.Watermark.IsZero() {
		a.Watermark = &res.Watermark
	}
	a.Completeness *= s.covered(q.set, res.Span)
	a.Overall = overall.Stats(seconds)
	if auth.Tenant(r.Context()) == "" { // how many others there are is nothing for a tenant to know
		a.Overflow = s.overflowOf(&s.sets[q.set], res.Span)
	}
	for _, g := range groups {
		a.Groups = append(a.Groups, groupAnswer{s.sets[q.set].shown(g.values, q.groupBy), g.cell.Stats(seconds)})
	}
	a.NextCursor = q.next(all)
	httpx.JSON(w, http.StatusOK, a)
}
