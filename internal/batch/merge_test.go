package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

const (
	day0 = hour0 / 86400 * 86400 // Sunday 2026-03-01, which also begins a week and a month
	aDay = 86400
)

// make runs a DAG over [from, to) days after day0, waits for its end and returns the summary of its aggregation.
func (r *rig) make(level string, from, to int) map[string]any {
	r.t.Helper()
	day := func(n int) string { return time.Unix(day0+int64(n)*aDay, 0).UTC().Format(time.RFC3339) }
	a := r.call("POST", "/runs", fmt.Sprintf(`{"dag_id":"hxp_%[1]s_aggregation","task_id":"%[1]s_aggregation","data_interval_start":%[2]q,"data_interval_end":%[3]q}`, level, day(from), day(to)))
	if a.status != 202 {
		r.t.Fatalf("POST /runs: %d %s", a.status, a.body)
	}
	synctest.Wait()
	run := r.run(a.header.Get("Location"))
	if run.State != agg.RunSuccess {
		r.t.Fatalf("%s run is %s: %s", level, run.State, run.Error)
	}
	var sum map[string]any
	if err := json.Unmarshal(run.Tasks[0].Summary, &sum); err != nil {
		r.t.Fatal(err)
	}
	return sum
}

// requests returns the column requests of the total of each period of a level, and its completeness.
func (r *rig) requests(level string) (n map[string]float64, complete map[string]float64) {
	r.t.Helper()
	n, complete = map[string]float64{}, map[string]float64{}
	for _, row := range r.call("GET", "/aggregations/"+level, "").json["rows"].([]any) {
		row := row.(map[string]any)
		start := row["timestamp"].(string)
		n[start], complete[start] = row["requests"].(float64), row["completeness"].(float64)
	}
	return n, complete
}

// A period of any level has the bytes of one fold of all its events, and making it again changes none.
func TestLevelsAreTheMergeOfTheirEvents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		var all []event.LakeRow
		for i, hour := range []int64{hour0, hour0 + 3600, hour0 + aDay, hour0 + 20*aDay} {
			var rows []event.LakeRow
			for k := range 5 {
				rows = append(rows, request(fmt.Sprint(i, k), []string{"a", "b"}[k%2], int64(100*i+k)))
			}
			w.publish(hour, rows...)
			all = append(all, rows...)
		}
		r := begin(t, w, nil)
		if sum := r.make("monthly", 0, 31); sum["folded"] != 4.0 || sum["children"] != 3.0 || sum["changed"] != 1.0 {
			t.Errorf("first month: %v", sum)
		}
		r.make("weekly", 0, 7)
		for _, p := range []period{levels["daily"].of(hour0), levels["weekly"].of(hour0), levels["monthly"].of(hour0)} {
			var sum agg.Cell
			for i := range all {
				if sec := all[i].Event.Time / 1e6; sec >= p.start && sec < p.end {
					sum.Add(&all[i].Event, false)
				}
			}
			stored, build, _ := w.Cells(t.Context(), p.name, p.start)
			if got := stored[agg.Group{Dimension: agg.ByModel, Value: agg.AllModels}]; string(got) != string(sum.Append(nil)) || build != 1 {
				t.Errorf("%s, build %d, is not the fold of its events", p, build)
			}
		}
		before := maps.Clone(w.periods)
		for _, level := range []string{"monthly", "weekly"} {
			if sum := r.make(level, 0, map[string]int{"monthly": 31, "weekly": 7}[level]); sum["folded"] != 0.0 || sum["changed"] != 0.0 {
				t.Errorf("%s again: %v", level, sum)
			}
		}
		for k, p := range before {
			if w.periods[k].build != p.build {
				t.Errorf("%v was built again", k)
			}
		}
	})
}

