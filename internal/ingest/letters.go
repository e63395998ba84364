package ingest

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// maxLetters bounds the index of the dead letters: about 100 bytes each. The oldest are forgotten beyond it; they stay on their
// topic until its retention removes them.
const maxLetters = 500_000

// letter is what the index knows of a dead letter. Everything else is read from the topic when it is asked for.
type letter struct {
	position
	hash     [2]uint64 // of the id
	received int64     // microseconds
	size     uint32    // bytes of the record's value
	topic    uint16    // index in letters.topics
	code     uint16    // index in letters.codes
	redrives uint8
	redriven bool
	cut      bool // only the beginning of the payload was kept
	moved    bool // it was written again, and counts there
}

// older orders letters by the time at which they came; places settle ties.
func (l *letter) older(o *letter) int {
	return cmp.Or(cmp.Compare(l.received, o.received), cmp.Compare(l.partition, o.partition), cmp.Compare(l.offset, o.offset))
}

// letters is the index of the dead letters, folded from their topic: letters in the order of each partition, and marks that say
// what became of them. It holds no payloads. Its methods may be called from any goroutine.
type letters struct {
	mu        sync.Mutex
	parts     map[int32][]letter // by partition, in order
	places    map[[2]uint64]position
	early     map[[2]uint64]event.DeadMark // marks whose letter was not met yet
	next      map[int32]int64              // everything below is folded
	moved     chan struct{}                // closed when next moves
	topics    names
	codes     names
	count     int // of letters, without those that were written again
	movedOn   int
	forgotten int64
	limit     int
}

func newLetters(limit int) *letters {
	l := &letters{limit: limit, topics: newNames(), codes: newNames()}
	l.reset()
	return l
}

// reset forgets everything: the topic was made anew.
func (x *letters) reset() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.parts, x.places, x.early = map[int32][]letter{}, map[[2]uint64]position{}, map[[2]uint64]event.DeadMark{}
	x.next, x.count, x.movedOn, x.forgotten = map[int32]int64{}, 0, 0, 0
	x.wake()
}

func (x *letters) wake() {
	if x.moved != nil {
		close(x.moved)
	}
	x.moved = make(chan struct{})
}

// names gives small numbers to the few texts that letters share. Beyond a thousand they share the last one.
type names struct {
	list  []string
	index map[string]uint16
}

const (
	maxNames   = 1000
	otherNames = "other"
)

func newNames() names { return names{index: map[string]uint16{}} }

func (n *names) number(s string) uint16 {
	if i, ok := n.index[s]; ok {
		return i
	}
	if len(n.list) >= maxNames && s != otherNames {
		return n.number(otherNames)
	}
	n.list = append(n.list, s)
	n.index[s] = uint16(len(n.list) - 1)
	return n.index[s]
}

func hashOf(id string) [2]uint64 {
	e := event.Event{ID: id}
	return e.Identity()
}

// add takes a letter in. Where an id was written last it counts, with what became of it: an erasure writes letters again before it shortens the
// topic.
func (x *letters) add(at position, d *event.DeadLetter) {
	x.mu.Lock()
	defer x.mu.Unlock()
	l := letter{position: at, hash: hashOf(d.ID), received: d.ReceivedAt, size: uint32(min(len(d.Payload), math.MaxUint32)),
		topic: x.topics.number(d.Topic), code: x.codes.number(d.Code), redrives: uint8(d.Redrives), cut: d.SHA256 != ""}
	if before := x.find(l.hash); before != nil {
		l.redriven, l.redrives = l.redriven || before.redriven, max(l.redrives, before.redrives)
		before.moved = true
		x.count--
		x.movedOn++
	}
	if m, ok := x.early[l.hash]; ok {
		l.mark(&m)
		delete(x.early, l.hash)
	}
	x.places[l.hash] = at
	x.parts[at.partition] = append(x.parts[at.partition], l)
	for x.count++; x.count > x.limit || x.count+x.movedOn > 2*x.limit; {
		x.forgetOldest()
	}
}

func (l *letter) mark(m *event.DeadMark) {
	l.redriven = l.redriven || m.Redriven
	l.redrives = max(l.redrives, uint8(min(m.Redrives, math.MaxUint8)))
}

// forgetOldest drops the letter that came first.
func (x *letters) forgetOldest() {
	oldest := int32(-1)
	for p, list := range x.parts {
		if len(list) > 0 && (oldest < 0 || list[0].older(&x.parts[oldest][0]) < 0) {
			oldest = p
		}
	}
	before := x.count
	x.drop(oldest, 1)
	x.forgotten += int64(before - x.count)
}

