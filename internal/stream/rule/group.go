package rule

import (
	"maps"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// group is what a rule keeps of one key.
type group struct {
	key      string
	values   []string  // of group_by, in its order
	first    int64     // second from which it is known
	counted  ledger    // of burn_rate
	budget   spending  // likewise
	newest   int64     // microseconds: arrival of the latest event that is seen
	steps    []step    // by time
	order    order     // of a sequence
	samples  []*sample // newest last
	episodes [2]episode
	past     past // of an anomaly: the baseline that was looked at last
	kept     int  // values that its steps hold
	dirty    bool // something came with this tick
}

// step is what happened in some seconds.
type step struct {
	at int64 // second at which it begins
	tally
	last   int64               // of absence: microseconds of the latest event
	spread *agg.Measure        // of percentiles
	values map[string]struct{} // of distinct
}

// step returns the step of a second, made if it is not there. Events come nearly in order, so it is looked for from the end.
func (g *group) step(at int64) *step {
	i := len(g.steps)
	for i > 0 && g.steps[i-1].at > at {
		i--
	}
	if i > 0 && g.steps[i-1].at == at {
		return &g.steps[i-1]
	}
	g.steps = slices.Insert(g.steps, i, step{at: at})
	return &g.steps[i]
}

// take adds a partial to the step that begins at a second, and tells how many values did not fit.
func (g *group) take(x *Partial, at int64) (dropped uint64) {
	g.first, g.newest = min(g.first, x.second), max(g.newest, x.newest)
	if at < g.past.to {
		g.past = past{}
	}
	g.counted.add(&x.tally)
	s := g.step(at)
	s.tally.merge(&x.tally)
	s.last = max(s.last, x.last)
	if x.spread.Count() > 0 {
		if s.spread == nil {
			s.spread = &agg.Measure{}
		}
		s.spread.Merge(&x.spread)
	}
	if len(x.values) > 0 {
		dropped = g.takeValues(s, x.values)
	}
	if over := len(g.samples) + len(x.samples) - samplesKept; over > 0 {
		g.samples = slices.Delete(g.samples, 0, min(over, len(g.samples)))
	}
	g.samples = append(g.samples, x.samples[:min(len(x.samples), samplesKept)]...)
	return dropped
}

// takeValues keeps the values that fit, in their order.
func (g *group) takeValues(s *step, values map[string]struct{}) (dropped uint64) {
	if s.values == nil {
		s.values = map[string]struct{}{}
	}
	for _, v := range slices.Sorted(maps.Keys(values)) {
		if _, known := s.values[v]; known {
			continue
		}
		if g.kept >= MaxDistinct {
			dropped++
			continue
		}
		s.values[v] = struct{}{}
		g.kept++
	}
	return dropped
}

// forget drops the steps before a second.
func (g *group) forget(before int64) {
	n := 0
	for n < len(g.steps) && g.steps[n].at < before {
		g.kept -= len(g.steps[n].values)
		n++
	}
	if n > 0 {
		g.steps = slices.Delete(g.steps, 0, n)
	}
}

// between shows the steps in [from, to), newest first.
func (g *group) between(from, to int64, show func(s *step)) {
	for i := len(g.steps) - 1; i >= 0 && g.steps[i].at >= from; i-- {
		if g.steps[i].at < to {
			show(&g.steps[i])
		}
	}
}

func (g *group) total(from, to int64) (t tally) {
	for i := len(g.steps) - 1; i >= 0 && g.steps[i].at >= from; i-- {
		if g.steps[i].at < to {
			t.merge(&g.steps[i].tally)
		}
	}
	return t
}

// idle tells whether nothing would be lost with g.
func (g *group) idle() bool { return g.silent() && len(g.budget) == 0 }

// silent tells whether nothing came to g within its windows, and nothing is told of it.
func (g *group) silent() bool {
	return len(g.steps) == 0 && g.order.idle() && g.episodes[0].state == none && g.episodes[1].state == none
}

// latest is the newest step before a second, nil when there is none.
func (g *group) latest(before int64) *step {
	for i := len(g.steps) - 1; i >= 0; i-- {
		if g.steps[i].at < before {
			return &g.steps[i]
		}
	}
	return nil
}

// coarsen makes one step of each minute that ended before a second.
func (g *group) coarsen(before int64) {
	kept := g.steps[:0]
	for _, s := range g.steps {
		minute := s.at / 60 * 60
		switch n := len(kept); {
		case minute+60 > before:
			kept = append(kept, s)
		case n > 0 && kept[n-1].at == minute:
			kept[n-1].merge(&s.tally)
		default:
			s.at = minute
			kept = append(kept, s)
		}
	}
	clear(g.steps[len(kept):])
	g.steps = kept
}

// bytes is about how much memory g takes.
func (g *group) bytes() int {
	n := 400 + 3*len(g.key) + 96*cap(g.steps) + 200*cap(g.samples) + g.order.bytes() + 64*g.kept + 24*cap(g.budget)
	for i := range g.steps {
		if g.steps[i].spread != nil {
			n += 1024
		}
	}
	return n
}
