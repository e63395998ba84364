package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/store"
)

// Whatever the cron, the zone and the moments at which somebody looks: the intervals that come due tile the axis from where the DAG began,
// in their order and without gap or overlap, and none comes due before it is over. The nights in which zones change their clocks
// are among the moments.
func TestIntervalsTileTheAxis(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu", "Africa/Casablanca", "America/St_Johns"}
	crons := []string{"0 * * * *", "5 * * * *", "30 2 * * *", "0 0 * * *", "30 1 * * *", "0 0 * * 0", "15 2 * * 0", "0 0 1 * *", "*/7 * * * *", "0 3 29 2 *", "0 12 1-7 * 1"}
	nights := []time.Time{ // of changes of clocks
		time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC), time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC), time.Date(2026, 3, 8, 7, 0, 0, 0, time.UTC),
		time.Date(2026, 11, 1, 6, 0, 0, 0, time.UTC), time.Date(2026, 4, 4, 15, 0, 0, 0, time.UTC), time.Date(2026, 10, 3, 15, 30, 0, 0, time.UTC)}
	rapid.Check(t, func(t *rapid.T) {
		cfg := Defaults()
		cfg.Processing.Timezone = rapid.SampledFrom(zones).Draw(t, "zone")
		cron := rapid.SampledFrom(crons).Draw(t, "cron")
		cfg.Processing.HourlyCron, cfg.Processing.DailyCron, cfg.Processing.WeeklyCron, cfg.Processing.MonthlyCron = cron, cron, cron, cron
		d := new(Service).catalogue(cfg.Processing)[rapid.IntRange(0, 3).Draw(t, "dag")]
		now := rapid.SampledFrom(nights).Draw(t, "night").Add(-time.Duration(rapid.IntRange(0, 72*60).Draw(t, "minutes before")) * time.Minute)
		first := d.first(now)
		if first.After(now) || !d.end(first).After(now) {
			t.Fatalf("a fresh store begins with %s at %s", first, now)
		}
		next := first
		for range rapid.IntRange(1, 40).Draw(t, "looks") {
			now = now.Add(time.Duration(rapid.IntRange(0, 600*60).Draw(t, "minutes")) * time.Minute)
			starts, after := d.dueRuns(next, now, rapid.IntRange(1, 50).Draw(t, "limit"))
			for _, start := range starts {
				if !start.Equal(next) {
					t.Fatalf("%s follows on an interval that ends at %s", start, next)
				}
				if next = d.end(start); next.After(now) || d.due(next).After(now) || d.due(next).Before(next) {
					t.Fatalf("the interval %s to %s came due at %s, it is %s", start, next, d.due(next), now)
				}
			}
			if !after.Equal(next) {
				t.Fatalf("it goes on at %s and not at %s", after, next)
			}
		}
		if starts, after := d.dueRuns(next, now, 1<<20); !d.due(d.end(after)).After(now) {
			t.Fatalf("%d intervals are caught up, and the one from %s is left behind", len(starts), after)
		}
	})
}

func TestLatestOnly(t *testing.T) {
	cfg := Defaults()
	cfg.Processing.Policies.Hourly.CatchUp = "latest"
	d := new(Service).catalogue(cfg.Processing)[0]
	at := func(h, m int) time.Time { return time.Date(2026, 3, 1, h, m, 0, 0, time.UTC) }
	for _, c := range []struct {
		first, now, start, next time.Time
	}{
		{at(1, 0), at(9, 30), at(8, 0), at(9, 0)},
		{at(8, 0), at(9, 0), at(8, 0), at(9, 0)},
		{at(9, 0), at(9, 30), time.Time{}, at(9, 0)},
	} {
		starts, next := d.dueRuns(c.first, c.now, 100)
		if want := fmt.Sprint([]time.Time{c.start}); (c.start.IsZero() && len(starts) > 0) || (!c.start.IsZero() && fmt.Sprint(starts) != want) || !next.Equal(c.next) {
			t.Errorf("from %s at %s: %v, next %s", c.first, c.now, starts, next)
		}
	}
}

