package stream

import (
	"encoding/base64"
	"net/http"
	"strconv"
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
	q, bad := s.parseQuestion(r.URL.Query(), time.Now())
	if len(bad) > 0 {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, bad[0].Detail, bad...)
		return
	}
	res := s.Query(q.span)
	seconds := float64(res.Span.End - res.Span.Start)
	a := analyticsAnswer{
		Window:       windowAnswer{time.Unix(res.Span.Start, 0).UTC(), time.Unix(res.Span.End, 0).UTC(), res.Span.End - res.Span.Start, q.widened || res.Widened},
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
