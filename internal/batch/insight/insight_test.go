package insight

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestStudentTail(t *testing.T) {
	for _, tc := range []struct{ t, df, want float64 }{ // tables
		{2.228, 10, 0.05}, {12.706, 1, 0.05}, {1.96, 1e6, 0.05}, {3.169, 10, 0.01}, {0, 5, 1}, {4.587, 10, 0.001},
	} {
		if got := studentTail(tc.t, tc.df); math.Abs(got-tc.want) > tc.want*0.01 {
			t.Errorf("t=%v df=%v: %v, want %v", tc.t, tc.df, got, tc.want)
		}
	}
}

// Of series in which nothing happens, hardly any is said to have a step, also when days resemble each other.
func TestNothingHappens(t *testing.T) {
	for _, rho := range []float64{0, 0.4} {
		rng, ps := rand.New(rand.NewPCG(1, 2)), []float64{}
		below := 0
		const series = 2000
		for range series {
			xs, e := make([]float64, 30), 0.0
			for i := range xs {
				e = rho*e + rng.NormFloat64()*0.1
				xs[i] = math.Exp(5 + e)
			}
			for _, s := range Steps(xs) {
				ps = append(ps, s.P)
				if s.P < 0.01 {
					below++
				}
			}
		}
		n := 0
		for _, yes := range Discoveries(ps, 0.01) {
			if yes {
				n++
			}
		}
		t.Logf("rho %v: %d of %d below 1 %%, %d discoveries", rho, below, series, n)
		if below > series/25 || n > series/1000 {
			t.Errorf("rho %v: %d of %d series of noise have p < 1 %%, %d discoveries", rho, below, series, n)
		}
	}
}