// scheduled lists the scheduled runs of a DAG by interval, as "start state".
func (r *rig) scheduled(dag string) (out []string) {
	r.t.Helper()
	page, err := r.w.db.Runs(r.t.Context(), agg.RunFilter{DagID: dag, Types: []string{agg.RunScheduled}, Order: "data_interval_start", WithoutTasks: true})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, run := range page.Runs {
		out = append(out, run.Start.Format("01-02T15")+" "+string(run.State))
	}
	return out
}

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

const hourly, daily = "hxp_hourly_aggregation", "hxp_daily_aggregation"

// nightBubble runs f with fake time at 2026-03-30 22:30 UTC: hour0 lies a month before, and a day and a month end soon.
func nightBubble(t *testing.T, f func(t *testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 3, 30, 22, 30, 0, 0, time.UTC)))
		f(t)
	})
}

func TestScheduleAndOutage(t *testing.T) {
	nightBubble(t, func(t *testing.T) {
		w := newWorld()
		r := begin(t, w, nil)
		time.Sleep(29 * time.Minute)
		want(t, "a fresh store starts nothing for what was before", r.scheduled(hourly))
		time.Sleep(2 * time.Minute)
		want(t, "the first hour", r.scheduled(hourly), "03-30T22 success")
		r.stop()
		time.Sleep(3 * time.Hour)
		r = begin(t, w, nil)
		time.Sleep(3 * time.Second)
		want(t, "after three hours without a scheduler", r.scheduled(hourly), "03-30T22 success", "03-30T23 success", "03-31T00 success", "03-31T01 success")
		want(t, "the day", r.scheduled(daily), "03-30T00 success")
		want(t, "no month yet", r.scheduled("hxp_monthly_aggregation"))
	})
}

func TestLeapToTheNextMonth(t *testing.T) {
	nightBubble(t, func(t *testing.T) {
		w := newWorld()
		w.looksEach = 3 * time.Second
		var leap atomic.Int64
		w.open(t).UseClock(func() time.Time { return time.Now().Add(time.Duration(leap.Load())) })
		r := begin(t, w, nil)
		time.Sleep(time.Second)
		leap.Store(int64(32 * 24 * time.Hour)) // to 1 May
		time.Sleep(2 * time.Minute)
		hours := r.scheduled(hourly)
		if len(hours) != 32*24 || hours[0] != "03-30T22 success" || hours[len(hours)-1] != "05-01T21 success" {
			t.Errorf("%d hours from %s to %s", len(hours), hours[0], hours[len(hours)-1])
		}
		if days := r.scheduled(daily); len(days) != 32 {
			t.Errorf("%d days", len(days))
		}
		want(t, "months", r.scheduled("hxp_monthly_aggregation"), "03-01T00 success", "04-01T00 success")
		leap.Store(0) // and back: what has a run keeps it, and the schedule goes on from now
		time.Sleep(time.Hour)
		if again := r.scheduled(hourly); len(again) != len(hours) {
			t.Errorf("%d hours after the clock went back, %d before", len(again), len(hours))
		}
		d, err := r.s.DAG(t.Context(), hourly)
		if err != nil || d.NextStart.After(time.Now()) {
			t.Errorf("the next interval is %s, %v", d.NextStart, err)
		}
	})
}

