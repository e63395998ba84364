package agg

import (
	"math"
	"math/big"
)

// ExactSum adds float64 values without any rounding, so that the sum depends on the values alone and never on their order
// or grouping; it is rounded once, when it is read. It takes finite values; others are ignored. The zero ExactSum is 0.
//
// It is a fixed-point number wide enough for every float64 (after Kulisch; the lazy carries are Neal's, "Fast exact summation
// using small and large superaccumulators", 2015), of which only the part in use is stored: the values of one sum are mostly
// of like size and need two or three limbs.
type ExactSum struct {
	one float64 // the sum while limbs is nil
	acc *limbs
}

// limbs is Σ limb[i] · 2^(32·(base+i) − 1074). Each limb takes 2³⁰ additions before carries must be moved on.
type limbs struct {
	base    int32
	pending uint32 // additions since carries were moved on
	limb    []int64
}

const (
	sumShift   = 1074 // 2^-1074 is the smallest float64
	maxPending = 1 << 30
	limbMask   = 1<<32 - 1
	// maxSumBits bounds a sum: 2⁶⁴ values of the largest float64 in units of the smallest.
	maxSumBits = sumShift + 1024 + 64
)

// Add adds one finite value.
func (s *ExactSum) Add(v float64) {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	if s.acc == nil {
		if s.one == 0 {
			s.one = v
			return
		}
		s.acc = &limbs{}
		s.acc.addFloat(s.one)
		s.one = 0
	}
	s.acc.addFloat(v)
}

// Merge adds the sum of o, which stays as it is.
func (s *ExactSum) Merge(o *ExactSum) {
	if o.acc == nil {
		s.Add(o.one)
		return
	}
	if s.acc == nil {
		s.acc = &limbs{}
		if s.one != 0 {
			s.acc.addFloat(s.one)
			s.one = 0
		}
	}
	s.acc.merge(o.acc)
}

// Clone returns an independent copy.
func (s *ExactSum) Clone() ExactSum {
	c := *s
	if s.acc != nil {
		c.acc = &limbs{base: s.acc.base, pending: s.acc.pending, limb: append([]int64(nil), s.acc.limb...)}
	}
	return c
}

// split returns v ≠ 0 as ±m · 2^(e − 1074) with e ≥ 0.
func split(v float64) (m uint64, e int, neg bool) {
	b := math.Float64bits(v)
	m, e = b&(1<<52-1), int(b>>52&0x7ff)
	if e == 0 {
		e = 1
	} else {
		m |= 1 << 52
	}
	return m, e - 1, b>>63 != 0
}

func (a *limbs) addFloat(v float64) {
	m, e, neg := split(v)
	a.addBits(m, e, neg)
}

// addBits adds ±m · 2^(e − 1074).
func (a *limbs) addBits(m uint64, e int, neg bool) {
	at, shift := int32(e>>5), uint(e&31)
	a.cover(at, at+3)
	if a.pending++; a.pending >= maxPending {
		a.carry()
		a.cover(at, at+3)
	}
	lo, hi := m<<shift, m>>(64-shift) // shift 0: m>>64 is 0
	l := a.limb[at-a.base:][:3]
	if neg {
		l[0] -= int64(lo & limbMask)
		l[1] -= int64(lo >> 32)
		l[2] -= int64(hi)
		return
	}
	l[0] += int64(lo & limbMask)
	l[1] += int64(lo >> 32)
	l[2] += int64(hi)
}

// cover makes the limbs [lo, hi) exist.
func (a *limbs) cover(lo, hi int32) {
	n := int32(len(a.limb))
	if n == 0 {
		a.base, a.limb = lo, make([]int64, hi-lo)
		return
	}
	if lo >= a.base && hi <= a.base+n {
		return
	}
	lo, hi = min(lo, a.base), max(hi, a.base+n)
	wide := make([]int64, hi-lo)
	copy(wide[a.base-lo:], a.limb)
	a.base, a.limb = lo, wide
}

