package stream

import (
	"bytes"
	"sync"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Cells that have been at rest for a while are packed: kept in the form in which they are stored, which takes a fraction of the memory and
// nothing of the garbage collector's time. A question that needs one makes it anew for itself, and something that comes after all
// unpacks it. What a window holds is the same; there is no coarser span in it.

const (
	packAfter    = 20    // seconds of rest
	packedAtOnce = 3_000 // cells
)

// open is the cell of a group, for reading. That of a packed one is made anew.
func (g *group) open() *agg.Cell {
	if g.cell != nil {
		return g.cell
	}
	c := new(agg.Cell)
	if _, err := c.Decode(g.packed); err != nil {
		panic("stream: packed " + err.Error()) // pack wrote it
	}
	return c
}

// opened are cells into which packed ones are read that are merged at once.
var opened = sync.Pool{New: func() any { return new(agg.Cell) }}

// addTo merges the cell of a group into c.
func (g *group) addTo(c *agg.Cell) {
	if g.cell != nil {
		c.Merge(g.cell)
		return
	}
	x := opened.Get().(*agg.Cell)
	defer opened.Put(x)
	if _, err := x.Decode(g.packed); err != nil {
		panic("stream: packed " + err.Error()) // pack wrote it
	}
	c.Merge(x)
}

// keep gives a group a cell of its own, which may be changed.
func (g *group) keep() {
	if g.lent && g.cell != nil {
		g.cell = g.cell.Clone()
	}
	g.cell, g.packed, g.lent = g.open(), nil, false
}

// appendCell writes the cell as Append does.
func (g *group) appendCell(b []byte) []byte {
	if g.cell == nil {
		return append(b, g.packed...)
	}
	return g.cell.Append(b)
}

// pack packs groups. Their bytes lie together: those of one that was packed before may stand in a whole unit, or among others that are gone.
func (g groups) pack() {
	var all []byte
	ends := make([]int, len(g))
	for i := range g {
		if !g[i].borrows() {
			all = g[i].appendCell(all)
		}
		ends[i] = len(all)
	}
	all = bytes.Clone(all) // without spare memory
	from := 0
	for i := range g {
		if x := &g[i]; !x.borrows() {
			x.packed, x.cell, x.lent = all[from:ends[i]:ends[i]], nil, false
		}
		from = ends[i]
	}
}

// borrows tells whether the bytes of a group are those of another one.
func (g *group) borrows() bool { return g.lent && g.cell == nil }

// pack packs the cells of n. Sums over margins of which the node above has what it needs are dropped: stand tells of which kinds.
func (n *node) pack(k *keys, stand func(which who) bool) {
	n.packed = true
	n.own.pack()
	for _, which := range [...]who{byFirst, bySecond, byNone} {
		sums := n.margins.of(which)
		switch {
		case *sums == nil:
		case stand(which), which == byNone && (*sums)[0].lent: // who needs it finds it elsewhere
			*sums = nil
		default:
			n.lend(*sums, which, k)
			sums.pack()
		}
	}
}

// lend gives sums that are the cell of a single group the bytes of that group.
func (n *node) lend(sums groups, which who, k *keys) {
	for i := range n.own {
		if at, there := sums.at(which | k.part(n.own[i].who, which)); there && sums[at].lent {
			sums[at].cell, sums[at].packed = nil, n.own[i].packed
		}
	}
}

// pack packs what has been at rest for a while, oldest arrivals first. It does a bounded piece of work a call.
func (l *ladder) pack(now int64) {
	made := 0
	for level, queue := range l.queues {
		for _, n := range queue {
			if made >= packedAtOnce {
				return
			}
			if n.packed || len(n.own) == 0 || n.arrived+packAfter > now {
				continue
			}
			if level < finest {
				n.pack(&l.keys, func(who) bool { return false })
				made += len(n.own)
			} else if above := l.above(n); above.arrived+packAfter <= now {
				made += l.packKids(above)
			}
		}
	}
}

// packWhole packs a node that all below it has become part of: little comes to it any more. Of a backlog, which fills coarser nodes as fast as
// it is read, that is nearly all there is.
func (l *ladder) packWhole(n *node) {
	if len(n.kids) == 0 {
		n.pack(&l.keys, func(who) bool { return false })
	}
}

// above is the node over a finer one.
func (l *ladder) above(n *node) *node {
	up := l.hours[floor(n.start, spans[0])]
	for up.level < n.level-1 {
		up = up.child(n.start)
	}
	return up
}

// packKids packs seconds. The node above takes over their sums over margins, of kinds of which it needs few, so that a question about all of
// its time finds them there.
func (l *ladder) packKids(n *node) (cells int) {
	for _, k := range n.kids {
		cells += len(k.own)
	}
	kinds := []who{byNone}
	if l.keys.pairs {
		kinds = append(kinds, byFirst, bySecond)
	}
	var stands [4]bool // by which/byFirst
	for _, which := range kinds {
		few := map[who]bool{}
		for _, k := range n.kids {
			for i := range k.own {
				few[which|l.keys.part(k.own[i].who, which)] = true
			}
		}
		if stands[which/byFirst] = worthSumming*len(few) <= cells && l.summed+len(few) < l.limit; stands[which/byFirst] {
			for w := range few {
				n.cell(w, l)
			}
		}
	}
	for _, k := range n.kids {
		if !k.packed {
			k.pack(&l.keys, func(which who) bool { return stands[which/byFirst] })
		}
	}
	return cells
}

// worthSumming is how many cells of seconds a sum that the node above takes over stands for, on average.
const worthSumming = 4
