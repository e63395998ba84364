package stream

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// overflow says how many values of a dimension, or pairs of two, count under otherName.
type overflow map[dimSpan]*agg.Distinct

// dimSpan is a dimension, or a set of two, in a span of event time.
type dimSpan struct {
	dimension string
	start     int64
}

// Spans of overflow, coarse to fine, in seconds, and how many spots of each a lane keeps: one takes 8 KiB at most.
var (
	overflowSpans = [...]int64{3600, 60}
	overflowKeep  = [...]int{400, 400}
)

const finestOverflow = len(overflowSpans) - 1

func (o overflow) of(at dimSpan) *agg.Distinct {
	d := o[at]
	if d == nil {
		d = new(agg.Distinct)
		o[at] = d
	}
	return d
}

func (o overflow) spots() []dimSpan {
	spots := make([]dimSpan, 0, len(o))
	for at := range o {
		spots = append(spots, at)
	}
	sorting.By(spots, func(a, b dimSpan) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.dimension, b.dimension))
	})
	return spots
}

// strangers keep what overflowed, for one lane: minutes, and hours of what came before those. The spots that are there longest give way.
type strangers struct {
	levels [len(overflowSpans)]struct {
		held  overflow
		order []dimSpan // oldest first
	}
}

func newStrangers() *strangers {
	s := &strangers{}
	for i := range s.levels {
		s.levels[i].held = overflow{}
	}
	return s
}

func (s *strangers) add(at dimSpan, d *agg.Distinct) { s.insert(finestOverflow, at, d) }

func (s *strangers) insert(level int, at dimSpan, d *agg.Distinct) {
	l := &s.levels[level]
	at.start = floor(at.start, overflowSpans[level])
	if l.held[at] == nil {
		l.order = append(l.order, at)
	}
	l.held.of(at).Merge(d)
	if len(l.order) <= overflowKeep[level] {
		return
	}
	old := l.order[0]
	l.order = l.order[1:]
	gone := l.held[old]
	delete(l.held, old)
	if level > 0 {
		s.insert(level-1, old, gone)
	}
}

// within adds what overflowed of each dimension in spans that touch [from, to) to into.
func (s *strangers) within(from, to int64, into map[string]*agg.Distinct) {
	for level := range s.levels {
		for at, d := range s.levels[level].held {
			if at.start >= to || at.start+overflowSpans[level] <= from {
				continue
			}
			if into[at.dimension] == nil {
				into[at.dimension] = new(agg.Distinct)
			}
			into[at.dimension].Merge(d)
		}
	}
}

func (s *strangers) appendTo(b []byte) []byte {
	for level := range s.levels {
		l := &s.levels[level]
		b = binary.AppendUvarint(b, uint64(len(l.order)))
		for _, at := range l.order {
			b = appendSpot(b, at, l.held[at])
		}
	}
	return b
}

func (d *decoder) strangers(s *strangers) {
	for level := range s.levels {
		for n := d.uvarint(); n > 0 && d.err == nil; n-- {
			d.spot(func(at dimSpan, x *agg.Distinct) { s.insert(level, at, x) })
		}
	}
}

func appendSpot(b []byte, at dimSpan, d *agg.Distinct) []byte {
	return d.Append(binary.AppendVarint(appendText(b, at.dimension), at.start))
}

// spot calls fn with what appendSpot wrote.
func (d *decoder) spot(fn func(dimSpan, *agg.Distinct)) {
	at, x := dimSpan{d.text(), d.varint()}, new(agg.Distinct)
	if d.err != nil {
		return
	}
	rest, err := x.Decode(d.src)
	if err != nil {
		d.err = err
		return
	}
	d.src = rest
	fn(at, x)
}

// everything is a span that holds all others.
var everything = Span{-1 << 60, 1 << 60}

// overflowWithin counts, by dimension, the values that count under otherName in minutes that touch a span.
func (s *Service) overflowWithin(span Span) map[string]uint64 {
	all := map[string]*agg.Distinct{}
	for _, l := range s.allLanes() {
		l.mu.Lock()
		l.strangers.within(span.Start, span.End, all)
		l.mu.Unlock()
	}
	counts := map[string]uint64{}
	for name, d := range all {
		counts[name] = d.Count()
	}
	return counts
}

// overflowOf are the counts that concern some dimensions, alone or together; nil = nothing overflowed.
func (s *Service) overflowOf(set *set, span Span) map[string]uint64 {
	all := s.overflowWithin(span)
	for name := range all {
		if name != set.name && !slices.ContainsFunc(set.dims, func(d dimension) bool { return d.name == name }) {
			delete(all, name)
		}
	}
	return all
}
