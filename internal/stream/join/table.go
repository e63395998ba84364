package join

import (
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Limits bound a table.
type Limits struct {
	Window int64 // microseconds that a request stays open after its first part
	Bytes  int64 // memory of the whole table
	Parts  int   // most parts of one request; more are counted and left out
}

// Table holds the requests of one join number: those that are open, and those that are closed as long as memory lasts, for parts
// that come later. It is a ring of entries in the order of their first part and an open-addressed table of positions in it,
// without pointers. Not for concurrent use.
type Table struct {
	Stats Stats
	// Quiet is set while somebody else writes the records: what memory forces out is then not written.
	Quiet bool

	limits  Limits
	entries []entry // that of number n is at n & (len-1)
	head    uint64  // number of the oldest entry
	next    uint64  // number that comes next
	due     uint64  // entries below were closed when their time came
	slots   []slot
	parts   parts
	queue   []uint64 // numbers of closed entries with parts that no record has
	out     [][]byte // records of entries that had to go, in pieces of about pieceBytes
	spare   [][]byte // pieces that were taken
	outSize int
	scratch []byte
	chain   []place
	ev      event.Event
	touched slot
}

// slot is the low half of a key in its high half, so that hardly any other entry is looked at in a search, and the position of
// the entry in the ring + 1; 0 = free.
type slot uint64

func slotOf(key [2]uint64, at uint64) slot { return slot(key[0]<<32 | at + 1) }

func (s slot) at() uint64 { return uint64(uint32(s)) - 1 }

// home is where the search for the entry of the slot begins.
func (s slot) home(mask uint32) uint32 { return uint32(s>>32) & mask }

// Stats counts. The first five are of what the table holds now, the others since it began.
type Stats struct {
	Open, Complete, Partial, Feedback, Business int64

	Closed       int64 // requests closed
	CompleteLive int64 // of those, complete when they were closed
	CompleteStub int64 // and complete by parts that came later
	Evicted      int64 // closed before their time because memory was full
	Forgotten    int64 // no longer held
	Overflow     int64 // parts left out because they are too large, or their request has too many
}

// Add adds what another table counts.
func (s *Stats) Add(o *Stats) {
	s.Open, s.Complete, s.Partial = s.Open+o.Open, s.Complete+o.Complete, s.Partial+o.Partial
	s.Feedback, s.Business = s.Feedback+o.Feedback, s.Business+o.Business
	for i, n := range s.lasting() {
		*n += *o.lasting()[i]
	}
}

type entry struct {
	key     [2]uint64
	first   int64 // arrival of the first part, microseconds
	changed int64 // when it was closed, or got its last part after that
	begin   place // of the first part
	last    place // of the newest part
	parts   uint16
	sent    uint16 // parts that a record has
	size    uint16 // of all parts, in units of sizeUnit
	has     uint8  // kinds of the parts
	state   uint8
}

const (
	entryBytes = 16 + 4*8 + 8
	slotBytes  = 8

	hasRequest, hasFeedback, hasBusiness = 1 << event.LLMRequest, 1 << event.UserFeedback, 1 << event.BusinessEvent
	hasAll                               = hasRequest | hasFeedback | hasBusiness

	closed uint8 = 1
	stub   uint8 = 2 // a part came after it was closed
	queued uint8 = 4
)

const (
	pieceBytes = 256 << 10
	// mostBytes bounds the parts of one request, so that its record stays well below what a topic takes.
	sizeUnit  = 16
	mostBytes = 512 << 10
)

// MostParts is the largest Limits.Parts.
const MostParts = 4096

// New makes an empty table.
func New(l Limits) *Table {
	l.Parts = min(max(l.Parts, 1), MostParts)
	t := &Table{limits: l}
	t.grow(64)
	return t
}

// grow gives the ring room for n entries, a power of two, and builds the slots anew.
func (t *Table) grow(n int) {
	old := t.entries
	t.entries, t.slots = make([]entry, n), make([]slot, 2*n)
	for i := t.head; i < t.next; i++ {
		*t.at(i) = old[i&uint64(len(old)-1)]
		t.link(i)
	}
}

func (t *Table) at(n uint64) *entry { return &t.entries[n&uint64(len(t.entries)-1)] }

func (t *Table) link(n uint64) {
	mask := uint32(len(t.slots) - 1)
	own := slotOf(t.at(n).key, n&uint64(len(t.entries)-1))
	s := own.home(mask)
	for t.slots[s] != 0 {
		s = (s + 1) & mask
	}
	t.slots[s] = own
}

// find returns the number and the entry of a key, nil when there is none.
func (t *Table) find(key [2]uint64) (uint64, *entry) {
	mask := uint32(len(t.slots) - 1)
	for s := uint32(key[0]) & mask; t.slots[s] != 0; s = (s + 1) & mask {
		if uint32(t.slots[s]>>32) != uint32(key[0]) {
			continue
		}
		at := t.slots[s].at()
		if e := &t.entries[at]; e.key == key {
			return t.head + (at-t.head)&uint64(len(t.entries)-1), e
		}
	}
	return 0, nil
}

// Touch looks at where the search for a key begins. A look is a wait for memory; of many at once, before the first Feed, the
// waits overlap.
func (t *Table) Touch(key [2]uint64) { t.touched += t.slots[uint32(key[0])&uint32(len(t.slots)-1)] }

// touchOldest does that for the entries that go next.
func (t *Table) touchOldest() {
	for n := t.head; n < min(t.head+evictAhead, t.next); n++ {
		t.Touch(t.at(n).key)
	}
}

const evictAhead = 16

// Memory is what the table holds, in bytes.
func (t *Table) Memory() int64 {
	return t.parts.bytes + int64(len(t.entries))*entryBytes + int64(len(t.slots))*slotBytes
}

// reserve makes room for one more part, and for an entry of its own, so that what is found afterwards stays.
func (t *Table) reserve(bytes int) {
	if t.next-t.head == uint64(len(t.entries)) {
		more := 2 * len(t.entries)
		if size := int64(more) * (entryBytes + 2*slotBytes); size <= t.limits.Bytes*3/5 && size+t.parts.bytes <= t.limits.Bytes { // the rest is for the parts
			t.grow(more)
		} else {
			t.evict()
		}
	}
	if t.parts.fits(bytes) {
		return
	}
	for t.head < t.next && t.Memory()+int64(segmentFor(bytes)) > t.limits.Bytes {
		t.evict()
	}
	t.parts.extend(bytes)
}

// evict forgets the oldest request; what no record has of it goes out.
func (t *Table) evict() {
	if t.head%evictAhead == 0 {
		t.touchOldest()
	}
	e := t.at(t.head)
	t.count(e, -1)
	t.Stats.Forgotten++
	if e.state&closed == 0 {
		t.close(e, max(e.first, e.changed), false)
		t.Stats.Evicted++
	}
	if e.sent < e.parts && !t.Quiet {
		t.writeOut(e)
	}
	t.unlink(t.head)
	t.head++
	t.due = max(t.due, t.head)
	if t.head == t.next {
		t.parts.releaseAll()
		return
	}
	t.parts.release(t.at(t.head).begin)
}

// writeOut keeps the record of a request that has to go until it is taken.
func (t *Table) writeOut(e *entry) {
	last := len(t.out) - 1
	if last < 0 || len(t.out[last]) > pieceBytes {
		var piece []byte
		if n := len(t.spare); n > 0 {
			piece, t.spare = t.spare[n-1], t.spare[:n-1]
		}
		t.out = append(t.out, piece)
		last++
	}
	before := len(t.out[last])
	t.out[last] = t.appendRecord(t.out[last], e)
	t.outSize += len(t.out[last]) - before
}

// unlink takes an entry out of the slots. The ones behind it move up so that no search ends early.
func (t *Table) unlink(n uint64) {
	mask := uint32(len(t.slots) - 1)
	own := slotOf(t.at(n).key, n&uint64(len(t.entries)-1))
	s := own.home(mask)
	for t.slots[s] != own {
		s = (s + 1) & mask
	}
	for next := (s + 1) & mask; t.slots[next] != 0; next = (next + 1) & mask {
		if home := t.slots[next].home(mask); (next-home)&mask >= (next-s)&mask {
			t.slots[s] = t.slots[next]
			s = next
		}
	}
	t.slots[s] = 0
}

// Feed takes an event that arrived at a time, in microseconds, with the JoinKey of its request id. The same event again changes
// nothing.
func (t *Table) Feed(key [2]uint64, e *event.Event, arrival int64) {
	t.scratch = event.AppendCompact(t.scratch[:0], e)
	t.feed(key, e, t.scratch, arrival)
}

// FeedCompact is Feed of an event that stands in its compact form in part, too.
func (t *Table) FeedCompact(e *event.Event, part []byte, arrival int64) {
	t.feed(event.JoinKey(e.Text(event.RequestID)), e, part, arrival)
}

func (t *Table) feed(key [2]uint64, ev *event.Event, part []byte, arrival int64) {
	if t.oversized(part) {
		return
	}
	arrival = max(arrival, 0)
	t.reserve(len(part))
	n, e := t.find(key)
	switch {
	case e == nil:
		n, e = t.next, t.open(key, arrival)
	case t.has(e, ev.Source, ev.ID) != 0:
		return
	default:
		t.count(e, -1)
	}
	complete := e.has == hasAll
	if t.add(e, ev.Kind, part, false) {
		switch late := e.state&closed != 0; {
		case late:
			e.state |= stub
			e.changed = max(e.changed, arrival)
			if !complete && e.has == hasAll {
				t.Stats.CompleteStub++
			}
			t.enqueue(n, e)
		case e.has == hasAll:
			t.close(e, max(arrival, e.first), false)
			t.enqueue(n, e)
		}
	}
	t.count(e, 1)
}

// oversized tells whether a part alone is more than a request may have, and counts it. It is asked before an entry is opened: each
// entry has a part.
func (t *Table) oversized(part []byte) bool {
	if len(part) <= mostBytes {
		return false
	}
	t.Stats.Overflow++
	return true
}

// open makes the entry of a request; there must be room, and its first part must follow.
func (t *Table) open(key [2]uint64, arrival int64) *entry {
	e := t.at(t.next)
	*e = entry{key: key, first: arrival}
	t.next++
	t.link(t.next - 1)
	return e
}

// has returns where the part of an identity lies.
func (t *Table) has(e *entry, source, id string) place {
	for at := e.last; at != 0; {
		part, _, prev := t.parts.get(at)
		if s, i := event.CompactOrigin(part); i == id && s == source {
			return at
		}
		at = prev
	}
	return 0
}

// add gives a request one part more, unless it has too many.
func (t *Table) add(e *entry, kind event.Kind, part []byte, sent bool) bool {
	size := (len(part) + sizeUnit - 1) / sizeUnit
	if int(e.parts) >= t.limits.Parts || int(e.size)+size > mostBytes/sizeUnit {
		t.Stats.Overflow++
		return false
	}
	e.last = t.parts.add(e.last, part, sent)
	if e.parts == 0 {
		e.begin = e.last
	}
	e.parts++
	e.size += uint16(size)
	e.has |= 1 << kind
	if sent {
		e.sent++
	}
	return true
}

// close says that the parts of a request are awaited no longer.
func (t *Table) close(e *entry, at int64, late bool) {
	e.state |= closed
	e.changed = at
	t.Stats.Closed++
	switch {
	case e.has != hasAll:
	case late:
		t.Stats.CompleteStub++
	default:
		t.Stats.CompleteLive++
	}
}

func (t *Table) enqueue(n uint64, e *entry) {
	if e.state&queued == 0 {
		e.state |= queued
		t.queue = append(t.queue, n)
	}
}

// count adds a request to what the table holds, or takes it away.
func (t *Table) count(e *entry, sign int64) {
	switch {
	case e.state&closed == 0:
		t.Stats.Open += sign
	case e.has == hasAll:
		t.Stats.Complete += sign
	default:
		t.Stats.Partial += sign
	}
	if e.has&hasFeedback != 0 {
		t.Stats.Feedback += sign
	}
	if e.has&hasBusiness != 0 {
		t.Stats.Business += sign
	}
}

// Advance closes the requests whose window has passed at a time of arrival, in microseconds. What came at a time that cannot be yet, later than
// latest, is of a clock that was set back since: it is closed as well, or all behind it would wait for that time.
func (t *Table) Advance(clock, latest int64) {
	for ; t.due < t.next; t.due++ {
		e := t.at(t.due)
		if e.state&closed != 0 {
			continue
		}
		if clock < e.first+t.limits.Window && e.first <= latest {
			return
		}
		t.count(e, -1)
		t.close(e, min(e.first, latest)+t.limits.Window, false)
		t.count(e, 1)
		t.enqueue(t.due, e)
	}
}

// Take appends records to dst, in all not much more than pieceBytes: those that memory forced out, else those of requests that
// were closed or changed up to a time of arrival. They count as written from then on; Absorb as Unwritten undoes that.
func (t *Table) Take(dst []byte, upTo int64) []byte {
	if len(t.out) > 0 {
		piece := t.out[0]
		t.out = append(t.out[:0], t.out[1:]...)
		t.outSize -= len(piece)
		dst = append(dst, piece...)
		t.spare = append(t.spare, piece[:0])
		return dst
	}
	n, full := 0, len(dst)+pieceBytes
	for ; n < len(t.queue) && len(dst) < full; n++ {
		if t.queue[n] < t.head {
			continue
		}
		e := t.at(t.queue[n])
		if e.changed > upTo {
			break
		}
		e.state &^= queued
		if e.sent < e.parts {
			dst = t.appendRecord(dst, e)
			t.written(e)
		}
	}
	t.queue = append(t.queue[:0], t.queue[n:]...)
	return dst
}

// written marks all parts of a request as those that a record has.
func (t *Table) written(e *entry) {
	for at := e.last; at != 0; {
		t.parts.mark(at, true)
		_, _, at = t.parts.get(at)
	}
	e.sent = e.parts
}

// Waiting is how much there is to take: requests, and bytes that memory forced out.
func (t *Table) Waiting() (requests, bytes int) { return len(t.queue), t.outSize }
