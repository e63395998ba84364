package agg

import (
	"math"
	"math/big"
	"math/bits"
)

// Measure summarises durations in nanoseconds: how many, their exact sum, the smallest, the largest, and a sketch for the
// quantiles. The zero Measure is empty.
//
// Up to two values it is its own sketch: they are the smallest and the largest. A trace that is replayed has about one event
// for each second, so most measures stay that small and take no memory of their own.
type Measure struct {
	count    uint64
	min, max int64
	more     *spread // valid while count > 2; kept for reuse otherwise
}

// spread is what a Measure of more than two values needs beside its ends.
type spread struct {
	hi, lo uint64 // sum
	sketch sketch
}

// Count returns the number of values.
func (m *Measure) Count() uint64 { return m.count }

// Min returns the smallest value in nanoseconds, 0 when there is none.
func (m *Measure) Min() int64 { return m.min }

// Max returns the largest value in nanoseconds, 0 when there is none.
func (m *Measure) Max() int64 { return m.max }

// Sum returns the exact sum in nanoseconds as hi·2⁶⁴ + lo.
func (m *Measure) Sum() (hi, lo uint64) {
	switch m.count {
	case 0:
		return 0, 0
	case 1:
		return 0, uint64(m.min)
	case 2:
		return 0, uint64(m.min) + uint64(m.max)
	}
	return m.more.hi, m.more.lo
}

// Add counts a value in nanoseconds. A negative one, which no valid event has, counts as 0.
func (m *Measure) Add(ns int64) {
	ns = max(ns, 0)
	if m.count >= 2 {
		if m.count == 2 {
			m.spread()
		}
		x := m.more
		var carry uint64
		x.lo, carry = bits.Add64(x.lo, uint64(ns), 0)
		x.hi += carry
		x.sketch.add(ns)
		m.count++
		m.min, m.max = min(m.min, ns), max(m.max, ns)
		return
	}
	if m.count == 0 {
		m.min, m.max = ns, ns
	} else {
		m.min, m.max = min(m.min, ns), max(m.max, ns)
	}
	m.count++
}

// spread fills m.more from the at most two values that m holds.
func (m *Measure) spread() {
	hi, lo := m.Sum()
	if m.more == nil {
		m.more = &spread{}
	} else {
		m.more.sketch.reset()
	}
	m.more.hi, m.more.lo = hi, lo
	if m.count >= 1 {
		m.more.sketch.add(m.min)
	}
	if m.count >= 2 {
		m.more.sketch.add(m.max)
	}
}

// Merge adds the values of o, which stays as it is.
func (m *Measure) Merge(o *Measure) {
	if o.count <= 2 {
		if o.count >= 1 {
			m.Add(o.min)
		}
		if o.count >= 2 {
			m.Add(o.max)
		}
		return
	}
	if m.count <= 2 {
		m.spread()
	}
	var carry uint64
	m.more.lo, carry = bits.Add64(m.more.lo, o.more.lo, 0)
	m.more.hi += o.more.hi + carry
	m.more.sketch.merge(&o.more.sketch)
	if m.count == 0 {
		m.min, m.max = o.min, o.max
	} else {
		m.min, m.max = min(m.min, o.min), max(m.max, o.max)
	}
	m.count += o.count
}

// Reset empties m and keeps its memory.
func (m *Measure) Reset() { m.count, m.min, m.max = 0, 0, 0 }

// Clone returns an independent copy.
func (m *Measure) Clone() Measure {
	c := *m
	c.more = nil
	if m.count > 2 {
		c.more = &spread{hi: m.more.hi, lo: m.more.lo, sketch: m.more.sketch.clone()}
	}
	return c
}

const nsPerMS = 1e6

// AvgMS returns the exact sum divided by the count, in milliseconds, rounded once to the nearest float64; NaN when empty.
func (m *Measure) AvgMS() float64 {
	if m.count == 0 {
		return math.NaN()
	}
	hi, lo := m.Sum()
	over, div := bits.Mul64(m.count, nsPerMS)
	if hi == 0 && over == 0 && lo < 1<<53 && div < 1<<53 {
		return float64(lo) / float64(div) // both exact, so one rounding
	}
	sum := new(big.Int).Lsh(new(big.Int).SetUint64(hi), 64)
	sum.Add(sum, new(big.Int).SetUint64(lo))
	n := new(big.Int).SetUint64(m.count)
	f, _ := new(big.Rat).SetFrac(sum, n.Mul(n, big.NewInt(nsPerMS))).Float64()
	return f
}

// QuantileMS returns the ⌈p·n⌉-th smallest of the n values in milliseconds, 0 ≤ p ≤ 1 in steps of a millionth; NaN when
// empty. It is within 1 % of the true one, and exact for the smallest and the largest.
func (m *Measure) QuantileMS(p float64) float64 {
	switch rank := Rank(p, m.count); {
	case rank == 0:
		return math.NaN()
	case rank == 1:
		return float64(m.min) / nsPerMS
	case rank >= m.count:
		return float64(m.max) / nsPerMS
	default:
		v := m.more.sketch.value(rank)
		return min(max(v, float64(m.min)), float64(m.max)) / nsPerMS
	}
}

// Each calls fn with the values in rising order, in milliseconds and each within 1 % of the true one, and how many there are of each.
func (m *Measure) Each(fn func(ms float64, n uint64)) {
	switch {
	case m.count == 0:
	case m.count <= 2:
		fn(float64(m.min)/nsPerMS, 1)
		if m.count == 2 {
			fn(float64(m.max)/nsPerMS, 1)
		}
	default:
		if m.more.sketch.zero > 0 {
			fn(0, m.more.sketch.zero)
		}
		m.more.sketch.each(func(bin int, n uint64) bool {
			fn(binValues()[bin]/nsPerMS, n)
			return true
		})
	}
}

// Rank returns ⌈p·n⌉, at least 1 and at most n, and 0 when n is 0. p counts as the nearest millionth, so that 0.95 of 20 is
// 19 although the float64 0.95 is a little more or less than 95 hundredths.
func Rank(p float64, n uint64) uint64 {
	if n == 0 {
		return 0
	}
	const steps = 1_000_000
	k := uint64(math.Round(min(max(p, 0), 1) * steps))
	hi, lo := bits.Mul64(k, n)
	lo, carry := bits.Add64(lo, steps-1, 0)
	rank, _ := bits.Div64(hi+carry, lo, steps) // k ≤ steps, so hi+carry < steps
	return min(max(rank, 1), n)
}