// A late event makes its day, week and month incomplete until their next run, which takes it in; nothing else is made again.
func TestLateEventReachesEveryLevel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.publish(hour0, request("1", "m", 0))
		w.publish(hour0+3600, request("2", "m", 1))
		w.publish(hour0+aDay, request("3", "m", 2))
		r := begin(t, w, nil)
		r.make("monthly", 0, 31)
		r.make("weekly", 0, 7)
		const first, second = "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"
		expect := func(what, level string, requests, completeness float64) { // of the first period
			t.Helper()
			n, complete := r.requests(level)
			if n[first] != requests || complete[first] != completeness {
				t.Errorf("%s, %s: %v requests, complete %v", what, level, n[first], complete[first])
			}
		}
		for _, level := range []string{"daily", "weekly", "monthly"} {
			expect("at first", level, map[string]float64{"daily": 2, "weekly": 3, "monthly": 3}[level], 1)
		}
		w.publish(hour0, request("4", "m", 3))
		expect("published", "daily", 2, 0.75) // one of two hours is half counted
		expect("published", "monthly", 3, 0.875)
		time.Sleep(time.Minute) // the hour is folded by itself
		expect("folded", "daily", 2, 0.5)
		expect("folded", "weekly", 3, 0.75)
		if _, complete := r.requests("daily"); complete[second] != 1 {
			t.Errorf("another day is incomplete: %v", complete)
		}
		if a := r.call("GET", "/aggregation/status", ""); !strings.Contains(a.body, `"daily":"completed"`) {
			t.Error(a.body)
		} else if d := a.json["detail"].(map[string]any)["daily"].(map[string]any); d["dirty"] != 1.0 || d["completeness"] != 0.5 {
			t.Errorf("status of the days: %v", d)
		}
		r.make("daily", 0, 1)
		expect("day made", "daily", 3, 1)
		expect("day made", "monthly", 3, 0.5)
		if sum := r.make("monthly", 0, 31); sum["folded"] != 0.0 || sum["changed"] != 1.0 {
			t.Errorf("month: %v", sum)
		}
		expect("month made", "monthly", 4, 1)
		r.make("weekly", 0, 7)
		expect("week made", "weekly", 4, 1)
	})
}

// A run of a week folds hours itself while every slot but one is taken: it holds none that it would wait for.
func TestPeriodNeverWaitsForItsOwnSlot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		for d := range int64(7) {
			for h := range int64(3) {
				w.publish(day0+d*aDay+h*3600, request(fmt.Sprint(d, h), "m", d*10+h))
			}
		}
		w.scanTakes = time.Second
		r := begin(t, w, func(c *Config) { c.Processing.Workers = 1; c.Aggregation.Intervals.Hourly = false })
		a := r.call("POST", "/runs", `{"dag_id":"hxp_weekly_aggregation","data_interval_start":"2026-03-01T00:00:00Z","data_interval_end":"2026-03-08T00:00:00Z"}`)
		time.Sleep(time.Minute)
		if run := r.run(a.header.Get("Location")); run.State != agg.RunSuccess {
			t.Fatalf("%+v", run)
		}
		if n, _ := r.requests("weekly"); n["2026-03-01T00:00:00Z"] != 21 {
			t.Error(n)
		}
	})
}

// A period waits for the lake like an hour, takes several periods one by one, and needs no data.
func TestPeriodsOfOneRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		r := begin(t, w, nil)
		if sum := r.make("daily", 0, 3); sum["periods"] != 3.0 || sum["children"] != 0.0 || sum["changed"] != 0.0 {
			t.Errorf("days without events: %v", sum)
		}
		if n, _ := r.requests("daily"); len(n) != 0 {
			t.Errorf("rows of empty days: %v", n)
		}
		w.setEnds(map[string]map[int32]int64{"llm-requests": {0: 7}})
		a := r.call("POST", "/runs", `{"dag_id":"hxp_daily_aggregation","task_id":"daily_aggregation","data_interval_start":"2026-03-01T00:00:00Z","data_interval_end":"2026-03-03T00:00:00Z"}`)
		time.Sleep(10 * time.Minute)
		if run := r.run(a.header.Get("Location")); run.State != agg.RunRunning {
			t.Fatalf("before the lake is there: %+v", run)
		}
		w.publish(hour0, request("1", "m", 0))
		w.publish(hour0+aDay, request("2", "m", 6))
		w.reach("llm-requests", 0, 7)
		synctest.Wait()
		if run := r.run(a.header.Get("Location")); run.State != agg.RunSuccess || run.Progress.Done != 2 || run.Progress.Unit != "days" {
			t.Fatalf("after: %+v", run)
		}
		if n, _ := r.requests("daily"); len(n) != 2 {
			t.Errorf("%v", n)
		}
	})
}

