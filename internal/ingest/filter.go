package ingest

import (
	"math/bits"
	"sync"
)

// place is where an event lies.
type place struct {
	topic     uint8 // event.Kind
	partition int32
	offset    int64 // -1 while it is in flight
}

const inFlight = -1

// filter remembers the identities of events that were written, the newest in bounded memory. It is made of shards, each an
// open-addressed index into a ring of entries; neither holds pointers, so the collector never looks inside.
type filter struct {
	shards [filterShards]shard
}

const (
	filterShards = 16
	entryBytes   = 32
	indexBytes   = 4 * 4 // slots for each entry, at most 4 while an index has just grown
)

func newFilter(bytes int64) *filter {
	f := &filter{}
	limit := max(int(bytes/filterShards/(entryBytes+indexBytes)), 4)
	for i := range f.shards {
		f.shards[i].limit = limit
	}
	return f
}

func (f *filter) shard(id [2]uint64) *shard { return &f.shards[id[0]>>60] }

// verdict is what claim finds.
type verdict uint8

const (
	fresh   verdict = iota // not known: it is claimed, the caller writes it and must settle it
	known                  // written before, at the place
	pending                // somebody is writing it: await the wait
)

// claim asks for the right to write the event. Of several that claim one identity at a time one gets it.
func (f *filter) claim(id [2]uint64) (verdict, place, *wait) {
	s := f.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	slot, at := s.find(id)
	if at < 0 {
		s.insert(slot, id, place{offset: inFlight})
		return fresh, place{}, nil
	}
	if p := s.ring[at].place; p.offset != inFlight {
		return known, p, nil
	}
	w := s.waits[id]
	if w == nil {
		if s.waits == nil {
			s.waits = map[[2]uint64]*wait{}
		}
		w = &wait{done: make(chan struct{})}
		s.waits[id] = w
	}
	return pending, place{}, w
}

// wait is the outcome of a write that somebody else has under way. Written and place may be read after done is closed.
type wait struct {
	done    chan struct{}
	written bool
	place   place
}

// settle ends a claim: written tells whether the event was acknowledged, at p.
func (f *filter) settle(id [2]uint64, written bool, p place) {
	s := f.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if slot, at := s.find(id); at >= 0 { // else it fell out of the ring meanwhile
		if written {
			s.ring[at].place = p
		} else {
			s.remove(slot)
		}
	}
	if w := s.waits[id]; w != nil {
		delete(s.waits, id)
		w.written, w.place = written, p
		close(w.done)
	}
}

// forgetWhere drops events that were written where gone says that nothing is any more. What is in flight, or waits on disk, stays.
func (f *filter) forgetWhere(gone func(place) bool) (n int) {
	for i := range f.shards {
		n += f.shards[i].forgetWhere(gone)
	}
	return n
}

func (s *shard) forgetWhere(gone func(place) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.used {
		at := (s.head + i) % len(s.ring)
		if e := &s.ring[at]; e.place.offset >= 0 && gone(e.place) {
			if slot, found := s.find(e.id); found == at {
				s.remove(slot)
				n++
			}
		}
	}
	return n
}

// add remembers an event that is known to be written.
func (f *filter) add(id [2]uint64, p place) {
	s := f.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if slot, at := s.find(id); at < 0 {
		s.insert(slot, id, p)
	}
}

// entry is one identity of a ring. An entry that no slot of the index names is dead.
type entry struct {
	id    [2]uint64
	place place
}

// shard is a part of the filter. ring[(head+i) % len] are its entries in the order in which they came.
type shard struct {
	mu    sync.Mutex
	limit int // most entries
	ring  []entry
	head  int      // index of the oldest
	used  int      // entries in the ring, dead ones too
	index []uint32 // ring index + 1, 0 = free; length is a power of two, at least twice used
	waits map[[2]uint64]*wait
}

// find returns the slot of id and its index in the ring, or the free slot where it belongs and -1.
func (s *shard) find(id [2]uint64) (slot, at int) {
	if len(s.index) == 0 {
		return -1, -1
	}
	mask := len(s.index) - 1
	for slot = int(id[1]) & mask; ; slot = (slot + 1) & mask {
		switch at := int(s.index[slot]) - 1; {
		case at < 0:
			return slot, -1
		case s.ring[at].id == id:
			return slot, at
		}
	}
}

// insert appends an entry that find did not find; the oldest one goes when the ring is full.
func (s *shard) insert(slot int, id [2]uint64, p place) {
	if s.used == len(s.ring) {
		if len(s.ring) < s.limit {
			s.grow()
		} else {
			s.forget()
		}
		slot, _ = s.find(id)
	}
	at := s.head + s.used
	if at >= len(s.ring) {
		at -= len(s.ring)
	}
	s.ring[at] = entry{id, p}
	s.index[slot] = uint32(at + 1)
	s.used++
}

func (s *shard) grow() {
	n := min(max(2*len(s.ring), 64), s.limit)
	ring := make([]entry, n)
	live := 0
	for i := range s.used {
		at := (s.head + i) % len(s.ring)
		if _, found := s.find(s.ring[at].id); found == at {
			ring[live] = s.ring[at]
			live++
		}
	}
	s.ring, s.head, s.used = ring, 0, live
	s.index = make([]uint32, 1<<bits.Len(uint(2*n-1)))
	for i := range live {
		slot, _ := s.find(ring[i].id)
		s.index[slot] = uint32(i + 1)
	}
}

// forget drops the oldest entry.
func (s *shard) forget() {
	if slot, at := s.find(s.ring[s.head].id); at == s.head {
		s.remove(slot)
	}
	if s.head++; s.head == len(s.ring) {
		s.head = 0
	}
	s.used--
}

// remove frees a slot and closes the gap behind it, so that no search ends too early. The entry in the ring is dead from
// then on.
func (s *shard) remove(slot int) {
	mask := len(s.index) - 1
	for next := (slot + 1) & mask; s.index[next] != 0; next = (next + 1) & mask {
		home := int(s.ring[s.index[next]-1].id[1]) & mask
		if (next-home)&mask >= (next-slot)&mask { // it may move to the gap without passing its home
			s.index[slot] = s.index[next]
			slot = next
		}
	}
	s.index[slot] = 0
}
