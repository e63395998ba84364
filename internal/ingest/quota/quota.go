// Package quota counts what each sender brings and says when it is too much.
//
// In come the name of a sender, a number of events and the time; out comes a Verdict. The rate is a token bucket: it fills
// with Rate events a second up to Burst. A body larger than the burst is taken when the bucket is full and leaves it in debt,
// so that the size of a body never makes it impossible, and the mean rate holds all the same. The day is the day in UTC.
//
// Promised: memory is bounded by MaxSenders, and those that are Known beside. Nobody is forgotten of whom something still counts, so no flood of
// invented names gives anybody a new day: while there is no room, names that are new and not known share one account. A book with a file keeps
// what was counted of the day over restarts; what came after the last Keep is forgotten by a process that is killed, and the
// buckets, which are full again within a few windows, by every restart.
package quota

import (
	"container/list"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// MaxSenders is the number of senders that are remembered.
const MaxSenders = 10_000

// others is the account of those for whom there is no room. Nobody is called so.
const others = ""

// Policy is what each sender may bring. Zero is without limit.
type Policy struct {
	Rate  float64 // events a second
	Burst int64   // events at once; 0 = what Rate gives in ten seconds
	Day   int64   // events in a day, UTC
}

// On tells whether there is anything to count.
func (p Policy) On() bool { return p.Rate > 0 || p.Day > 0 }

func (p Policy) burst() float64 {
	if p.Burst > 0 {
		return float64(p.Burst)
	}
	return math.Max(p.Rate*10, 1)
}

// Limit names a part of the policy.
type Limit string

// The parts of a policy.
const (
	None Limit = ""
	Rate Limit = "rate"
	Day  Limit = "day"
)

// State is one limit as the sender may see it.
type State struct {
	Limit     Limit
	Quota     int64         // events in a window
	Window    time.Duration // of the quota
	Remaining int64         // events that are left now
	Reset     time.Duration // until the whole quota is there again
}

// Verdict says whether a body is taken.
type Verdict struct {
	Exceeded Limit         // None: it is taken and counted
	Retry    time.Duration // when to try again; set when exceeded
	Never    bool          // it is more than a whole quota: trying again does not help
	States   []State       // of the limits that are set
}

// Book counts senders under one policy. It is safe for concurrent use.
type Book struct {
	// Known, when set, tells of names that always have an account of their own, fewer than MaxSenders. It must be quick and not ask the book. Set
	// it before the first Take.
	Known func(name string) bool

	on atomic.Bool

	mu      sync.Mutex
	policy  Policy
	senders map[string]*list.Element // of *sender
	recent  list.List                // front = heard last
	changed bool                     // since it was kept
}

type sender struct {
	name   string
	tokens float64
	at     time.Time
	day    int64    // days since the epoch
	used   int64    // events of the day
	told   []string // what was said of it that day
}

// New makes an empty book.
func New(p Policy) *Book {
	b := &Book{senders: map[string]*list.Element{}}
	b.SetPolicy(p)
	return b
}

// On tells whether there is anything to count.
func (b *Book) On() bool { return b.on.Load() }

// SetPolicy lets another policy hold from now on. Nobody has more than it lets have at once; what was counted of the day stays.
func (b *Book) SetPolicy(p Policy) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p == b.policy {
		return
	}
	for _, el := range b.senders {
		s := el.Value.(*sender)
		if s.tokens = math.Min(s.tokens, p.burst()); b.policy.Rate == 0 {
			s.tokens = p.burst()
		}
	}
	b.policy = p
	b.on.Store(p.On())
}

// Take asks whether a sender may bring n more events, and counts them when it may.
func (b *Book) Take(name string, n int, now time.Time) Verdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sender(name, now)
	var v Verdict
	if p := b.policy; p.Day > 0 && int64(n) > p.Day {
		return Verdict{Exceeded: Day, Never: true, States: b.states(s, now)}
	}
	if p := b.policy; p.Rate > 0 {
		if need := math.Min(float64(n), p.burst()); s.tokens < need {
			v.Exceeded, v.Retry = Rate, seconds((need-s.tokens)/p.Rate)
		}
	}
	if p := b.policy; p.Day > 0 && s.used+int64(n) > p.Day {
		if v.Retry < untilMidnight(now) {
			v.Exceeded, v.Retry = Day, untilMidnight(now)
		}
	}
	if v.Exceeded == None {
		s.tokens -= float64(n)
		s.used += int64(n)
		b.changed = true
	}
	v.States = b.states(s, now)
	return v
}

