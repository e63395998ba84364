package stream

import (
	"encoding/binary"
	"errors"
)

// filter remembers at which offset an identity was first seen in one input partition, first in first out within a budget.
// An event is a duplicate only when the remembered offset is smaller than its own, so folding the same records again is
// harmless. It is a ring of entries in order of arrival and an open-addressed table of positions in that ring, without
// pointers. Not for concurrent use.
type filter struct {
	ring  []entry
	head  int // position of the oldest entry
	n     int
	table []uint32 // ring position + 1; 0 = free
	max   int
}

type entry struct {
	id     [2]uint64
	offset int64
	at     int64 // broker time of the record, microseconds: how far the filter reaches back
}

const entryBytes = 16 + 8 + 8 + 8 // the entry and two table slots of 4 bytes

func newFilter(budget int64) *filter {
	f := &filter{max: max(int(budget/entryBytes), 16)}
	f.grow(1024)
	return f
}

// grow gives the ring room for n entries (at most max) and builds the table anew.
func (f *filter) grow(n int) {
	n = min(n, f.max)
	ring := make([]entry, n)
	for i := range f.n {
		ring[i] = f.ring[(f.head+i)%len(f.ring)]
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
	f.table[s] = pos + 1
}

// find returns the table slot that holds id, or the free one where the search ended.
func (f *filter) find(id [2]uint64) (slot uint32, found bool) {
	s := f.slot(id)
	for f.table[s] != 0 {
		if f.ring[f.table[s]-1].id == id {
			return s, true
		}
		s = (s + 1) & uint32(len(f.table)-1)
	}
	return s, false
}

// seen tells whether id was seen at a smaller offset, and remembers it otherwise.
func (f *filter) seen(id [2]uint64, offset, at int64) bool {
	s, found := f.find(id)
	if found {
		e := &f.ring[f.table[s]-1]
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
	pos := (f.head + f.n) % len(f.ring)
	f.ring[pos] = entry{id: id, offset: offset, at: at}
	f.n++
	f.table[s] = uint32(pos) + 1
	return false
}

// evict forgets the oldest entry. The slots behind it move up so that no search ends early.
func (f *filter) evict() {
	mask := uint32(len(f.table) - 1)
	s, _ := f.find(f.ring[f.head].id)
	f.head = (f.head + 1) % len(f.ring)
	f.n--
	for next := (s + 1) & mask; f.table[next] != 0; next = (next + 1) & mask {
		home := f.slot(f.ring[f.table[next]-1].id)
		if (next-home)&mask >= (next-s)&mask {
			f.table[s] = f.table[next]
			s = next
		}
	}
	f.table[s] = 0
}

// reach is the broker time of the oldest entry that is remembered, in microseconds; full tells whether older ones were
// forgotten.
func (f *filter) reach() (oldest int64, full bool) {
	if f.n == 0 {
		return 0, false
	}
	return f.ring[f.head].at, f.n == f.max
}

// appendTo writes the entries in order of arrival.
func (f *filter) appendTo(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(f.n))
	for i := range f.n {
		e := &f.ring[(f.head+i)%len(f.ring)]
		dst = binary.LittleEndian.AppendUint64(dst, e.id[0])
		dst = binary.LittleEndian.AppendUint64(dst, e.id[1])
		dst = binary.LittleEndian.AppendUint64(dst, uint64(e.offset))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(e.at))
	}
	return dst
}

var errShort = errors.New("ends early")

// decode fills an empty filter from what appendTo wrote and returns the rest of src.
func (f *filter) decode(src []byte) ([]byte, error) {
	n, k := binary.Uvarint(src)
	if k <= 0 || n > uint64(len(src)-k)/32 {
		return nil, errShort
	}
	src = src[k:]
	if int(n) > len(f.ring) {
		f.grow(int(n))
	}
	for range n {
		f.seen([2]uint64{binary.LittleEndian.Uint64(src), binary.LittleEndian.Uint64(src[8:])},
			int64(binary.LittleEndian.Uint64(src[16:])), int64(binary.LittleEndian.Uint64(src[24:])))
		src = src[32:]
	}
	return src, nil
}
