package insight

import (
	"fmt"
	"math"
	"time"
)

// Series is one number of one subject by day.
type Series struct {
	Dimension, Value string // "model" or "tenant" and which; "" = everything
	Metric           string
	Unit             string // of the number, in a sentence
	Kind             string // of the finding when it changes; level_shift when empty
	Words            string // what happened, in a sentence, such as "takes"
	Least            float64
	Values           []float64 // Absent = no data
	Count            []float64 // what each day's number is made of
}

// Changes looks for changes of level and for drifts of some series.
func (r *Report) Changes(all []Series) {
	if r.Steady {
		return
	}
	for i := range all {
		s := &all[i]
		for _, step := range Steps(s.Values) {
			ratio := step.Ratio()
			if math.Abs(math.Log(ratio)) < math.Log(1+s.Least) {
				r.nothing(step.P)
				continue
			}
			r.test(r.change(s, &step), step.P)
		}
	}
}

func (r *Report) change(s *Series, step *Step) Finding {
	f := Finding{Kind: s.Kind, Subject: subject(s.Dimension, s.Value), Metric: s.Metric, At: r.day(step.Day), Before: new(round(step.Before)), After: new(round(step.After))}
	if f.Kind == "" {
		f.Kind = "level_shift"
	}
	since := "since " + f.At.Format(time.DateOnly)
	if step.Trend {
		f.Kind, since = "trend", fmt.Sprintf("over %d days", step.DaysBefore+step.DaysAfter)
	}
	before, after := span(s.Count, 0, step.Day), span(s.Count, step.Day, len(s.Count))
	f.Text = fmt.Sprintf("%s: %s %s times what it was, %s: %s %s before, %s %s after (%d and %d days, %s and %s requests).",
		name(f.Subject), s.Words, short(step.Ratio()), since, short(step.Before), s.Unit, short(step.After), s.Unit, step.DaysBefore, step.DaysAfter, short(before), short(after))
	if step.Trend {
		f.Text = fmt.Sprintf("%s: %s %s times what it was, %s: steadily from %s to %s %s.", name(f.Subject), s.Words, short(step.Ratio()), since, short(step.Before), short(step.After), s.Unit)
	}
	f.Evidence = map[string]any{"ratio": round(step.Ratio()), "days_before": step.DaysBefore, "days_after": step.DaysAfter, "requests_before": before, "requests_after": after}
	return f
}

// round keeps six significant digits.
func round(x float64) float64 {
	if x == 0 || math.IsNaN(x) || math.IsInf(x, 0) {
		return x
	}
	unit := math.Pow(10, 5-math.Floor(math.Log10(math.Abs(x))))
	return math.Round(x*unit) / unit
}

// span adds up days from a to b.
func span(xs []float64, a, b int) (sum float64) {
	for _, x := range xs[a:b] {
		if !math.IsNaN(x) {
			sum += x
		}
	}
	return sum
}
