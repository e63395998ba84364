package rule

import (
	"cmp"
	"errors"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// The budget of an objective is counted over its period, which began long before the objective did. What it would have counted is found out
// once, from events at rest. Burn rates are not: nothing fires for what happened before a rule was there.
//
// That this was done is seen from the second from which on an objective counts: a whole hour.

// Unknown is an objective that does not know what happened before it.
type Unknown struct {
	Version     string
	From, Since int64 // in seconds: what happened from a whole hour on, and arrived before it began to count itself
	Until       int64 // of what happened from this hour on it was told; 0 = of nothing yet
}

// Unknown lists the objectives that have not been told yet.
func (g *Engine) Unknown() (out []Unknown) {
	for _, r := range g.rules {
		if from := r.budgetFrom(floor(g.tick, ticks)); r.Type == BurnRate && !r.fresh && r.since > from && r.since%3600 != 0 {
			out = append(out, Unknown{Version: r.version, From: from, Since: r.since})
		}
	}
	return out
}

// Expects tells whether something that arrived before an objective began to count itself, stamped ahead, is still to be seen. Its past must not be
// told before: the objective counts from there on, and would count that again.
func (g *Engine) Expects(u Unknown) bool {
	r := g.byName[u.Version]
	for _, pending := range []map[int64]*coming{g.pending, g.export.waits()} {
		for _, c := range pending {
			for k, x := range c.cells {
				if k.rule == r && x.newest < u.Since*second {
					return true
				}
			}
		}
	}
	return false
}

// beginning is the second from which on a rule counts that begins at a tick. It is no whole hour, see Unknown.
func beginning(tick int64) int64 {
	if at := floor(tick, ticks); at%3600 != 0 || tick == 0 {
		return at
	} else {
		return at - 1
	}
}

// inFlight is how long, in seconds, events may still come that were folded by rules of before, here or by an instance that takes other rules up
// later. The budget of a new objective begins behind them: what arrived before it began is left to who counts its past, and what arrives from then on
// was folded for it.
const inFlight = 5

// Begin lets the objectives begin that are new since the state was written that g has imported. What arrived before a time, in microseconds, may
// have been folded without them.
func (g *Engine) Begin(now int64) {
	for _, r := range g.rules {
		if r.fresh {
			r.fresh, r.since = false, beginning(max(g.tick, floor(now, tick))+inFlight*ticks)
		}
	}
}

// counts tells whether x is of the time that an objective counts in its budget itself. Burn rates know of x in any case.
func (r *judged) counts(x *Partial) bool { return !r.fresh && x.newest >= r.since*second }

// Past is what objectives would have counted of events at rest. It belongs to one goroutine.
type Past struct {
	*Folder
	of     []Unknown
	wanted []int // by rule of the program: its place in of + 1
	counts map[pastKey]pastCount
}

type pastKey struct {
	of   int // place in Past.of
	key  uint32
	hour int64
}

type pastCount struct{ total, bad int64 }

// maxPast bounds the counts of a Past.
const maxPast = 1_000_000

// ErrPast says that there are too many keys.
var ErrPast = errors.New("objectives have too many keys to count the hours before them")

// Past counts for some objectives of p.
func (p *Program) Past(of []Unknown) *Past {
	past := &Past{Folder: p.Folder(), of: of, wanted: make([]int, len(p.rules)), counts: map[pastKey]pastCount{}}
	for n := range of {
		for i, r := range p.rules {
			if r.Type == BurnRate && r.version == of[n].Version {
				past.wanted[i] = n + 1
			}
		}
	}
	return past
}

// Of lists the objectives that it is about.
func (p *Past) Of() []Unknown { return p.of }

// Event counts an event, which arrived at a time in microseconds.
func (p *Past) Event(e *event.Event, arrival int64) error {
	p.event++
	at := floor(e.Time, second)
	p.found = p.index.find(e, p.found[:0])
	for _, i := range p.found {
		n, r := p.wanted[i]-1, p.rules[i]
		if n < 0 || p.seen[i] == p.event || arrival >= p.of[n].Since*second || at < p.of[n].From || floor(arrival, second)-at > r.age {
			continue
		}
		p.seen[i] = p.event
		if !p.holds(r.when, e) {
			continue
		}
		key, ok := p.keys[r.set].of(e, p.event)
		if !ok {
			continue
		}
		k := pastKey{n, key, floor(at, 3600) * 3600}
		c := p.counts[k]
		if c.total == 0 && len(p.counts) >= maxPast {
			return ErrPast
		}
		c.total++
		if !p.holds(r.of, e) {
			c.bad++
		}
		p.counts[k] = c
	}
	return nil
}

// Recall gives objectives what they would have counted from an hour on, up to what they were told before, and tells how many it was for: those
// that were made anew meanwhile take nothing.
func (g *Engine) Recall(p *Past, from int64) (objectives int) {
	g.export.Abandon()
	into := make([]*judged, len(p.of))
	for n, u := range p.of {
		if r := g.byName[u.Version]; r != nil && r.version == u.Version && r.since == cmp.Or(u.Until, u.Since) {
			into[n] = r
			r.since = max(from, u.From)
			objectives++
		}
	}
	type entry struct {
		pastKey
		name string
		pastCount
	}
	var all []entry
	for k, c := range p.counts {
		if into[k.of] != nil && k.hour >= from {
			all = append(all, entry{k, p.keys[into[k.of].set].names[k.key], c})
		}
	}
	sorting.By(all, func(a, b entry) int { // where there are too many keys the order decides which are groups
		return cmp.Or(cmp.Compare(a.of, b.of), cmp.Compare(a.name, b.name), cmp.Compare(a.hour, b.hour))
	})
	for _, x := range all {
		if group := g.group(into[x.of], x.name, x.hour); group != nil {
			group.first = min(group.first, x.hour)
			group.budget.add(x.hour, &tally{Num: x.bad, Den: x.total})
		}
	}
	return objectives
}
