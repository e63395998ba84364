package stream

import (
	"encoding/binary"
	"hash/maphash"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"unsafe"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// spend is what one user used in a span of time: small enough to be kept for many users, where a Cell would not be.
type spend struct {
	requests, tokens, cost int64 // cost in nano-USD
}

func (s *spend) add(o spend) {
	s.requests += o.requests
	s.tokens += o.tokens
	s.cost += o.cost
}

// spendOf is what one request used.
func spendOf(e *event.Event) spend {
	return spend{1, e.Int(event.TotalTokens), e.Int(event.Cost)}
}

// spenders are the users of one span, up to a budget; the rest stand together under otherName. In a backlog that is read a
// hundred times as fast as it came, hardly two events are of one user and span, so all that is done here is done for each event:
// users stand in the order in which they came, with an open-addressed table of their places beside them, and their names are
// kept together.
type spenders struct {
	list  []spender
	other spend
	slots []uint64 // the upper half of a hash, and the place in the list + 1; 0 = free
	names []byte   // memory for names; what was given away is never written again
}

type spender struct {
	user string
	hash uint64
	spend
}

var spenderSeed = maphash.MakeSeed()

// take adds what a user spent. The name is copied when it is kept.
func (s *spenders) take(user string, x spend, most int) {
	s.put(user, maphash.String(spenderSeed, user), x, most)
}

func (s *spenders) put(user string, hash uint64, x spend, most int) {
	if user == otherName {
		s.other.add(x)
		return
	}
	slot, at := s.find(user, hash)
	switch {
	case at >= 0:
		s.list[at].add(x)
	case len(s.list) >= most:
		s.other.add(x)
	default:
		if 2*len(s.list) >= len(s.slots) {
			s.grow()
			slot, _ = s.find(user, hash)
		}
		s.list = append(s.list, spender{s.keep(user), hash, x})
		s.slots[slot] = hash>>32<<32 | uint64(len(s.list))
	}
}

// find returns the place of a user in the list, or -1 and the free slot.
func (s *spenders) find(user string, hash uint64) (slot, at int) {
	if len(s.slots) == 0 {
		return 0, -1
	}
	mask := len(s.slots) - 1
	for i := int(hash) & mask; ; i = (i + 1) & mask {
		x := s.slots[i]
		if x == 0 {
			return i, -1
		}
		if at := int(uint32(x)) - 1; x>>32 == hash>>32 && s.list[at].user == user {
			return i, at
		}
	}
}

func (s *spenders) grow() {
	s.slots = make([]uint64, max(16, 4*len(s.slots)))
	s.list = slices.Grow(s.list, len(s.list))
	mask := len(s.slots) - 1
	for at := range s.list {
		hash := s.list[at].hash
		i := int(hash) & mask
		for s.slots[i] != 0 {
			i = (i + 1) & mask
		}
		s.slots[i] = hash>>32<<32 | uint64(at+1)
	}
}

// keep copies a name.
func (s *spenders) keep(user string) string {
	if cap(s.names)-len(s.names) < len(user) {
		s.names = make([]byte, 0, max(min(2*cap(s.names), 8<<10), 64, len(user)))
	}
	start := len(s.names)
	s.names = append(s.names, user...)
	return unsafe.String(unsafe.SliceData(s.names[start:]), len(user))
}

// all are the users and what they spent, at last what stands under otherName.
func (s *spenders) all() iter.Seq2[string, spend] {
	return func(yield func(string, spend) bool) {
		for i := range s.list {
			if !yield(s.list[i].user, s.list[i].spend) {
				return
			}
		}
		if s.other != (spend{}) {
			yield(otherName, s.other)
		}
	}
}

// len is how many entries there are.
func (s *spenders) len() int {
	if s.other != (spend{}) {
		return len(s.list) + 1
	}
	return len(s.list)
}

// add adds all of o.
func (s *spenders) add(o *spenders, most int) {
	for i := range o.list {
		x := &o.list[i]
		s.put(x.user, x.hash, x.spend, most)
	}
	s.other.add(o.other)
}

// best are the users that stand out by one of the three numbers, at most 3 × most, of equal ones those that came first; the others go
// together.
func (s *spenders) best(most int) *spenders {
	if len(s.list) <= most {
		return s
	}
	out := &spenders{other: s.other}
	chosen, numbers := make([]bool, len(s.list)), make([]int64, len(s.list))
	for _, by := range spendMetrics {
		for i := range s.list {
			numbers[i] = by(s.list[i].spend)
		}
		least, same := kth(numbers, most)
		for i := range s.list {
			switch n := by(s.list[i].spend); {
			case n > least:
				chosen[i] = true
			case n == least && n > 0 && same > 0: // nobody stands out by nothing
				chosen[i] = true
				same--
			}
		}
	}
	for i := range s.list {
		if x := &s.list[i]; chosen[i] {
			out.put(x.user, x.hash, x.spend, len(s.list))
		} else {
			out.other.add(x.spend)
		}
	}
	return out
}

// kth is the n-th largest number, and how many of the n largest are equal to it. It shuffles them. 1 ≤ n ≤ len(numbers).
func kth(numbers []int64, n int) (least int64, same int) {
	for {
		pivot := numbers[rand.IntN(len(numbers))] // so that no list is a bad one
		above, below := 0, len(numbers)
		for i := 0; i < below; { // numbers[:above] are larger, numbers[above:i] equal, numbers[below:] smaller
			switch x := numbers[i]; {
			case x > pivot:
				numbers[i], numbers[above] = numbers[above], x
				above++
				i++
			case x < pivot:
				below--
				numbers[i], numbers[below] = numbers[below], x
			default:
				i++
			}
		}
		switch {
		case n <= above:
			numbers = numbers[:above]
		case n <= below:
			return pivot, n - above
		default:
			numbers, n = numbers[below:], n-below
		}
	}
}

var spendMetrics = map[string]func(spend) int64{
	"requests": func(s spend) int64 { return s.requests },
	"tokens":   func(s spend) int64 { return s.tokens },
	"cost_usd": func(s spend) int64 { return s.cost },
}

// The users of a lane are kept by time of arrival like its panes, in spans of spenderSpans seconds; coarse to fine.
var (
	spenderSpans = [...]int64{3600, 60, 10}
	spenderKeep  = [...]int64{14 * 24 * 3600, 6 * 3600, 15 * 60}
)

const (
	finestSpend  = len(spenderSpans) - 1
	mostSpenders = 5000   // users of one span
	leftSpenders = 500    // users that a span keeps when it becomes part of a coarser one, by requests, tokens and cost
	maxSpends    = 60_000 // entries of a lane at one resolution
)

// wallet keeps what users spent, for one lane.
type wallet struct {
	levels [len(spenderSpans)]walletLevel
}

type walletLevel struct {
	spans   map[int64]*walletSpan // by start
	order   []*walletSpan         // oldest arrival first
	entries int
}

type walletSpan struct {
	start, arrived int64
	users          *spenders
}

func newWallet() *wallet {
	w := &wallet{}
	for i := range w.levels {
		w.levels[i].spans = map[int64]*walletSpan{}
	}
	return w
}

// add takes what a user spent in the span of finest resolution that holds second at.
func (w *wallet) add(at int64, user string, x spend, now int64) {
	w.insert(finestSpend, at, user, x, now)
}

func (w *wallet) insert(level int, at int64, user string, x spend, now int64) {
	s := w.span(level, at, now)
	before := s.users.len()
	s.users.take(user, x, mostSpenders)
	w.levels[level].entries += s.users.len() - before
}

// credit takes what users spent in the span of a resolution that holds second at; they belong to the wallet afterwards.
func (w *wallet) credit(level int, at int64, users *spenders, now int64) {
	s := w.span(level, at, now)
	before := s.users.len()
	if before == 0 {
		s.users = users
	} else {
		s.users.add(users, mostSpenders)
	}
	w.levels[level].entries += s.users.len() - before
}

// span finds or makes the span of a resolution that holds second at, for something that arrived now.
func (w *wallet) span(level int, at int64, now int64) *walletSpan {
	l := &w.levels[level]
	start := floor(at, spenderSpans[level])
	s := l.spans[start]
	if s == nil {
		s = &walletSpan{start: start, users: &spenders{}}
		l.spans[start] = s
		l.order = append(l.order, s)
	}
	s.arrived = max(s.arrived, now)
	return s
}

// age moves what arrived long ago, or no longer fits, to the next coarser resolution.
func (w *wallet) age(now int64) {
	for level := finestSpend; level >= 0; level-- {
		l := &w.levels[level]
		for range 1000 {
			if len(l.order) == 0 || now-l.order[0].arrived < spenderKeep[level] && l.entries <= maxSpends {
				break
			}
			s := l.order[0]
			l.order = l.order[1:]
			delete(l.spans, s.start)
			l.entries -= s.users.len()
			if level > 0 {
				w.credit(level-1, s.start, s.users.best(leftSpenders), s.arrived)
			}
		}
	}
}

// window adds the users of [from, to) to into, with spans taken whole, and returns the widened window.
func (w *wallet) window(from, to int64, into *spenders) (start, end int64) {
	start, end = from, to
	for level := range w.levels {
		for _, s := range w.levels[level].order {
			if last := s.start + spenderSpans[level]; s.start < to && last > from {
				start, end = min(start, s.start), max(end, last)
				into.add(s.users, math.MaxInt)
			}
		}
	}
	return start, end
}

// appendTo writes everything that the wallet holds.
func (w *wallet) appendTo(b []byte) []byte {
	for level := range w.levels {
		l := &w.levels[level]
		b = binary.AppendUvarint(b, uint64(len(l.order)))
		for _, s := range l.order {
			b = binary.AppendVarint(b, s.start)
			b = binary.AppendVarint(b, s.arrived)
			b = appendSpenders(b, s.users)
		}
	}
	return b
}

func appendSpenders(b []byte, users *spenders) []byte {
	b = binary.AppendUvarint(b, uint64(users.len()))
	for name, x := range users.all() {
		b = appendText(b, name)
		for _, n := range [...]int64{x.requests, x.tokens, x.cost} {
			b = binary.AppendVarint(b, n)
		}
	}
	return b
}

// spenders calls fn with each user that follows.
func (d *decoder) spenders(fn func(user string, x spend)) {
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		user := d.text()
		x := spend{d.varint(), d.varint(), d.varint()}
		if d.err == nil {
			fn(user, x)
		}
	}
}

func (d *decoder) wallet(w *wallet) {
	for level := range w.levels {
		for n := d.uvarint(); n > 0 && d.err == nil; n-- {
			start, arrived := d.varint(), d.varint()
			d.spenders(func(user string, x spend) { w.insert(level, start, user, x, arrived) })
		}
	}
}