func TestPausedDAGStartsNothing(t *testing.T) {
	for _, policy := range []string{"all", "latest"} {
		nightBubble(t, func(t *testing.T) {
			w := newWorld()
			w.looksEach = 3 * time.Second
			r := begin(t, w, func(c *Config) { c.Processing.Policies.Hourly.CatchUp = policy })
			for _, d := range []string{hourly, "hxp_daily_aggregation", "hxp_weekly_aggregation", "hxp_monthly_aggregation"} { // a day makes its hours
				if a := r.call("POST", "/dags/"+d+"/pause", ""); a.status != 200 || a.json["paused"] != true {
					t.Fatalf("%d %s", a.status, a.body)
				}
			}
			w.publish(hour0, request("1", "m", 0))
			path := r.post(0, 1)
			time.Sleep(2 * time.Hour)
			want(t, "while it is paused", r.scheduled(hourly))
			if run := r.run(path); run.State != agg.RunQueued || len(w.saves) != 0 {
				t.Errorf("while it is paused: run %+v, folds %v", run, w.saves)
			}
			r.stop()
			r = begin(t, w, func(c *Config) { c.Processing.Policies.Hourly.CatchUp = policy })
			time.Sleep(time.Minute)
			if run := r.run(path); run.State != agg.RunQueued {
				t.Errorf("a restart ended the pause: %+v", run)
			}
			if a := r.call("POST", "/dags/"+hourly+"/unpause", ""); a.status != 200 || a.json["paused"] != false {
				t.Fatalf("%d %s", a.status, a.body)
			}
			time.Sleep(10 * time.Second)
			if run := r.run(path); run.State != agg.RunSuccess || len(w.saved(hour0)) == 0 {
				t.Errorf("afterwards: run %+v, folds %v", run, w.saves)
			}
			made := []string{"03-30T22 success", "03-30T23 success"}
			if policy == "latest" {
				made = made[1:]
			}
			want(t, "afterwards, "+policy, r.scheduled(hourly), made...)
		})
	}
}

// Two instances share the runs, and what one asks of a run the other knows.
func TestTwoInstances(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.scanTakes = 10 * time.Second
		w.setEnds(map[string]map[int32]int64{"llm-requests": {0: 1}})
		now := time.Now().Truncate(time.Hour).Unix()
		w.publish(now, request("1", "m", 0))
		w.reach("llm-requests", 0, 1)
		a := begin(t, w, nil)
		path := a.post(1000, 1001)
		time.Sleep(time.Second)
		b := begin(t, w, nil)
		w.setEnds(map[string]map[int32]int64{"llm-requests": {0: 2}})
		if again := b.post(1000, 1001); again != path {
			t.Fatalf("asked of the other instance it is %s and not %s", again, path)
		}
		time.Sleep(20 * time.Second)
		if run := b.run(path); run.State != agg.RunRunning {
			t.Fatalf("it ended without what the second caller had sent: %+v", run)
		}
		w.publish(now, request("2", "m", 1))
		w.reach("llm-requests", 0, 2)
		time.Sleep(time.Minute)
		if run := b.run(path); run.State != agg.RunSuccess || !strings.Contains(string(run.Tasks[0].Summary), `"events":2`) || run.Tasks[0].Owner != a.s.owner {
			t.Errorf("%+v: %s", run, run.Tasks[0].Summary)
		}
		path = a.post(1000, 1001)
		time.Sleep(time.Second)
		if c := b.call("POST", path+"/cancel", ""); c.status != 202 || c.json["state"] != "cancelled" {
			t.Errorf("cancelled by the other: %d %s", c.status, c.body)
		}
		time.Sleep(beatEvery)
		synctest.Wait()
		if n := len(a.s.executions()); n != 0 {
			t.Errorf("%d executions go on after the cancel", n)
		}
		if beats, err := b.s.Heartbeats(t.Context()); err != nil || len(beats) != 2 || !beats[0].Alive || !beats[1].Alive {
			t.Errorf("%+v %v", beats, err)
		}
	})
}

