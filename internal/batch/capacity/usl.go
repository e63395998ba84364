package capacity

import (
	"math"
	"sort"
)

// USL is the universal scalability law (Gunther, Guerrilla Capacity Planning, 2007): N machines carry λN/(1 + σ(N−1) + κN(N−1)).
type USL struct {
	Lambda float64 `json:"lambda"` // what one machine carries
	Sigma  float64 `json:"sigma"`  // contention
	Kappa  float64 `json:"kappa"`  // coherency
	Fit    float64 `json:"fit"`    // 0–1: 1 less the largest relative difference from what it was fitted to; at most unchecked where nothing is left to check it by
}

// Limits of a fit.
const (
	uslCounts = 3    // different numbers of machines, as many as the law has parameters
	unchecked = 0.75 // the fit of a law through exactly so many: it meets them all, whatever they are
	uslFit    = 0.9  // less is not believed
)

// Believed tells whether the law follows what it was fitted to.
func (u USL) Believed() bool { return u.Fit >= unchecked }

// Carries returns what n machines carry.
func (u USL) Carries(n float64) float64 {
	return u.Lambda * n / (1 + u.Sigma*(n-1) + u.Kappa*n*(n-1))
}

// Most returns the number of machines beyond which more carry less; infinity without coherency.
func (u USL) Most() float64 {
	if u.Kappa <= 0 {
		return math.Inf(1)
	}
	return math.Sqrt((1 - u.Sigma) / u.Kappa)
}

// leastGain is what one more machine must add, relative to what the first carries, to be worth it.
const leastGain = 0.1

// Useful returns the number of machines beyond which one more adds next to nothing, or takes away.
func (u USL) Useful() int {
	return 1 + sort.Search(MostMachines, func(i int) bool {
		n := float64(i + 1)
		return u.Carries(n+1)-u.Carries(n) < leastGain*u.Lambda
	})
}

// Efficiency is what each of n machines carries relative to each of those that there are.
func (u USL) Efficiency(n, current int) float64 {
	return u.Carries(float64(n)) / float64(n) / (u.Carries(float64(current)) / float64(current))
}

// FitUSL fits the law to what so many machines carried at most, by least squares of the relative differences of n/x = a + b(n−1) + c·n(n−1), which
// is linear in a = 1/λ, b = σ/λ and c = κ/λ. None of them may be below 0: machines do not help each other. Where a free fit says so, a chance in
// the data may have done it, and the best fit without that parameter stands; where they really do, it is a bad one, and Believed is false.
func FitUSL(machines, carried []float64) (u USL, ok bool) {
	different := map[float64]bool{}
	for i, n := range machines {
		if !(carried[i] > 0) || n < 1 {
			return u, false
		}
		different[n] = true
	}
	if len(different) < uslCounts {
		return u, false
	}
	best := math.Inf(1)
	for _, with := range [][3]bool{{true, true, true}, {true, true, false}, {true, false, true}, {true, false, false}} {
		x, squares, ok := leastSquares(machines, carried, with)
		if ok && x[0] > 0 && x[1] >= 0 && x[2] >= 0 && squares < best {
			best, u = squares, USL{Lambda: 1 / x[0], Sigma: x[1] / x[0], Kappa: x[2] / x[0]}
		}
	}
	if math.IsInf(best, 1) || u.Sigma >= 1 {
		return USL{}, false
	}
	worst := 0.0
	for i, n := range machines {
		worst = max(worst, math.Abs(u.Carries(n)/carried[i]-1))
	}
	u.Fit = max(0, 1-worst)
	if u.Fit >= uslFit && len(different) == uslCounts {
		u.Fit = unchecked
	} else if u.Fit < uslFit {
		u.Fit = min(u.Fit, unchecked-0.01)
	}
	return u, true
}

// leastSquares fits a, b and c, those that it shall be fitted with, and returns the sum of the squares of what is left.
func leastSquares(machines, carried []float64, with [3]bool) (x [3]float64, squares float64, ok bool) {
	var a [3][4]float64
	rows := make([][3]float64, len(machines))
	for i, n := range machines {
		for k, v := range [3]float64{1, n - 1, n * (n - 1)} {
			if with[k] {
				rows[i][k] = v * carried[i] / n // relative to n/x, which is 1 then
			}
		}
		for r := range 3 {
			for c := range 3 {
				a[r][c] += rows[i][r] * rows[i][c]
			}
			a[r][3] += rows[i][r]
		}
	}
	for k := range 3 {
		if !with[k] {
			a[k][k] = 1
		}
	}
	if x, ok = solve3(a); !ok {
		return x, 0, false
	}
	for k := range x {
		if math.Abs(x[k]) < 1e-12*math.Abs(x[0]) {
			x[k] = 0 // an exact 0 that was rounded
		}
	}
	for _, row := range rows {
		d := row[0]*x[0] + row[1]*x[1] + row[2]*x[2] - 1
		squares += d * d
	}
	return x, squares, true
}

// solve3 solves three equations by elimination with pivots.
func solve3(a [3][4]float64) (x [3]float64, ok bool) {
	for c := range 3 {
		p := c
		for r := c + 1; r < 3; r++ {
			if math.Abs(a[r][c]) > math.Abs(a[p][c]) {
				p = r
			}
		}
		if math.Abs(a[p][c]) < 1e-12 {
			return x, false
		}
		a[c], a[p] = a[p], a[c]
		for r := range 3 {
			if r == c {
				continue
			}
			f := a[r][c] / a[c][c]
			for k := c; k < 4; k++ {
				a[r][k] -= f * a[c][k]
			}
		}
	}
	for i := range x {
		x[i] = a[i][3] / a[i][i]
	}
	return x, true
}
