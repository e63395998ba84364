package batch

import (
	"encoding/json"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// growingHours are hours of n days before end: 10 requests an hour in the first week and 5 more in each further one.
func growingHours(n int, end time.Time) (out []hourUse) {
	first := end.AddDate(0, 0, -n)
	for t := first; t.Before(end); t = t.Add(time.Hour) {
		var c agg.Cell
		for i := range 2 {
			var e event.Event
			e.Kind = event.SystemMetric
			e.SetFloat(event.GPUUsage, float64(10*(i+1)+t.Hour()))
			c.Add(&e, false)
		}
		per := 10 + 5*int64(t.Sub(first)/(7*24*time.Hour))
		out = append(out, hourUse{start: t, gauge: map[string]agg.Gauge{"gpu_usage": c.System.Gauge("gpu_usage")},
			rows: []agg.Row{{Timestamp: t, Model: agg.AllModels, Requests: per, TotalTokens: 100 * per}, {Timestamp: t, Model: "m", Requests: per, TotalTokens: 100 * per}}})
	}
	return out
}

// measured is what is known of raw events that tell of two machines and no requests.
func measured() *scanned {
	sc := newScanned()
	sc.machines[0] = fleetOf("gpu-0", "gpu-1")
	return sc
}

// noRaw is what is known of raw events that have left.
func noRaw() *scanned { return newScanned() }

func analysed(t *testing.T, cfg *Planning, hours []hourUse, sc *scanned, end time.Time) analysis {
	t.Helper()
	a, err := analyse(t.Context(), cfg, nil, hours, sc, end, end)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestCapacityIsCounted(t *testing.T) {
	end := time.Date(2026, 3, 15, 0, 0, 0, 0, time.UTC)
	cfg := planningDefaults()
	a := analysed(t, &cfg, growingHours(21, end), measured(), end.Add(90*time.Minute))
	if a.DataDays != 21 || len(a.Insufficient) != 0 || len(a.Recommendations) != 0 { // the use of this GPU does not follow the load
		t.Errorf("%d days, lacking %v, %v", a.DataDays, a.Insufficient, a.Recommendations)
	}
	if len(a.Utilization) != 1 {
		t.Fatalf("%+v", a.Utilization)
	}
	u := a.Utilization[0]
	// Samples are 10+h and 20+h: mean 15+11.5, largest 43; the means of the hours are 15+h, each 21 times, so the 479th of 504 is that of 22 h.
	if u.Resource != "gpu_usage" || u.Hours != 504 || u.Samples != 1008 || u.Mean != 26.5 || u.P95 != 37 || u.Max != 43 || len(u.Days) != 21 || u.Days[20].Day != "2026-03-14" || u.Days[20].Mean != 26.5 || u.Days[20].Max != 43 {
		t.Errorf("%+v", u)
	}
	if len(a.Growth) != 4 {
		t.Fatalf("%+v", a.Growth)
	}
	g := a.Growth[1]
	if g.Metric != "requests" || g.Model != "m" || g.PerDay != 480 || g.PerDayBefore != 360 || math.Abs(*g.WeekOverWeek-1.0/3) > 1e-12 || len(g.Days) != 14 || g.Days[0] != (dayCount{Day: "2026-03-01", Value: 360}) || g.Days[13] != (dayCount{Day: "2026-03-14", Value: 480}) {
		t.Errorf("%+v", g)
	}
	if tokens := a.Growth[3]; tokens.Metric != "total_tokens" || tokens.PerDay != 48000 {
		t.Errorf("%+v", tokens)
	}
}

func TestCapacityNeedsDays(t *testing.T) {
	end := time.Date(2026, 3, 15, 0, 0, 0, 0, time.UTC)
	cfg := planningDefaults()
	for days, want := range map[int]string{
		0:  `[{"what":"resource_utilization","have_days":0,"need_days":1},{"what":"growth_trends","have_days":0,"need_days":14},{"what":"capacity_forecasts","have_days":0,"need_days":7},{"what":"scaling_recommendations","have_days":0,"need_days":7}]`,
		3:  `[{"what":"growth_trends","have_days":3,"need_days":14},{"what":"capacity_forecasts","have_days":3,"need_days":7},{"what":"scaling_recommendations","have_days":3,"need_days":7}]`,
		13: `[{"what":"growth_trends","have_days":13,"need_days":14}]`,
		14: `[]`,
	} {
		a := analysed(t, &cfg, growingHours(days, end), measured(), end)
		if got, _ := json.Marshal(a.Insufficient); string(got) != want {
			t.Errorf("%d days: %s", days, got)
		}
		if (len(a.Growth) > 0) != (days >= 14) || (len(a.Utilization) > 0) != (days >= 1) {
			t.Errorf("%d days: %d trends, %d resources", days, len(a.Growth), len(a.Utilization))
		}
	}
	cfg.Metrics = []string{partGrowth}
	if a := analysed(t, &cfg, growingHours(3, end), noRaw(), end); len(a.Utilization) != 0 || len(a.Insufficient) != 1 || len(a.Forecasts) != 0 {
		t.Errorf("growth alone: %+v", a)
	}
}

// The task stores what it finds, GET shows it while the hours are the same and looks again when they are not.
func TestCapacityIsKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		r := begin(t, w, nil)
		hourWithData(t, w, r)
		_, sum := r.task("weekly", "capacity_analysis", "2026-03-01T00:00:00Z", "2026-03-08T00:00:00Z")
		if sum["data_days"] != 1.0 || len(w.reports.analyses) != 1 {
			t.Fatalf("%v", sum)
		}
		first := r.call("GET", "/capacity/analysis", "")
		time.Sleep(time.Minute)
		if again := r.call("GET", "/capacity/analysis", ""); again.body != first.body {
			t.Errorf("the same hours: %s\nbefore %s", again.body, first.body)
		}
		w.publish(hour0+3600*24, request("9", "m", 0))
		r.post(24, 25)
		synctest.Wait()
		if later := r.call("GET", "/capacity/analysis", ""); later.json["data_days"] != 2.0 || later.json["generated_at"] == first.json["generated_at"] {
			t.Errorf("more hours: %s", later.body)
		}
	})
}
