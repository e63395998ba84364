package insight

import (
	"fmt"
	"math"
)

const (
	block    = 6   // hours that are compared with the rest of the day
	dayLeast = 0.2 // how much busier they must be
	dayFew   = 8   // days without which nothing is said
)

// Day says which hours (UTC) are busy. They are chosen by every other day and judged by those between, so that the choice proves nothing.
func (r *Report) Day(hourly []float64) {
	var mean [2][24]float64
	var days [2][][]float64
	for d := 0; d+24 <= len(hourly); d += 24 {
		if day := hourly[d : d+24]; span(day, 0, 24) > 0 {
			half := d / 24 % 2
			days[half] = append(days[half], day)
			for h, n := range day {
				mean[half][h] += n / span(day, 0, 24)
			}
		}
	}
	if len(days[0])+len(days[1]) < dayFew {
		return
	}
	first, most := 0, 0.0
	for h := range 24 {
		if s := around(mean[0][:], h); s > most {
			first, most = h, s
		}
	}
	var ratios []float64
	for _, day := range days[1] {
		busy := around(day, first) / block
		rest := (span(day, 0, 24) - busy*block) / (24 - block)
		ratios = append(ratios, math.Log((busy+0.5)/(rest+0.5)))
	}
	n := float64(len(ratios))
	m := 0.0
	for _, x := range ratios {
		m += x / n
	}
	t := math.Abs(m) / math.Sqrt(max(squares(ratios)/(n-1), 1e-6)/n)
	p, ratio := studentTail(t, n-1), math.Exp(median(ratios))
	if ratio < 1+dayLeast {
		r.nothing(p)
		return
	}
	peak, at := 0.0, 0
	for h := range 24 {
		if x := (mean[0][h] + mean[1][h]) / (float64(len(days[0]) + len(days[1]))) * 24; x > peak {
			peak, at = x, h
		}
	}
	r.test(Finding{Kind: "daily_pattern", Subject: map[string]string{}, Metric: "requests", After: new(round(peak)),
		Text: fmt.Sprintf("From %02d:00 to %02d:00 UTC there are %s times as many requests an hour as in the rest of the day; the busiest hour, from %02d:00, has %s times the mean of the day. Capacity has to carry that hour.",
			first, (first+block)%24, short(ratio), at, short(peak)),
		Evidence: map[string]any{"busy_from_hour": first, "busy_hours": block, "ratio": round(ratio), "busiest_hour": at, "busiest_hour_to_mean": round(peak), "days": len(days[0]) + len(days[1])}}, p)
}

// around adds up the hours from h on, over midnight.
func around(day []float64, h int) (sum float64) {
	for i := range block {
		sum += day[(h+i)%24]
	}
	return sum
}
