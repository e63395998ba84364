package stream

import (
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// rest is a node without the one of its kids to which things come: what a question about the last minutes needs of hours and minutes
// that go on, without adding up all that is in them each time. Sums are kept of the groups that were asked for.
type rest struct {
	sums map[who]partSum
	// out are the kids that sums are without: the live one, and before the next question those that were made after it.
	out []*node
}

// partSum is what some nodes hold of a group together. The cell of a single one of them is lent: not to be changed.
type partSum struct {
	cell *agg.Cell // nil = nothing
	mine bool
}

// add adds what c has, which may be nil.
func (s *partSum) add(c *agg.Cell) {
	switch {
	case c == nil:
	case s.cell == nil:
		s.cell = c
	default:
		if !s.mine {
			s.cell, s.mine = s.cell.Clone(), true
		}
		s.cell.Merge(c)
	}
}

// restOf is what n holds of a group beside its live kid, nil when that is nothing. It belongs to n.
func (n *node) restOf(w who, l *ladder) (c *agg.Cell, live *node) {
	l.looked++
	n.rest.moveOn(l)
	if len(n.rest.out) == 0 {
		n.rest.out = append(n.rest.out, n.newest())
	}
	live = n.rest.out[0]
	if s, known := n.rest.sums[w]; known {
		return s.cell, live
	}
	s := partSum{cell: n.held(w, &l.keys)}
	for _, k := range n.kids {
		if k != live {
			s.add(k.cell(w, l))
		}
	}
	if l.summed < l.limit {
		if n.rest.sums == nil {
			n.rest.sums = map[who]partSum{}
		}
		n.rest.sums[w] = s
		l.summed++
	}
	return s.cell, live
}

// moveOn takes in the kids that are not live any more.
func (r *rest) moveOn(l *ladder) {
	for len(r.out) > 1 {
		for w, s := range r.sums {
			s.add(r.out[0].cell(w, l))
			r.sums[w] = s
		}
		r.out = slices.Delete(r.out, 0, 1)
	}
}

// newest is the kid to which something came last.
func (n *node) newest() *node {
	live := n.kids[0]
	for _, k := range n.kids[1:] {
		if k.arrived >= live.arrived {
			live = k
		}
	}
	return live
}

// made notes a kid that was not there before.
func (r *rest) made(kid *node) {
	if len(r.sums) == 0 {
		r.out = nil
	} else {
		r.out = append(r.out, kid)
	}
}

// changed leaves out the sums that change when groups come to a kid, or to the node itself: then kid is nil.
func (r *rest) changed(kid *node, more groups, l *ladder) {
	if len(r.sums) == 0 || slices.Contains(r.out, kid) {
		return
	}
	for i := range more {
		l.summed -= leaveOut(r.sums, more[i].who, l)
	}
}

// dropIfOut forgets all sums when they are without a kid that goes, or gives away what it holds.
func (r *rest) dropIfOut(kid *node, l *ladder) {
	if slices.Contains(r.out, kid) {
		r.drop(l)
	}
}

// drop forgets all sums.
func (r *rest) drop(l *ladder) {
	l.summed -= len(r.sums)
	*r = rest{}
}
