package insight

import (
	"fmt"
	"math"
	"time"
)

// Activity is how many requests somebody made on each day.
type Activity struct {
	Dimension, Value string
	Requests         []float64
}

// Bounds of who is said to be lost.
const (
	activeLeast  = 7    // days on which he came
	activeOften  = 0.5  // of the days between his first and his last
	silentLeast  = 3    // days
	silentLonger = 2    // times his longest silence before
	volumeLeast  = 0.25 // change of volume that matters
)

// Lost looks for those who came regularly and then not at all until the end. total is what all made together: days on which nobody came are
// no silence of one.
func (r *Report) Lost(all []Activity, total []float64) {
	for i := range all {
		a := &all[i]
		came, longest, gap, first, last, sum := 0, 0, 0, -1, -1, 0.0
		for day, n := range a.Requests {
			switch {
			case n > 0:
				if came++; came == 1 {
					first = day
				} else {
					longest = max(longest, gap)
				}
				gap, last, sum = 0, day, sum+n
			case total[day] > 0:
				gap++
			}
		}
		if came < activeLeast {
			continue
		}
		often := float64(came) / float64(last-first+1)
		p := math.Pow(1-float64(came)/float64(last-first+2), float64(gap))
		if often < activeOften || gap < silentLeast || gap <= silentLonger*longest {
			r.nothing(p)
			continue
		}
		f := Finding{Kind: "lost_" + a.Dimension, Subject: subject(a.Dimension, a.Value), Metric: "requests", At: r.day(last + 1), Before: new(round(sum / float64(last-first+1))), After: new(0.0)}
		f.Text = fmt.Sprintf("%s has made no request since %s, %d days in a row; before it came on %d of %d days with %s requests a day.",
			a.Value, f.At.Format(time.DateOnly), gap, came, last-first+1, short(*f.Before))
		if longest > 0 {
			f.Text += fmt.Sprintf(" It was never away for more than %d.", longest)
		}
		f.Evidence = map[string]any{"last_active": r.day(last).Format(time.DateOnly), "days_silent": gap, "days_active": came, "days_observed": last - first + 1, "longest_silence_before": longest, "requests_before": sum}
		r.test(f, p)
	}
}

// Volumes looks for changes of how much is asked, with the pattern of the week taken out.
func (r *Report) Volumes(all []Activity) {
	series := make([]Series, len(all))
	for i := range all {
		a := &all[i]
		level := make([]float64, len(a.Requests))
		for day, x := range WithoutWeek(logs(a.Requests), int(r.Start.Weekday())) {
			level[day] = math.Exp(x)
		}
		series[i] = Series{Dimension: a.Dimension, Value: a.Value, Metric: "requests", Unit: "requests a day", Words: "the number of requests is", Kind: "volume_change", Least: volumeLeast, Values: level, Count: a.Requests}
	}
	r.Changes(series)
}

// weekLeast is the difference between weekends and weekdays that matters.
const weekLeast = 0.15

// Week compares weekends with the other days. Each day is measured by the seven around it, which hold five weekdays and two of the
// weekend wherever they lie, so that growth and steps do not pass for a pattern.
func (r *Report) Week(total []float64) {
	x := logs(total)
	var on, off, level []float64
	var weekend []bool
	for day, v := range x {
		if math.IsNaN(v) {
			continue
		}
		wd := r.Start.AddDate(0, 0, day).Weekday()
		ends := wd == time.Saturday || wd == time.Sunday
		if ends {
			off = append(off, v)
		} else {
			on = append(on, v)
		}
		if day >= 3 && day+3 < len(x) {
			if around := mean(x[day-3 : day+4]); !math.IsNaN(around) {
				level, weekend = append(level, v-around), append(weekend, ends)
			}
		}
	}
	if len(off) < 4 || len(on) < 8 || len(level) < fewest {
		return
	}
	t, df := contrast(level, func(i int) bool { return weekend[i] })
	p := studentTail(t, df)
	before, after := math.Exp(median(on)), math.Exp(median(off))
	ratio := after / before
	if math.Abs(math.Log(ratio)) < math.Log(1+weekLeast) {
		r.nothing(p)
		return
	}
	r.test(Finding{Kind: "weekly_pattern", Subject: map[string]string{}, Metric: "requests", Before: new(round(before)), After: new(round(after)),
		Text: fmt.Sprintf("Weekends have %s requests than weekdays: %s a day on Saturday and Sunday, %s a day from Monday to Friday (%d and %d days).",
			percent(ratio), short(after), short(before), len(off), len(on)),
		Evidence: map[string]any{"ratio": round(ratio), "weekend_days": len(off), "weekdays": len(on), "weekend_requests_a_day": round(after), "weekday_requests_a_day": round(before)}}, p)
}
