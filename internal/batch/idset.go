package batch

import (
	"math/bits"
	"sync"
)

// place is where a copy of an event lies, as one number that orders copies: the rank of its chain (topic, topic id,
// partition) among the chains of the hour in the upper 16 bits, its offset in the lower 47. The bit between is free for
// the set's own mark.
type place uint64

const (
	offsetBits = 47
	maxOffset  = 1<<offsetBits - 1 // 140 million million: five years of a partition at 900,000 events/s
	maxChains  = 1 << 16

	counted place = 1 << offsetBits // mark of an identity whose winning copy was folded
)

func placeOf(chain int, offset int64) place { return place(chain)<<(offsetBits+1) | place(offset) }

// idSet remembers, for each identity of a pass, the smallest place among the copies seen so far. It is open-addressed, holds no
// pointers (the collector never walks it) and is split into shards, so that the readers of several files rarely meet.
type idSet struct{ shards [64]idShard }

type idShard struct {
	mu   sync.Mutex
	slot []idSlot // hash {0, 0} marks an empty slot
	used int
	_    [16]byte // keep two locks off one cache line
}

type idSlot struct {
	hash  [2]uint64
	place place
}

// idBytes is what one identity takes in a set of the right size: a slot of 24 bytes, three of four in use.
const idBytes = 32

// newIDSet makes room for n identities; more only make it grow.
func newIDSet(n int64) *idSet {
	s := new(idSet)
	each := n/int64(len(s.shards))*4/3 + n/int64(len(s.shards))/16 + 16
	for i := range s.shards {
		s.shards[i].slot = make([]idSlot, each)
	}
	return s
}

// saw is what insert and claim answer.
type saw uint8

const (
	first   saw = iota // no copy seen before, or (claim) the winning copy: fold it
	again              // another copy was folded or will be: skip it
	smaller            // a copy at a greater place was folded before: what was folded is not the winner
)

// insert notes that a copy of h lies at p.
func (s *idSet) insert(h [2]uint64, p place) saw {
	h = notZero(h)
	sh := &s.shards[h[0]>>58]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.find(h)
	if e.hash != h {
		*e = idSlot{h, p}
		if sh.used++; sh.used > len(sh.slot)/16*15 {
			sh.grow()
		}
		return first
	}
	if p >= e.place {
		return again
	}
	e.place = p
	return smaller
}

// claim answers first for the copy of h at its smallest place, once, and again for every other. All copies must have been inserted.
func (s *idSet) claim(h [2]uint64, p place) saw {
	h = notZero(h)
	sh := &s.shards[h[0]>>58]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.find(h)
	if e.hash != h || e.place != p {
		return again
	}
	e.place |= counted
	return first
}

// find returns the slot of h, or the empty one where it belongs.
func (sh *idShard) find(h [2]uint64) *idSlot {
	n := uint64(len(sh.slot))
	i, _ := bits.Mul64(h[1], n) // the shard took bits of h[0]; h[1] spreads evenly over any number of slots
	for {
		e := &sh.slot[i]
		if e.hash == h || e.hash == [2]uint64{} {
			return e
		}
		if i++; i == n {
			i = 0
		}
	}
}

func (sh *idShard) grow() {
	old := sh.slot
	sh.slot = make([]idSlot, 2*len(old))
	for _, e := range old {
		if e.hash != [2]uint64{} {
			*sh.find(e.hash) = e
		}
	}
}

// notZero keeps the mark of an empty slot free. It joins two identities out of 2^128.
func notZero(h [2]uint64) [2]uint64 {
	if h == [2]uint64{} {
		h[1] = 1
	}
	return h
}
