package stream

import (
	"github.com/hxp-enterprise/hxp/internal/agg"
)

// size is what groups are ranked by.
type size struct{ requests, events uint64 }

func (s *size) add(o size) {
	s.requests += o.requests
	s.events += o.events
}

func sizeOf(c *agg.Cell) size { return size{c.Requests, c.Events} }

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
