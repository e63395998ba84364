package stream

import (
	"cmp"
	"net/url"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

const maxWindow = 400 * 24 * 3600 // seconds; older panes are gone

// question is a parsed query of GET /analytics.
type question struct {
	span          Span
	widened       bool // the span is wider than the window asked for, whose edges lie within seconds
	filter        filterOf
	groupBy       []string
	limit, offset int
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
	window := p.whole("window", "whole seconds", 1, maxWindow, int64(s.cfg.WindowSeconds))
	end, given := p.moment("at")
	if !given {
		end = now
	}
	q := question{filter: p.filter(), groupBy: p.groupBy()}
	q.offset, q.limit = p.page()
	q.between(window, end, given)
	return q, p.bad
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
		if !q.filter.lets(k) {
			continue
		}
		overall.Merge(c)
		if q.groupBy == nil {
			continue
		}
		gk := reduced(k, q.groupBy)
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
	sorting.By(groups, func(a, b keyed) int {
		return cmp.Or(cmp.Compare(b.cell.Requests, a.cell.Requests), cmp.Compare(b.cell.Events, a.cell.Events),
			cmp.Compare(a.key.Model, b.key.Model), cmp.Compare(a.key.Tenant, b.key.Tenant))
	})
	return overall, groups
}

// reduced is a key that keeps some of its dimensions.
func reduced(k agg.Key, dims []string) (out agg.Key) {
	if slices.Contains(dims, "model") {
		out.Model = k.Model
	}
	if slices.Contains(dims, "tenant") {
		out.Tenant = k.Tenant
	}
	return out
}

// shown is a key as answers have it: null for what is not named.
func shown(k agg.Key, dims []string) map[string]*string {
	out := map[string]*string{}
	for _, dim := range dims {
		out[dim] = nil
		if v := of(k, dim); v != "" {
			out[dim] = &v
		}
	}
	return out
}