func TestDeadlineIsTold(t *testing.T) {
	nightBubble(t, func(t *testing.T) {
		w := newWorld()
		w.setEnds(map[string]map[int32]int64{"llm-requests": {0: 7}}) // never reached
		r := begin(t, w, func(c *Config) { c.Processing.Policies.Hourly.Deadline = 600 })
		time.Sleep(39 * time.Minute)
		if v, _ := r.reg.Sum("batch_deadlines_missed_total"); v != 0 {
			t.Errorf("%v missed before the deadline", v)
		}
		time.Sleep(2 * time.Minute)
		page, err := r.s.Runs(t.Context(), agg.RunFilter{DagID: hourly})
		if err != nil || len(page.Runs) != 1 || page.Runs[0].DeadlineMissedAt == nil || page.Runs[0].State != agg.RunRunning {
			t.Fatalf("%+v %v", page, err)
		}
		if v, _ := r.reg.Sum("batch_deadlines_missed_total"); v != 1 {
			t.Errorf("%v missed", v)
		}
		// The first tries found no broker: the run was counted once all the same, and is not marked before the alert is kept.
		got := w.alerts.all()
		if len(got) != 1 {
			t.Fatalf("%d alerts: %v", len(got), got)
		}
		var a alert
		if err := json.Unmarshal([]byte(got[0][1]), &a); err != nil {
			t.Fatal(err)
		}
		run := page.Runs[0]
		if got[0][0] != a.ID || a.ID != "dag-deadline-"+run.ID || a.Rule != "DagDeadlineMissed" || a.State != "firing" || a.Severity != "critical" || a.Key != hourly ||
			a.Labels["run_id"] != run.RunID || !a.StartsAt.Equal(*run.DeadlineMissedAt) || a.Threshold != 600 || a.Value < 600 || a.Value > 605 || // the time of the try that found a broker
			!a.Window.Start.Equal(run.Start) {
			t.Errorf("%+v of %+v", a, run)
		}
		if again := missed(&run); again.ID != a.ID {
			t.Errorf("told again it is %s, not %s", again.ID, a.ID)
		}
	})
}

// The alert of a run that missed its deadline is over when the run is: out of time, marked by a person, or while nobody was there.
func TestDeadlineAlertEnds(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, w *world, r *rig, id string){
		"its time is over": func(*testing.T, *world, *rig, string) {
			time.Sleep(50 * time.Minute)
		},
		"it is marked": func(t *testing.T, _ *world, r *rig, id string) {
			if _, err := r.s.MarkRun(t.Context(), id, agg.RunFailed); err != nil {
				t.Fatal(err)
			}
		},
		"it is marked beside a service that ends": func(t *testing.T, w *world, r *rig, id string) {
			r.stop()
			if _, err := w.open(t).MarkRun(t.Context(), id, agg.RunSuccess); err != nil {
				t.Fatal(err)
			}
			begin(t, w, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			nightBubble(t, func(t *testing.T) {
				w := newWorld()
				w.looksEach = 10 * time.Second
				w.setEnds(map[string]map[int32]int64{"llm-requests": {0: 7}}) // never reached
				r := begin(t, w, func(c *Config) { c.Processing.Policies.Hourly.Deadline = 600 })
				time.Sleep(41 * time.Minute)
				page, err := r.s.Runs(t.Context(), agg.RunFilter{DagID: hourly})
				if err != nil || len(page.Runs) != 1 || len(w.alerts.all()) != 1 {
					t.Fatalf("%+v %v %v", page, err, w.alerts.all())
				}
				end(t, w, r, page.Runs[0].ID)
				time.Sleep(5 * time.Minute)
				run, err := w.open(t).Run(t.Context(), page.Runs[0].ID)
				got := w.alerts.all()
				if err != nil || run.EndedAt == nil || len(got) != 2 {
					t.Fatalf("%+v %v %v", run, err, got)
				}
				var a alert
				if err := json.Unmarshal([]byte(got[1][1]), &a); err != nil {
					t.Fatal(err)
				}
				if got[1][0] != got[0][0] || a.ID != got[0][0] || a.State != "resolved" || a.EndsAt == nil || !a.EndsAt.Equal(*run.EndedAt) || !a.At.Equal(*run.EndedAt) || !a.StartsAt.Equal(*run.DeadlineMissedAt) ||
					a.Labels["run_state"] != string(run.State) {
					t.Errorf("%+v of %+v", a, run)
				}
			})
		})
	}
}

