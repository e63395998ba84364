package agg

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/zeebo/xxh3"
)

// Distinct counts distinct texts by their 64-bit hashes, xxh3 for ever. Up to exactMax of them it keeps the hashes and is
// exact; beyond, it is a HyperLogLog. The state depends on the set of hashes alone: registers made from kept hashes are those
// that the hashes would have made at once, and a set is kept exactly when it has at most exactMax members. The zero Distinct
// is empty and one text takes no memory of its own.
type Distinct struct {
	first uint64 // some hash of the set; 0 = empty
	set   *hashSet
}

// hashSet holds a set of two hashes or more, else it is only memory for reuse.
type hashSet struct {
	hashes []uint64 // sorted; empty when dense
	dense  bool
	regs   []uint8 // of registers, meaningful when dense
}

const (
	// exactMax hashes take 2 KiB. Most seconds and most small tenants stay below it.
	exactMax = 256
	// precision gives 8192 registers and a standard error of 1.04/√8192 = 1.15 %, so that the promised 5 % are 4.3 standard
	// errors; with 12 they would be 3.1, and one answer of 500 would break the promise.
	precision = 13
	registers = 1 << precision
	maxRank   = 64 - precision + 1
)

// Add counts a text; "" names nobody and does not count.
func (d *Distinct) Add(text string) {
	if text != "" {
		d.addHash(xxh3.HashString(text))
	}
}

func (d *Distinct) addHash(h uint64) {
	if h == 0 {
		h = 1 // 0 means empty
	}
	s := d.set
	switch {
	case d.first == 0:
		d.first = h
	case s != nil && s.dense:
		s.register(h)
	case s != nil && len(s.hashes) > 0:
		s.insert(h)
	case h != d.first:
		if s == nil {
			s = &hashSet{}
			d.set = s
		}
		s.hashes = append(s.hashes, min(h, d.first), max(h, d.first))
	}
}

// insert adds a hash to the sorted list, which becomes registers when it is too long.
func (s *hashSet) insert(h uint64) {
	at, found := slices.BinarySearch(s.hashes, h)
	if found {
		return
	}
	if len(s.hashes) < exactMax {
		s.hashes = slices.Insert(s.hashes, at, h)
		return
	}
	s.toDense()
	s.register(h)
}

func (s *hashSet) toDense() {
	s.dense = true
	if s.regs == nil {
		s.regs = make([]uint8, registers)
	} else {
		clear(s.regs)
	}
	for _, h := range s.hashes {
		s.register(h)
	}
	s.hashes = s.hashes[:0]
}

func (s *hashSet) register(h uint64) {
	rank := uint8(bits.LeadingZeros64(h<<precision|1<<(precision-1)) + 1)
	if r := &s.regs[h>>(64-precision)]; *r < rank {
		*r = rank
	}
}

// list returns the hashes when they are kept.
func (d *Distinct) list() (hashes []uint64, dense bool) {
	switch s := d.set; {
	case d.first == 0:
		return nil, false
	case s != nil && s.dense:
		return nil, true
	case s != nil && len(s.hashes) > 0:
		return s.hashes, false
	}
	return []uint64{d.first}, false
}

// Merge adds the set of o, which stays as it is.
func (d *Distinct) Merge(o *Distinct) {
	if o.first == 0 {
		return
	}
	if s := o.set; s == nil || !s.dense && len(s.hashes) == 0 {
		d.addHash(o.first)
		return
	}
	if !o.set.dense {
		d.addHashes(o.set.hashes)
		return
	}
	if d.first == 0 && d.set == nil {
		d.first, d.set = o.first, &hashSet{dense: true, regs: slices.Clone(o.set.regs)}
		return
	}
	d.makeDense()
	highest(d.set.regs[:registers], o.set.regs[:registers])
	if d.first == 0 {
		d.first = o.first
	}
}

// addHashes adds a sorted list of two or more. Two lists are zipped: putting one into the other hash by hash would move the tail of the
// list for each.
func (d *Distinct) addHashes(more []uint64) {
	s := d.set
	if s == nil || s.dense || len(s.hashes) == 0 {
		for _, h := range more {
			d.addHash(h)
		}
		return
	}
	fresh := missing(s.hashes, more)
	if len(s.hashes)+fresh > exactMax {
		s.toDense()
		for _, h := range more {
			s.register(h)
		}
		return
	}
	i := len(s.hashes) - 1
	s.hashes = slices.Grow(s.hashes, fresh)[:len(s.hashes)+fresh]
	for to := len(s.hashes) - 1; fresh > 0; to-- { // from behind, so that nothing is overwritten before it has moved
		last := more[len(more)-1]
		if i >= 0 && s.hashes[i] >= last {
			if s.hashes[i] == last {
				more = more[:len(more)-1]
			}
			s.hashes[to] = s.hashes[i]
			i--
			continue
		}
		s.hashes[to] = last
		more = more[:len(more)-1]
		fresh--
	}
}

