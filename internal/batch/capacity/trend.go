package capacity

import (
	"math"
	"slices"
)

// Trend is a straight growth: the median of the slopes of all pairs (Theil 1950; Sen, Journal of the American Statistical Association
// 63, 1968), which one odd day does not move, with Sen's interval of 95 %.
type Trend struct {
	Level  float64 // at the last value
	Slope  float64 // a step
	Lo, Hi float64 // of the slope
}

// trendValues is the least that a trend is told from: two weeks of days.
const trendValues = 14

// FitTrend fits a trend to values one step apart, of which season steps repeat (1 for none): pairs are whole seasons apart, so a weekend is compared
// with weekends. NaN is a missing value.
func FitTrend(values []float64, season int) (t Trend, ok bool) {
	var slopes []float64
	known := 0
	for j, v := range values {
		if math.IsNaN(v) {
			continue
		}
		known++
		for i := j - season; i >= 0; i -= season {
			if !math.IsNaN(values[i]) {
				slopes = append(slopes, (v-values[i])/float64(j-i))
			}
		}
	}
	if known < trendValues || len(slopes) == 0 {
		return t, false
	}
	slices.Sort(slopes)
	t.Slope = middle(slopes)
	// Kendall's variance of the sum of the signs of the pairs of each place of the season gives the ranks of the interval.
	variance := 0.0
	for place := range season {
		n := 0.0
		for i := place; i < len(values); i += season {
			if !math.IsNaN(values[i]) {
				n++
			}
		}
		variance += n * (n - 1) * (2*n + 5) / 18
	}
	half := 1.96 * math.Sqrt(variance)
	at := func(rank float64) float64 { return slopes[min(max(int(math.Round(rank)), 0), len(slopes)-1)] }
	t.Lo, t.Hi = at((float64(len(slopes))-half)/2-1), at((float64(len(slopes))+half)/2)
	// The level is that of the last season, each value brought to the end by the slope.
	var last []float64
	for i := max(0, len(values)-max(season, 7)); i < len(values); i++ {
		if !math.IsNaN(values[i]) {
			last = append(last, values[i]+t.Slope*float64(len(values)-1-i))
		}
	}
	if len(last) == 0 {
		return t, false
	}
	slices.Sort(last)
	t.Level = last[len(last)-1] // the busiest day of the week is what has to be carried
	return t, true
}

// middle returns the median of sorted values.
func middle(v []float64) float64 { return (v[(len(v)-1)/2] + v[len(v)/2]) / 2 }

// Exhaustion is after how many steps a limit is reached, with an interval.
type Exhaustion struct {
	Days float64 `json:"days"`
	Lo   float64 `json:"lo"`
	Hi   float64 `json:"hi"`
}

// farDays is as far as a trend is followed: ten years.
const farDays = 3650

// Until returns when a trend reaches a limit; nil when it is not sure to grow, or not within ten years. What is beyond already is reached now.
func (t Trend) Until(limit float64) *Exhaustion {
	if t.Level >= limit {
		return &Exhaustion{}
	}
	if t.Lo <= 0 {
		return nil
	}
	gap := limit - t.Level
	if gap/t.Slope > farDays {
		return nil
	}
	return &Exhaustion{Days: gap / t.Slope, Lo: gap / t.Hi, Hi: min(gap/t.Lo, farDays)}
}
