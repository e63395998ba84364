package stream

import (
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// The resolutions of the ladder, coarse to fine, in seconds.
var spans = [...]int64{3600, 60, 10, 1}

const finest = len(spans) - 1

// node is a span of event time at one resolution: what is held at that resolution itself, and finer nodes below. Each fact
// is held at exactly one resolution, so the sum of a node is its own groups merged with its children's.
type node struct {
	start   int64
	level   int
	arrived int64 // unix second when something last arrived here or below
	own     groups
	packed  bool    // all cells of own and margins are, see packed.go
	merged  bool    // of an hour: its groups were too many and are not told apart any more
	kids    []*node // by start
	margins margins // of own
	// sums are cells of own and kids merged, of what somebody has asked for; nil = there is nothing. What changes is left out until
	// it is asked for again, so that what arrives costs the same whoever asks.
	sums map[who]*agg.Cell
	rest rest
	// sizes are those of own and kids added up, once somebody has asked for them, and behind the first told of them what came since; nil when they
	// must be made anew. So what is ranked again is neither what came to rest nor what stands beside that to which something comes.
	sizes []sized
	told  int
}

func (n *node) end() int64 { return n.start + spans[n.level] }

// child returns the finer node that holds second t, made when it is missing.
func (n *node) child(t int64) *node {
	start := floor(t, spans[n.level+1])
	i, found := slices.BinarySearchFunc(n.kids, start, func(k *node, s int64) int {
		if k.start < s {
			return -1
		} else if k.start > s {
			return 1
		}
		return 0
	})
	if !found {
		n.kids = slices.Insert(n.kids, i, &node{start: start, level: n.level + 1})
	}
	return n.kids[i]
}

// cell is what n holds of a group, nil when that is nothing. It belongs to n. The sum is kept for the next question while there is room.
func (n *node) cell(w who, l *ladder) *agg.Cell {
	l.looked++
	if len(n.kids) == 0 {
		return n.held(w, &l.keys)
	}
	if c, known := n.sums[w]; known {
		return c
	}
	sum := partSum{cell: n.held(w, &l.keys)}
	for _, kid := range n.kids {
		sum.add(kid.cell(w, l))
	}
	if l.summed < l.limit {
		if n.sums == nil {
			n.sums = map[who]*agg.Cell{}
		}
		n.sums[w] = sum.cell
		l.summed++
	}
	return sum.cell
}

// addTo adds what n holds of a group to sum. Of a node to which something comes all the time the sum would be made anew for each
// question, so there it adds the rest, and then what is live.
func (n *node) addTo(sum *agg.Cell, w who, l *ladder) {
	for len(n.kids) > 0 && n.arrived >= l.arrived-restAfter {
		if _, known := n.sums[w]; known {
			break
		}
		c, live := n.restOf(w, l)
		if c != nil {
			sum.Merge(c)
		}
		n = live
	}
	if c := n.cell(w, l); c != nil {
		sum.Merge(c)
	}
}

// held is what n holds of a group at its own resolution.
func (n *node) held(w who, k *keys) *agg.Cell {
	if w.whole() {
		return n.own.cell(w)
	}
	return n.addUp(w&byWhich, k).cell(w)
}

// changed leaves out the sums in which a group takes part.
func (n *node) changed(w who, l *ladder) {
	if len(n.sums) == 0 {
		return
	}
	l.summed -= leaveOut(n.sums, w, l)
}

// leaveOut deletes the sums in which a group takes part, and returns how many there were.
func leaveOut[S any](sums map[who]S, w who, l *ladder) int {
	had := len(sums)
	delete(sums, w)
	for _, m := range l.keys.margins(w) {
		delete(sums, m)
	}
	return had - len(sums)
}

// visit calls fn with the nodes that make up everything within [from, to), whose edges widen has moved so that no coarse node
// lies across them. A node of which nothing lies outside is taken as a whole, also where its span goes on: the last minute of a window that ends
// now has nothing behind the end.
func (n *node) visit(from, to int64, fn func(*node)) {
	if n.start >= to || n.end() <= from {
		return
	}
	if first, last := n.edges(); from <= first && last <= to {
		fn(n)
		return
	}
	for _, k := range n.kids {
		k.visit(from, to, fn)
	}
}

// edges are those of what n holds.
func (n *node) edges() (first, last int64) {
	first, last = n.start, n.end()
	if len(n.own) == 0 && len(n.kids) > 0 {
		first, _ = n.kids[0].edges()
		_, last = n.kids[len(n.kids)-1].edges()
	}
	return first, last
}

// facts calls fn with what n and the nodes below hold at their own resolution.
func (n *node) facts(fn func(groups)) {
	if len(n.own) > 0 {
		fn(n.own)
	}
	for _, k := range n.kids {
		k.facts(fn)
	}
}

// forget drops all sums of n and below.
func (n *node) forget() {
	n.sums, n.rest = nil, rest{}
	for _, k := range n.kids {
		k.forget()
	}
}

// widen grows [from, to) outwards to the edges of nodes that hold facts at a coarser resolution.
func (n *node) widen(from, to *int64) {
	if n.start >= *to || n.end() <= *from {
		return
	}
	if len(n.own) > 0 {
		*from, *to = min(*from, n.start), max(*to, n.end())
	}
	for _, k := range n.kids {
		k.widen(from, to)
	}
}

// floor rounds t down to a multiple of step, also below zero.
func floor(t, step int64) int64 {
	if r := t % step; r < 0 {
		return t - r - step
	} else {
		return t - r
	}
}
