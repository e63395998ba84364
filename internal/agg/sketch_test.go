package agg

import (
	"maps"
	"math"
	"math/big"
	"runtime"
	"slices"
	"sort"
	"testing"

	"pgregory.net/rapid"
)

// The proof of the relative error: the smallest and the largest whole number of every bin are within 1 % of its value.
func TestEveryBinIsWithinOnePercent(t *testing.T) {
	const tolerance = relativeError * (1 + 1e-9)
	values, seen := binValues(), 0
	if got := binOf(math.MaxInt64); got != maxBin {
		t.Fatalf("the largest int64 is in bin %d, want %d", got, maxBin)
	}
	for lo := int64(1); ; seen++ {
		bin := binOf(lo)
		// The last number of the bin, by bisection: bins never fall as numbers rise.
		above := sort.Search(62, func(i int) bool { next := lo + 1<<i; return next < 0 || binOf(next) > bin })
		step, hi := int64(1)<<above, lo
		for ; step > 0; step >>= 1 {
			if next := hi + step; next > 0 && binOf(next) == bin {
				hi = next
			}
		}
		for _, v := range []int64{lo, hi} {
			if e := math.Abs(values[bin]-float64(v)) / float64(v); e > tolerance {
				t.Errorf("bin %d has the value %v, %.3f %% from %d", bin, values[bin], 100*e, v)
			}
		}
		if hi == math.MaxInt64 {
			break
		}
		if lo = hi + 1; binOf(lo) <= bin {
			t.Fatalf("%d is in bin %d, below that of %d", lo, binOf(lo), hi)
		}
	}
	t.Log(seen, "bins in use")
}

func TestBinsAreThoseOfTheLibrary(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the library's bins depend on fused multiplication elsewhere")
	}
	if want := 1 / math.Log2(math.Pow((1+relativeError)/(1-relativeError), 10*math.Ln2/7)); multiplier != want {
		t.Errorf("multiplier %x, library %x", multiplier, want)
	}
	d := newDice(1)
	for range 1_000_000 {
		v := int64(d.next()>>1) >> d.below(63)
		if v > 0 && binOf(v) != cubic.Index(float64(v)) {
			t.Fatalf("%d: bin %d, library %d", v, binOf(v), cubic.Index(float64(v)))
		}
	}
}

func TestRank(t *testing.T) {
	for _, c := range []struct {
		p       float64
		n, want uint64
	}{
		{0.5, 0, 0}, {0.5, 1, 1}, {0.5, 2, 1}, {0.5, 3, 2}, {0.95, 20, 19}, {0.95, 21, 20}, {0.99, 100, 99}, {0.99, 101, 100},
		{0, 5, 1}, {1, 5, 5}, {2, 5, 5}, {-1, 5, 1}, {0.07, 100, 7}, {0.29, 100, 29}, {0.999, 1000, 999}, {0.9999, 10_000, 9999},
		{1, math.MaxUint64, math.MaxUint64}, {0.5, math.MaxUint64, 1 << 63},
	} {
		if got := Rank(c.p, c.n); got != c.want {
			t.Errorf("Rank(%v, %d) = %d, want %d", c.p, c.n, got, c.want)
		}
	}
	for n := uint64(1); n <= 2000; n++ {
		for k := uint64(1); k <= 1000; k++ {
			if got, want := Rank(float64(k)/1000, n), (k*n+999)/1000; got != want {
				t.Fatalf("Rank(%d/1000, %d) = %d, want %d", k, n, got, want)
			}
		}
	}
}

func checkMeasure(t interface {
	Helper()
	Fatalf(string, ...any)
}, values []int64) {
	t.Helper()
	var m Measure
	sum := new(big.Int)
	for _, v := range values {
		m.Add(v)
		sum.Add(sum, big.NewInt(v))
	}
	slices.Sort(values)
	n := len(values)
	if m.Count() != uint64(n) || m.Min() != values[0] || m.Max() != values[n-1] {
		t.Fatalf("count, min, max = %d, %d, %d; want %d, %d, %d", m.Count(), m.Min(), m.Max(), n, values[0], values[n-1])
	}
	want, _ := new(big.Rat).SetFrac(sum, big.NewInt(int64(n)*nsPerMS)).Float64()
	if got := m.AvgMS(); got != want {
		t.Fatalf("average %v, want %v", got, want)
	}
	for _, p := range []float64{0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1} {
		exact := float64(values[Rank(p, uint64(n))-1]) / nsPerMS
		if got := m.QuantileMS(p); math.Abs(got-exact) > relativeError*(1+1e-9)*exact {
			t.Fatalf("p%v of %d values: %v, exact %v", 100*p, n, got, exact)
		}
	}
}

func TestQuantilesOfAnyValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(
			rapid.Int64Range(0, math.MaxInt64),
			rapid.Int64Range(0, 5),
			rapid.Int64Range(1e6, 1e11),
			rapid.SampledFrom([]int64{0, 1, 7, 1e9, math.MaxInt64}), // ties
			rapid.Custom(func(t *rapid.T) int64 { return 1 << rapid.IntRange(0, 62).Draw(t, "power") }),
		)
		checkMeasure(t, rapid.SliceOfN(value, 1, 300).Draw(t, "values"))
	})
}

func TestQuantilesOfTinyAndHugeGroups(t *testing.T) {
	d := newDice(3)
	for n := 1; n <= 20; n++ {
		for range 200 {
			values := make([]int64, n)
			for i := range values {
				values[i] = d.below(1 << (1 + d.below(50)))
			}
			checkMeasure(t, values)
		}
	}
	for _, shape := range []func() int64{
		func() int64 { return int64(math.Exp(20+1.2*normal(d)) + 1) },  // log-normal around 0.5 s
		func() int64 { return int64(1e6 / math.Pow(unit(d), 2)) },      // heavy tail
		func() int64 { return []int64{1e6, 1e6 + 1, 5e9}[d.below(3)] }, // few values
		func() int64 { return d.below(2) * 3e9 },                       // half zeros
		func() int64 { return 1e9 + d.below(1000) },                    // one bin
	} {
		values := make([]int64, 50_000)
		for i := range values {
			values[i] = shape()
		}
		checkMeasure(t, values)
	}
}

func unit(d *dice) float64 { return float64(1+d.below(1<<40)) / (1 << 40) }

func normal(d *dice) float64 {
	return math.Sqrt(-2*math.Log(unit(d))) * math.Cos(2*math.Pi*unit(d))
}

// A month of a busy server has more than 2³² values in a bin, and a sum beyond 64 bits.
func TestMeasureBeyond32And64Bits(t *testing.T) {
	var m Measure
	for _, v := range []int64{0, 1e9, 1e9, 2_600_000_000_000_000} {
		m.Add(v)
	}
	for range 40 {
		c := m.Clone()
		m.Merge(&c)
	}
	times := new(big.Int).Lsh(big.NewInt(1), 40)
	hi, lo := m.Sum()
	got := new(big.Int).Add(new(big.Int).Lsh(new(big.Int).SetUint64(hi), 64), new(big.Int).SetUint64(lo))
	if want := new(big.Int).Mul(times, big.NewInt(2_600_002_000_000_000)); got.Cmp(want) != 0 || hi == 0 {
		t.Errorf("sum %v, want %v", got, want)
	}
	if m.Count() != 4<<40 || m.AvgMS() != 650_000_500 {
		t.Errorf("count %d, average %v ms", m.Count(), m.AvgMS())
	}
	for p, want := range map[float64]float64{0.25: 0, 0.26: 1000, 0.75: 1000, 0.751: 2_600_000_000} {
		if got := m.QuantileMS(p); math.Abs(got-want) > relativeError*want {
			t.Errorf("p%v = %v, want about %v", 100*p, got, want)
		}
	}
	c := Cell{Events: m.Count(), Requests: m.Count(), Latency: m}
	if d := recode(t, &c); !d.Equal(&c) || d.Latency.QuantileMS(0.26) != m.QuantileMS(0.26) {
		t.Errorf("decoding changed the measure")
	}
}

// One by one and by merging over the edge of 32 bits, in both representations.
func TestCountersBeyond32Bits(t *testing.T) {
	for _, dense := range []bool{false, true} {
		var s sketch
		s.addBin(binOf(1), math.MaxUint32)
		if dense {
			s.toDense(0, 9)
		}
		s.add(1)
		s.add(7)
		if got, want := bins(&s), (map[int]uint64{binOf(1): 1 << 32, binOf(7): 1}); !maps.Equal(got, want) {
			t.Errorf("dense %v: added %v, want %v", dense, got, want)
		}
		s.addBin(binOf(7), 3<<30)
		var o sketch
		if dense {
			o.toDense(0, 9)
		}
		o.merge(&s)
		o.merge(&s)
		if got, want := bins(&o), (map[int]uint64{binOf(1): 2 << 32, binOf(7): 6<<30 + 2}); !maps.Equal(got, want) {
			t.Errorf("dense %v: merged %v, want %v", dense, got, want)
		}
	}
}

func bins(s *sketch) map[int]uint64 {
	m := map[int]uint64{}
	s.each(func(bin int, n uint64) bool { m[bin] = n; return true })
	return m
}

func TestEmptyMeasure(t *testing.T) {
	var m Measure
	if !math.IsNaN(m.AvgMS()) || !math.IsNaN(m.QuantileMS(0.5)) || m.Stats() != (MeasureStats{}) {
		t.Errorf("an empty measure has numbers: %v", m.Stats())
	}
	m.Add(-5) // no valid event has one
	if m.Min() != 0 || m.Count() != 1 {
		t.Errorf("a negative duration counts as %d", m.Min())
	}
}
