package forecast

import (
	"math"
	"slices"
)

// regression is a linear autoregression on chosen lags fitted by ridge (Hoerl and Kennard, Technometrics 12, 1970):
//
//	x_t = b0 + Σ b_l·x_{t−l}, minimising Σ(x_t − …)² + λ·Σ b_l²
//
// x is the series, its logarithm, or the difference of either over a season. Steps ahead are told one after another, each from those before.
type regression struct {
	lags []int // rising
	diff int   // season whose difference is taken; 0 is none
	log  bool
}

// shrink is λ as a share of the sum of squares of x, which makes it free of units and of the length.
const shrink = 1e-4

// need leaves three rows for each coefficient.
func (r regression) need() int { return r.lags[len(r.lags)-1] + r.diff + 3*(len(r.lags)+1) }

// lagsOf returns what may tell the next value: the last three, those around one season ago, and the same place of the seasons between
// the shortest and the longest (of the one before, where there is but one).
func lagsOf(seasons []int) []int {
	lags := []int{1, 2, 3}
	for _, s := range seasons {
		lags = append(lags, s-1, s, s+1)
	}
	first, longest := seasons[0], seasons[len(seasons)-1]
	for k := 2; k <= 8 && (k == 2 || k*first <= longest); k++ {
		lags = append(lags, k*first)
	}
	slices.Sort(lags)
	return slices.Compact(lags)
}

func (r regression) ahead(y []float64, h int) []float64 {
	x, offset := slices.Clone(y), 0.0
	if r.log {
		offset = logOf(x)
	}
	level := x
	if r.diff > 0 {
		x = make([]float64, len(level)-r.diff, len(level)+h)
		for i := range x {
			x[i] = level[i+r.diff] - level[i]
		}
	}
	b := r.fit(x)
	if b == nil {
		return nil
	}
	n, low, high := len(x), slices.Min(x), slices.Max(x)
	room := (high - low) / 2
	for range h {
		v := b[0]
		for k, l := range r.lags {
			v += b[k+1] * x[len(x)-l]
		}
		x = append(x, min(max(v, low-room), high+room)) // one that runs away is held near what was seen
	}
	out := x[n:]
	if r.diff > 0 {
		for _, d := range out {
			level = append(level, level[len(level)-r.diff]+d)
		}
		out = level[len(level)-h:]
	}
	if r.log {
		unlog(out, offset)
	}
	return out
}

// fit returns b0 and the coefficient of each lag, nil where the values do not tell them. Values are taken from their mean, which makes the
// sums exact enough for series that lie far from zero.
func (r regression) fit(x []float64) []float64 {
	p, center, first := len(r.lags)+1, mean(x), r.lags[len(r.lags)-1]
	a, cells := make([][]float64, p), make([]float64, p*p)
	for i := range a {
		a[i] = cells[i*p : (i+1)*p]
	}
	c, row, squares := make([]float64, p), make([]float64, p), 0.0
	row[0] = 1
	for t := first; t < len(x); t++ {
		for k, l := range r.lags {
			row[k+1] = x[t-l] - center
		}
		v := x[t] - center
		squares += v * v
		for i, u := range row {
			c[i] += u * v
			for j, w := range row[:i+1] {
				a[i][j] += u * w
			}
		}
	}
	for i := 1; i < p; i++ { // the constant is not shrunk
		a[i][i] += shrink * squares
	}
	if !cholesky(a, c) {
		return nil
	}
	sum := 0.0
	for _, b := range c[1:] {
		sum += b
	}
	c[0] += center * (1 - sum)
	return c
}

// cholesky solves a·x = c for a symmetric positive definite matrix of which the lower triangle is given, by a = L·Lᵀ. It puts L into a and
// the solution into c, and tells whether float64 finds the matrix definite.
func cholesky(a [][]float64, c []float64) bool {
	for i, row := range a {
		for j, other := range a[:i] {
			sum := row[j]
			for k, v := range other[:j] {
				sum -= row[k] * v
			}
			row[j] = sum / other[j]
		}
		sum, size := row[i], row[i]
		for _, v := range row[:i] {
			sum -= v * v
		}
		if !(sum > 1e-13*size) { // NaN too
			return false
		}
		row[i] = math.Sqrt(sum)
	}
	for i, row := range a {
		for k, v := range row[:i] {
			c[i] -= v * c[k]
		}
		c[i] /= row[i]
	}
	for i := len(c) - 1; i >= 0; i-- {
		for k := i + 1; k < len(c); k++ {
			c[i] -= a[k][i] * c[k]
		}
		c[i] /= a[i][i]
	}
	return true
}

// logOf turns x, which has no negative value, into logarithms and returns what was added before: a tenth of the size that values
// have, which is near 1, where there are zeros.
func logOf(x []float64) (offset float64) {
	if slices.Min(x) == 0 {
		offset = 0.1
	}
	for i, v := range x {
		x[i] = math.Log(v + offset)
	}
	return offset
}

// highest bounds a logarithm that is taken back; values inside are near 1, so that this is far beyond all of them.
const highest = 60

func unlog(x []float64, offset float64) {
	for i, v := range x {
		x[i] = math.Exp(min(v, highest)) - offset
	}
}

func mean(y []float64) float64 {
	sum := 0.0
	for _, v := range y {
		sum += v
	}
	return sum / float64(len(y))
}
