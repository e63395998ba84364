package agg

import (
	"bytes"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func genFloat() *rapid.Generator[float64] {
	return rapid.OneOf(
		rapid.Custom(func(t *rapid.T) float64 { // any finite value
			b := rapid.Uint64().Draw(t, "bits")
			if b>>52&0x7ff == 0x7ff {
				b &^= 1 << 52
			}
			return math.Float64frombits(b)
		}),
		rapid.Float64Range(-100, 100),
		rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 0.1, -0.1, 1, -1, 1e16, -1e16, math.MaxFloat64, -math.MaxFloat64,
			math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, 0x1p-1022, 1 + 0x1p-52, 0x1p-53, 1e308, -1e308}),
	)
}

func bigSum(values []float64) *big.Rat {
	sum := new(big.Rat)
	for _, v := range values {
		sum.Add(sum, new(big.Rat).SetFloat64(v))
	}
	return sum
}

func same(a, b float64) bool { return math.Float64bits(a+0) == math.Float64bits(b+0) }

// Value and Mean round the true sum once, and the bytes depend on the values alone.
func TestExactSumIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(genFloat(), 0, 60).Draw(t, "values")
		parts := make([]ExactSum, rapid.IntRange(1, 5).Draw(t, "parts"))
		var whole ExactSum
		for _, v := range values {
			whole.Add(v)
			parts[rapid.IntRange(0, len(parts)-1).Draw(t, "part")].Add(v)
		}
		want := bigSum(values)
		if f, _ := want.Float64(); !same(whole.Value(), f) {
			t.Fatalf("sum %v, want %v", whole.Value(), f)
		}
		n := rapid.Uint64Range(1, 1<<60).Draw(t, "n")
		mean := new(big.Rat).Quo(want, new(big.Rat).SetInt(new(big.Int).SetUint64(n)))
		if f, _ := mean.Float64(); !same(whole.Mean(n), f) {
			t.Fatalf("mean %v, want %v", whole.Mean(n), f)
		}
		for i := len(parts) - 1; i > 0; i-- {
			parts[rapid.IntRange(0, i-1).Draw(t, "into")].Merge(&parts[i])
		}
		b := whole.append(nil)
		if got := parts[0].append(nil); !bytes.Equal(got, b) {
			t.Fatalf("merged %x, added %x", got, b)
		}
		var back ExactSum
		r := reader{src: b}
		if back.decode(&r); r.err != nil || len(r.src) != 0 || !bytes.Equal(back.append(nil), b) || !same(back.Value(), whole.Value()) {
			t.Fatalf("decoded %x of %x: %v", back.append(nil), b, r.err)
		}
		back.Add(1)
		whole.Add(1)
		if !bytes.Equal(back.append(nil), whole.append(nil)) {
			t.Fatalf("a decoded sum goes on otherwise")
		}
	})
}

func TestExactSumCarries(t *testing.T) {
	// Many additions of both signs, through the moving on of carries.
	for _, v := range []float64{0.1, -0.1, 1e300, -math.SmallestNonzeroFloat64, math.MaxFloat64} {
		var s ExactSum
		s.Add(v)
		s.Add(v)
		s.acc.pending = maxPending - 2
		for range 10 {
			s.Add(v)
		}
		o := s.Clone()
		o.acc.pending = maxPending - 1 // as if after many additions
		s.acc.pending = maxPending - 1
		s.Merge(&o)
		s.Merge(&o)
		if s.acc.pending < 2 {
			t.Errorf("additions are not counted: %d", s.acc.pending)
		}
		want := new(big.Rat).Mul(new(big.Rat).SetFloat64(v), big.NewRat(36, 1))
		if f, _ := want.Float64(); s.Value() != f {
			t.Errorf("36 × %v = %v, want %v", v, s.Value(), f)
		}
		if f, _ := want.Quo(want, big.NewRat(7, 1)).Float64(); s.Mean(7) != f {
			t.Errorf("36 × %v ÷ 7 = %v, want %v", v, s.Mean(7), f)
		}
	}
	// A limb of a negative sum is not made longer by each carry.
	var s ExactSum
	s.Add(-1)
	s.Add(-1)
	for range 1000 {
		s.acc.carry()
	}
	if s.Value() != -2 || len(s.acc.limb) > 4 {
		t.Errorf("%v in %d limbs", s.Value(), len(s.acc.limb))
	}
	s.Add(math.NaN())
	s.Add(math.Inf(1))
	if s.Value() != -2 || !math.IsNaN(s.Mean(0)) {
		t.Errorf("not finite: %v", s.Value())
	}
}
