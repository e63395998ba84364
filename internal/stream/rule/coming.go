package rule

import (
	"cmp"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// coming is what is seen from a tick on.
type coming struct {
	cells map[cell]*Partial
	held  []arrived
}

type cell struct {
	rule            *judged
	key             string
	second, arrived int64
}

type arrived struct {
	rule *judged
	held
}

// maxHeld bounds the events of a sequence that wait for their tick.
const maxHeld = 100_000

// Merge takes in partials, which can only be released then, and returns what follows from single events at once.
func (g *Engine) Merge(p *Partials) (out []Decision) {
	rules := make([]*judged, len(p.versions))
	for i, version := range p.versions {
		rules[i] = g.byName[version]
	}
	for i := range p.list {
		x := &p.list[i]
		if r := rules[x.rule]; r != nil && x.fits(r) {
			g.keep(r, x)
		}
	}
	for i := range p.held {
		h := &p.held[i]
		if r := rules[h.rule]; r != nil && h.fits(r) {
			out = g.expect(r, *h, out)
		}
	}
	return out
}

// fits tells whether x can be of r: what was read may be anything.
func (x *Partial) fits(r *judged) bool {
	return r.Type != Sequence && len(valuesOf(x.key)) == len(r.fields)
}

func (h *held) fits(r *judged) bool {
	return r.Type == Sequence && len(valuesOf(h.key)) == len(r.fields)
}

// at is what is seen from a tick on; what comes too late for it is seen with the next one.
func (g *Engine) at(visible int64) *coming {
	if visible <= g.tick {
		g.stats.Behind++
		visible = g.tick + 1
	}
	c := g.pending[visible]
	if c == nil {
		c = &coming{cells: map[cell]*Partial{}}
		g.pending[visible] = c
	}
	return c
}

func (g *Engine) keep(r *judged, x *Partial) {
	c := g.at(x.visible)
	k := cell{r, x.key, x.second, x.arrived()}
	have := c.cells[k]
	if have == nil {
		have = g.take()
		have.become(x)
		c.cells[k] = have
		g.waiting++
		return
	}
	have.merge(x)
}

// take finds memory for a partial.
func (g *Engine) take() *Partial {
	if n := len(g.spare); n > 0 {
		x := g.spare[n-1]
		g.spare = g.spare[:n-1]
		return x
	}
	return new(Partial)
}

// expect keeps an event of a sequence until its tick. One that is all that its rule waits for is told of at once, unless an
// episode is open; with its tick it takes its place among the others.
func (g *Engine) expect(r *judged, h held, out []Decision) []Decision {
	if r.held >= maxHeld {
		g.stats.Dropped++
		return out
	}
	if r.instant {
		if group := g.group(r, h.key, floor(h.at, second)); group != nil && group.episodes[0].state == none {
			g.export.keep(group)
			out = append(out, r.begin(group, &h))
		}
	}
	visible := h.visible
	if r.instant { // no order to keep: it is told of as it arrives, and seen then, whatever the producer's clock says
		visible = min(visible, floor(h.arrival, tick)+1)
	}
	c := g.at(visible)
	c.held = append(c.held, arrived{r, h})
	r.held++
	g.waiting++
	return out
}

// seeCost is what it costs to take a partial in, in steps that are looked at.
const seeCost = 64

// see takes in what is seen from g.tick on, until the stint is over, and returns what is left of that and whether this is all. Where the order
// decides, such as which keys come to be groups when there are too many, it is that of the keys.
func (g *Engine) see(stint int) (left int, whole bool) {
	c := g.round.seen
	if c == nil {
		return stint, true
	}
	for k, x := range c.cells {
		if stint <= 0 {
			return 0, false
		}
		stint -= seeCost
		delete(c.cells, k)
		if group := k.rule.groups[k.key]; group != nil && k.rule.Type != Distinct {
			g.put(k.rule, group, x)
		} else {
			x.rule = int32(slices.Index(g.rules, k.rule))
			g.late = append(g.late, x)
		}
	}
	sorting.By(g.late, func(a, b *Partial) int {
		return cmp.Or(cmp.Compare(a.rule, b.rule), cmp.Compare(a.key, b.key), cmp.Compare(a.second, b.second), cmp.Compare(a.newest, b.newest))
	})
	for _, x := range g.late {
		r := g.rules[x.rule]
		if group := g.group(r, x.key, x.second); group != nil {
			g.put(r, group, x)
		} else {
			g.leave(x)
		}
	}
	clear(g.late)
	g.late = g.late[:0]
	g.arrive(c.held)
	g.round.seen = nil
	return stint, true
}

// maxSpare is how many partials are kept for another use.
const maxSpare = 1 << 14

// leave gives back the memory of a partial.
func (g *Engine) leave(x *Partial) {
	if len(g.spare) < maxSpare {
		x.reset()
		g.spare = append(g.spare, x)
	}
}

func (g *Engine) put(r *judged, group *group, x *Partial) {
	g.stats.Dropped += group.take(x, floor(x.second, r.width)*r.width)
	if r.Type == BurnRate && r.counts(x) {
		group.budget.add(x.second, &x.tally)
	}
	g.leave(x)
	r.touch(group)
}

func (r *judged) touch(group *group) {
	if !group.dirty {
		group.dirty = true
		r.dirty = append(r.dirty, group)
	}
}

// arrive gives events to their sequences.
func (g *Engine) arrive(all []arrived) {
	sorting.By(all, func(a, b arrived) int { return cmp.Or(cmp.Compare(a.key, b.key), a.compare(&b.held)) })
	for i := range all {
		r, h := all[i].rule, &all[i].held
		r.held--
		group := g.group(r, h.key, floor(h.at, second))
		if group == nil {
			continue
		}
		group.newest = max(group.newest, h.arrival)
		if !r.instant {
			group.order.add(*h)
		} else if !h.told {
			group.order.matches = append(group.order.matches, span{h.at, h.at, example(nil, h.request, maxExamples), example(nil, h.id, maxEvents)})
		}
		r.touch(group)
	}
	for _, r := range g.rules {
		if r.Type != Sequence || r.instant {
			continue
		}
		for _, group := range r.dirty {
			group.order.find(len(r.steps), r.window*second)
			group.order.settle(g.tick*tick-settles, r.window*second)
		}
	}
}
