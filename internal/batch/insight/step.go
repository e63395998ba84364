package insight

import (
	"math"
	"slices"
)

// shortest is the fewest days on either side of a step.
const shortest = 3

// fewest is how many days a series needs.
const fewest = 10

// Step is a change from one level to another, or a drift.
type Step struct {
	Day           int // the first day of the new level, or of the drift
	Before, After float64
	DaysBefore    int
	DaysAfter     int
	P             float64 // of the best split, for all splits that were tried
	Trend         bool    // a line says it better than a step: Before and After are its ends
}

// Ratio is After ÷ Before.
func (s *Step) Ratio() float64 { return s.After / s.Before }

// steps seeks changes of level in a series of positive numbers, on their logarithms, so that sizes are ratios. It finds the best split, and
// then looks at both sides again. Every split that was tried is in the list, by day: whoever asked decides with all other tests.
func steps(xs []float64, first int) (found []Step) {
	d := present(logs(xs))
	if len(d.x) < fewest {
		return nil
	}
	k, p := split(d.x)
	if k == 0 {
		return nil
	}
	s := Step{Day: d.at[k] + first, DaysBefore: k, DaysAfter: len(d.x) - k, P: p, Before: math.Exp(median(d.x[:k])), After: math.Exp(median(d.x[k:]))}
	if from, to, p, better := line(d, k); better {
		s.Trend, s.Day, s.P, s.Before, s.After = true, first+d.at[0], p, math.Exp(from), math.Exp(to)
		return []Step{s}
	}
	if p > maybe {
		return []Step{s} // what is no step has no further ones beside it
	}
	at := d.at[k]
	left, right := steps(xs[:at], first), steps(xs[at:], first+at)
	return append(append(left, s), right...)
}

// maybe is the p-value up to which the sides of a split are looked at again.
const maybe = 0.001

// Steps seeks changes of level in a series of positive numbers by day.
func Steps(xs []float64) []Step { return steps(xs, 0) }

// split finds the best split of values and its p-value: Student's t with pooled variance on as many days as are worth it, times the number of
// splits. k is 0 when there is none.
func split(x []float64) (k int, p float64) {
	best, df := 0.0, 0.0
	for i := shortest; i <= len(x)-shortest; i++ {
		t, free := compare(x[:i], x[i:])
		if t > best || k == 0 {
			best, df, k = t, free, i
		}
	}
	if k == 0 {
		return 0, 1
	}
	tried := float64(len(x) - 2*shortest + 1)
	return k, min(1, tried*studentTail(best, df))
}

// compare is contrast of two stretches of days.
func compare(a, b []float64) (t, df float64) {
	x := append(slices.Clone(a), b...)
	return contrast(x, func(i int) bool { return i >= len(a) })
}

// contrast tells how far two groups of days lie apart, as Student's t and its degrees of freedom. Days that resemble the day before are
// worth less than a day each. Values are never taken to be more exact than one in a thousand.
func contrast(x []float64, second func(i int) bool) (t, df float64) {
	var n, m [2]float64
	of := func(i int) int {
		if second(i) {
			return 1
		}
		return 0
	}
	for i, v := range x {
		n[of(i)]++
		m[of(i)] += v
	}
	m[0], m[1] = m[0]/n[0], m[1]/n[1]
	residuals, squares := make([]float64, len(x)), 0.0
	for i, v := range x {
		residuals[i] = v - m[of(i)]
		squares += residuals[i] * residuals[i]
	}
	alike := lagOne(residuals)
	worth := (1 - alike) / (1 + alike)
	variance := max(squares/float64(len(x)-2), 1e-6)
	return math.Abs(m[0]-m[1]) / math.Sqrt(variance*(1/n[0]+1/n[1])/worth), max(1, float64(len(x))*worth-2)
}

// line tells whether a straight line fits values better than a step at k, where it begins and ends, and the p-value of its slope,
// twice that of the slope alone: a step and a line were tried.
func line(d days, k int) (from, to, p float64, better bool) {
	n := float64(len(d.x))
	mx, my, sxx, sxy := 0.0, mean(d.x), 0.0, 0.0
	for _, t := range d.at {
		mx += float64(t) / n
	}
	for i, t := range d.at {
		sxx += (float64(t) - mx) * (float64(t) - mx)
		sxy += (float64(t) - mx) * (d.x[i] - my)
	}
	slope := sxy / sxx
	at := func(t int) float64 { return my + slope*(float64(t)-mx) }
	residuals, off := make([]float64, len(d.x)), 0.0
	for i, t := range d.at {
		residuals[i] = d.x[i] - at(t)
		off += residuals[i] * residuals[i]
	}
	alike := lagOne(residuals)
	worth := (1 - alike) / (1 + alike)
	deviation := math.Sqrt(max(off/(n-2), 1e-6) / sxx / worth)
	return at(d.at[0]), at(d.at[len(d.at)-1]), min(1, 2*studentTail(slope/deviation, max(1, n*worth-2))), off < squares(d.x[:k])+squares(d.x[k:])
}