// carry brings every limb but the last into [0, 2³²), and the last, which has the sign, into [−2³², 2³²).
func (a *limbs) carry() {
	a.pending = 0
	last := len(a.limb) - 1
	if last < 0 {
		return
	}
	var c int64
	for i, v := range a.limb[:last] {
		v += c
		a.limb[i], c = v&limbMask, v>>32
	}
	v := a.limb[last] + c
	if v >= -(1<<32) && v < 1<<32 {
		a.limb[last] = v
		return
	}
	a.limb[last] = v & limbMask
	a.limb = append(a.limb, v>>32)
}

func (a *limbs) merge(o *limbs) {
	if len(o.limb) == 0 {
		return
	}
	// Bring both within bounds first, so that one addition cannot overflow; o is only read.
	if a.pending+o.pending >= maxPending {
		a.carry()
	}
	if a.pending+o.pending >= maxPending {
		c := limbs{base: o.base, limb: append([]int64(nil), o.limb...)}
		c.carry()
		o = &c
	}
	a.cover(o.base, o.base+int32(len(o.limb)))
	for i, v := range o.limb {
		a.limb[int(o.base-a.base)+i] += v
	}
	a.pending += o.pending + 1
}

// magnitude returns the sum as ±Σ mag[i] · 2^(32·(base+i) − 1074) with limbs below 2³² and neither first nor last limb 0;
// mag is empty when the sum is 0. It leaves a as it is.
func (a *limbs) magnitude() (mag []uint32, base int, neg bool) {
	c := limbs{base: a.base, limb: append(make([]int64, 0, len(a.limb)+2), a.limb...)}
	c.carry()
	if n := len(c.limb); n > 0 && c.limb[n-1] < 0 {
		neg = true
		for i := range c.limb {
			c.limb[i] = -c.limb[i]
		}
		c.carry()
	}
	lo, hi := 0, len(c.limb)
	for lo < hi && c.limb[lo] == 0 {
		lo++
	}
	for hi > lo && c.limb[hi-1] == 0 {
		hi--
	}
	for _, v := range c.limb[lo:hi] {
		mag = append(mag, uint32(v))
	}
	return mag, int(c.base) + lo, neg
}

// integer returns the sum as n · 2^e, n odd or 0.
func (s *ExactSum) integer() (n *big.Int, e int) {
	n = new(big.Int)
	neg := false
	if s.acc == nil {
		if s.one == 0 {
			return n, 0
		}
		var m uint64
		m, e, neg = split(s.one)
		n.SetUint64(m)
	} else {
		mag, base, minus := s.acc.magnitude()
		if len(mag) == 0 {
			return n, 0
		}
		for i := len(mag) - 1; i >= 0; i-- {
			n.Lsh(n, 32).Or(n, big.NewInt(int64(mag[i])))
		}
		e, neg = 32*base, minus
	}
	z := int(n.TrailingZeroBits())
	n.Rsh(n, uint(z))
	if neg {
		n.Neg(n)
	}
	return n, e + z - sumShift
}

// Value returns the sum rounded to the nearest float64, ties to even; ±Inf when it is out of range.
func (s *ExactSum) Value() float64 { return s.Mean(1) }

// Mean returns the sum divided by n, rounded once to the nearest float64; NaN when n is 0.
func (s *ExactSum) Mean(n uint64) float64 {
	if n == 0 {
		return math.NaN()
	}
	sum, e := s.integer()
	if sum.Sign() == 0 {
		return 0
	}
	if sum.BitLen() <= 53 && n < 1<<53 && -900 < e && e < 900 {
		return math.Ldexp(float64(sum.Int64()), e) / float64(n) // both exact and the quotient normal, so one rounding
	}
	div := new(big.Int).SetUint64(n)
	if e >= 0 {
		sum.Lsh(sum, uint(e))
	} else {
		div.Lsh(div, uint(-e))
	}
	f, _ := new(big.Rat).SetFrac(sum, div).Float64()
	return f
}
