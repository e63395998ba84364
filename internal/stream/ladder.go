package stream

import (
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// ladder keeps what the counted units of one journal partition add up to: seconds for what arrived lately, and coarser spans
// for what arrived longer ago, whatever time the events themselves are of, so that a trace of 2023 replayed today can be
// asked for at once. Not for concurrent use.
type ladder struct {
	hours map[int64]*node
	keys  keys
	// queues name the nodes with groups of their own at each resolution, oldest arrival first; cells counts the groups.
	queues [len(spans)][]*node
	cells  [len(spans)]int
	limit  int
}

// keep is how long a resolution is kept after the last arrival, in seconds; the finest last.
var keep = [len(spans)]int64{400 * 24 * 3600, 14 * 24 * 3600, 6 * 3600, 15 * 60}

func newLadder(limit int) *ladder {
	return &ladder{hours: map[int64]*node{}, keys: keys{ids: map[agg.Key]uint32{}}, limit: limit}
}

// add takes what second start gained in a group; the cell belongs to the ladder afterwards.
func (l *ladder) add(start int64, key agg.Key, cell *agg.Cell, now int64) {
	l.insert(start, finest, l.keys.id(key), cell, now)
}

// insert puts a cell at one resolution and marks the sums above as stale.
func (l *ladder) insert(start int64, level int, key uint32, cell *agg.Cell, arrived int64) {
	h := floor(start, spans[0])
	n := l.hours[h]
	if n == nil {
		n = &node{start: h}
		l.hours[h] = n
	}
	n.touch(arrived)
	for n.level < level {
		n = n.child(start)
		n.touch(arrived)
	}
	if len(n.own) == 0 {
		l.queues[level] = append(l.queues[level], n)
	}
	if n.own.take(key, cell) {
		l.cells[level]++
	}
}

func (n *node) touch(now int64) {
	n.arrived = max(n.arrived, now)
	n.sum = nil
}

// age moves what arrived too long ago, or no longer fits, to the next coarser resolution, and forgets what the coarsest no
// longer keeps. It does a bounded piece of work a call.
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
}

// collapse moves the groups of n to the node above it.
func (l *ladder) collapse(n *node) {
	l.cells[n.level] -= len(n.own)
	own := n.own
	n.own = nil
	if n.level > 0 {
		for _, g := range own {
			l.insert(n.start, n.level-1, g.key, g.cell, n.arrived)
		}
	}
	l.prune(l.hours[floor(n.start, spans[0])], n)
}

// prune removes an empty node and the nodes above that become empty.
func (l *ladder) prune(root, n *node) {
	if root == nil {
		return
	}
	if root == n || root.drop(n) {
		root.sum = nil
	}
	if len(root.own) == 0 && len(root.kids) == 0 {
		delete(l.hours, root.start)
	}
}

// drop removes gone from below n when it is empty, and tells whether it was there.
func (n *node) drop(gone *node) bool {
	for i, k := range n.kids {
		if gone.start < k.start || gone.start >= k.end() {
			continue
		}
		if k == gone || k.drop(gone) {
			k.sum, n.sum = nil, nil
			if len(k.own) == 0 && len(k.kids) == 0 {
				n.kids = slices.Delete(n.kids, i, i+1)
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

// visit calls fn with every group that lies within [from, to), whose edges widen has moved.
func (l *ladder) visit(from, to int64, fn func(agg.Key, *agg.Cell)) {
	each := func(gs groups) {
		for _, g := range gs {
			fn(l.keys.names[g.key], g.cell)
		}
	}
	if (to-from)/spans[0] > int64(len(l.hours)) {
		for _, n := range l.hours {
			n.visit(from, to, each)
		}
		return
	}
	for h := floor(from, spans[0]); h < to; h += spans[0] {
		if n := l.hours[h]; n != nil {
			n.visit(from, to, each)
		}
	}
}

// keys numbers the keys of a ladder or folder.
type keys struct {
	ids   map[agg.Key]uint32
	names []agg.Key
}

// id returns the number of a key, whose text is copied when it is new.
func (k *keys) id(key agg.Key) uint32 {
	if id, ok := k.ids[key]; ok {
		return id
	}
	key = agg.Key{Model: strings.Clone(key.Model), Tenant: strings.Clone(key.Tenant)}
	id := uint32(len(k.names))
	k.ids[key] = id
	k.names = append(k.names, key)
	return id
}
