package stream

import "slices"

// margins are sums of groups by the first value alone, by the second, and of all; each is nil when it must be made anew.
type margins [3]groups

// of is the sums of a kind.
func (m *margins) of(which who) *groups { return &m[which/byFirst-1] }

// whole tells whether sums of all kinds are there.
func (m *margins) whole(pairs bool) bool {
	return *m.of(byNone) != nil && (!pairs || *m.of(byFirst) != nil && *m.of(bySecond) != nil)
}

// fewest are the sums by one value of which there are less; nil when neither kind is made.
func (m *margins) fewest() groups {
	first, second := *m.of(byFirst), *m.of(bySecond)
	if first == nil || second != nil && len(second) < len(first) {
		return second
	}
	return first
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
