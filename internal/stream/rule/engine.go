package rule

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

const second = int64(1e6) // in microseconds

// Options of an Engine.
type Options struct {
	Lateness time.Duration // how much older than the time of the last Advance an event may be; 0 = 10 s
}

const (
	defaultLateness = 10 * time.Second
	maxHeld         = 100_000 // events of a sequence that wait
)

// Position is the place of an event on its topic. It breaks ties between events of the same time.
type Position struct {
	Kind      event.Kind `json:"k"`
	Partition int32      `json:"p"`
	Offset    int64      `json:"o"`
}

// Engine runs rules on events. It belongs to one goroutine.
type Engine struct {
	lateness   int64
	rules      []*compiled
	conditions conditions
	index      index
	seen       []uint64 // by rule: the event that it saw last
	now        int64    // microseconds of the last Advance
	at         int64    // second that was looked at last
	key        []byte
	stats      Stats
}

// Stats says what an Engine did and holds.
type Stats struct {
	Events   uint64 // that came
	Late     uint64 // of these, older than allowed
	Overflow uint64 // times that an event was counted under __other__ or passed over, because there were too many groups
	Dropped  uint64 // times that a value, or an event of a sequence, was passed over because too many are kept already
	Groups   int
	Steps    int
	Bytes    int // of memory, about
}

// New makes an engine of rules that Decode gave.
func New(rules []Rule, o Options) (*Engine, error) {
	if len(rules) > MaxRules {
		return nil, fmt.Errorf("%d rules are too many; at most %d are taken", len(rules), MaxRules)
	}
	if o.Lateness == 0 {
		o.Lateness = defaultLateness
	}
	g := &Engine{lateness: o.Lateness.Microseconds(), conditions: conditions{byText: map[string]int{}}, seen: make([]uint64, len(rules))}
	for _, r := range rules {
		c, err := compile(r, &g.conditions)
		if err != nil {
			return nil, err
		}
		g.rules = append(g.rules, c)
	}
	g.index = newIndex(g.rules, &g.conditions)
	return g, nil
}

// Event folds one settled event, which may be reused afterwards.
func (g *Engine) Event(e *event.Event, p Position) {
	g.stats.Events++
	if e.Time < g.now-g.lateness {
		g.stats.Late++
		return
	}
	g.conditions.event++
	g.index.each(e, func(rule int) {
		if g.seen[rule] == g.conditions.event {
			return
		}
		g.seen[rule] = g.conditions.event
		r := g.rules[rule]
		switch {
		case !g.conditions.holds(r.when, e):
		case r.Type == Sequence:
			g.hold(r, e, p)
		default:
			g.fold(r, e)
		}
	})
}

// fold adds e to the step of its second.
func (g *Engine) fold(r *compiled, e *event.Event) {
	if !g.keyOf(r, e) {
		return
	}
	group := g.group(r, e.Time/second)
	if group == nil {
		return
	}
	s := group.step(e.Time / second / r.width * r.width)
	before := s.tally
	s.Count++
	switch r.Type {
	case Ratio, BurnRate:
		s.Den++
		if g.conditions.holds(r.of, e) != (r.Type == BurnRate) { // what is not good burns the budget
			s.Num++
		}
	case Absence:
		s.last, s.Num = max(s.last, e.Time), s.Num+1
	case Distinct:
		g.value(group, s, e.Text(r.field))
		s.Num++
	default:
		r.metric.add(e, &s.tally)
		s.Sum = finite(s.Sum)
		if r.metric.spread {
			s.spreadOut(r.metric, e)
		}
	}
	if s.Num != before.Num || s.Sum != before.Sum {
		group.sample(e)
	}
}

// value counts a value of a distinct rule.
func (g *Engine) value(group *group, s *step, text string) {
	if _, known := s.values[text]; known || text == "" {
		return
	}
	kept := 0
	for i := range group.steps {
		kept += len(group.steps[i].values)
	}
	if kept >= MaxDistinct {
		g.stats.Dropped++
		return
	}
	if s.values == nil {
		s.values = map[string]struct{}{}
	}
	s.values[strings.Clone(text)] = struct{}{}
}

// hold keeps an event of a sequence until the time before it is complete: request and feedback come by different topics.
func (g *Engine) hold(r *compiled, e *event.Event, p Position) {
	var mask uint8
	for i, s := range r.steps {
		if g.conditions.holds(s, e) {
			mask |= 1 << i
		}
	}
	if mask == 0 || !g.keyOf(r, e) {
		return
	}
	if len(r.held) >= maxHeld {
		g.stats.Dropped++
		return
	}
	r.held = append(r.held, held{at: e.Time, position: p, mask: mask, key: string(g.key), request: strings.Clone(e.Text(event.RequestID))})
}

