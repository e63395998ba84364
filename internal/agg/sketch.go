package agg

import (
	"math"
	"math/bits"
	"slices"
	"sort"
	"sync"

	"github.com/DataDog/sketches-go/ddsketch/mapping"
)

// relativeError is the proved error of a bin's value. The mapping of values to bins is fixed for ever: stored sketches hold
// bin numbers, so any other mapping needs another encoding version.
const relativeError = 0.01

const (
	// maxBin is the bin of the largest int64. Bins are numbered from 0, that of one nanosecond.
	maxBin = 2204
	// multiplier is the number of bins for each doubling, 1 / log₂ ((1+α)/(1−α))^(10·ln2/7), as sketches-go computes it;
	// a constant, so that no other processor or library can compute another one.
	multiplier = 0x1.17fd9c50798abp+05
)

// cubic gives the values of bins.
var cubic = newCubic()

func newCubic() *mapping.CubicallyInterpolatedMapping {
	m, err := mapping.NewCubicallyInterpolatedMapping(relativeError)
	if err != nil {
		panic(err) // constant argument
	}
	return m
}

// binOf returns the bin of a value ≥ 1. It is CubicallyInterpolatedMapping.Index of sketches-go, written out for two
// reasons: it is inlined, and the explicit conversions keep compilers from fusing multiplication with addition, which some
// processors do and which would put a value at an edge into another bin there.
func binOf(v int64) int {
	b := math.Float64bits(float64(v))
	e := float64(int(b>>52) - 1023)
	s := math.Float64frombits(b&(1<<52-1)|1023<<52) - 1
	log := float64(float64(float64(float64(float64(mapping.A*s)+mapping.B)*s)+mapping.C)*s) + e
	return int(log * multiplier)
}

// binValues are the representative values of all bins, in nanoseconds.
var binValues = sync.OnceValue(func() []float64 {
	v := make([]float64, maxBin+1)
	for i := range v {
		v[i] = cubic.Value(i)
	}
	return v
})

// sketch is a DDSketch of whole nanoseconds: it counts values in bins whose width grows with the value, so that a value
// read back is within 1 % of the one that went in. The bins are integers, so merging is adding and loses nothing. A month in
// nanoseconds is bin 1796 and the largest int64 bin 2204: nothing ever needs to collapse.
//
// While few, bins are a sorted list; later a window of counters over the used range. Which one it is never shows.
type sketch struct {
	zero   uint64    // values that are 0
	sparse []binPart // sorted by bin; used while dense is nil
	base   int       // bin of dense[0]
	dense  []uint32
	high   []binPart // sorted by bin; what exceeds 32 bits of a counter, in units of 2³²
}

type binPart struct{ bin, n uint32 }

const (
	// denseAfter is the length at which the list becomes a window however wide: searching it costs more than the memory.
	denseAfter = 64
	// denseRatio is the width per used bin (4 bytes each, against 8 in the list) up to which a window replaces a list earlier.
	denseRatio = 4
	sparseMin  = 16
	windowPad  = 16 // free counters kept on the side to which a window grows
)

// reset empties s and keeps its memory.
func (s *sketch) reset() {
	s.zero, s.sparse, s.high = 0, s.sparse[:0], s.high[:0]
	clear(s.dense)
}

// add counts one value ≥ 0.
func (s *sketch) add(v int64) {
	if v == 0 {
		s.zero++
		return
	}
	s.addToBin(binOf(v))
}

// addToBin counts one value of a bin, or of 0.
func (s *sketch) addToBin(bin int) {
	if bin == binOfZero {
		s.zero++
		return
	}
	if i := uint(bin - s.base); i < uint(len(s.dense)) {
		if s.dense[i]++; s.dense[i] == 0 {
			s.addHigh(bin, 1)
		}
		return
	}
	s.addBin(bin, 1)
}

// addBin counts n values of a bin.
func (s *sketch) addBin(bin int, n uint64) {
	if h := uint32(n >> 32); h != 0 {
		s.addHigh(bin, h)
	}
	low := uint32(n) // a bin with only a high part is kept among the low ones too, so that each finds it
	if s.dense == nil {
		at := sort.Search(len(s.sparse), func(i int) bool { return int(s.sparse[i].bin) >= bin })
		if at < len(s.sparse) && int(s.sparse[at].bin) == bin {
			s.addLow(&s.sparse[at].n, bin, low)
			return
		}
		if !s.wantsDense(bin) {
			s.sparse = slices.Insert(s.sparse, at, binPart{uint32(bin), low})
			return
		}
		s.toDense(bin, bin)
	}
	s.cover(bin, bin)
	s.addLow(&s.dense[bin-s.base], bin, low)
}