// A scheduled run repairs what lies before it and is behind, and makes what got all of its data too late for its own run.
func TestScheduledRunRepairsWhatIsBehind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		for d := range int64(4) {
			w.publish(hour0+d*aDay, request(fmt.Sprint(d), "m", d))
		}
		r := begin(t, w, nil)
		r.make("daily", 0, 1)
		r.make("daily", 2, 3)
		w.publish(hour0, request("late", "m", 100))
		time.Sleep(time.Minute)
		run := agg.Run{ID: "s", DagID: "hxp_daily_aggregation", Trigger: agg.RunScheduled, Start: timeOf(day0 + 3*aDay), End: timeOf(day0 + 4*aDay)}
		var sum periodTotals
		if err := r.s.makeInterval(t.Context(), levels["daily"], &run, &sum, false, func(int64, int64, string) {}); err != nil {
			t.Fatal(err)
		}
		if sum.Repaired != 2 || sum.Changed != 3 {
			t.Errorf("%+v", sum)
		}
		n, complete := r.requests("daily")
		if len(n) != 4 || n["2026-03-02T00:00:00Z"] != 1 || n["2026-03-01T00:00:00Z"] != 2 || complete["2026-03-01T00:00:00Z"] != 1 {
			t.Errorf("%v %v", n, complete)
		}
	})
}

// Values beyond the limit of a dimension are merged into the others, by counts and then names, and totals stay exact.
func TestTrimKeepsTheLargestAndTheTotals(t *testing.T) {
	c := cells{}
	var want uint64
	for i := range 10 {
		var cell agg.Cell
		for range 1 + i%3 {
			r := request("x", "m", 0)
			cell.Add(&r.Event, false)
			want++
		}
		c.add(agg.Group{Dimension: agg.ByUser, Value: fmt.Sprintf("u%d", i)}, &cell)
	}
	c.add(agg.Group{Dimension: agg.ByModel, Value: agg.AllModels}, new(agg.Cell))
	c.trim(map[string]int{agg.ByUser: 4, agg.ByModel: 0})
	var got uint64
	for g, cell := range c {
		got += cell.Events
		if g.Dimension == agg.ByUser && !strings.Contains("u2 u5 u8 u1 __other__", g.Value) {
			t.Errorf("%s is kept", g.Value)
		}
	}
	if len(c) != 6 || got != want {
		t.Errorf("%d cells with %d events, want %d", len(c), got, want)
	}
}

func TestDamagedCellIsNamed(t *testing.T) {
	for _, src := range [][]byte{{}, {1, 2, 3}, append(new(agg.Cell).Append(nil), 0)} {
		err := cells{}.merge(map[agg.Group][]byte{{Dimension: agg.ByModel, Value: "m"}: src})
		if err == nil || !strings.Contains(err.Error(), `model "m" is damaged`) {
			t.Error(err)
		}
	}
}

// overtaken is a world in which another process is faster once.
type overtaken struct {
	*world
	times int
}

func (o *overtaken) SavePeriod(ctx context.Context, level string, start, end int64, children map[int64]int64, a agg.Aggregate) (agg.Change, error) {
	if o.times++; o.times == 1 {
		return agg.Change{Overtaken: true}, nil
	}
	return o.world.SavePeriod(ctx, level, start, end, children, a)
}

func TestOvertakenPeriodIsMergedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.publish(hour0, request("1", "m", 0))
		s, _ := newService(t, w, nil)
		o := &overtaken{world: w}
		s.deps.Periods = o
		if m, err := s.makePeriod(t.Context(), levels["daily"].of(hour0), false); err != nil || !m.Changed || o.times != 2 {
			t.Errorf("%+v after %d tries, %v", m, o.times, err)
		}
		if m, err := s.makePeriod(t.Context(), levels["daily"].of(hour0), true); err != nil || !m.Skipped {
			t.Errorf("%+v, %v", m, err)
		}
		w.scanFails = func(event.LakeFile) error { return errors.New("disk") }
		w.publish(hour0, request("2", "m", 1))
		if _, err := s.makePeriod(t.Context(), levels["daily"].of(hour0), true); err == nil {
			t.Error("a day is made although an hour of it fails")
		}
	})
}
