package rule

import (
	"cmp"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Options of an Engine.
type Options struct {
	Lateness time.Duration // of Event: how much older than the time of the last Advance it may be; 0 = 10 s
}

const (
	defaultLateness = 10 * time.Second
	maxHeld         = 100_000 // events of a sequence that wait for their tick
)

// Engine judges: it brings partials together and says what follows from them. It belongs to one goroutine.
type Engine struct {
	lateness int64
	program  *Program
	rules    []*judged
	byName   map[string]*judged // by version
	tick     int64              // that was judged last
	now      int64              // microseconds of the last Advance
	pending  map[int64]*coming  // by tick
	waiting  int                // partials and events in pending
	spare    []*Partial
	scratch  []*Partial
	stats    Stats

	folder *Folder // of Event
	own    *Partials
}

// judged is a rule with all groups that it keeps.
type judged struct {
	*compiled
	groups map[string]*group
	all    []*group // the same, in the order of their coming but for those that left
	dirty  []*group // to which something came with this tick
	held   int      // events that wait for their tick
}

// coming is what is seen from a tick on.
type coming struct {
	cells map[cell]*Partial
	held  []arrived
}

type cell struct {
	rule   *judged
	key    string
	second int64
}

type arrived struct {
	rule *judged
	held
}

// Stats says what an Engine did and holds.
type Stats struct {
	Events   uint64 // that Event got
	Late     uint64 // of these, older than allowed
	Behind   uint64 // partials and events of sequences that came after their tick, and are seen from the next one on
	Overflow uint64 // times that something was counted under __other__ or passed over, because there were too many groups
	Dropped  uint64 // times that a value, or an event of a sequence, was passed over because too many are kept already
	Pending  int    // partials and events that wait for their tick
	Groups   int
	Steps    int
	Bytes    int // of memory, about
}

// New makes an engine of rules that Decode gave.
func New(rules []Rule, o Options) (*Engine, error) {
	p, err := Compile(rules)
	if err != nil {
		return nil, err
	}
	return NewEngine(p, o), nil
}

// NewEngine makes an engine of a program.
func NewEngine(p *Program, o Options) *Engine {
	if o.Lateness == 0 {
		o.Lateness = defaultLateness
	}
	g := &Engine{lateness: o.Lateness.Microseconds(), pending: map[int64]*coming{}}
	g.load(p, map[string]*judged{})
	return g
}

// load takes the rules of p, with what is kept of those that are known.
func (g *Engine) load(p *Program, known map[string]*judged) {
	g.program, g.rules, g.byName = p, nil, map[string]*judged{}
	g.folder, g.own = nil, nil
	for _, c := range p.rules {
		r := known[c.version]
		if r == nil || r.Name != c.Name {
			r = &judged{groups: map[string]*group{}}
		}
		r.compiled = c
		g.rules, g.byName[c.version] = append(g.rules, r), r
	}
}

// Event folds one settled event, which arrives when it happens and may be reused afterwards. It counts with the next Advance.
func (g *Engine) Event(e *event.Event, p Position) {
	g.stats.Events++
	if e.Time < g.now-g.lateness {
		g.stats.Late++
		return
	}
	if g.folder == nil {
		g.folder = g.program.Folder()
	}
	if g.own == nil {
		g.own = g.folder.Begin()
	}
	g.folder.Event(g.own, e, e.Time, p)
}

// Pending is how many partials and events wait for their tick.
func (g *Engine) Pending() int { return g.waiting }

// Now is the time of the last Advance, in microseconds.
func (g *Engine) Now() int64 { return g.now }

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
	k := cell{r, x.key, x.second}
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

// group finds or makes the group of a key. When there are too many it is the one of all others, or nil where mixing keys would
// say what is not so.
func (g *Engine) group(r *judged, key string, at int64) *group {
	if found := r.groups[key]; found != nil {
		return found
	}
	if len(r.all) >= r.MaxGroups {
		g.stats.Overflow++
		if r.Type == Absence || r.Type == Distinct || r.Type == Sequence {
			return nil
		}
		key = keyOf(slices.Repeat([]string{agg.Others}, len(r.fields)))
		if found := r.groups[key]; found != nil {
			return found
		}
	}
	made := &group{key: key, first: at, values: valuesOf(key)}
	r.groups[key] = made
	r.all = append(r.all, made)
	return made
}

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

// Approach is Advance that stops at the next whole second that is judged, and tells whether it came to now. So whoever has a day to
// catch up with can see to other things meanwhile.
func (g *Engine) Approach(now int64) (out []Decision, there bool) {
	if now <= g.now {
		return nil, true
	}
	to := floor(now, tick)
	if g.own != nil {
		out = g.Merge(g.own)
		g.own.Release()
		g.own = nil
	}
	if g.now == 0 {
		g.tick = min(to, g.soonest()) - 1
	}
	g.skip(to - maxTicks)
	for g.tick < to {
		if g.empty() {
			g.tick = min(to, g.soonest()) - 1
		}
		g.tick++
		out = g.judge(out)
		if g.tick < to && g.tick%ticks == 0 {
			g.now = g.tick * tick
			return out, false
		}
	}
	g.now = now
	return out, true
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

// judge looks at what is seen from g.tick on: at all groups with a whole second, else at those to which something came.
func (g *Engine) judge(out []Decision) []Decision {
	g.see()
	from, at := len(out), g.tick/ticks
	for _, r := range g.rules {
		if g.tick%ticks == 0 && at%r.every == 0 {
			out = g.look(r, at, out)
		} else {
			out = g.glance(r, out)
		}
		for _, group := range r.dirty {
			group.dirty = false
		}
		clear(r.dirty)
		r.dirty = r.dirty[:0]
	}
	slices.SortFunc(out[from:], func(a, b Decision) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.order, b.order), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// see takes in what is seen from g.tick on. Where the order decides, such as which keys come to be groups when there are too
// many, it is that of the keys.
func (g *Engine) see() {
	c := g.pending[g.tick]
	if c == nil {
		return
	}
	delete(g.pending, g.tick)
	g.waiting -= len(c.cells) + len(c.held)
	late := g.scratch[:0]
	for k, x := range c.cells {
		if group := k.rule.groups[k.key]; group != nil && k.rule.Type != Distinct {
			g.put(k.rule, group, x)
			g.spare = append(g.spare, x)
		} else {
			x.rule = int32(slices.Index(g.rules, k.rule))
			late = append(late, x)
		}
	}
	slices.SortFunc(late, func(a, b *Partial) int {
		return cmp.Or(cmp.Compare(a.rule, b.rule), cmp.Compare(a.key, b.key), cmp.Compare(a.second, b.second))
	})
	for _, x := range late {
		r := g.rules[x.rule]
		if group := g.group(r, x.key, x.second); group != nil {
			g.put(r, group, x)
		}
		g.spare = append(g.spare, x)
	}
	g.scratch = late[:0]
	g.arrive(c.held)
	for _, x := range g.spare[max(0, len(g.spare)-len(c.cells)):] {
		x.reset()
	}
	g.spare = g.spare[:min(len(g.spare), maxSpare)]
}

// maxSpare is how many partials are kept for another use.
const maxSpare = 1 << 16

func (g *Engine) put(r *judged, group *group, x *Partial) {
	g.stats.Dropped += group.take(x, floor(x.second, r.width)*r.width)
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
	slices.SortFunc(all, func(a, b arrived) int { return cmp.Or(cmp.Compare(a.key, b.key), a.compare(&b.held)) })
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

// look judges all groups of a rule at a second.
func (g *Engine) look(r *judged, at int64, out []Decision) []Decision {
	for i := 0; i < len(r.all); {
		group := r.all[i]
		out = r.judge(group, at, g.tick*tick, out)
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

// glance looks, between two looks, at the groups to which something came: when what they see now, with the step that is not
// over, is enough, that is told at once. What ends is left to the next look.
func (g *Engine) glance(r *judged, out []Decision) []Decision {
	if !r.early {
		return out
	}
	at := ((g.tick+ticks-1)/ticks + r.every - 1) / r.every * r.every
	for _, group := range r.dirty {
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
	s.Pending = g.waiting
	s.Bytes = 300 * g.waiting
	for _, r := range g.rules {
		s.Groups += len(r.all)
		for _, group := range r.all {
			s.Steps += len(group.steps)
			s.Bytes += group.bytes()
		}
	}
	return s
}
