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

// groups are the cells of one node, ascending.
type groups []group

type group struct {
	who    who
	lent   bool      // the cell is that of another group: not to be changed here
	size   size      // of the cell, so that groups are ranked without looking at their cells
	cell   *agg.Cell // nil when it is packed
	packed []byte
}

// size is what groups are ranked by.
type size struct{ requests, events uint64 }

func (s *size) add(o size) {
	s.requests += o.requests
	s.events += o.events
}

// sized is the size of a group.
type sized struct {
	who  who
	size size
}

// adder adds sizes up by group. It is used again and again.
type adder struct {
	sums    []size // by who
	touched []who  // that are not zero
}

func (a *adder) add(w who, x size) {
	if int(w) >= len(a.sums) {
		a.sums = append(a.sums, make([]size, int(w)+1-len(a.sums))...)
	}
	if a.sums[w] == (size{}) {
		a.touched = append(a.touched, w)
	}
	a.sums[w].add(x)
}

// take returns what was added up, and leaves the adder empty.
func (a *adder) take() []sized {
	out := make([]sized, len(a.touched))
	for i, w := range a.touched {
		out[i] = sized{w, a.sums[w]}
		a.sums[w] = size{}
	}
	a.touched = a.touched[:0]
	return out
}

// eachSize calls fn with sizes that add up to those of the groups of n and below.
func (n *node) eachSize(a *adder, fn func(who, size)) {
	if len(n.kids) == 0 {
		for i := range n.own {
			fn(n.own[i].who, n.own[i].size)
		}
		return
	}
	n.addSizes(a)
	for i := range n.sizes {
		fn(n.sizes[i].who, n.sizes[i].size)
	}
}

// addSizes makes the sizes of a node with kids.
func (n *node) addSizes(a *adder) {
	if len(n.sizes) > n.told+n.told/2 {
		for _, x := range n.sizes {
			a.add(x.who, x.size)
		}
		n.sizes = a.take()
		n.told = len(n.sizes)
	}
	if n.sizes != nil {
		return
	}
	for _, k := range n.kids { // before a is used for n
		if len(k.kids) > 0 {
			k.addSizes(a)
		}
	}
	for i := range n.own {
		a.add(n.own[i].who, n.own[i].size)
	}
	for _, k := range n.kids {
		k.eachSize(a, a.add)
	}
	n.sizes = a.take()
	n.told = len(n.sizes)
}

// grow adds groups that come to n or below to its sizes. When that is more than there was nobody asks for them.
func (n *node) grow(more groups) {
	if n.sizes == nil || len(n.sizes)+len(more) > 2*n.told+fewSizes {
		n.sizes = nil
		return
	}
	for i := range more {
		n.sizes = append(n.sizes, sized{more[i].who, more[i].size})
	}
}

// fewSizes are so few that adding them up costs next to nothing.
const fewSizes = 1000

func sizeOf(c *agg.Cell) size { return size{c.Requests, c.Events} }

func (g groups) at(w who) (int, bool) {
	return slices.BinarySearchFunc(g, w, func(e group, w who) int { return int(e.who) - int(w) })
}

// cell is that of a group, nil when there is none.
func (g groups) cell(w who) *agg.Cell {
	if i, found := g.at(w); found {
		return g[i].open()
	}
	return nil
}

// take adds a group, or merges it into the one that is there. Of one that is packed, the cell is not kept.
func (g *groups) take(more group) (isNew bool) {
	i, found := g.at(more.who)
	if found {
		(*g)[i].merge(&more)
		return false
	}
	if more.packed != nil {
		more.cell = nil
	}
	*g = slices.Insert(*g, i, more)
	return true
}

// merge adds what another group has.
func (g *group) merge(more *group) {
	g.keep()
	g.size.add(more.size)
	more.addTo(g.cell)
}

