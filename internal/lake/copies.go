package lake

import "math/bits"

// copies finds the rows of an hour that compaction drops: of several rows with one identity the one at the smallest place stays,
// as the fold of the hour decides. A row that names the model of a request stays as well unless one that stays, at a smaller
// place, names the same request: the fold joins by it. It is open-addressed and holds no pointers.
type copies struct {
	slots []copySlot
	used  int
}

// copySlot is one identity; place 0 marks an empty slot.
type copySlot struct {
	hash  [2]uint64
	place uint64 // of the smallest copy seen
	row   uint32 // its number in the hour
	names uint32 // hash of the request whose model it names, 0 = none
}

// slotBytes is what one identity takes in a set of the right size: a slot of 32 bytes, three of four in use.
const slotBytes = 43

// newCopies makes room for n identities; more only make it grow.
func newCopies(n int64) *copies { return &copies{slots: make([]copySlot, n/3*4+16)} }

// enter notes a row. When one of two copies, this one or one that was entered before, can be dropped, ok is true and drop its
// number. again tells that the identity was there before.
func (c *copies) enter(s copySlot) (drop uint32, ok, again bool) {
	e := c.find(s.hash)
	if e.place == 0 {
		*e = s
		if c.used++; c.used > len(c.slots)/16*15 {
			c.grow()
		}
		return 0, false, false
	}
	loser := s
	if s.place < e.place {
		loser, *e = *e, s
	}
	return loser.row, loser.names == 0 || loser.names == e.names, true
}

// find returns the slot of h, or the empty one where it belongs.
func (c *copies) find(h [2]uint64) *copySlot {
	n := uint64(len(c.slots))
	i, _ := bits.Mul64(h[1], n)
	for {
		e := &c.slots[i]
		if e.place == 0 || e.hash == h {
			return e
		}
		if i++; i == n {
			i = 0
		}
	}
}

func (c *copies) grow() {
	old := c.slots
	c.slots = make([]copySlot, 2*len(old))
	for _, e := range old {
		if e.place != 0 {
			*c.find(e.hash) = e
		}
	}
}

// bitset marks rows of a file; nil marks none.
type bitset []uint64

func (b bitset) has(i int) bool { return b != nil && b[i>>6]>>(i&63)&1 != 0 }

func (b *bitset) set(i, of int) {
	if *b == nil {
		*b = make(bitset, (of+63)/64)
	}
	(*b)[i>>6] |= 1 << (i & 63)
}

func (b bitset) count() (n int) {
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}
