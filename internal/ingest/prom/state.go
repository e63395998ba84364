package prom

import (
	"hash/maphash"
	"math/bits"
	"sync"
)

// key names a series: a hash of its name, part and labels in any order. It is good for the life of the process.
type key [2]uint64

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func (k *key) add(name, value string) {
	for i, seed := range seeds {
		hi, lo := bits.Mul64(maphash.String(seed, name)|1, maphash.String(seed, value)|1)
		k[i] += hi ^ lo
	}
}

func labelsKey(labels []Label) (k key) {
	for _, l := range labels {
		k.add(l.Name, l.Value)
	}
	return k
}

var partNames = [...]string{Value: "value", Count: "count", Sum: "sum", Bucket: "bucket", Other: "other"}

func (s *Sample) key() key {
	k := labelsKey(s.Labels)
	k.add(s.Name, partNames[s.Part])
	return k
}

// point is the last reading of a cumulative series.
type point struct {
	value float64
	at    int64 // microseconds
}

// maxGap is the longest time between two readings that says something about the time between.
const maxGap = 3600 * 1_000_000

// State remembers the last reading of each cumulative series. It keeps the series that were read last, at least half of its
// size and at most all of it. Safe for concurrent use.
type State struct {
	mu       sync.Mutex
	half     int
	now, old map[key]point
}

// NewState makes a State for so many series.
func NewState(series int) *State {
	return &State{half: max(series/2, 1), now: map[key]point{}}
}

// Len is the number of series that are remembered.
func (s *State) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.now) + len(s.old)
}

// change is what advance did to one series.
type change struct {
	key         key
	before, now point
	known       bool // before is one
}

// step is what happened to a counter since the reading before.
type step struct {
	increase, seconds float64
	ok                bool // there was a reading before, and it was earlier
	reset             bool // the counter began again
}

// advance takes a reading and tells what happened since the one before. A reading that is not later than the one before
// says nothing and changes nothing: it is a repetition, or out of order.
func (s *State) advance(k key, v float64, at int64) (st step, c change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c = change{key: k, now: point{v, at}}
	c.before, c.known = s.find(k)
	if c.known && at <= c.before.at {
		c.now = c.before
		return step{}, c
	}
	s.put(k, c.now)
	if !c.known || at-c.before.at > maxGap {
		return step{}, c
	}
	st = step{increase: v - c.before.value, seconds: float64(at-c.before.at) / 1e6, ok: true}
	if v < c.before.value {
		st.increase, st.reset = v, true // it began again from 0
	}
	return st, c
}

func (s *State) find(k key) (point, bool) {
	if p, ok := s.now[k]; ok {
		return p, true
	}
	p, ok := s.old[k]
	return p, ok
}

func (s *State) put(k key, p point) {
	if _, ok := s.now[k]; !ok && len(s.now) >= s.half {
		s.old, s.now = s.now, make(map[key]point, s.half)
	}
	s.now[k] = p
	delete(s.old, k)
}

// undo takes readings back whose events could not be written, so that they count when they come again. What somebody else
// read later stays.
func (s *State) undo(changes []change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(changes) - 1; i >= 0; i-- {
		c := &changes[i]
		if p, ok := s.find(c.key); !ok || p != c.now || c.known && c.now == c.before {
			continue
		}
		if c.known {
			s.put(c.key, c.before)
			continue
		}
		delete(s.now, c.key)
		delete(s.old, c.key)
	}
}
