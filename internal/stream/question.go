package stream

import (
	"net/url"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

const maxWindow = 400 * 24 * 3600 // seconds; older panes are gone

// question is a parsed query of GET /analytics.
type question struct {
	span          Span
	widened       bool // the span is wider than the window asked for, whose edges lie within seconds
	filter        filterOf
	without       httpx.LeftOut // what does not count
	groupBy       []string
	set           int // that answers, by its place among those of the service
	limit, offset int
}

// next is the cursor of the page behind, of so many groups; nil when nothing is.
func (q *question) next(all int) *string {
	if q.offset+q.limit >= all {
		return nil
	}
	return cursorAt(q.offset + q.limit)
}

// between finds the whole seconds of a window. A given end that lies within a second widens the window outwards; without one
// the window ends with the running second.
func (q *question) between(window int64, end time.Time, given bool) {
	q.span.End = ceilSecond(end)
	q.span.Start = q.span.End - window
	if q.widened = given && end.Nanosecond() > 0; q.widened {
		q.span.Start--
	}
}

// parseQuestion reads the query; now is the end of a window that names none.
func (s *Service) parseQuestion(v url.Values, now time.Time) (question, []httpx.FieldError) {
	p := params{Values: v}
	p.narrowed("window", "at", "group_by")
	window := p.whole("window", "whole seconds", 1, maxWindow, int64(s.cfg.WindowSeconds))
	end, given := p.moment("at")
	if !given {
		end = now
	}
	q := question{filter: p.filter(), without: p.without(), groupBy: p.groupBy()}
	q.offset, q.limit = p.page()
	q.between(window, end, given)
	s.plan(&p, &q)
	return q, p.bad
}

// shown is a group as answers have it: null for what is not named.
func (s *set) shown(v values, dims []string) map[string]*string {
	out := map[string]*string{}
	for _, dim := range dims {
		out[dim] = nil
		if name := v[s.place(dim)]; name != "" {
			out[dim] = &name
		}
	}
	return out
}
