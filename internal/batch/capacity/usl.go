package capacity

import "math"

// USL is the universal scalability law (Gunther, Guerrilla Capacity Planning, 2007): N machines carry λN/(1 + σ(N−1) + κN(N−1)).
type USL struct {
	Lambda float64 `json:"lambda"` // what one machine carries
	Sigma  float64 `json:"sigma"`  // contention
	Kappa  float64 `json:"kappa"`  // coherency
}

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

// uslCounts is how many different numbers of machines it takes.
const uslCounts = 3

// FitUSL fits the law to what so many machines carried at most, by least squares of n/x = a + b(n−1) + c·n(n−1), which is linear in
// a = 1/λ, b = σ/λ and c = κ/λ. σ or κ below 0 would mean that machines help each other: then the law does not fit.
func FitUSL(machines, carried []float64) (u USL, ok bool) {
	different := map[float64]bool{}
	for _, n := range machines {
		different[n] = true
	}
	if len(different) < uslCounts {
		return u, false
	}
	var a [3][4]float64
	for i, n := range machines {
		if carried[i] <= 0 || n < 1 {
			return u, false
		}
		row, y := [3]float64{1, n - 1, n * (n - 1)}, n/carried[i]
		for r := range 3 {
			for c := range 3 {
				a[r][c] += row[r] * row[c]
			}
			a[r][3] += row[r] * y
		}
	}
	const noise = -1e-6
	x, ok := solve3(a)
	if !ok || x[0] <= 0 || x[1]/x[0] < noise || x[2]/x[0] < noise {
		return u, false
	}
	return USL{Lambda: 1 / x[0], Sigma: max(x[1]/x[0], 0), Kappa: max(x[2]/x[0], 0)}, true
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