// takeAll takes the groups of another node in one pass.
func (g *groups) takeAll(more groups) {
	if len(*g) == 0 {
		*g = more
		return
	}
	have, both := *g, make(groups, 0, len(*g)+len(more))
	for len(have) > 0 && len(more) > 0 {
		switch {
		case have[0].who < more[0].who:
			both, have = append(both, have[0]), have[1:]
		case have[0].who > more[0].who:
			both, more = append(both, more[0]), more[1:]
		default:
			have[0].merge(&more[0])
			both, have, more = append(both, have[0]), have[1:], more[1:]
		}
	}
	*g = append(append(both, have...), more...)
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

// margins are sums of groups by the first value alone, by the second, and of all; each is nil when it must be made anew.
type margins [3]groups

// of is the sums of a kind.
func (m *margins) of(which who) *groups { return &m[which/byFirst-1] }

// whole tells whether sums of all kinds are there.
func (m *margins) whole(pairs bool) bool {
	return *m.of(byNone) != nil && (!pairs || *m.of(byFirst) != nil && *m.of(bySecond) != nil)
}

// addUp makes the sums of own of a kind, if they are not there. A sum of one cell is that cell. What came last is asked for before it
// is at rest, so nothing is made that nobody asks for.
func (n *node) addUp(which who, k *keys) groups {
	made := n.margins.of(which)
	if *made != nil || len(n.own) == 0 {
		return *made
	}
	if which == byNone {
		if sums := n.margins.fewest(); sums != nil {
			*made = groups{sums.total()}
			return *made
		}
	}
	at := map[who]int{}
	for _, g := range n.own {
		w := k.parts[g.who][which/byFirst%3]
		i, known := at[w]
		if !known {
			at[w] = len(*made)
			*made = append(*made, g.as(w))
			continue
		}
		(*made)[i].merge(&g)
	}
	slices.SortFunc(*made, func(a, b group) int { return int(a.who) - int(b.who) })
	if n.packed {
		made.pack()
	}
	return *made
}

// addTotal adds a group that comes to own to the sum of all, and leaves out the other sums over margins. Everybody asks for the sum of all, also
// while the second runs on: made anew for each question it would be as much work as there are groups.
func (n *node) addTotal(g *group) {
	all := *n.margins.of(byNone)
	n.margins = margins{}
	switch {
	case len(n.own) == 0:
		all = groups{g.as(byNone)}
	case all != nil:
		all[0].merge(g)
	}
	*n.margins.of(byNone) = all
}

// fewest are the sums by one value of which there are less; nil when neither kind is made.
func (m *margins) fewest() groups {
	first, second := *m.of(byFirst), *m.of(bySecond)
	if first == nil || second != nil && len(second) < len(first) {
		return second
	}
	return first
}

// total is the sum of all groups. That of one group is its cell.
func (g groups) total() group {
	if len(g) == 1 {
		return g[0].as(byNone)
	}
	all := group{who: byNone, cell: new(agg.Cell)}
	for i := range g {
		all.size.add(g[i].size)
		g[i].addTo(all.cell)
	}
	return all
}

// as is a sum that is the cell of g alone.
func (g *group) as(w who) group {
	return group{who: w, lent: true, size: g.size, cell: g.cell, packed: g.packed}
}

// settle makes all sums of own.
func (n *node) settle(k *keys) {
	if k.pairs {
		n.addUp(byFirst, k)
		n.addUp(bySecond, k)
	}
	n.addUp(byNone, k)
}

// absorb takes the groups of a node below, and its sums where both have them.
func (n *node) absorb(own groups, below margins) {
	for kind := range n.margins {
		if below[kind] == nil || n.margins[kind] == nil && len(n.own) > 0 {
			n.margins[kind], below[kind] = nil, nil
		}
		for _, sums := range [...]groups{n.margins[kind], below[kind]} { // what they were lent, perhaps by one another, changes or is taken
			for i := range sums {
				if sums[i].lent {
					sums[i].keep()
				}
			}
		}
	}
	n.packed = false
	for kind := range n.margins {
		n.margins[kind].takeAll(below[kind])
	}
	n.own.takeAll(own)
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
