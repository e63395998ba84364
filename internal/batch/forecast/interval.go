package forecast

import (
	"math"
	"slices"
)

const (
	// around is how many steps to each side share their errors when the size of a step's error is told.
	around = 2
	// caution widens intervals that stand on few origins: the errors of one origin go together, so that there are fewer of them than it seems.
	// The share left outside is multiplied by origins/(origins + caution).
	caution = 5
)

// bound returns lower and upper bounds around the forecast: the errors at the origins, each divided by the usual size at its step, give one
// quantile, which times that size bounds the error to come (normalised conformal prediction: Papadopoulos et al., Neural
// Networks 24, 2011). Beyond the steps that were looked at, it grows with the root of the step, as errors that add up do.
func bound(forecast []float64, residuals [][]float64, interval float64) (lo, hi []float64) {
	size, q := sizes(residuals), 0.0
	var errs []float64
	for _, r := range residuals {
		for k, e := range r {
			if size[k] > 0 {
				errs = append(errs, math.Abs(e)/size[k])
			}
		}
	}
	if len(errs) > 0 {
		slices.Sort(errs)
		outside := (1 - interval) * float64(len(residuals)) / float64(len(residuals)+caution)
		rank := int(math.Ceil(float64(len(errs)+1) * (1 - outside)))
		q = errs[min(rank, len(errs))-1]
	}
	lo, hi = make([]float64, len(forecast)), make([]float64, len(forecast))
	for k, v := range forecast {
		width := q * size[min(k, len(size)-1)]
		if k >= len(size) {
			width *= math.Sqrt(float64(k+1) / float64(len(size)))
		}
		lo[k], hi[k] = v-width, v+width
	}
	return lo, hi
}

// sizes returns the usual size of the error at each step.
func sizes(residuals [][]float64) []float64 {
	plain := make([]float64, len(residuals[0]))
	for _, r := range residuals {
		for k, e := range r {
			plain[k] += math.Abs(e) / float64(len(residuals))
		}
	}
	out := make([]float64, len(plain))
	for k := range out {
		out[k] = mean(plain[max(0, k-around):min(len(plain), k+around+1)])
	}
	return out
}
