package rule

import (
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Options of an Engine.
type Options struct {
	Lateness time.Duration // of Event: how much older than the time of the last Advance it may be; 0 = 10 s
	// Clock tells how time passes, so that rules can be told apart by what they cost. It decides nothing; nil = it is not asked.
	Clock func() time.Duration
}

const defaultLateness = 10 * time.Second

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
	late     []*Partial // of the round, those whose order decides
	stats    Stats
	clock    func() time.Duration
	round    round
	stint    int     // of Approach
	export   *Export // that is under way

	folder *Folder // of Event
	own    *Partials
}

// judged is a rule with all groups that it keeps.
type judged struct {
	*compiled
	groups map[string]*group
	all    []*group // the same, in the order of their coming but for those that left
	dirty  []*group // to which something came with this tick
	silent []*group // whose places new keys may have, the one that was silent longest first
	sought bool     // silent says so, until the next look
	held   int      // events that wait for their tick
	since  int64    // second from which on it counts; 0 = it has not begun
	fresh  bool     // an objective that waits for Begin
	looks  uint64   // judgements of a group
	spent  time.Duration
	sized  size // of its groups, as of the last look
}

// size is what groups take. To add it up takes about as long as to judge them, so that is done along with it.
type size struct{ steps, bytes int }

func (s *size) add(g *group) {
	s.steps += len(g.steps)
	s.bytes += g.bytes()
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
	Steps    int // as of the last look at all groups, like Bytes
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
	g := &Engine{lateness: o.Lateness.Microseconds(), clock: o.Clock, pending: map[int64]*coming{}, stint: defaultStint}
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
		if r.since == 0 && g.tick != 0 { // else begin or Import tells
			r.since = beginning(g.tick + inFlight*ticks)
		}
		g.rules, g.byName[c.version] = append(g.rules, r), r
	}
}

// begin notes that the rules count from here on.
func (g *Engine) begin() {
	for _, r := range g.rules {
		r.since = beginning(g.tick)
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

// group finds or makes the group of a key. When there are too many it is the one of all others, or nil where mixing keys would
// say what is not so.
func (g *Engine) group(r *judged, key string, at int64) *group {
	if found := r.groups[key]; found != nil {
		return found
	}
	if len(r.all) >= r.MaxGroups && !r.makeRoom(at) {
		g.stats.Overflow++
		if r.Type == Absence || r.Type == Distinct || r.Type == Sequence {
			return nil
		}
		return r.others(at)
	}
	return r.add(key, at)
}

func (r *judged) add(key string, at int64) *group {
	made := &group{key: key, first: at, values: valuesOf(key)}
	r.groups[key] = made
	r.all = append(r.all, made)
	return made
}

// others is the group of all keys that have none of their own.
func (r *judged) others(at int64) *group {
	key := r.othersKey()
	if found := r.groups[key]; found != nil {
		return found
	}
	return r.add(key, at)
}

func (r *judged) othersKey() string {
	return keyOf(slices.Repeat([]string{agg.Others}, len(r.fields)))
}

// Stats says what g did and holds.
func (g *Engine) Stats() Stats {
	s := g.stats
	s.Pending = g.waiting
	s.Bytes = 300 * g.waiting
	for _, r := range g.rules {
		s.Groups += len(r.all)
		s.Steps += r.sized.steps
		s.Bytes += r.sized.bytes
	}
	return s
}
