package insight

import (
	"fmt"
	"math"
	"time"
)

// Rate is how many of some requests were bad, by day.
type Rate struct {
	Dimension, Value, Metric string
	Of, Bad                  []float64
}

// Bounds of changes of rates that matter.
const (
	rateLeast  = 0.01 // difference
	rateRatio  = 1.5
	badOnesFew = 20 // bad ones in all, below which nothing is said
)

// Rates looks for changes of rates. Bad ones come in clusters, so the spread between days is measured and not taken to be that of coins.
func (r *Report) Rates(all []Rate) {
	if r.Steady {
		return
	}
	for i := range all {
		s := &all[i]
		var d Rate // the days with requests
		var at []int
		for day, n := range s.Of {
			if n > 0 {
				d.Of, d.Bad, at = append(d.Of, n), append(d.Bad, s.Bad[day]), append(at, day)
			}
		}
		if len(d.Of) < fewest || span(d.Bad, 0, len(d.Bad)) < badOnesFew {
			continue
		}
		k, p := d.split()
		before, after := d.rate(0, k), d.rate(k, len(d.Of))
		if ratio := after / before; math.Abs(after-before) < rateLeast || ratio < rateRatio && ratio > 1/rateRatio {
			r.nothing(p)
			continue
		}
		f := Finding{Kind: "error_rate_change", Subject: subject(s.Dimension, s.Value), Metric: s.Metric, At: r.day(at[k]), Before: new(round(before)), After: new(round(after))}
		f.Text = fmt.Sprintf("%s: %s %% of the requests fail since %s, %s %% before (%d and %d days, %s and %s requests).", s.Value, short(after*100), f.At.Format(time.DateOnly), short(before*100),
			k, len(d.Of)-k, short(span(d.Of, 0, k)), short(span(d.Of, k, len(d.Of))))
		f.Evidence = map[string]any{"errors_before": span(d.Bad, 0, k), "errors_after": span(d.Bad, k, len(d.Of)), "requests_before": span(d.Of, 0, k), "requests_after": span(d.Of, k, len(d.Of)), "days_before": k, "days_after": len(d.Of) - k}
		r.test(f, p)
	}
}

func (d *Rate) rate(a, b int) float64 { return span(d.Bad, a, b) / span(d.Of, a, b) }

// split finds the best split of a rate and its p-value: the likelihood ratio, divided by how much more days differ than chance makes them,
// times the number of splits.
func (d *Rate) split() (k int, p float64) {
	n, best := len(d.Of), -1.0
	whole := d.likelihood(0, n)
	for i := shortest; i <= n-shortest; i++ {
		if g := 2 * (d.likelihood(0, i) + d.likelihood(i, n) - whole); g > best {
			best, k = g, i
		}
	}
	free := float64(n - 2)
	wide := max(1, (d.distance(0, k)+d.distance(k, n))/free)
	return k, min(1, float64(n-2*shortest+1)*studentTail(math.Sqrt(max(0, best)/wide), free))
}

// likelihood is that of a stretch of days under its own rate, as a logarithm.
func (d *Rate) likelihood(a, b int) float64 {
	n, bad := span(d.Of, a, b), span(d.Bad, a, b)
	l := 0.0
	for _, x := range [...]float64{bad, n - bad} {
		if x > 0 {
			l += x * math.Log(x/n)
		}
	}
	return l
}

// distance is Pearson's of the days of a stretch from its rate.
func (d *Rate) distance(a, b int) (sum float64) {
	rate := d.rate(a, b)
	if rate == 0 || rate == 1 {
		return 0
	}
	for i := a; i < b; i++ {
		off := d.Bad[i] - rate*d.Of[i]
		sum += off * off / (d.Of[i] * rate * (1 - rate))
	}
	return sum
}
