package rule

import (
	"maps"
	"slices"
)

// Swap goes on with other rules. What was kept of a rule stays when its version is the same; what an objective has counted stays also
// when something else of it has changed. The episodes of rules that are no more, or are other ones, end, as is returned.
func (g *Engine) Swap(p *Program) (out []Decision) {
	g.export.Abandon()
	out = g.Complete()
	if g.own != nil { // what Event got is of the rules before
		out = append(out, g.Merge(g.own)...)
		g.own.Release()
	}
	known := map[string]*judged{}
	before := g.rules
	for _, r := range before {
		known[r.version] = r
	}
	former := map[string]*judged{} // by a version that goes on as another one
	for _, r := range before {
		if next := p.successor(r.compiled); next != nil && known[next.version] == nil {
			for _, group := range r.all {
				out = r.end(group, g.tick*tick, out)
			}
			r.since = max(r.since, r.budgetFrom(floor(g.tick, ticks))) // hours before are forgotten: a longer period is not counted yet
			known[next.version], former[r.version] = r, r
		}
	}
	g.load(p, known)
	maps.Copy(g.byName, former) // lanes still send what they folded for it
	for _, r := range before {
		if slices.Contains(g.rules, r) {
			continue
		}
		for _, group := range r.all {
			out = r.end(group, g.tick*tick, out)
		}
	}
	g.purge()
	return out
}

// successor is the rule of p that counts the same as an objective which is not among those of p, nil without one.
func (p *Program) successor(c *compiled) *compiled {
	if c.Type != BurnRate || p.Has(c.version) {
		return nil
	}
	i := slices.IndexFunc(p.rules, func(n *compiled) bool {
		return n.Type == BurnRate && n.Name == c.Name && n.When == c.When && n.Good == c.Good && n.MaxGroups == c.MaxGroups && slices.Equal(n.GroupBy, c.GroupBy)
	})
	if i < 0 {
		return nil
	}
	return p.rules[i]
}

// end ends the episodes of a group.
func (r *compiled) end(g *group, now int64, out []Decision) []Decision {
	for class := range g.episodes {
		switch g.episodes[class].state {
		case Pending:
			out = append(out, r.tell(g, class, now, Lapsed))
		case Firing:
			out = append(out, r.tell(g, class, now, Resolved))
		}
	}
	return out
}

// purge drops what waits for rules that are no more.
func (g *Engine) purge() {
	gone := func(r *judged) bool { return !slices.Contains(g.rules, r) }
	for _, c := range g.pending {
		for k := range c.cells {
			if gone(k.rule) {
				delete(c.cells, k)
				g.waiting--
			}
		}
		n := len(c.held)
		c.held = slices.DeleteFunc(c.held, func(a arrived) bool { return gone(a.rule) })
		g.waiting -= n - len(c.held)
	}
}