// missing counts what of more, a sorted list, is not in have, another one.
func missing(have, more []uint64) (n int) {
	for _, h := range more {
		for len(have) > 0 && have[0] < h {
			have = have[1:]
		}
		if len(have) == 0 || have[0] != h {
			n++
		}
	}
	return n
}

// highest raises registers to those of others, four words at a time, which do not wait for one another.
func highest(into, others []uint8) {
	word := binary.LittleEndian
	for len(into) >= 32 && len(others) >= 32 {
		a, b := (*[32]uint8)(into), (*[32]uint8)(others)
		word.PutUint64(a[:8], higher(word.Uint64(a[:8]), word.Uint64(b[:8])))
		word.PutUint64(a[8:16], higher(word.Uint64(a[8:16]), word.Uint64(b[8:16])))
		word.PutUint64(a[16:24], higher(word.Uint64(a[16:24]), word.Uint64(b[16:24])))
		word.PutUint64(a[24:], higher(word.Uint64(a[24:]), word.Uint64(b[24:])))
		into, others = into[32:], others[32:]
	}
}

// higher takes the larger one of each two bytes. Ranks are below 128, so the upper bit of each is free: set in one word before the other is
// taken away, it stays exactly where that byte is not smaller.
func higher(x, y uint64) uint64 {
	const upper = 0x8080808080808080
	same := ((x | upper) - y) & upper
	keep := same<<1 - same>>7
	return y ^ (x^y)&keep
}

// makeDense turns whatever d holds into registers.
func (d *Distinct) makeDense() {
	if d.set == nil {
		d.set = &hashSet{}
	}
	s := d.set
	if s.dense {
		return
	}
	if len(s.hashes) == 0 && d.first != 0 {
		s.hashes = append(s.hashes, d.first)
	}
	s.toDense()
}

// Empty tells whether nothing was counted.
func (d *Distinct) Empty() bool { return d.first == 0 }

// Count returns the number of distinct texts: exact up to 256, then an estimate.
func (d *Distinct) Count() uint64 {
	hashes, dense := d.list()
	if !dense {
		return uint64(len(hashes))
	}
	// Never below what is certain: registers are only made by more than exactMax hashes.
	return max(exactMax+1, uint64(math.Round(estimate(d.set.regs))))
}

// estimate is Ertl's improved estimator ("New cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm
// 6). It is unbiased over the whole range and needs no tables.
func estimate(regs []uint8) float64 {
	count := ranks(regs)
	const m = float64(registers)
	z := m * tau(1-float64(count[maxRank])/m)
	for k := maxRank - 1; k >= 1; k-- {
		z = (z + float64(count[k])) / 2
	}
	z += m * sigma(float64(count[0])/m)
	return m * m / (2 * math.Ln2 * z)
}

// ranks counts the registers by what they hold. Neighbours count in tables of their own: most hold the same, and would wait for one
// another.
func ranks(regs []uint8) (count [maxRank + 1]int) {
	var tables [4][256]uint16
	for ; len(regs) >= 4; regs = regs[4:] {
		tables[0][regs[0]]++
		tables[1][regs[1]]++
		tables[2][regs[2]]++
		tables[3][regs[3]]++
	}
	for i := range count {
		count[i] = int(tables[0][i]) + int(tables[1][i]) + int(tables[2][i]) + int(tables[3][i])
	}
	return count
}

func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for {
		x *= x
		before := z
		z += x * y
		y += y
		if z == before {
			return z
		}
	}
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for {
		x = math.Sqrt(x)
		before := z
		y /= 2
		z -= (1 - x) * (1 - x) * y
		if z == before {
			return z / 3
		}
	}
}

// Reset empties d and keeps its memory.
func (d *Distinct) Reset() {
	d.first = 0
	if d.set != nil {
		d.set.dense, d.set.hashes = false, d.set.hashes[:0]
	}
}

// Clone returns an independent copy.
func (d *Distinct) Clone() Distinct {
	c := Distinct{first: d.first}
	if hashes, dense := d.list(); dense {
		c.set = &hashSet{dense: true, regs: slices.Clone(d.set.regs)}
	} else if len(hashes) > 1 {
		c.set = &hashSet{hashes: slices.Clone(hashes)}
	}
	return c
}

// Append writes d so that its end is known: a byte that tells whether it is empty, then what a Cell has of it.
func (d *Distinct) Append(dst []byte) []byte {
	if d.Empty() {
		return append(dst, 0)
	}
	return d.append(append(dst, 1))
}

// Decode replaces d by what Append wrote at the start of src and returns what follows it.
func (d *Distinct) Decode(src []byte) (rest []byte, err error) {
	r := reader{src: src}
	d.Reset()
	some := r.byte("distinct")
	if r.check(some <= 1, "neither empty nor not"); some == 1 {
		d.decode(&r)
	}
	if r.err != nil {
		*d = Distinct{}
		return src, r.err
	}
	return r.src, nil
}