// What ends between the alert and the note of it leaves the run to the next sweep; the alert has the same id then.
func TestDeadlineIsToldAgainUntilItIsNoted(t *testing.T) {
	nightBubble(t, func(t *testing.T) {
		w := newWorld()
		w.looksEach = 5 * time.Second
		w.alerts.refused = 3                                          // the broker is there
		w.setEnds(map[string]map[int32]int64{"llm-requests": {0: 7}}) // never reached
		f := &forgetful{Store: w.open(t), left: 2}
		w.through = f
		r := begin(t, w, func(c *Config) { c.Processing.Policies.Hourly.Deadline = 600 })
		time.Sleep(41 * time.Minute)
		page, err := r.s.Runs(t.Context(), agg.RunFilter{DagID: hourly})
		if err != nil || len(page.Runs) != 1 || page.Runs[0].DeadlineMissedAt == nil {
			t.Fatalf("%+v %v", page, err)
		}
		got := w.alerts.all()
		if len(got) != 3 {
			t.Errorf("%d alerts, want one for each time it was not noted and one more", len(got))
		}
		for _, a := range got {
			if a[0] != "dag-deadline-"+page.Runs[0].ID {
				t.Errorf("alert %s", a[0])
			}
		}
		if v, _ := r.reg.Sum("batch_deadlines_missed_total"); v != 1 {
			t.Errorf("%v missed", v)
		}
	})
}

// forgetful is a database that does not get to note the first alerts.
type forgetful struct {
	*store.Store
	left int // the scheduler's
}

func (f *forgetful) MarkLate(ctx context.Context, id string, at time.Time) (bool, error) {
	if f.left > 0 {
		f.left--
		return false, errors.New("the process ends here")
	}
	return f.Store.MarkLate(ctx, id, at)
}

// inbox is where alerts go; it takes none for its first three.
type inbox struct {
	mu      sync.Mutex
	refused int
	got     [][2]string
}

func (b *inbox) Raise(_ context.Context, key, value []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refused < 3 {
		b.refused++
		return errors.New("no broker")
	}
	b.got = append(b.got, [2]string{string(key), string(value)})
	return nil
}

func (b *inbox) all() [][2]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got)
}

func TestBackfillThroughARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		for h := range int64(100) {
			w.publish(hour0+h*3600, request("1", "m", 0))
		}
		r := begin(t, w, nil)
		time.Sleep(time.Minute) // they are folded by themselves
		w.mu.Lock()
		w.scanTakes = 100 * time.Millisecond
		w.mu.Unlock()
		body := `{"from":"2026-03-01T10:00:00Z","to":"2026-03-05T14:00:00Z","reprocess":"none","dry_run":%t}`
		plan := r.call("POST", "/dags/"+hourly+"/backfill", fmt.Sprintf(body, true))
		if plan.status != 200 || plan.json["total"] != 100.0 {
			t.Fatalf("%d %.300s", plan.status, plan.body)
		}
		made := r.call("POST", "/dags/"+hourly+"/backfill", fmt.Sprintf(body, false))
		if made.status != 202 || made.header.Get("Location") != "/backfills/1" {
			t.Fatalf("%d %s", made.status, made.body)
		}
		time.Sleep(time.Second)
		r.stop()
		b := r.call("GET", "/backfills/1", "")
		if done := b.json["done"].(float64); b.json["state"] != "running" || done == 0 || done == 100 {
			t.Fatalf("in the middle: %s", b.body)
		}
		r = begin(t, w, nil)
		time.Sleep(time.Minute)
		if b = r.call("GET", "/backfills/1", ""); b.json["state"] != "success" || b.json["done"] != 100.0 || b.json["failed"] != 0.0 {
			t.Errorf("in the end: %s", b.body)
		}
		for mode, total := range map[string]float64{"none": 0, "failed": 0, "completed": 100} {
			if plan := r.call("POST", "/dags/"+hourly+"/backfill", strings.Replace(fmt.Sprintf(body, true), "none", mode, 1)); plan.json["total"] != total {
				t.Errorf("%s afterwards: %.100s", mode, plan.body)
			}
		}
	})
}

func TestBackfillRefuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := begin(t, newWorld(), nil)
		for body, want := range map[string]string{
			``: `"/from"`,
			`{"from":"2026-03-01","to":"2026-03-01"}`:                        "ends",
			`{"from":"2026-03-01","to":"2026-03-02","reprocess":"perhaps"}`:  "perhaps",
			`{"from":"2026-03-01","to":"2026-03-02","dryrun":true}`:          "dryrun",
			`{"from":"soon","to":"2026-03-02"}`:                              `"/from"`,
			`{"from":"1990-01-01","to":"2026-03-02"}`:                        "split it",
			`{"from":"2026-03-01","to":"2026-03-02","max_active_runs":1000}`: "within 1 to 64",
			`{"from":"2026-03-01","to":"2026-03-02","conf":[]}`:              "JSON object",
			`{"from":"0001-01-01","to":"2026-03-02"}`:                        `"/from"`,
		} {
			if a := r.call("POST", "/dags/"+hourly+"/backfill", body); a.status != 422 || !strings.Contains(a.body, strings.ReplaceAll(want, "ends", "end after it starts")) {
				t.Errorf("%s: %d %s", body, a.status, a.body)
			}
		}
		for path, status := range map[string]int{"GET /backfills/1": 404, "GET /backfills/x": 404, "POST /backfills/1/cancel": 404, "POST /dags/none/backfill": 404,
			"POST /dags/none/pause": 404, "GET /backfills?dag_id=none": 422, "GET /backfills": 200, "GET /runs?state=odd": 422, "GET /runs?run_type=manual": 200} {
			method, url, _ := strings.Cut(path, " ")
			if a := r.call(method, url, ""); a.status != status {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
		future := r.call("POST", "/dags/"+hourly+"/backfill", `{"from":"2030-01-01","to":"2030-01-02","reprocess":"completed","dry_run":true}`)
		if future.status != 200 || future.json["total"] != 0.0 || !strings.Contains(future.body, "not over yet") {
			t.Errorf("the future: %d %.200s", future.status, future.body)
		}
	})
}

// A person mends a run: clears what failed, or says that it does not matter.
func TestClearAndMarkOverHTTP(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		var broken atomic.Bool
		broken.Store(true)
		w.scanFails = func(event.LakeFile) error {
			if broken.Load() {
				return errors.New("disk is sick")
			}
			return nil
		}
		w.publish(time.Now().Truncate(time.Hour).Unix(), request("1", "m", 0))
		r := begin(t, w, func(c *Config) { c.Processing.Retries = 0 })
		path := r.post(1000, 1001)
		synctest.Wait()
		if run := r.run(path); run.State != agg.RunFailed {
			t.Fatalf("%+v", run)
		}
		broken.Store(false)
		if a := r.call("POST", path+"/clear", `{"only_failed":true}`); a.status != 200 || a.json["state"] != "queued" {
			t.Errorf("clear: %d %s", a.status, a.body)
		}
		synctest.Wait()
		if run := r.run(path); run.State != agg.RunSuccess || run.Tasks[0].Try != 2 {
			t.Errorf("%+v", run)
		}
		if a := r.call("POST", path+"/clear", `{"only_failed":true}`); a.status != 200 || a.json["state"] != "success" {
			t.Errorf("nothing to clear: %d %s", a.status, a.body)
		}
		for body, status := range map[string]int{`{"state":"failed"}`: 200, `{"state":"success","task_id":"hourly_aggregation"}`: 200, `{"state":"running"}`: 422,
			`{"state":"success","task_id":"none"}`: 404} {
			if a := r.call("POST", path+"/mark", body); a.status != status {
				t.Errorf("mark %s: %d %s", body, a.status, a.body)
			}
		}
		if a := r.call("POST", path+"/clear", `{"tasks":["none"]}`); a.status != 404 {
			t.Errorf("clear of no task: %d %s", a.status, a.body)
		}
		if a := r.call("GET", path+"/logs?task_id=hourly_aggregation&try=1", ""); a.status != 200 || !strings.Contains(a.body, "disk is sick") {
			t.Errorf("log: %d %s", a.status, a.body)
		}
	})
}

// An owner whose database is away for as long as a lease lasts stops its work: somebody else may have it by then.
func TestOwnerWithoutDatabaseStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.scanTakes = time.Hour
		w.publish(hour0, request("1", "m", 0))
		c := &cut{Store: w.open(t)}
		w.through = c
		r := begin(t, w, nil)
		r.post(0, 1)
		time.Sleep(time.Second)
		c.away.Store(true)
		time.Sleep(leaseTime + beatEvery)
		synctest.Wait()
		if n := len(r.s.executions()); n != 0 {
			t.Errorf("%d executions go on", n)
		}
	})
}
