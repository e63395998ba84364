package anomaly

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
)

// wavering makes values with a rhythm, noise, and a jump now and then, which makes scales anew.
func wavering(rnd *rand.Rand, i int) float64 {
	v := 10*math.Sin(float64(i)/20) + rnd.NormFloat64()
	if rnd.IntN(300) == 0 {
		v += 60 * rnd.Float64()
	}
	return v
}

// A detector that was written and read scores all that comes later as though nothing had happened, wherever it was cut.
func TestState(t *testing.T) {
	for _, lean := range []bool{false, true} {
		for seed := range uint64(3) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			whole, cut := Detector{Lean: lean}, Detector{Lean: lean}
			for i := range 2500 {
				if i%97 == int(seed) {
					text := cut.Append(nil)
					cut = Detector{}
					rest, err := cut.Decode(append(text, 7, 7))
					if err != nil || len(rest) != 2 {
						t.Fatalf("at %d: %d bytes are left, %v", i, len(rest), err)
					}
					if again := cut.Append(nil); !bytes.Equal(again, text) {
						t.Fatalf("at %d: written again it is another state", i)
					}
				}
				v := wavering(rnd, i)
				if a, b := whole.Step(v), cut.Step(v); a != b {
					t.Fatalf("lean %v, seed %d, value %d: %v, and %v of the one that was read", lean, seed, i, a, b)
				}
			}
		}
	}
}

// Whatever stands there, reading it neither panics nor takes memory without end, and what is taken works.
func FuzzState(f *testing.F) {
	var d Detector
	f.Add(d.Append(nil))
	for i := range 60 {
		d.Step(float64(i * i % 17))
	}
	f.Add(d.Append(nil))
	f.Fuzz(func(t *testing.T, text []byte) {
		var d Detector
		if _, err := d.Decode(text); err != nil {
			return
		}
		for i := range 10 {
			if s := d.Step(float64(i)); s < 0 || s > 1 {
				t.Fatalf("score %v", s)
			}
		}
	})
}
