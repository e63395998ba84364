package forecast

import "slices"

// method is one way to continue a series.
type method struct {
	name string
	need int // values that it can start from
	// learn chooses what is chosen once, from values that lie before all origins, and returns the method: from what came before, h values
	// ahead, or nil where it cannot tell. It neither keeps nor changes y.
	learn func(y []float64) continuation
}

type continuation func(y []float64, h int) []float64

// fixed is a method that has nothing to learn once.
func fixed(name string, need int, f continuation) method {
	return method{name, need, func([]float64) continuation { return f }}
}

// Seasons that a method wants to see before it trusts what it learnt of them.
const seasonsNeeded = 3

// pool returns the methods that n values allow. Logarithms are for series without negative values.
func pool(n int, seasons []int, negative bool) []method {
	out := []method{fixed("last value", 1, last)}
	var known []int // seasons that something can be learnt of
	for i, s := range seasons {
		if n > s {
			out = append(out, fixed("seasonal naive", s, seasonalNaive(s)))
		}
		if n >= seasonsNeeded*s {
			known = append(known, s)
			out = append(out, fixed("seasonal median", 3*s, seasonalMedian(s, 3)))
			if i == 0 {
				out = append(out, fixed("seasonal median", 7*s, seasonalMedian(s, 7)), fixed("seasonal growth", 8*s, seasonalGrowth(s, 7)))
			}
		}
	}
	scales := []bool{false}
	if !negative {
		scales = append(scales, true)
	}
	for _, logs := range scales {
		for k := range known {
			s := smoothing{seasons: known[:k+1], log: logs}
			out = append(out, method{"smoothing", 2 * known[k], s.learn})
		}
		if len(known) == 0 {
			s := smoothing{log: logs}
			out = append(out, method{"smoothing", 8, s.learn})
			continue
		}
		for _, diff := range append([]int{0}, known...) {
			r := regression{lags: lagsOf(known), diff: diff, log: logs}
			out = append(out, fixed("ridge", r.need(), r.ahead))
		}
	}
	return out
}

// last repeats the last value.
func last(y []float64, h int) []float64 { return slices.Repeat(y[len(y)-1:], h) }

// seasonalNaive repeats the last season: y_{n+i} = y_{n+i−s}.
func seasonalNaive(s int) continuation {
	return func(y []float64, h int) []float64 {
		out := make([]float64, h)
		for i := range out {
			out[i] = y[len(y)-s+i%s]
		}
		return out
	}
}

// seasonalMedian repeats, at each place of the season, the median of the last k seasons.
func seasonalMedian(s, k int) continuation {
	return func(y []float64, h int) []float64 {
		out, around := make([]float64, h), make([]float64, k)
		for i := range out {
			if i >= s {
				out[i] = out[i-s]
				continue
			}
			for j := range around {
				around[j] = y[len(y)-(j+1)*s+i]
			}
			out[i] = median(around)
		}
		return out
	}
}

// seasonalGrowth repeats, at each place of the season, the median of the last k seasons, each brought forward by the growth from season to
// season: the median of the changes of their medians, so that a storm neither raises the level nor its growth.
func seasonalGrowth(s, k int) continuation {
	return func(y []float64, h int) []float64 {
		n := len(y)
		levels, changes := make([]float64, k+1), make([]float64, 0, k*k)
		for j := range levels {
			levels[j] = median(slices.Clone(y[n-(j+1)*s : n-j*s]))
			for i := range j {
				changes = append(changes, (levels[i]-levels[j])/float64(j-i))
			}
		}
		growth := median(changes)
		out, around := make([]float64, h), make([]float64, k)
		for i := range out {
			for j := range around {
				around[j] = y[n-(j+1)*s+i%s] + growth*float64(i/s+j+1)
			}
			out[i] = median(around)
		}
		return out
	}
}
