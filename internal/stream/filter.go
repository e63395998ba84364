package stream

import (
	"encoding/binary"
	"math/bits"
)

// filter remembers at which offset the identity of an event that counts was first seen in one input partition, first in
// first out within a budget. An event is a duplicate only when the remembered offset is smaller than its own, so folding the
// same records again is harmless. It is a ring of entries in order of arrival and an open-addressed table of positions in
// that ring, without pointers. Not for concurrent use.
type filter struct {
	ring  []entry
	head  int // position of the oldest entry
	n     int
	table []uint32 // ring position + 1, and above those bits some of the hash; 0 = free
	max   int

	at      uint32 // the bits of a table slot that are the position
	touched uint32

	next   int64 // records below were taken in, so that a restart reads on from here
	forgot bool  // older entries had to go, or were not worth reading
	blind  blind
}

// blind says which records went by without their identities being taken in: the log had lost them before they were read
// again. Events that repeat them count again.
type blind struct {
	records int64 // 0 = none; also when everything that old is forgotten anyway
	end     int64 // offset behind the last of them
	at      int64 // when that was noticed, microseconds
}

type entry struct {
	id     [2]uint64
	offset int64
	at     int64 // broker time of the record, microseconds: how far the filter reaches back
}

const entryBytes = 16 + 8 + 8 + 8 // the entry and two table slots of 4 bytes

func newFilter(budget int64) *filter {
	f := &filter{max: max(int(budget/entryBytes), 16)}
	f.at = 1<<bits.Len(uint(f.max)) - 1
	f.grow(1024)
	return f
}

// grow gives the ring room for n entries (at most max) and builds the table anew.
func (f *filter) grow(n int) {
	n = min(n, f.max)
	ring := make([]entry, n)
	for i := range f.n {
		ring[i] = f.ring[f.wrap(f.head+i)]
	}
	f.ring, f.head = ring, 0
	size := 1
	for size < 2*n {
		size *= 2
	}
	f.table = make([]uint32, size)
	for i := range f.n {
		f.link(uint32(i))
	}
}

func (f *filter) slot(id [2]uint64) uint32 { return uint32(id[0]) & uint32(len(f.table)-1) }

func (f *filter) link(pos uint32) {
	s := f.slot(f.ring[pos].id)
	for f.table[s] != 0 {
		s = (s + 1) & uint32(len(f.table)-1)
	}
	f.table[s] = f.mark(f.ring[pos].id, pos)
}

// mark is what the table holds of an entry: where it is, and as much of its hash as there is room for, so that hardly any other
// entry is looked at in a search.
func (f *filter) mark(id [2]uint64, pos uint32) uint32 { return uint32(id[1])&^f.at | pos + 1 }

// place is where the entry is that a slot speaks of.
func (f *filter) place(slot uint32) uint32 { return slot&f.at - 1 }

// find returns the table slot that holds id, or the free one where the search ended.
func (f *filter) find(id [2]uint64) (slot uint32, found bool) {
	s := f.slot(id)
	for f.table[s] != 0 {
		if (f.table[s]^uint32(id[1]))&^f.at == 0 && f.ring[f.place(f.table[s])].id == id {
			return s, true
		}
		s = (s + 1) & uint32(len(f.table)-1)
	}
	return s, false
}

// wrap is the position in the ring of one that may be a round too far. A division would cost as much as a search.
func (f *filter) wrap(pos int) int {
	if pos >= len(f.ring) {
		return pos - len(f.ring)
	}
	return pos
}

// touch looks at the slot of an id, so that it is near when it is searched.
func (f *filter) touch(id [2]uint64) { f.touched += f.table[f.slot(id)] }

// touchOldest does that for the entries that go next.
func (f *filter) touchOldest() {
	for i := range min(readAhead, f.n) {
		f.touch(f.ring[f.wrap(f.head+i)].id)
	}
}

// seen tells whether id was seen at a smaller offset, and remembers it otherwise.
func (f *filter) seen(id [2]uint64, offset, at int64) bool {
	s, found := f.find(id)
	if found {
		e := &f.ring[f.place(f.table[s])]
		if e.offset < offset {
			return true
		}
		e.offset = offset // a fold again from further back
		return false
	}
	if f.n == len(f.ring) {
		if len(f.ring) < f.max {
			f.grow(2 * len(f.ring))
		} else {
			f.evict()
		}
		s, _ = f.find(id)
	}
	pos := f.wrap(f.head + f.n)
	f.ring[pos] = entry{id: id, offset: offset, at: at}
	f.n++
	f.table[s] = f.mark(id, uint32(pos))
	return false
}

