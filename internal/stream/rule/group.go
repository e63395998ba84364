package rule

import (
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// group is what a rule keeps of one key.
type group struct {
	key      string
	values   []string // of group_by, in its order
	first    int64    // second from which it is known
	steps    []step   // by time
	runs     []run    // of a sequence: runs[i] has seen i+1 steps
	matches  []span   // of a sequence, since the last look
	samples  []sample // newest last
	episodes [2]episode
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

// spreadOut adds the duration that e has to the sketch.
func (s *step) spreadOut(m metric, e *event.Event) {
	ns, ok := m.duration(e)
	if !ok {
		return
	}
	if s.spread == nil {
		s.spread = &agg.Measure{}
	}
	s.spread.Add(ns)
	s.Num++
}

// forget drops the steps before a second.
func (g *group) forget(before int64) {
	n := 0
	for n < len(g.steps) && g.steps[n].at < before {
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
	g.between(from, to, func(s *step) { t.merge(&s.tally) })
	return t
}

// sample is an event that an alert can show. Its texts lie in one string, so that keeping it costs one allocation.
type sample struct {
	at    int64 // microseconds
	texts [len(told)]string
}

// told are the fields of samples: the request, and where it may come from.
var told = [...]event.Field{event.RequestID, event.Model, event.Tenant, event.UserID, event.Endpoint, event.ErrorType, event.Host, event.Operation}

const (
	samplesKept      = 32
	samplesPerSecond = 4
)

// sample keeps e, unless its second has enough already.
func (g *group) sample(e *event.Event) {
	if n := len(g.samples); n >= samplesPerSecond && g.samples[n-samplesPerSecond].at/second == e.Time/second {
		return
	}
	var b strings.Builder
	for _, f := range told {
		b.WriteString(e.Text(f))
	}
	s, text := sample{at: e.Time}, b.String()
	for i, f := range told {
		n := len(e.Text(f))
		s.texts[i], text = text[:n], text[n:]
	}
	if len(g.samples) == samplesKept {
		g.samples = slices.Delete(g.samples, 0, 1)
	}
	g.samples = append(g.samples, s)
}

// run is a part of a sequence that was seen.
type run struct {
	live        bool
	first, last int64 // microseconds of its ends
	ids         []string
}

// span is a sequence that was seen whole.
type span struct {
	first, last int64
	ids         []string
}

// follow takes the next event in time, which matches the steps in mask. For each number of steps that were seen, the run that
// began last is kept: it can do whatever an older one can. So there are fewer live runs than steps, and none is missed. A match
// ends all runs: the next begins behind it.
func (g *group) follow(steps int, within int64, h *held) {
	if g.runs == nil {
		g.runs = make([]run, steps)
	}
	for i := steps - 1; i >= 0; i-- {
		if h.mask>>i&1 == 0 {
			continue
		}
		next := run{live: true, first: h.at, last: h.at}
		if i > 0 {
			before := &g.runs[i-1]
			if !before.live || before.last > h.at || h.at-before.first > within {
				continue
			}
			next.first, next.ids = before.first, before.ids
			*before = run{}
		}
		if h.request != "" && !slices.Contains(next.ids, h.request) {
			next.ids = append(slices.Clip(next.ids), h.request)
		}
		if i == steps-1 {
			clear(g.runs)
			g.matches = append(g.matches, span{next.first, next.last, next.ids})
			return
		}
		if old := &g.runs[i]; !old.live || old.first <= next.first {
			*old = next
		}
	}
}

// expire ends the runs that no event can end in time.
func (g *group) expire(now, within int64) {
	for i := range g.runs {
		if g.runs[i].live && now-g.runs[i].first > within {
			g.runs[i] = run{}
		}
	}
}

// held is an event of a sequence that waits until the time before it is complete.
type held struct {
	at       int64 // microseconds
	position Position
	mask     uint8
	key      string
	request  string
}

// idle tells whether nothing would be lost with g.
func (g *group) idle() bool {
	for i := range g.runs {
		if g.runs[i].live {
			return false
		}
	}
	return len(g.steps) == 0 && len(g.matches) == 0 && g.episodes[0].state == none && g.episodes[1].state == none
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
	n := 400 + 3*len(g.key) + 80*cap(g.steps) + 200*cap(g.samples) + 64*cap(g.runs)
	for i := range g.steps {
		if g.steps[i].spread != nil {
			n += 1024
		}
		n += 64 * len(g.steps[i].values)
	}
	return n
}
