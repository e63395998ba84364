package forecast

import (
	"fmt"
	"math"
	"slices"
)

// fillReach is how many seasons to each side are asked about a missing value.
const fillReach = 3

// fill returns the values from the first to the last known one with those between filled: by the median of the known values at the
// same place of the neighbouring seasons (of the longest season that has some), else by a straight line between the neighbours.
// Gaps at the end would shift the forecast, so they are filled too, by seasons or else by the last value.
func fill(values []float64, seasons []int, warnings *[]string) ([]float64, error) {
	first := slices.IndexFunc(values, func(v float64) bool { return !math.IsNaN(v) })
	values = values[first:]
	y := slices.Clone(values)
	var missing int
	for i, v := range values {
		if math.IsNaN(v) {
			missing++
			y[i] = fromSeasons(values, i, seasons)
		}
	}
	if missing == 0 {
		return y, nil
	}
	if 2*missing > len(values) {
		return nil, refuse(InsufficientData, "%d of %d values are missing; at least half must be there", missing, len(values))
	}
	drawLines(y)
	*warnings = append(*warnings, fmt.Sprintf("%d of %d values were missing: gaps filled from neighbouring seasons", missing, len(values)))
	return y, nil
}

// fromSeasons returns the median of values one, two and three seasons before and after i, NaN when none is known.
func fromSeasons(values []float64, i int, seasons []int) float64 {
	for _, s := range slices.Backward(seasons) {
		var found []float64
		for k := 1; k <= fillReach; k++ {
			for _, j := range [2]int{i - k*s, i + k*s} {
				if j >= 0 && j < len(values) && !math.IsNaN(values[j]) {
					found = append(found, values[j])
				}
			}
		}
		if len(found) > 1 {
			return median(found)
		}
	}
	return math.NaN()
}

// drawLines fills what is still missing between known values, and after the last one. The first value is known.
func drawLines(y []float64) {
	last := 0
	for i := 1; i < len(y); i++ {
		if math.IsNaN(y[i]) {
			continue
		}
		for j := last + 1; j < i; j++ {
			y[j] = y[last] + (y[i]-y[last])*float64(j-last)/float64(i-last)
		}
		last = i
	}
	for j := last + 1; j < len(y); j++ {
		y[j] = y[last]
	}
}

// median sorts v and returns its middle; the mean of the two in the middle of an even count.
func median(v []float64) float64 {
	slices.Sort(v)
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}