// drop removes the first n letters of a partition.
func (x *letters) drop(p int32, n int) {
	for i := range x.parts[p][:n] {
		if l := &x.parts[p][i]; l.moved {
			x.movedOn--
		} else {
			delete(x.places, l.hash)
			x.count--
		}
	}
	x.parts[p] = x.parts[p][n:]
	if list := x.parts[p]; cap(list) > 4*len(list)+64 { // what was dropped is let go
		x.parts[p] = slices.Clone(list)
	}
}

// apply takes a mark in.
func (x *letters) apply(m *event.DeadMark) {
	x.mu.Lock()
	defer x.mu.Unlock()
	hash := hashOf(m.ID)
	if l := x.find(hash); l != nil {
		l.mark(m)
		return
	}
	if len(x.early) >= x.limit/10 { // of letters that retention took before their marks
		clear(x.early)
	}
	x.early[hash] = *m
}

func (x *letters) find(hash [2]uint64) *letter {
	at, ok := x.places[hash]
	if !ok {
		return nil
	}
	list := x.parts[at.partition]
	i, ok := slices.BinarySearchFunc(list, at.offset, func(l letter, offset int64) int { return cmp.Compare(l.offset, offset) })
	if !ok {
		return nil
	}
	return &list[i]
}

// get returns what is known of a letter.
func (x *letters) get(id string) (letter, bool) { return x.known(hashOf(id)) }

// known is get by the hash of an id.
func (x *letters) known(hash [2]uint64) (letter, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if l := x.find(hash); l != nil {
		return *l, true
	}
	return letter{}, false
}

// advance says that everything below an offset is folded.
func (x *letters) advance(p int32, next int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.next[p] = next
	x.wake()
}

// trim forgets what has left the log.
func (x *letters) trim(p int32, start int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := 0
	for n < len(x.parts[p]) && x.parts[p][n].offset < start {
		n++
	}
	if n > 0 {
		x.drop(p, n)
	}
}

// behind tells whether something below the ends is not folded yet, and what is closed when that may have changed.
func (x *letters) behind(ends map[int32]int64) (bool, <-chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for p, end := range ends {
		if x.next[p] < end {
			return true, x.moved
		}
	}
	return false, x.moved
}

// wanted are the filters of a list of letters.
type wanted struct {
	topic, reason string
	since, until  int64 // microseconds; until 0 = none
	state         string
}

// matcher is wanted in the numbers of the index.
func (x *letters) matcher(q *wanted) func(*letter) bool {
	number := func(n *names, s string) (uint16, bool) {
		if s == "" {
			return 0, false
		}
		if i, ok := n.index[s]; ok {
			return i, true
		}
		return math.MaxUint16, true // nothing has it
	}
	topic, byTopic := number(&x.topics, q.topic)
	code, byCode := number(&x.codes, q.reason)
	return func(l *letter) bool {
		return !l.moved && (!byTopic || l.topic == topic) && (!byCode || l.code == code) && l.received >= q.since && (q.until == 0 || l.received < q.until) &&
			(q.state == "" || (q.state == stateRedriven) == l.redriven)
	}
}

const (
	stateOpen     = "open"
	stateRedriven = "redriven"
)

func (l *letter) state() string {
	if l.redriven {
		return stateRedriven
	}
	return stateOpen
}

// pick returns up to n letters that match, behind a letter in the order asked for: the newest first, or the oldest.
func (x *letters) pick(q *wanted, behind *letter, n int, newest bool) []letter {
	x.mu.Lock()
	defer x.mu.Unlock()
	match := x.matcher(q)
	before := func(a, b *letter) int {
		if newest {
			return b.older(a)
		}
		return a.older(b)
	}
	var best []letter // sorted, at most n
	for _, list := range x.parts {
		for i := range list {
			l := &list[i]
			if !match(l) || behind != nil && before(behind, l) >= 0 || len(best) == n && before(l, &best[n-1]) >= 0 {
				continue
			}
			at, _ := slices.BinarySearchFunc(best, l, func(a letter, b *letter) int { return before(&a, b) })
			best = slices.Insert(best, at, *l)
			if len(best) > n {
				best = best[:n]
			}
		}
	}
	return best
}

// tally counts the letters that match.
type tally struct {
	codes    map[string]int
	open     map[string]int
	topics   map[string]int
	redriven int
}

func (x *letters) tally(q *wanted) tally {
	x.mu.Lock()
	defer x.mu.Unlock()
	match := x.matcher(q)
	t := tally{map[string]int{}, map[string]int{}, map[string]int{}, 0}
	for _, list := range x.parts {
		for i := range list {
			if l := &list[i]; match(l) {
				t.codes[x.codes.list[l.code]]++
				if topic := x.topics.list[l.topic]; topic != "" {
					t.topics[topic]++
				}
				if l.redriven {
					t.redriven++
				} else {
					t.open[x.codes.list[l.code]]++
				}
			}
		}
	}
	return t
}
