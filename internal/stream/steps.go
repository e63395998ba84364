package stream

import (
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// About tells how finely the panes of a span that answer a question can be told apart, in seconds, up to when everything has been seen
// (zero: nothing yet), and the share of what was written that is counted. A question that nothing answers is as one about everything.
func (s *Service) About(span Span, filter map[string]string, without httpx.LeftOut, by string) (coarsest int64, watermark time.Time, completeness float64) {
	set := 0
	if q, bad := s.steady(filter, without, by); len(bad) == 0 {
		set = q.set
	}
	coarsest = 1
	for _, l := range s.allLanes() {
		coarsest = max(coarsest, l.coarsest(set, span.Start, span.End))
	}
	r := s.about(span, 0)
	return coarsest, r.Watermark, r.Completeness
}

// Busiest names the values of a dimension that have something within a span, pass a filter and are not left out, those with the most requests
// first, at most so many; "" stands for what names none.
func (s *Service) Busiest(span Span, filter map[string]string, without httpx.LeftOut, by string, most int) ([]string, []httpx.FieldError) {
	q, bad := s.steady(filter, without, by)
	if len(bad) > 0 {
		return nil, bad
	}
	st, b := &s.sets[q.set], s.boards[q.set]
	which := st.which(q.apart())
	var names []string
	for _, n := range b.names(b.best(s.rank(&q, s.sizes(q.set, span), which), most, which), which) {
		names = append(names, n.values[st.place(by)])
	}
	return names, nil
}

// Steps merges what is counted in each step of a span, whose edges the panes must be able to tell apart: of everything that passes
// a filter and is not left out, and of some values of a dimension. The cells belong to the caller: first those of everything, then those of each value.
// Told is, by step, the share of what counts in it that is told apart as the question needs it.
func (s *Service) Steps(span Span, step int64, filter map[string]string, without httpx.LeftOut, by string, values []string) (cells [][]*agg.Cell, told []float64, bad []httpx.FieldError) {
	q, bad := s.steady(filter, without, by)
	if len(bad) > 0 {
		return nil, nil, bad
	}
	st := &s.sets[q.set]
	var groups []named
	for _, v := range values {
		g := named{q.filter.values(st), st.which(q.apart())}
		g.values[st.place(by)] = v
		groups = append(groups, g)
	}
	cells = make([][]*agg.Cell, 1+len(groups))
	x := s.sums(&q, span, groups)
	for at := span.Start; at < span.End; at += step {
		within := Span{at, min(at+step, span.End)}
		whole, of := s.together(&q, x, within)
		cells[0] = append(cells[0], whole)
		for i := range groups {
			cells[i+1] = append(cells[i+1], of[i])
		}
		told = append(told, s.told(&q, within, s.whole(&q)))
	}
	return cells, told, s.hides(&q, span)
}

// told is the share of what counts in a span that a set tells apart as a question needs it. That is nothing when a pane reaches beyond
// the span, and not what counted before the dimensions of the set were configured, nor what counts under others and may belong to what
// the filter lets through.
func (s *Service) told(q *question, span Span, let named) float64 {
	if s.widen(span, q.set) != span {
		return 0
	}
	share := s.covered(q.set, s.widen(span, 0, q.set))
	if len(q.needs()) == 0 {
		return share
	}
	var untold, all uint64
	for _, l := range s.allLanes() {
		l.mu.Lock()
		u, n := l.ladders[q.set].untold(span.Start, span.End, let)
		l.mu.Unlock()
		untold, all = untold+u, all+n
	}
	if all > 0 {
		share *= 1 - float64(untold)/float64(all)
	}
	return share
}

// Events tells how many events the panes hold of each hour within a span, by its start.
func (s *Service) Events(span Span) map[int64]uint64 {
	out := map[int64]uint64{}
	for _, l := range s.allLanes() {
		l.mu.Lock()
		for start := range l.ladders[0].hours {
			if span.Start <= start && start < span.End {
				l.ladders[0].sizes(start, start+spans[0], func(_ who, x size) { out[start] += x.events })
			}
		}
		l.mu.Unlock()
	}
	return out
}

// steady is a question without a window, for the set that can answer it.
func (s *Service) steady(filter map[string]string, without httpx.LeftOut, by string) (question, []httpx.FieldError) {
	p := params{Values: map[string][]string{}}
	for name, v := range filter {
		p.Set(name, v)
	}
	if by != "" {
		p.Set("group_by", by)
	}
	q := question{filter: p.filter(), without: without, groupBy: p.groupBy()}
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