// GiveBack takes back what Take counted, for events that were not taken after all.
func (b *Book) GiveBack(name string, n int, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sender(name, now)
	s.tokens = math.Min(s.tokens+float64(n), b.policy.burst())
	s.used = max(s.used-int64(n), 0)
	b.changed = true
}

// FirstTold notes that something is said of a sender, and tells whether that is the first time of the day.
func (b *Book) FirstTold(name, what string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sender(name, now)
	if slices.Contains(s.told, what) {
		return false
	}
	s.told = append(s.told, what)
	return true
}

// NotTold takes that back.
func (b *Book) NotTold(name, what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	el, ok := b.senders[name]
	if !ok {
		el, ok = b.senders[others]
	}
	if ok {
		s := el.Value.(*sender)
		s.told = slices.DeleteFunc(s.told, func(t string) bool { return t == what })
	}
}

// sender finds or makes the account of a name and brings it up to now.
func (b *Book) sender(name string, now time.Time) *sender {
	if b.senders[name] == nil && !b.room(now) && (b.Known == nil || !b.Known(name)) {
		name = others
	}
	return b.account(name, now)
}

// room tells whether there is room for one more, where need be in the place of those who were quiet for longest, if nothing of them counts.
func (b *Book) room(now time.Time) bool {
	for len(b.senders) >= MaxSenders {
		last := b.recent.Back()
		s := last.Value.(*sender)
		if b.update(s, now); b.policy.Day > 0 && s.used > 0 || s.tokens < b.policy.burst() {
			return false
		}
		delete(b.senders, s.name)
		b.recent.Remove(last)
	}
	return true
}

// account finds or makes the account under a name.
func (b *Book) account(name string, now time.Time) *sender {
	el, ok := b.senders[name]
	if !ok {
		el = b.recent.PushFront(&sender{name: name, tokens: b.policy.burst(), at: now, day: now.Unix() / 86400})
		b.senders[name] = el
	}
	b.recent.MoveToFront(el)
	s := el.Value.(*sender)
	b.update(s, now)
	return s
}

// update brings an account up to now.
func (b *Book) update(s *sender, now time.Time) {
	today := now.Unix() / 86400
	if now.After(s.at) { // a clock that was set back earns nothing
		s.tokens = math.Min(s.tokens+now.Sub(s.at).Seconds()*b.policy.Rate, b.policy.burst())
		s.at = now
	} else if s.at.Sub(now) > dayJitter*time.Second {
		s.at = now
	}
	switch {
	case today > s.day:
		s.day, s.used, s.told = today, 0, nil
	case now.Unix() < s.day*86400-dayJitter: // the clock was ahead: what was brought then is of today, or no day would ever end it
		s.day = today
	}
}

// dayJitter is how many seconds before the day that has begun somebody may still have read the clock.
const dayJitter = 60

func (b *Book) states(s *sender, now time.Time) []State {
	var out []State
	if p := b.policy; p.Rate > 0 {
		window := seconds(p.burst() / p.Rate)
		out = append(out, State{Limit: Rate, Quota: int64(p.burst()), Window: window,
			Remaining: int64(math.Max(s.tokens, 0)), Reset: seconds((p.burst() - s.tokens) / p.Rate)})
	}
	if p := b.policy; p.Day > 0 {
		out = append(out, State{Limit: Day, Quota: p.Day, Window: 24 * time.Hour, Remaining: p.Day - s.used, Reset: untilMidnight(now)})
	}
	return out
}

func untilMidnight(now time.Time) time.Duration {
	return time.Duration(86400-now.Unix()%86400)*time.Second - time.Duration(now.Nanosecond())
}

func seconds(s float64) time.Duration { return time.Duration(math.Ceil(s*1e3)) * time.Millisecond }