// keyOf puts the key of e together in g.key; false when e lacks a field of it.
func (g *Engine) keyOf(r *compiled, e *event.Event) bool {
	g.key = g.key[:0]
	for _, f := range r.fields {
		text := e.Text(f)
		if text == "" {
			return false
		}
		g.key = append(binary.AppendUvarint(g.key, uint64(len(text))), text...)
	}
	return true
}

// valuesOf takes a key apart.
func valuesOf(key string) (out []string) {
	for key != "" {
		n, w := binary.Uvarint([]byte(key[:min(len(key), binary.MaxVarintLen64)]))
		if w <= 0 || n > uint64(len(key)-w) {
			return nil
		}
		out = append(out, key[w:w+int(n)])
		key = key[w+int(n):]
	}
	return out
}

// group finds or makes the group of g.key. When there are too many it is the one of all others, or nil where mixing keys would
// say what is not so.
func (g *Engine) group(r *compiled, at int64) *group {
	if found := r.groups[string(g.key)]; found != nil {
		found.first = min(found.first, at)
		return found
	}
	if len(r.all) >= r.MaxGroups {
		g.stats.Overflow++
		if r.Type == Absence || r.Type == Distinct || r.Type == Sequence {
			return nil
		}
		g.key = g.key[:0]
		for range r.fields {
			g.key = append(binary.AppendUvarint(g.key, uint64(len(agg.Others))), agg.Others...)
		}
		if found := r.groups[string(g.key)]; found != nil {
			return found
		}
	}
	made := &group{key: string(g.key), first: at}
	made.values = valuesOf(made.key)
	r.groups[made.key] = made
	r.all = append(r.all, made)
	return made
}

// Advance says that the events before now, in microseconds, are complete, and returns what follows from them, in order.
func (g *Engine) Advance(now int64) []Decision {
	if now <= g.now {
		return nil
	}
	to := now / second
	if g.now == 0 {
		g.at = to - 1
	}
	g.now = now
	for _, r := range g.rules {
		slices.SortFunc(r.held, func(a, b held) int {
			return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.position.Kind, b.position.Kind), cmp.Compare(a.position.Partition, b.position.Partition), cmp.Compare(a.position.Offset, b.position.Offset))
		})
	}
	var out []Decision
	for g.at < to {
		if g.empty() {
			g.at = to
			break
		}
		g.at++
		from := len(out)
		for _, r := range g.rules {
			out = g.look(r, g.at, out)
		}
		slices.SortFunc(out[from:], func(a, b Decision) int {
			return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.order, b.order), cmp.Compare(a.ID, b.ID))
		})
	}
	return out
}

func (g *Engine) empty() bool {
	for _, r := range g.rules {
		if len(r.all)+len(r.held) > 0 {
			return false
		}
	}
	return true
}

// look judges all groups of a rule at a second.
func (g *Engine) look(r *compiled, at int64, out []Decision) []Decision {
	g.release(r, at)
	if at%r.every != 0 {
		return out
	}
	for i := 0; i < len(r.all); {
		group := r.all[i]
		out = r.judge(group, at, out)
		r.tidy(group, at)
		if group.idle() {
			delete(r.groups, group.key)
			last := len(r.all) - 1
			r.all[i], r.all[last] = r.all[last], nil
			r.all = r.all[:last]
			continue
		}
		i++
	}
	return out
}

// release lets the events before a second take their turn in their sequences.
func (g *Engine) release(r *compiled, at int64) {
	n := 0
	for n < len(r.held) && r.held[n].at < at*second {
		h := &r.held[n]
		g.key = append(g.key[:0], h.key...)
		if group := g.group(r, h.at/second); group != nil {
			group.follow(len(r.steps), r.window*second, h)
		}
		n++
	}
	if n > 0 {
		r.held = slices.Delete(r.held, 0, n)
	}
}

// tidy forgets what no window reaches any more.
func (r *compiled) tidy(g *group, at int64) {
	switch r.Type {
	case Sequence:
		g.matches = nil
		g.expire(at*second, r.window*second)
	case Absence:
		if last := g.latest(at); last != nil {
			g.forget(max(last.at, at-r.reach))
		}
	case BurnRate:
		g.forget(at - r.reach)
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

// Stats says what g did and holds.
func (g *Engine) Stats() Stats {
	s := g.stats
	for _, r := range g.rules {
		s.Groups += len(r.all)
		s.Bytes += len(r.held) * 96
		for _, group := range r.all {
			s.Steps += len(group.steps)
			s.Bytes += group.bytes()
		}
	}
	return s
}