func (s *sketch) addLow(counter *uint32, bin int, n uint32) {
	sum, carry := bits.Add32(*counter, n, 0)
	if *counter = sum; carry != 0 {
		s.addHigh(bin, 1)
	}
}

func (s *sketch) addHigh(bin int, n uint32) {
	at := sort.Search(len(s.high), func(i int) bool { return int(s.high[i].bin) >= bin })
	if at < len(s.high) && int(s.high[at].bin) == bin {
		s.high[at].n += n // 2⁶⁴ values are out of reach
		return
	}
	s.high = slices.Insert(s.high, at, binPart{uint32(bin), n})
}

// wantsDense tells whether the list should become a window when it gets one more bin.
func (s *sketch) wantsDense(bin int) bool {
	n := len(s.sparse) + 1
	if n <= sparseMin {
		return false
	}
	lo, hi := min(bin, int(s.sparse[0].bin)), max(bin, int(s.sparse[n-2].bin))
	return n > denseAfter || hi-lo < denseRatio*n
}

// toDense turns the list into a window that also covers [lo, hi].
func (s *sketch) toDense(lo, hi int) {
	if n := len(s.sparse); n > 0 {
		lo, hi = min(lo, int(s.sparse[0].bin)), max(hi, int(s.sparse[n-1].bin))
	}
	s.base, s.dense = lo, make([]uint32, hi-lo+1)
	for _, p := range s.sparse {
		s.dense[int(p.bin)-lo] = p.n
	}
	s.sparse = nil
}

// cover makes the window include [lo, hi].
func (s *sketch) cover(lo, hi int) {
	first, last := s.base, s.base+len(s.dense)-1
	if len(s.dense) == 0 {
		s.base, s.dense = lo, make([]uint32, hi-lo+1)
		return
	}
	if lo >= first && hi <= last {
		return
	}
	if lo < first {
		first = max(0, lo-windowPad)
	}
	if hi > last {
		last = min(maxBin, hi+windowPad)
	}
	wide := make([]uint32, last-first+1)
	copy(wide[s.base-first:], s.dense)
	s.base, s.dense = first, wide
}

// merge adds what o counted.
func (s *sketch) merge(o *sketch) {
	s.zero += o.zero
	for _, p := range o.high {
		s.addBin(int(p.bin), uint64(p.n)<<32)
	}
	for _, p := range o.sparse {
		s.addBin(int(p.bin), uint64(p.n))
	}
	used := o.window()
	if len(used.dense) == 0 {
		return
	}
	if s.dense == nil {
		s.toDense(used.base, used.base+len(used.dense)-1)
	}
	s.cover(used.base, used.base+len(used.dense)-1)
	into := s.dense[used.base-s.base:][:len(used.dense)]
	for i, n := range used.dense {
		sum := into[i] + n
		if into[i] = sum; sum < n {
			s.addHigh(used.base+i, 1)
		}
	}
}

// window returns o's dense counters without the zeros around them.
func (s *sketch) window() (w struct {
	base  int
	dense []uint32
}) {
	lo, hi := 0, len(s.dense)
	for lo < hi && s.dense[lo] == 0 {
		lo++
	}
	for hi > lo && s.dense[hi-1] == 0 {
		hi--
	}
	w.base, w.dense = s.base+lo, s.dense[lo:hi]
	return w
}

// each calls f for every used bin in rising order until it returns false.
func (s *sketch) each(f func(bin int, n uint64) bool) {
	high := s.high
	next := func(bin int, low uint32) bool {
		n := uint64(low)
		if len(high) > 0 && int(high[0].bin) == bin {
			n += uint64(high[0].n) << 32
			high = high[1:]
		}
		return n == 0 || f(bin, n)
	}
	for _, p := range s.sparse {
		if !next(int(p.bin), p.n) {
			return
		}
	}
	for i, n := range s.dense {
		if (n != 0 || len(high) > 0) && !next(s.base+i, n) {
			return
		}
	}
}

// value returns the representative value, in nanoseconds, of the rank-th smallest value, 1 ≤ rank ≤ count.
func (s *sketch) value(rank uint64) float64 {
	if rank <= s.zero {
		return 0
	}
	rank -= s.zero
	found := math.Inf(1)
	s.each(func(bin int, n uint64) bool {
		if rank <= n {
			found = binValues()[bin]
			return false
		}
		rank -= n
		return true
	})
	return found
}

func (s *sketch) clone() sketch {
	return sketch{zero: s.zero, sparse: slices.Clone(s.sparse), base: s.base, dense: slices.Clone(s.dense), high: slices.Clone(s.high)}
}
