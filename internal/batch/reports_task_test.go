package batch

import (
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/report"
)

// task runs one task of a DAG over an interval and returns its state and summary.
func (r *rig) task(dag, task, from, to string) (agg.Task, map[string]any) {
	r.t.Helper()
	a := r.call("POST", "/runs", `{"dag_id":"hxp_`+dag+`_aggregation","task_id":"`+task+`","data_interval_start":"`+from+`","data_interval_end":"`+to+`"}`)
	if a.status != 202 {
		r.t.Fatalf("POST /runs: %d %s", a.status, a.body)
	}
	synctest.Wait()
	t := r.run(a.header.Get("Location")).Tasks[0]
	var sum map[string]any
	if t.State == agg.RunSuccess {
		if err := json.Unmarshal(t.Summary, &sum); err != nil {
			r.t.Fatal(err)
		}
	}
	return t, sum
}

// The last day of a month that is a Saturday calls for six reports; making them again changes nothing and adds none.
func TestDueReportsAreMadeOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		r := begin(t, w, nil)
		day := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
		w.publish(day.Unix()+7*3600, request("1", "m", 0), request("2", "n", 1))
		_, sum := r.task("daily", "report_generation", "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z")
		if sum["reports"] != 18.0 || sum["changed"] != 18.0 || sum["without_data"] != nil {
			t.Errorf("first: %v", sum)
		}
		var kinds []string
		for _, m := range w.reports.reports {
			if m.Status != agg.ReportCompleted || m.Completeness == nil || *m.Completeness != 1 {
				t.Errorf("%+v", m)
			}
			if m.Format == "pdf" {
				kinds = append(kinds, m.Type+" "+report.Period{Start: m.Start, End: m.End}.String())
			}
		}
		slices.Sort(kinds)
		want := []string{"business_intelligence 25 Jan 2026 – 31 Jan 2026", "capacity_analysis 25 Jan 2026 – 31 Jan 2026", "daily_summary Saturday, 31 January 2026", "hourly_summary Saturday, 31 January 2026", "monthly_summary January 2026", "weekly_summary 25 Jan 2026 – 31 Jan 2026"}
		if !slices.Equal(kinds, want) {
			t.Errorf("made: %q", kinds)
		}
		time.Sleep(time.Hour)
		_, sum = r.task("daily", "report_generation", "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z")
		if sum["reports"] != 18.0 || sum["changed"] != 0.0 || len(w.reports.reports) != 18 {
			t.Errorf("again: %v, %d entries", sum, len(w.reports.reports))
		}
	})
}

func TestNothingIsDue(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Config)
		key    string
	}{
		"no data":      {nil, "without_data"},
		"switched off": {func(c *Config) { c.Reports.Enabled = false }, "skipped"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld()
				r := begin(t, w, tc.change)
				task, sum := r.task("daily", "report_generation", "2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z")
				if task.State != agg.RunSuccess || sum["reports"] != 0.0 || sum[tc.key] == nil || len(w.reports.reports) != 0 {
					t.Errorf("%s: %v", task.State, sum)
				}
			})
		})
	}
}

// Only what is configured is made.
func TestConfiguredReportsAreMade(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		r := begin(t, w, func(c *Config) { c.Reports.Kinds, c.Reports.Formats = []string{"daily_summary"}, []string{"csv"} })
		hourWithData(t, w, r)
		_, sum := r.task("daily", "report_generation", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")
		if _, ok := w.reports.reports["daily_summary-20260301-20260302-csv"]; !ok || sum["reports"] != 1.0 || len(w.reports.reports) != 1 {
			t.Errorf("%v, %v", sum, w.reports.reports)
		}
	})
}

// The room and its reports agree on where periods begin.
func TestReportsCountPeriodsAsTheTablesDo(t *testing.T) {
	for at := time.Date(1999, 12, 25, 0, 0, 0, 0, time.UTC); at.Year() < 2001; at = at.Add(17 * time.Hour) {
		for name, l := range levels {
			p := l.of(at.Unix())
			if start := report.Floor(name, at); start.Unix() != p.start || report.Step(name, start, 1).Unix() != p.end {
				t.Fatalf("%s of %s", name, at)
			}
		}
	}
}
