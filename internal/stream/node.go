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
	kids    []*node // by start
	sum     groups  // merge of own and kids; nil when it must be made anew
}

// groups are the cells of one node by key number, ascending.
type groups []group

type group struct {
	key  uint32
	cell *agg.Cell
}

func (g groups) at(key uint32) (int, bool) {
	return slices.BinarySearchFunc(g, key, func(e group, k uint32) int { return int(e.key) - int(k) })
}

// take merges cell into the group of key; a new group takes the cell itself.
func (g *groups) take(key uint32, cell *agg.Cell) (isNew bool) {
	i, found := g.at(key)
	if found {
		(*g)[i].cell.Merge(cell)
		return false
	}
	*g = slices.Insert(*g, i, group{key, cell})
	return true
}

// merge adds all groups of o, copying those that are new.
func (g *groups) merge(o groups) {
	for _, e := range o {
		if i, found := g.at(e.key); found {
			(*g)[i].cell.Merge(e.cell)
		} else {
			*g = slices.Insert(*g, i, group{e.key, e.cell.Clone()})
		}
	}
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

// total returns the merge of everything in n. The result belongs to n.
func (n *node) total() groups {
	if len(n.kids) == 0 {
		return n.own
	}
	if len(n.own) == 0 && len(n.kids) == 1 {
		return n.kids[0].total()
	}
	if n.sum == nil {
		n.sum.merge(n.own)
		for _, k := range n.kids {
			n.sum.merge(k.total())
		}
	}
	return n.sum
}

// visit calls fn with the groups of everything within [from, to), whose edges widen has moved so that no coarse node lies
// across them.
func (n *node) visit(from, to int64, fn func(groups)) {
	if n.start >= to || n.end() <= from {
		return
	}
	if from <= n.start && n.end() <= to {
		fn(n.total())
		return
	}
	for _, k := range n.kids {
		k.visit(from, to, fn)
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
