package stream

import (
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// ladder keeps what the counted units of one journal partition add up to: seconds for what arrived lately, and coarser spans
// for what arrived longer ago, whatever time the events themselves are of, so that a trace of 2023 replayed today can be
// asked for at once. Not for concurrent use.
type ladder struct {
	hours map[int64]*node
	keys  keys
	board []who // numbers of the keys on the board of the set, as far as a question has needed them
	// queues name the nodes with groups of their own at each resolution, oldest arrival first; cells counts the groups.
	queues [len(spans)][]*node
	cells  [len(spans)]int
	merged int // hours at the beginning of their queue of which nothing but the whole is known any more
	limit  int // of groups at each resolution
	summed int // cells that nodes keep beside the facts, at most limit
	looked int // nodes that questions have looked at, once for each group

	arrived int64 // unix second when something last arrived
	behind  bool  // a backlog is worked off: no sums are made ahead of questions, see lane.catchingUp
	adding  adder
}

// keep is how long a resolution is kept after the last arrival, in seconds; the finest last.
var keep = [len(spans)]int64{400 * 24 * 3600, 14 * 24 * 3600, 6 * 3600, 15 * 60}

func newLadder(limit int, pairs bool) *ladder {
	return &ladder{hours: map[int64]*node{}, keys: newKeys(pairs), limit: limit}
}

// add takes what second start gained in a group; the cell belongs to the ladder afterwards.
func (l *ladder) add(start int64, v values, cell *agg.Cell, now int64) {
	l.insert(start, finest, group{who: l.keys.id(v), size: sizeOf(cell), cell: cell}, now)
}

// take is add of what a unit has, and tells whether the cell belongs to the ladder now. Of a backlog cells stay as they are written: there
// are many, it will be long until somebody asks for them, and what comes next is of other seconds.
func (l *ladder) take(d *delta, now int64) (kept bool) {
	g := group{who: l.keys.id(d.Key), size: sizeOf(d.Cell), cell: d.Cell}
	if l.behind {
		g.packed = d.text
	}
	return l.insert(d.Start, finest, g, now) && g.packed == nil
}

// insert puts a group at one resolution, or merges it into the one that is there.
func (l *ladder) insert(start int64, level int, g group, arrived int64) (isNew bool) {
	n := l.reach(start, level, arrived, groups{g})
	if l.behind {
		n.margins = margins{}
	} else {
		n.addTotal(&g)
	}
	if isNew = n.own.take(g); isNew {
		l.cells[level]++
	}
	return isNew
}

// reach returns the node that holds second start at a resolution, made when it is missing, and leaves out all sums that change when it
// takes some groups.
func (l *ladder) reach(start int64, level int, arrived int64, more groups) *node {
	h := floor(start, spans[0])
	n := l.hours[h]
	if n == nil {
		n = &node{start: h}
		l.hours[h] = n
	}
	n.touch(arrived, more, l)
	for n.level < level {
		had := len(n.kids)
		kid := n.child(start)
		if len(n.kids) > had {
			n.rest.made(kid)
		}
		n.rest.changed(kid, more, l)
		n = kid
		n.touch(arrived, more, l)
	}
	n.rest.changed(nil, more, l)
	l.arrived = max(l.arrived, arrived)
	if len(n.own) == 0 {
		l.queues[level] = append(l.queues[level], n)
	}
	return n
}

func (n *node) touch(now int64, more groups, l *ladder) {
	n.arrived = max(n.arrived, now)
	if len(more) > 0 {
		n.grow(more)
		n.packed = false
	}
	for i := range more {
		n.changed(more[i].who, l)
	}
}

// age moves what arrived too long ago, or no longer fits, to the next coarser resolution. Of the coarsest it forgets what is too old, and
// which groups there were in hours for which there is no room. It does a bounded piece of work a call.
func (l *ladder) age(now int64) {
	for level := finest; level >= 0; level-- {
		for range 10_000 {
			if len(l.queues[level]) == 0 {
				break
			}
			n := l.queues[level][0]
			old := now-n.arrived >= keep[level]
			if !old && (level == 0 || l.cells[level] <= l.limit) {
				break
			}
			l.queues[level] = l.queues[level][1:]
			l.collapse(n)
		}
	}
	for range 10_000 {
		if l.cells[0] <= l.limit || l.merged == len(l.queues[0]) {
			break
		}
		l.whole(l.queues[0][l.merged])
		l.merged++
	}
}

// whole makes the groups of an hour one. What comes to it later counts under others.
func (l *ladder) whole(n *node) {
	if n.merged = true; len(n.own) == 1 {
		return
	}
	l.summed -= len(n.sums)
	n.rest.drop(l)
	l.cells[0] -= len(n.own) - 1
	n.own, n.margins, n.sums, n.sizes, n.packed = l.one(n.own), margins{}, nil, nil, false
}

// one is the sum of some groups, as a group.
func (l *ladder) one(own groups) groups {
	sum := own.total()
	sum.who, sum.lent = l.others(), false // its lender goes
	return groups{sum}
}

// others is the group of what is not told apart.
func (l *ladder) others() who { return l.keys.id(l.otherValues()) }

func (l *ladder) otherValues() values {
	if !l.keys.pairs {
		return values{otherName}
	}
	return others
}

// untold counts the events within [from, to), whose edges widen has moved, that may belong to a group and are not told apart, and all:
// hours whose groups are one, and, of a group that the ladder does not know, all that counts under others in its place.
func (l *ladder) untold(from, to int64, g named) (untold, all uint64) {
	_, known := l.keys.find(g.values, g.which)
	l.sizes(from, to, func(w who, x size) {
		all += x.events
		if !known && l.keys.hides(w, g) {
			untold += x.events
		}
	})
	one, is := l.keys.ids[l.otherValues()]
	if !known || !is {
		return untold, all
	}
	l.visit(from, to, func(n *node) {
		if n.level == 0 && len(n.own) == 1 && n.own[0].who == one {
			untold += n.own[0].size.events
		}
	})
	return untold, all
}

// collapse moves the groups of n to the node above it, whose sums, and those further above, stay what they are.
func (l *ladder) collapse(n *node) {
	l.cells[n.level] -= len(n.own)
	own, below := n.own, n.margins
	if n.merged {
		l.merged--
	}
	n.own, n.margins, n.sizes, n.merged = nil, margins{}, nil, false
	for i := range own {
		n.changed(own[i].who, l)
	}
	n.rest.changed(nil, own, l)
	var above *node
	if n.level > 0 {
		above = l.reach(n.start, n.level-1, n.arrived, nil)
		above.rest.dropIfOut(n, l)
		if above.merged {
			l.summed -= len(above.sums)
			above.rest.drop(l)
			own, below, above.sums, above.sizes = l.one(own), margins{}, nil, nil
		}
		l.cells[above.level] -= len(above.own)
		above.absorb(own, below)
		l.cells[above.level] += len(above.own)
	}
	l.prune(l.hours[floor(n.start, spans[0])], n)
	if above != nil {
		l.packWhole(above)
	}
}

// prune removes an empty node and the nodes above that become empty.
func (l *ladder) prune(root, n *node) {
	if root == nil {
		return
	}
	if root != n {
		root.drop(n, l)
	}
	if len(root.own) == 0 && len(root.kids) == 0 {
		delete(l.hours, root.start)
	}
}

// drop removes gone from below n when it is empty, and tells whether it was there.
func (n *node) drop(gone *node, l *ladder) bool {
	for i, k := range n.kids {
		if gone.start < k.start || gone.start >= k.end() {
			continue
		}
		if k == gone || k.drop(gone, l) {
			if len(k.own) == 0 && len(k.kids) == 0 {
				n.kids = slices.Delete(n.kids, i, i+1)
				n.rest.dropIfOut(k, l) // what moves within a kid changes nothing for those above it
			}
			if len(n.kids) == 0 {
				l.summed -= len(n.sums)
				n.sums = nil
			}
			return true
		}
	}
	return false
}

// widen returns [from, to) grown to the edges of what the ladder can tell apart.
func (l *ladder) widen(from, to int64) (int64, int64) {
	for {
		wasFrom, wasTo := from, to
		for _, edge := range [...]int64{from, to - 1} {
			if n := l.hours[floor(edge, spans[0])]; n != nil {
				n.widen(&from, &to)
			}
		}
		if from == wasFrom && to == wasTo {
			return from, to
		}
	}
}

// visit calls fn with the nodes that make up [from, to), whose edges widen has moved.
func (l *ladder) visit(from, to int64, fn func(*node)) {
	if (to-from)/spans[0] > int64(len(l.hours)) {
		for _, n := range l.hours {
			n.visit(from, to, fn)
		}
		return
	}
	for h := floor(from, spans[0]); h < to; h += spans[0] {
		if n := l.hours[h]; n != nil {
			n.visit(from, to, fn)
		}
	}
}

// facts calls fn with every cell within [from, to), whose edges widen has moved.
func (l *ladder) facts(from, to int64, fn func(values, *agg.Cell)) {
	l.visit(from, to, func(n *node) {
		n.facts(func(own groups) {
			for _, g := range own {
				fn(l.keys.names[g.who], g.open())
			}
		})
	})
}

// sizes calls fn with sizes that add up to those of the groups within [from, to), whose edges widen has moved.
func (l *ladder) sizes(from, to int64, fn func(who, size)) {
	l.visit(from, to, func(n *node) { n.eachSize(&l.adding, fn) })
}

// sums adds what is held of each of some groups within [from, to) to the cell at its place in into. It goes through the nodes group by
// group, whose sums are mostly there. What is still to do when that has been as much work as there are facts, many groups of much time,
// is added up from the facts in one pass. So no question costs more than a few looks at each fact.
func (l *ladder) sums(from, to int64, of []who, into []*agg.Cell) {
	var nodes []*node
	facts := 0
	l.visit(from, to, func(n *node) {
		nodes = append(nodes, n)
		n.facts(func(own groups) { facts += len(own) })
	})
	enough := l.looked + len(spans)*facts
	for i, w := range of {
		if i > 0 && l.looked >= enough {
			l.pass(nodes, of[i:], into[i:])
			return
		}
		for _, n := range nodes {
			n.addTo(into[i], w, l)
		}
	}
}

// pass adds up facts of some nodes without the sums that these keep.
func (l *ladder) pass(nodes []*node, of []who, into []*agg.Cell) {
	asked := make(map[who]*agg.Cell, len(of))
	for i, w := range of {
		asked[w] = into[i]
	}
	add := func(w who, fact *agg.Cell) {
		if c := asked[w]; c != nil {
			c.Merge(fact)
		}
	}
	for _, n := range nodes {
		n.facts(func(own groups) {
			l.looked += len(own)
			for i := range own {
				fact := own[i].open()
				add(own[i].who, fact)
				for _, w := range l.keys.margins(own[i].who) {
					add(w, fact)
				}
			}
		})
	}
}

// settle makes the sums over margins of what came lately and is at rest, newest first, so that no question waits for them. It does a
// bounded piece of work a call.
func (l *ladder) settle(now int64) {
	if l.summed >= l.limit { // somebody has asked for everything there is
		for _, n := range l.hours {
			n.forget()
		}
		l.summed = 0
	}
	made := 0
	for level := finest; level >= 0; level-- {
		queue := l.queues[level]
		for i := len(queue) - 1; i >= 0 && made < settledAtOnce; i-- {
			if n := queue[i]; !n.packed && !n.margins.whole(l.keys.pairs) && n.arrived+restAfter <= now {
				n.settle(&l.keys)
				made += len(n.own)
			}
		}
	}
}

const (
	settledAtOnce = 10_000 // cells
	restAfter     = 2      // seconds
)
