package stream

import (
	"fmt"
	"maps"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// sums says from what the cells of some groups of a question are merged. A cell cannot be taken from another one: it knows no more which was
// the largest of the others, nor who. So a question that leaves values out is answered by all other values, as its set tells them apart.
type sums struct {
	groups []named
	parts  []named // that the cells are merged from; nil = the groups are held as they are
	into   []int   // by part: the place of its group, behind them for what is of none
}

// sums of groups of the kind that tells those of a question apart; the span is what they will be asked for.
func (s *Service) sums(q *question, span Span, groups []named) *sums {
	x := &sums{groups: groups}
	if len(q.without) == 0 {
		return x
	}
	st := &s.sets[q.set]
	apart, which := st.which(q.apart()), st.which(q.needs())
	places := make(map[values]int, len(groups))
	for i, g := range groups {
		places[g.values] = i
	}
	x.parts = s.boards[q.set].names(s.rank(q, s.sizes(q.set, span), which), which)
	x.into = make([]int, len(x.parts))
	for i, part := range x.parts {
		at, asked := places[part.values.of(apart)]
		if !asked {
			at = len(groups)
		}
		x.into[i] = at
	}
	return x
}

// of are the values that a group of a kind has of some.
func (v values) of(which who) values {
	switch which {
	case byNone:
		return values{}
	case byFirst:
		return values{v[0], ""}
	case bySecond:
		return values{"", v[1]}
	}
	return v
}

// cellsOf are what the groups have within a span, and behind them, where something is left out, the rest of what counts.
func (s *Service) cellsOf(set int, x *sums, span Span) []*agg.Cell {
	if x.into == nil {
		return s.cells(set, span, x.groups...)
	}
	return s.merged(set, span, x.parts, len(x.groups)+1, func(cells []*agg.Cell) []*agg.Cell {
		by := make([]*agg.Cell, len(x.into))
		for i, at := range x.into {
			by[i] = cells[at]
		}
		return by
	})
}

// together are what the groups have within a span, and all that the question counts, in the same moment: else what is counted between two looks
// would be in one and not in the other.
func (s *Service) together(q *question, x *sums, span Span) (whole *agg.Cell, cells []*agg.Cell) {
	if x.into == nil {
		groups, all := x.groups, s.whole(q)
		at := slices.Index(groups, all)
		if at < 0 {
			at, groups = len(groups), append(slices.Clip(groups), all)
		}
		cells = s.cells(q.set, span, groups...)
		return cells[at], cells
	}
	whole, cells = new(agg.Cell), s.cellsOf(q.set, x, span)
	for _, c := range cells {
		whole.Merge(c)
	}
	return whole, cells
}

// whole is the group of all that the filters of a question let through.
func (s *Service) whole(q *question) named {
	st := &s.sets[q.set]
	return named{q.filter.values(st), st.which(q.filter.names())}
}

// hides refuses to leave values out of a span in which they may hide: what is beyond the budget of a dimension counts under others. Nor is it known
// what a filter by the other dimension of a pair lets through of pairs that count together. It is asked after the cells, so that what is counted
// meanwhile hides nothing in them.
func (s *Service) hides(q *question, span Span) (bad []httpx.FieldError) {
	if len(q.without) == 0 {
		return nil
	}
	st, b, lets := &s.sets[q.set], s.boards[q.set], q.lets(&s.sets[q.set])
	sizes := s.sizes(q.set, span)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, dimension := range slices.Sorted(maps.Keys(q.without)) {
		if q.without.Has(dimension, otherName) {
			continue
		}
		_, one := q.filter[dimension]
		beside := len(q.filter) > 0 && !one && q.set > 0 // models and tenants have no budget as pairs
		events, pairs, place := uint64(0), false, st.place(dimension)
		for id, x := range sizes {
			switch v := b.keys.names[id]; {
			case x.events == 0 || v[place] != otherName:
			case lets(v):
				events += x.events
			case v == others:
				pairs = beside
			}
		}
		if events > 0 {
			bad = append(bad, unsure(dimension, q.without[dimension][0], fmt.Sprintf("%d events of this span count together as %s, with whatever else was beyond the budget of %s (%s), and it may be among them", events, otherName, st.name, st.budgetSetting())))
		} else if pairs {
			bad = append(bad, unsure(dimension, q.without[dimension][0], fmt.Sprintf("events of this span that were beyond the budget of %s (%s) count together as %s, and what the filter lets through may be among them", st.name, st.budgetSetting(), otherName)))
		}
	}
	return bad
}

// budgetSetting says what raises the budget of a set.
func (s *set) budgetSetting() string {
	if s.budget == 0 { // of models and tenants
		return "event_processing.max_models and event_processing.max_tenants raise it"
	}
	return "event_processing.dimensions raises it, as " + s.name + ":BUDGET"
}

func unsure(dimension, value, why string) httpx.FieldError {
	return httpx.FieldError{Pointer: "?without", Code: "invalid", Detail: fmt.Sprintf("%s %q cannot be left out exactly: %s. Leave %s:%s out as well, or ask for a span in which all are told apart", dimension, clip(value), why, dimension, otherName)}
}
