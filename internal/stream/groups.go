package stream

import (
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// groups are the cells of one node, ascending.
type groups []group

type group struct {
	who    who
	lent   bool      // the cell is that of another group: not to be changed here
	size   size      // of the cell, so that groups are ranked without looking at their cells
	cell   *agg.Cell // nil when it is packed
	packed []byte
}

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
