package e2e

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// ranged is an answer of GET /range.
type ranged struct {
	From, To, Step int64
	Completeness   []float64
	Sources        []struct {
		From, To int64
		Source   string
	}
	Series []struct {
		Metric string
		Key    map[string]*string
		Values []*float64
	}
	Bins struct {
		Edges  []float64
		Counts [][]uint64
	}
}

// value is that of a step; "" is everything, NaN what is null.
func (r *ranged) value(metric, model string, i int) float64 {
	for _, s := range r.Series {
		named := s.Key["model"]
		if s.Metric == metric && (model == "") == (len(s.Key) == 0) && (model == "" || named != nil && *named == model) {
			if v := s.Values[i]; v != nil {
				return *v
			}
			break
		}
	}
	return math.NaN()
}

// ranges: what the boards show of any span is what GET /analytics says of its minutes and GET /aggregations of its hours.
func ranges(t *testing.T, w *walk) {
	start := w.hour()
	rs := generate(7, 900, w.name("range"), start)
	w.send(t, rs)
	w.counted(t, start, rs)
	ask := func(start, end time.Time, more string) (r ranged) {
		t.Helper()
		w.get(t, "operations", fmt.Sprintf("/range?from=%s&to=%s&metric=requests,errors,latency_ms.p95,tokens.total&group_by=model&group_metric=requests,latency_ms.p95&limit=24%s", stamp(start), stamp(end), more), &r)
		return r
	}
	minutes := ask(start, start.Add(time.Hour), "&step=60&bins=latency_ms")
	if minutes.Step != 60 || len(minutes.Completeness) != 60 || len(minutes.Sources) != 1 || minutes.Sources[0].Source != "panes" {
		t.Fatalf("minutes: step %d, %d of them, from %v", minutes.Step, len(minutes.Completeness), minutes.Sources)
	}
	seen := 0.0
	for i := range 60 {
		if n := minutes.value("requests", "", i); n > 0 {
			seen += n
		}
	}
	if int(seen) != len(rs) {
		t.Errorf("the minutes hold %v requests, not %d", seen, len(rs))
	}
	var successes, binned uint64
	for _, i := range []int{0, 17, 59} {
		type numbers struct {
			Requests float64
			Latency  struct {
				Count uint64
				P95   *float64
			} `json:"latency_ms"`
		}
		var a struct {
			Overall numbers
			Groups  []struct {
				Key   struct{ Model string }
				Stats numbers
			}
		}
		at := start.Add(time.Duration(i+1) * time.Minute)
		w.get(t, "event-processing-api", "/analytics?window=60&group_by=model&at="+stamp(at), &a)
		agree(t, fmt.Sprintf("minute %d", i), minutes.value("requests", "", i), a.Overall.Requests)
		if a.Overall.Latency.Count > 0 {
			agree(t, fmt.Sprintf("p95 of minute %d", i), minutes.value("latency_ms.p95", "", i), *a.Overall.Latency.P95)
		}
		for _, g := range a.Groups {
			agree(t, fmt.Sprintf("minute %d of %s", i, g.Key.Model), minutes.value("requests", g.Key.Model, i), g.Stats.Requests)
		}
		successes += a.Overall.Latency.Count
		for _, n := range minutes.Bins.Counts[i] {
			binned += n
		}
	}
	if binned != successes {
		t.Errorf("%d requests lie in bins, %d were successful", binned, successes)
	}
	hour := ask(start, start.Add(time.Hour), "&step=3600")
	if hour.Step != 3600 || len(hour.Sources) != 1 || hour.Sources[0].Source != "hourly" || hour.Completeness[0] != 1 {
		t.Fatalf("hour: step %d, from %v, %v complete", hour.Step, hour.Sources, hour.Completeness)
	}
	var table struct {
		Rows []struct {
			Model            string
			Requests, Errors float64
			Tokens           float64  `json:"total_tokens"`
			P95              *float64 `json:"latency_p95_ms"`
		}
	}
	w.get(t, "batch-processing-api", fmt.Sprintf("/aggregations/hourly?model=*&from=%s&to=%s", stamp(start), stamp(start.Add(time.Hour))), &table)
	for _, r := range table.Rows {
		model := r.Model
		if model == "_all" {
			model = ""
			agree(t, "errors of the hour", hour.value("errors", "", 0), r.Errors)
			agree(t, "tokens of the hour", hour.value("tokens.total", "", 0), r.Tokens)
		}
		agree(t, "requests of the hour of "+r.Model, hour.value("requests", model, 0), r.Requests)
		if r.P95 != nil {
			agree(t, "p95 of the hour of "+r.Model, hour.value("latency_ms.p95", model, 0), *r.P95)
		}
	}
	if len(table.Rows) < 2 {
		t.Errorf("rows of the hour: %v", table.Rows)
	}
	year := ask(start.AddDate(-1, 0, 1), start.Add(time.Hour), "&points=400")
	total := 0.0
	for i := range year.Completeness {
		if n := year.value("requests", "", i); n > 0 {
			total += n
		}
	}
	if len(year.Completeness) > 401 || total < float64(len(rs)) {
		t.Errorf("a year: %d steps with %v requests", len(year.Completeness), total)
	}
}

func agree(t *testing.T, what string, got, want float64) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v on the range, %v of the API", what, got, want)
	}
}
