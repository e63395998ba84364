package insight

import (
	"cmp"
	"math"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// Absent is the value of a day without data.
var Absent = math.NaN()

// days are the days of a series that have a value.
type days struct {
	at []int     // number of the day
	x  []float64 // its value
}

func present(xs []float64) (d days) {
	for i, x := range xs {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			d.at, d.x = append(d.at, i), append(d.x, x)
		}
	}
	return d
}

func mean(xs []float64) float64 {
	s := 0.0
	for _, x := range xs {
		s += x
	}
	return s / float64(len(xs))
}

// squares is the sum of the squared distances from the mean.
func squares(xs []float64) float64 {
	m, s := mean(xs), 0.0
	for _, x := range xs {
		s += (x - m) * (x - m)
	}
	return s
}

func median(xs []float64) float64 {
	xs = slices.Clone(xs)
	slices.Sort(xs)
	n := len(xs)
	if n == 0 {
		return Absent
	}
	return (xs[(n-1)/2] + xs[n/2]) / 2
}

// logs are the logarithms of a series; what is not above 0 has none.
func logs(xs []float64) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		if out[i] = Absent; x > 0 {
			out[i] = math.Log(x)
		}
	}
	return out
}

// lagOne is the autocorrelation of residuals from one day to the next, 0 when it is negative.
func lagOne(residuals []float64) float64 {
	s, c := 0.0, 0.0
	for i, r := range residuals {
		s += r * r
		if i > 0 {
			c += r * residuals[i-1]
		}
	}
	if s == 0 {
		return 0
	}
	r := c / s
	return min(0.9, max(0, r+(2+4*r)/float64(len(residuals)))) // what is left over of two means looks less alike than it is
}

// WithoutWeek takes the mean of its day of the week from each value, and gives the mean of all back. first is the weekday of the first day.
// A weekday that occurs less than twice is left as it is.
func WithoutWeek(xs []float64, first int) []float64 {
	var of [7][]float64
	for i, x := range xs {
		if !math.IsNaN(x) {
			of[(first+i)%7] = append(of[(first+i)%7], x)
		}
	}
	all := present(xs)
	if len(all.x) == 0 {
		return xs
	}
	m, out := median(all.x), slices.Clone(xs)
	for i := range out {
		if w := of[(first+i)%7]; len(w) >= 2 {
			out[i] += m - median(w)
		}
	}
	return out
}

// Discoveries chooses among tests by their p-values, so that of those chosen at most a share of q is false (Benjamini and Hochberg).
func Discoveries(ps []float64, q float64) []bool {
	order := make([]int, len(ps))
	for i := range order {
		order[i] = i
	}
	sorting.StableBy(order, func(a, b int) int { return cmp.Compare(ps[a], ps[b]) })
	last := -1
	for rank, i := range order {
		if ps[i] <= q*float64(rank+1)/float64(len(ps)) {
			last = rank
		}
	}
	out := make([]bool, len(ps))
	for _, i := range order[:last+1] {
		out[i] = true
	}
	return out
}

// Median is the median of the days that have a value, Absent without any.
func Median(xs []float64) float64 { return median(present(xs).x) }

// Middle is Median for people: null without any.
func Middle(xs []float64) *float64 { return number(Median(xs), len(present(xs).x) > 0) }

// Mean is a sum by its count, null when there is nothing to count.
func Mean(sum, count float64) *float64 { return number(sum/count, count > 0) }