// evict forgets the oldest entry. The slots behind it move up so that no search ends early.
func (f *filter) evict() {
	if f.head%readAhead == 0 {
		f.touchOldest()
	}
	mask := uint32(len(f.table) - 1)
	s, _ := f.find(f.ring[f.head].id)
	f.head = f.wrap(f.head + 1)
	f.n--
	f.forgot = true
	for next := (s + 1) & mask; f.table[next] != 0; next = (next + 1) & mask {
		home := f.slot(f.ring[f.place(f.table[next])].id)
		if (next-home)&mask >= (next-s)&mask {
			f.table[s] = f.table[next]
			s = next
		}
	}
	f.table[s] = 0
}

// pass says that the records before offset to cannot be read any more.
func (f *filter) pass(to int64, now int64) {
	if to <= f.next {
		return
	}
	f.blind = blind{records: f.blind.records + to - f.next, end: to, at: now}
	f.next = to
}

// cut says that the log was cut and goes on at end: what counts, which is everything below counted, was seen before anything
// that comes now, and the rest never was.
func (f *filter) cut(end, counted, now int64) {
	if unread := counted - max(f.next, end); unread > 0 {
		f.blind = blind{records: f.blind.records + unread, end: end, at: now}
	}
	old := *f
	f.ring, f.head, f.n, f.next = make([]entry, len(old.ring)), 0, 0, min(f.next, end)
	clear(f.table)
	for i := range old.n {
		if e := old.ring[(old.head+i)%len(old.ring)]; e.offset < counted {
			f.ring[f.n] = entry{id: e.id, offset: min(e.offset, end-1), at: e.at}
			f.link(uint32(f.n))
			f.n++
		}
	}
}

// reach is since when every identity is remembered, as broker time in microseconds; partial tells whether older ones are
// not.
func (f *filter) reach() (oldest int64, partial bool) {
	if f.blind.records > 0 && f.n > 0 && f.ring[f.head].offset >= f.blind.end {
		f.blind = blind{}
	}
	switch {
	case f.blind.records > 0:
		return f.blind.at, true
	case f.n == 0:
		return 0, false
	}
	return f.ring[f.head].at, f.forgot
}

// appendTo writes the filter with its entries in order of arrival.
func (f *filter) appendTo(dst []byte) []byte {
	dst = binary.AppendVarint(dst, f.next)
	dst = appendBool(dst, f.forgot)
	for _, n := range []int64{f.blind.records, f.blind.end, f.blind.at} {
		dst = binary.AppendVarint(dst, n)
	}
	dst = binary.AppendUvarint(dst, uint64(f.n))
	for i := range f.n {
		e := &f.ring[f.wrap(f.head+i)]
		dst = binary.LittleEndian.AppendUint64(dst, e.id[0])
		dst = binary.LittleEndian.AppendUint64(dst, e.id[1])
		dst = binary.LittleEndian.AppendUint64(dst, uint64(e.offset))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(e.at))
	}
	return dst
}

// filterBytes is what an entry takes that is written.
const filterBytes = 32

// filter reads what appendTo wrote.
func (d *decoder) filter(budget int64) *filter {
	f := newFilter(budget)
	f.next, f.forgot = d.varint(), d.byte() == 1
	f.blind = blind{records: d.varint(), end: d.varint(), at: d.varint()}
	n := d.uvarint()
	if n > uint64(len(d.src))/filterBytes {
		d.fail()
		return f
	}
	if int(n) > len(f.ring) {
		f.grow(int(n))
	}
	for src := d.bytes(int(n) * filterBytes); len(src) > 0; src = src[filterBytes:] {
		f.seen([2]uint64{binary.LittleEndian.Uint64(src), binary.LittleEndian.Uint64(src[8:])},
			int64(binary.LittleEndian.Uint64(src[16:])), int64(binary.LittleEndian.Uint64(src[24:])))
	}
	return f
}
