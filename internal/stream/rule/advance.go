package rule

import (
	"cmp"
	"math"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// Advance says that all events that arrived before now, in microseconds, were merged, and returns what follows from them, in
// order.
func (g *Engine) Advance(now int64) (out []Decision) {
	for there := false; !there; {
		var some []Decision
		some, there = g.Approach(now)
		out = append(out, some...)
	}
	return out
}

// Approach is Advance that stops at the next whole second that is judged, and within one after a stint of work, and tells whether it came to
// now. So whoever has a day to catch up with, or very many groups, can see to other things meanwhile.
func (g *Engine) Approach(now int64) (out []Decision, there bool) {
	if now <= g.now && !g.round.on {
		return nil, true
	}
	g.export.Abandon()
	to := floor(now, tick)
	if g.own != nil {
		out = g.Merge(g.own)
		g.own.Release()
		g.own = nil
	}
	if !g.round.on {
		if g.now == 0 {
			g.tick = min(to, g.soonest()) - 1
			g.begin()
		}
		g.skip(to - maxTicks)
	}
	for g.round.on || g.tick < to {
		if !g.round.on {
			if g.empty() {
				g.tick = min(to, g.soonest()) - 1
			}
			g.tick++
			g.startRound()
		}
		if !g.judge(g.stint) {
			return out, false
		}
		out = g.conclude(out)
		if g.tick < to && g.tick%ticks == 0 {
			g.now = g.tick * tick
			return out, false
		}
	}
	g.now = max(now, g.tick*tick)
	return out, true
}

// round is the judgement of a tick. Whoever has it done in stints may merge between them, and ask: what is merged is seen with a tick to come.
type round struct {
	on    bool
	seen  *coming // that is not taken in yet; nil = all is
	rule  int     // in Engine.rules, the next one
	group int     // of its groups, the next one
	out   []Decision
}

// startRound begins the judgement of g.tick.
func (g *Engine) startRound() {
	c := g.pending[g.tick]
	g.round = round{on: true, seen: c}
	if c != nil {
		delete(g.pending, g.tick)
		g.waiting -= len(c.cells) + len(c.held)
	}
}

// defaultStint is how much is judged in one go, in steps that are looked at: some milliseconds.
const defaultStint = 300_000

// Judging tells whether a tick is judged in part.
func (g *Engine) Judging() bool { return g.round.on }

// Complete judges what is left of a tick that is judged in part, and returns what follows from it.
func (g *Engine) Complete() (out []Decision) {
	if !g.round.on {
		return nil
	}
	g.judge(math.MaxInt)
	g.now = max(g.now, g.tick*tick)
	return g.conclude(nil)
}

// maxTicks bounds what one Advance judges: a day. Whoever was away for longer does not learn of each second of it.
const maxTicks = 86_400 * ticks

// skip goes on with a tick, unless it is past already. What was to be seen before is seen with the next one.
func (g *Engine) skip(to int64) {
	if g.tick >= to {
		return
	}
	g.tick = to
	for at, c := range g.pending {
		if at > to {
			continue
		}
		delete(g.pending, at)
		g.waiting -= len(c.cells) + len(c.held)
		for k, x := range c.cells {
			x.visible = at
			g.keep(k.rule, x)
		}
		next := g.at(at)
		next.held = append(next.held, c.held...)
		g.waiting += len(c.held)
	}
}

// soonest is the first tick at which something is seen.
func (g *Engine) soonest() int64 {
	soonest := int64(farAway)
	for at := range g.pending {
		soonest = min(soonest, at)
	}
	return soonest
}

// Soonest is the time in microseconds from which on Advance takes in something of what waits; ok is false when nothing does.
func (g *Engine) Soonest() (now int64, ok bool) { return g.soonest() * tick, len(g.pending) > 0 }

func (g *Engine) empty() bool {
	return !slices.ContainsFunc(g.rules, func(r *judged) bool { return len(r.all) > 0 })
}

// judge looks at what is seen from g.tick on: at all groups with a whole second, else at those to which something came. It stops after about
// so many steps, and tells whether it has come to the end.
func (g *Engine) judge(stint int) (whole bool) {
	stint, whole = g.see(stint)
	if !whole {
		return false
	}
	at, began := g.tick/ticks, g.passed()
	for ; g.round.rule < len(g.rules); g.round.rule++ {
		r := g.rules[g.round.rule]
		whole := true
		if g.tick%ticks == 0 && at%r.every == 0 {
			stint, whole = g.look(r, at, stint)
		} else {
			g.round.out = g.glance(r, g.round.out)
		}
		over := g.passed()
		r.spent += over - began
		began = over
		if !whole {
			return false
		}
		for _, group := range r.dirty {
			group.dirty = false
		}
		clear(r.dirty)
		r.dirty = r.dirty[:0]
	}
	return true
}

// conclude adds what follows from a tick that is judged, in order.
func (g *Engine) conclude(out []Decision) []Decision {
	sorting.By(g.round.out, func(a, b Decision) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.order, b.order), cmp.Compare(a.ID, b.ID))
	})
	out = append(out, g.round.out...)
	g.round = round{}
	return out
}

// lookCost is what a look at a group costs beside its steps, in steps.
const lookCost = 16

// look judges the groups of a rule at a second, until the stint is over, and returns what is left of that and whether these are all.
func (g *Engine) look(r *judged, at int64, stint int) (left int, whole bool) {
	i := g.round.group
	if i == 0 {
		r.silent, r.sought, r.sized = nil, false, size{}
	}
	for i < len(r.all) {
		if stint <= 0 {
			g.round.group = i
			return 0, false
		}
		group := r.all[i]
		r.looks++
		stint -= lookCost + len(group.steps)
		g.round.out = r.judge(group, at, g.tick*tick, g.round.out)
		r.tidy(group, at)
		if group.idle() {
			delete(r.groups, group.key)
			last := len(r.all) - 1
			r.all[i], r.all[last] = r.all[last], nil
			r.all = r.all[:last]
			continue
		}
		r.sized.add(group)
		i++
	}
	g.round.group = 0
	return stint, true
}

// glance looks, between two looks, at the groups to which something came: when what they see now, with the step that is not
// over, is enough, that is told at once. What ends is left to the next look.
func (g *Engine) glance(r *judged, out []Decision) []Decision {
	if !r.early {
		return out
	}
	at := ((g.tick+ticks-1)/ticks + r.every - 1) / r.every * r.every
	for _, group := range r.dirty {
		r.looks++
		out = r.foresee(group, at, g.tick*tick, out)
		group.order.matches = nil
	}
	return out
}

// tidy forgets what no window reaches any more.
func (r *judged) tidy(g *group, at int64) {
	switch r.Type {
	case Sequence:
		g.order.matches = nil
		if !r.instant && len(g.order.runs) > 0 {
			g.order.settle(at*second-settles, r.window*second)
			g.order.expire(at*second, r.window*second)
		}
	case Absence:
		if last := g.latest(at); last != nil {
			g.forget(max(last.at, at-r.reach))
		}
	case BurnRate:
		g.forget(at - r.reach)
		g.budget.forget(r.budgetFrom(at))
		if at%60 == 0 {
			g.coarsen(at - 120)
		}
	default:
		g.forget(at - r.reach)
	}
	if len(g.steps) == 0 && g.episodes[0].state == none && g.episodes[1].state == none {
		g.samples = nil
	}
}
