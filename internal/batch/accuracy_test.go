package batch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// check posts an accuracy check of the first hours after hour0.
func (r *rig) check(hours int) answer {
	r.t.Helper()
	text := func(h int) string { return time.Unix(hour0+int64(h)*3600, 0).UTC().Format(time.RFC3339) }
	return r.call("POST", "/accuracy/check", fmt.Sprintf(`{"from":%q,"to":%q}`, text(0), text(hours)))
}

func (r *rig) ratio() float64 {
	r.t.Helper()
	v, ok := r.reg.Sum("data_aggregation_accuracy_ratio")
	if !ok {
		r.t.Fatal("no metric")
	}
	return v
}

// A check counts the raw events anew: it finds each row that was changed, lost or made up, says in which column, mends nothing,
// and shows in the metric until a run has mended the hour and a check has seen it.
func TestAccuracyCheckFindsWhatWasChanged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.publish(hour0, request("1", "a", 0), request("2", "b", 1))
		w.publish(hour0+3600, request("3", "a", 2))
		r := begin(t, w, nil)
		time.Sleep(time.Minute)
		a := r.check(3)
		if a.status != 200 || a.json["checked"] != 5.0 || a.json["equal"] != 5.0 || a.json["ratio"] != 1.0 || len(a.json["differences"].([]any)) != 0 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		w.mu.Lock()
		rows := w.period("hourly", hour0).Rows
		rows[agg.ByModel][1].Requests++                                                                                          // a
		rows[agg.ByModel] = rows[agg.ByModel][:2]                                                                                // b is lost
		w.period("hourly", hour0+7200).Rows = map[string][]agg.Row{agg.ByModel: {{Timestamp: timeOf(hour0 + 7200), Model: "x"}}} // made up
		w.mu.Unlock()
		a = r.check(3)
		if a.json["checked"] != 6.0 || a.json["equal"] != 3.0 || a.json["ratio"] != 0.5 || r.ratio() != 0.5 {
			t.Errorf("%s, metric %v", a.body, r.ratio())
		}
		for _, want := range []string{`{"timestamp":"2026-03-01T10:00:00Z","model":"a","problem":"differs","columns":{"requests":{"stored":2,"recounted":1}}}`,
			`{"timestamp":"2026-03-01T10:00:00Z","model":"b","problem":"missing"}`, `{"timestamp":"2026-03-01T12:00:00Z","model":"x","problem":"unexpected"}`} {
			if !strings.Contains(a.body, want) {
				t.Errorf("%s is not in %s", want, a.body)
			}
		}
		if again := r.check(3); again.body != a.body {
			t.Error("a check mends")
		}
		w.mu.Lock()
		delete(w.periods, claim{"hourly", hour0 + 7200})
		w.mu.Unlock()
		run := r.post(0, 2)
		time.Sleep(time.Minute)
		if got := r.run(run).State; got != agg.RunSuccess {
			t.Fatal(got)
		}
		if a := r.check(3); a.json["ratio"] != 1.0 {
			t.Errorf("after the run: %s", a.body)
		}
	})
}

// The DAG's own recount counts too, and an hour that is behind is neither right nor wrong.
func TestAccuracyOfHoursThatAreBehind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.publish(hour0, request("1", "a", 0))
		r := begin(t, w, func(c *Config) { c.Processing.Workers = 1 })
		time.Sleep(time.Minute)
		w.publish(hour0, request("2", "a", 1))
		a := r.check(1)
		if a.json["checked"] != 0.0 || a.json["ratio"] != 1.0 || fmt.Sprint(a.json["hours_behind"]) != "[2026-03-01T10:00:00Z]" {
			t.Errorf("%s", a.body)
		}
		time.Sleep(time.Minute)
		w.mu.Lock()
		w.period("hourly", hour0).Rows[agg.ByModel][0].Errors = 7
		w.mu.Unlock()
		r.post(0, 1)
		time.Sleep(time.Minute)
		if got := r.ratio(); got != 0.5 {
			t.Errorf("the run found one wrong row of two, the metric is %v", got)
		}
	})
}

func TestAccuracyCheckRefuses(t *testing.T) {
	for body, status := range map[string]int{
		`{"from":"2026-03-01T10:00:00Z","to":"2026-03-01T11:00:00Z"}`: 200,
		`{"from":"2026-03-01T10:00:00Z","to":"2026-03-01T10:00:00Z"}`: 422,
		`{"from":"2026-03-01T10:30:00Z","to":"2026-03-01T11:00:00Z"}`: 422,
		`{"from":"2026-01-01T00:00:00Z","to":"2026-03-01T00:00:00Z"}`: 422,
		`{"from":"yesterday","to":"2026-03-01T00:00:00Z"}`:            422,
		`{}`:                     422,
		``:                       422,
		`{"from":1}`:             422,
		`{"since":"2026-01-01"}`: 422,
		`{"from":"` + strings.Repeat("x", maxRunBody) + `"}`: 413,
	} {
		bubble(t, func(t *testing.T) {
			if a := begin(t, newWorld(), nil).call("POST", "/accuracy/check", body); a.status != status {
				t.Errorf("%.80s: %d %s", body, a.status, a.body)
			}
		})
	}
	bubble(t, func(t *testing.T) {
		r := begin(t, newWorld(), func(c *Config) { c.Aggregation.Enabled = false })
		if a := r.check(1); a.status != 409 || !strings.Contains(a.body, "disabled") {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

// Columns that were not chosen are null and not judged; counts stay.
func TestChosenColumns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.publish(hour0, request("1", "a", 0))
		r := begin(t, w, func(c *Config) { c.Aggregation.Metrics = []string{colErrorRate} })
		time.Sleep(time.Minute)
		row := w.period("hourly", hour0).Rows[agg.ByModel][0]
		if row.ErrorRate == nil || row.ThroughputRPS != nil || row.LatencyP95MS != nil || row.Requests != 1 {
			t.Errorf("%+v", row)
		}
		if a := r.check(1); a.json["ratio"] != 1.0 || a.json["checked"] != 2.0 {
			t.Error(a.body)
		}
	})
	c := Defaults()
	c.Aggregation.Metrics = []string{"latency", "colour"}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), `data_aggregation.metrics[1]: "colour"`) {
		t.Error(err)
	}
}
