package stream

import (
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// About tells how finely the panes of a span can be told apart, in seconds, up to when everything has been seen (zero: nothing yet),
// and the share of what was written that is counted.
func (s *Service) About(span Span) (coarsest int64, watermark time.Time, completeness float64) {
	coarsest = 1
	for _, l := range s.allLanes() {
		coarsest = max(coarsest, l.coarsest(0, span.Start, span.End))
	}
	r := s.about(span, 0)
	return coarsest, r.Watermark, r.Completeness
}

// Busiest names the values of a dimension that have something within a span and pass a filter, those with the most requests first,
// at most so many; "" stands for what names none.
func (s *Service) Busiest(span Span, filter map[string]string, by string, most int) ([]string, []httpx.FieldError) {
	q, bad := s.steady(filter, by)
	if len(bad) > 0 {
		return nil, bad
	}
	st, b := &s.sets[q.set], s.boards[q.set]
	which := st.which(q.needs())
	var names []string
	for _, n := range b.names(b.best(s.rank(&q, s.sizes(q.set, span), which), most, which), which) {
		names = append(names, n.values[st.place(by)])
	}
	return names, nil
}

// Steps merges what is counted in each step of a span, whose edges the panes must be able to tell apart: of everything that passes
// a filter, and of some values of a dimension. The cells belong to the caller: first those of everything, then those of each value.
func (s *Service) Steps(span Span, step int64, filter map[string]string, by string, values []string) ([][]*agg.Cell, []httpx.FieldError) {
	q, bad := s.steady(filter, by)
	if len(bad) > 0 {
		return nil, bad
	}
	st := &s.sets[q.set]
	groups := []named{{q.filter.values(st), st.which(q.filter.names())}}
	for _, v := range values {
		g := named{q.filter.values(st), st.which(q.needs())}
		g.values[st.place(by)] = v
		groups = append(groups, g)
	}
	out := make([][]*agg.Cell, len(groups))
	for at := span.Start; at < span.End; at += step {
		for i, c := range s.cells(q.set, Span{at, min(at+step, span.End)}, groups...) {
			out[i] = append(out[i], c)
		}
	}
	return out, nil
}

// steady is a question without a window, for the set that can answer it.
func (s *Service) steady(filter map[string]string, by string) (question, []httpx.FieldError) {
	p := params{Values: map[string][]string{}}
	for name, v := range filter {
		p.Set(name, v)
	}
	if by != "" {
		p.Set("group_by", by)
	}
	q := question{filter: p.filter(), groupBy: p.groupBy()}
	for name := range filter {
		if _, known := q.filter[name]; !known {
			p.refuse(name, "%s is no dimension", clip(name))
		}
	}
	if len(p.bad) == 0 {
		s.plan(&p, &q)
	}
	return q, p.bad
}
