package batch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/internal/store"
	"github.com/hxp-enterprise/hxp/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a running service over a world.
type rig struct {
	t    *testing.T
	w    *world
	s    *Service
	stop func()
	reg  *telemetry.Registry
}

func newService(t *testing.T, w *world, change func(*Config)) (*Service, *telemetry.Registry) {
	t.Helper()
	cfg := Defaults()
	if change != nil {
		change(&cfg)
	}
	if w.reportsDir == "" {
		w.reportsDir = t.TempDir()
	}
	reg := telemetry.NewRegistry()
	s, err := New(cfg, w.deps(w.runs(t), w.reportsDir, reg))
	if err != nil {
		t.Fatal(err)
	}
	s.every = cmp.Or(w.looksEach, s.every)
	if w.mail != nil {
		s.reports.courier.smtp = w.mail.send
	}
	return s, reg
}

// deps are what a service over the world is connected with.
func (w *world) deps(runs Runs, reportsDir string, reg *telemetry.Registry) Deps {
	return Deps{Hours: w, Periods: w, Rows: w, Runs: runs, Parts: runs.(Parts), Scanner: w, Lake: w, Ends: w.Ends, Parquet: writeCSV, Reports: w.reports, Deliveries: w.reports, ReportsDir: reportsDir,
		Log: w.log, NotFound: store.ErrNotFound, BadCursor: store.ErrBadCursor, Lateness: 5 * time.Minute, Registry: reg, Alerts: &w.alerts, Prices: w.prices.book, Commands: &w.prices}
}

// begin runs a service until the test ends; call it in a bubble.
func begin(t *testing.T, w *world, change func(*Config)) *rig {
	t.Helper()
	s, reg := newService(t, w, change)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	<-s.Ready()
	stopped := false
	r := &rig{t: t, w: w, s: s, reg: reg, stop: func() {
		if stopped {
			return
		}
		stopped = true
		asked := time.Now()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v", err)
		}
		if took := time.Since(asked); took > 5*time.Second {
			t.Errorf("stopping took %s", took)
		}
	}}
	t.Cleanup(r.stop)
	return r
}

// open opens the database of the world, new for its first service.
func (w *world) open(t *testing.T) *store.Store {
	t.Helper()
	if w.db == nil {
		db, err := store.Open(t.Context(), storetest.SQLite().New(t), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		w.db = db
	}
	return w.db
}

// runs is the way to the database, through what a test has put before it.
func (w *world) runs(t *testing.T) Runs {
	if db := w.open(t); w.through == nil {
		return db
	}
	return w.through
}

type answer struct {
	status int
	header http.Header
	body   string
	json   map[string]any
}

func (r *rig) call(method, path, body string, headers ...string) answer {
	r.t.Helper()
	return call(r.t, r.s, method, path, body, headers...)
}

func call(t *testing.T, s *Service, method, path, body string, headers ...string) answer {
	t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	s.Handler().ServeHTTP(rec, req)
	a := answer{rec.Code, rec.Header(), rec.Body.String(), nil}
	if strings.Contains(a.header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(rec.Body.Bytes(), &a.json); err != nil {
			t.Fatalf("%s %s answers %q: %v", method, path, a.body, err)
		}
	}
	return a
}

// post starts a run of the hours from..to after hour0 and returns its path.
func (r *rig) post(from, to int, headers ...string) string {
	r.t.Helper()
	at := func(h int) string { return time.Unix(hour0+int64(h)*3600, 0).UTC().Format(time.RFC3339) }
	a := r.call("POST", "/runs", `{"dag_id":"hxp_hourly_aggregation","data_interval_start":"`+at(from)+`","data_interval_end":"`+at(to)+`"}`, headers...)
	if a.status != 202 {
		r.t.Fatalf("POST /runs: %d %s", a.status, a.body)
	}
	return a.header.Get("Location")
}

func (r *rig) run(path string) agg.Run {
	r.t.Helper()
	var run agg.Run
	if err := json.Unmarshal([]byte(r.call("GET", path, "").body), &run); err != nil {
		r.t.Fatal(err)
	}
	return run
}

// bubble runs f with fake time that stands where the hours of the tests are long over.
func bubble(t *testing.T, f func(t *testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Unix(hour0, 0).Add(1000 * time.Hour)))
		f(t)
	})
}

func TestEndedHourIsFoldedByItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := begin(t, newWorld(), nil)
		time.Sleep(time.Minute)
		last := time.Now()
		r.w.publish(hour0, request("1", "m", 0))
		time.Sleep(time.Minute)
		if s := r.w.saved(hour0); len(s) != 1 || s[0].at.Sub(last) > 10*time.Second {
			t.Fatalf("folds after the data: %v", s)
		}
		time.Sleep(time.Hour)
		if s := r.w.saved(hour0); len(s) != 1 {
			t.Errorf("a clean hour was folded again: %v", s)
		}
		if a := r.call("GET", "/aggregation/status", ""); a.json["hourly"] != "completed" || a.json["daily"] != "scheduled" {
			t.Errorf("status %s", a.body)
		}
	})
}

func TestRunningHourIsLeftAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := begin(t, newWorld(), nil)
		running := time.Now().Truncate(time.Hour)
		r.w.publish(running.Unix(), request("1", "m", 0))
		time.Sleep(time.Hour - time.Second)
		if s := r.w.saved(running.Unix()); len(s) != 0 {
			t.Fatalf("the running hour was folded: %v", s)
		}
		path := r.post(int(running.Unix()-hour0)/3600, int(running.Unix()-hour0)/3600+1)
		synctest.Wait()
		if s := r.w.saved(running.Unix()); len(s) != 1 || r.run(path).State != agg.RunSuccess {
			t.Errorf("on request: %v", s)
		}
		r.w.publish(running.Unix(), request("2", "m", 1))
		if a := r.call("GET", "/aggregations/hourly", ""); !strings.Contains(a.body, `"completeness":0.5`) {
			t.Errorf("an hour with one of two publications counted: %s", a.body)
		}
		time.Sleep(time.Minute)
		if s := r.w.saved(running.Unix()); len(s) != 2 {
			t.Errorf("after its end: %v", s)
		}
	})
}

// A big hour under a trickle of data: folds keep their distance, and the last data is in the tables in time all the same.
func TestTrickleIsFoldedSparingly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.scanTakes = 20 * time.Millisecond
		r := begin(t, w, nil)
		var last time.Time
		for i := range 600 {
			last = time.Now()
			w.publish(hour0, request("e", "m", int64(i)))
			time.Sleep(time.Second)
		}
		s := r.w.saved(hour0)
		for i := 1; i < len(s); i++ {
			took := time.Duration(s[i-1].version/2) * w.scanTakes // a file for each version, two readers
			if gap := s[i].at.Sub(s[i-1].at); gap < restFactor*took {
				t.Errorf("fold %d ended %s after the one before, which took %s", i, gap, took)
			}
		}
		if len(s) < 4 || len(s) > 25 {
			t.Errorf("%d folds in ten minutes", len(s))
		}
		time.Sleep(time.Minute)
		s = r.w.saved(hour0)
		if at := s[len(s)-1].at; at.Sub(last) > time.Minute {
			t.Errorf("the last data was folded %s later", at.Sub(last))
		}
		if d, _ := w.DirtyHours(t.Context(), time.Now()); len(d) != 0 {
			t.Errorf("still dirty: %v", d)
		}
	})
}

func TestManyHoursAreFoldedWithoutWaitingForLooks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		for h := range int64(900) {
			w.publish(hour0+h*3600, request("e", "m", h))
		}
		began := time.Now()
		begin(t, w, nil)
		time.Sleep(50 * time.Second)
		synctest.Wait()
		if len(w.saves) != 900 || w.saves[899].at.Sub(began) > 10*time.Second {
			t.Errorf("%d hours folded", len(w.saves))
		}
	})
}

func TestFailingHourHoldsUpNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		broken, tries := true, 0
		w.scanFails = func(f event.LakeFile) error {
			if f.Hour == hour0 {
				tries++
			}
			if broken && f.Hour == hour0 {
				return errors.New("disk is sick")
			}
			return nil
		}
		w.publish(hour0, request("1", "m", 0))
		w.publish(hour0+3600, request("1", "m", 1))
		r := begin(t, w, nil)
		time.Sleep(time.Minute)
		if len(w.saved(hour0)) != 0 || len(w.saved(hour0+3600)) != 1 {
			t.Fatalf("folds: %v", w.saves)
		}
		if tries != 3 { // at once, after 10 s and after 20 s more
			t.Errorf("%d tries in the first minute", tries)
		}
		status := r.call("GET", "/aggregation/status", "")
		if status.json["hourly"] != "failed" || !strings.Contains(status.body, "disk is sick") || !strings.Contains(status.body, `"dirty":1`) {
			t.Errorf("status %s", status.body)
		}
		if c := r.s.checkAggregation(t.Context()); c.Status != httpx.Degraded || !strings.Contains(c.Detail, "2026-03-01T10Z") {
			t.Errorf("health %v", c)
		}
		if v, _ := r.reg.Sum("data_aggregation_hourly_status"); v != -1 {
			t.Errorf("metric %v", v)
		}
		w.mu.Lock()
		broken = false
		w.mu.Unlock()
		time.Sleep(6 * time.Minute)
		if len(w.saved(hour0)) != 1 {
			t.Errorf("after mending: %v", w.saves)
		}
		if a := r.call("GET", "/aggregation/status", ""); a.json["hourly"] != "completed" {
			t.Errorf("status after mending %s", a.body)
		}
	})
}

func TestRunCountsWhatWasAcknowledgedBefore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.setEnds(map[string]map[int32]int64{"llm-requests": {0: 7}})
		r := begin(t, w, nil)
		path := r.post(0, 2)
		time.Sleep(10 * time.Minute)
		if run := r.run(path); run.State != agg.RunRunning || run.Tasks[0].State != agg.RunRunning {
			t.Fatalf("before the lake is there: %+v", run)
		}
		if a := r.call("GET", path+"/outcome", ""); a.status != 404 {
			t.Errorf("outcome of a running run: %d", a.status)
		}
		if again := r.post(0, 2); again != path {
			t.Errorf("the same interval gives %s, not %s", again, path)
		}
		w.publish(hour0, request("1", "m", 0), request("2", "n", 6))
		w.reach("llm-requests", 0, 7)
		synctest.Wait()
		run := r.run(path)
		if run.State != agg.RunSuccess || run.Progress.Done != 1 || run.Progress.Total != 1 || run.EndedAt == nil {
			t.Fatalf("after: %+v", run)
		}
		if got, want := string(run.Tasks[0].Summary), `{"hours":1,"files":1,"events":2,"duplicates":0,"changed":1}`; got != want {
			t.Errorf("summary %s, want %s", got, want)
		}
		if a := r.call("GET", path+"/outcome", ""); a.status != 200 || a.json["state"] != "success" || a.json["error"] != nil {
			t.Errorf("outcome: %d %s", a.status, a.body)
		}
		if rows := r.call("GET", "/aggregations/hourly?model=*", ""); strings.Count(rows.body, `"timestamp"`) != 3 {
			t.Errorf("rows: %s", rows.body)
		}
		if again := r.post(0, 2); again == path {
			t.Error("a run that is over was given for a new one")
		}
		synctest.Wait()
		if s := w.saved(hour0); len(s) != 2 || s[1].changed {
			t.Errorf("folding again changed something: %v", s)
		}
		if ratio, known := r.s.book.accuracy(time.Now()); ratio != 1 || !known {
			t.Errorf("accuracy %v %v", ratio, known)
		}
	})
}

// Who attaches to a run gets what was acknowledged before he asked, not only what was when the run was accepted.
func TestAttachingRaisesWhatARunCounts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.scanTakes = 10 * time.Second
		w.setEnds(map[string]map[int32]int64{"llm-requests": {0: 1}})
		now := time.Now().Truncate(time.Hour).Unix() // the running hour: nothing folds it but the run
		w.publish(now, request("1", "m", 0))
		w.reach("llm-requests", 0, 1)
		r := begin(t, w, nil)
		path := r.post(1000, 1001)
		time.Sleep(5 * time.Second) // it folds
		w.setEnds(map[string]map[int32]int64{"llm-requests": {0: 2}})
		if again := r.post(1000, 1001); again != path {
			t.Fatalf("the same interval gives %s, not %s", again, path)
		}
		time.Sleep(time.Minute)
		if run := r.run(path); run.State != agg.RunRunning {
			t.Fatalf("it ended without what the second caller had sent: %+v", run)
		}
		w.publish(now, request("2", "m", 1))
		w.reach("llm-requests", 0, 2)
		time.Sleep(time.Minute)
		if run := r.run(path); run.State != agg.RunSuccess || string(run.Tasks[0].Summary) != `{"hours":1,"files":2,"events":2,"duplicates":0,"changed":1}` {
			t.Errorf("%+v: %s", run, run.Tasks[0].Summary)
		}
	})
}

// A task whose owner died is taken from it when its lease is over, and the try counts.
func TestTaskOfADeadOwnerIsTakenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		s, _ := newService(t, w, nil)
		path := call(t, s, "POST", "/runs", `{"dag_id":"hxp_hourly_aggregation"}`).header.Get("Location")
		claims, err := w.db.Claim(t.Context(), agg.ClaimRequest{DagID: "hxp_hourly_aggregation", Owner: "dead", Limit: 1, MaxActive: 1, Lease: leaseTime, Timeout: time.Hour})
		if err != nil || len(claims) != 1 {
			t.Fatal(claims, err)
		}
		r := begin(t, w, nil)
		time.Sleep(leaseTime - time.Second)
		if run := r.run(path); run.State != agg.RunRunning || run.Tasks[0].Owner != "dead" {
			t.Fatalf("while the lease holds: %+v", run)
		}
		time.Sleep(2 * time.Second)
		if run := r.run(path); run.State != agg.RunSuccess || run.Tasks[0].Try != 2 {
			t.Errorf("%+v", run)
		}
		if log := r.call("GET", path+"/logs", ""); !strings.Contains(log.body, "gave no sign of life") {
			t.Errorf("log: %s", log.body)
		}
		if _, _, err := w.db.Finish(t.Context(), claims[0].Lease, agg.TaskResult{State: agg.RunFailed, Error: "late"}); !errors.Is(err, agg.ErrLeaseLost) {
			t.Errorf("the result of the dead: %v", err)
		}
	})
}

func TestTaskIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		failures := 2
		w.scanFails = func(event.LakeFile) error {
			if failures--; failures >= 0 {
				return errors.New("disk is sick")
			}
			return nil
		}
		w.publish(time.Now().Truncate(time.Hour).Unix(), request("1", "m", 0))
		r := begin(t, w, nil)
		path := r.post(1000, 1001)
		began := time.Now()
		synctest.Wait()
		if run := r.run(path); run.State != agg.RunRunning || run.Tasks[0].State != agg.TaskUpForRetry || !strings.Contains(run.Tasks[0].Error, "disk is sick") {
			t.Fatalf("after the first try: %+v", run)
		}
		time.Sleep(10*time.Minute + time.Second)
		run := r.run(path)
		if run.State != agg.RunSuccess || run.Tasks[0].Try != 3 || run.EndedAt.Sub(began) != 10*time.Minute {
			t.Errorf("in the end: %+v", run)
		}
		if log := r.call("GET", path+"/logs", ""); !strings.Contains(log.body, "try 3 starts") || !strings.Contains(log.body, "disk is sick") {
			t.Errorf("log: %s", log.body)
		}
	})
}

func TestRunFailsAfterItsTries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.scanFails = func(event.LakeFile) error { return errors.New("disk is sick") }
		w.publish(time.Now().Truncate(time.Hour).Unix(), request("1", "m", 0))
		r := begin(t, w, nil)
		path := r.post(1000, 1001)
		time.Sleep(20 * time.Minute)
		run := r.run(path)
		if run.State != agg.RunFailed || run.Tasks[0].State != agg.RunFailed || run.Tasks[0].Try != 4 || !strings.Contains(run.Error, "disk is sick") {
			t.Fatalf("%+v", run)
		}
		if a := r.call("GET", path+"/outcome", ""); a.status != 200 || a.json["state"] != "failed" || a.json["error"] == nil {
			t.Errorf("outcome: %d %s", a.status, a.body)
		}
		if v, _ := r.reg.Sum("batch_processing_success_rate"); v != 0 {
			t.Errorf("success rate %v", v)
		}
	})
}

func TestRunHasATimeLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.setEnds(map[string]map[int32]int64{"llm-requests": {0: 7}})
		r := begin(t, w, nil)
		path := r.post(0, 1)
		time.Sleep(time.Hour + time.Second)
		run := r.run(path)
		if run.State != agg.RunFailed || !strings.Contains(run.Error, "3600 seconds") || !strings.Contains(run.Error, "not published yet") || run.Tasks[0].Try != 1 {
			t.Fatalf("%+v", run)
		}
	})
}

func TestRunCanBeCancelled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.setEnds(map[string]map[int32]int64{"llm-requests": {0: 7}})
		r := begin(t, w, nil)
		path := r.post(0, 1)
		synctest.Wait()
		a := r.call("POST", path+"/cancel", "")
		if a.status != 202 || a.json["state"] != "cancelled" {
			t.Fatalf("cancel: %d %s", a.status, a.body)
		}
		if a := r.call("POST", path+"/cancel", ""); a.status != 202 {
			t.Errorf("cancelled twice: %d", a.status)
		}
		w.setEnds(nil)
		done := r.post(0, 1)
		synctest.Wait()
		if a := r.call("POST", done+"/cancel", ""); a.status != 409 {
			t.Errorf("a run that is over: %d", a.status)
		}
	})
}

// mortal is the access to the database of a process that can be killed: after that nothing of it arrives.
type mortal struct {
	*store.Store
	dead atomic.Bool
}

var errKilled = errors.New("killed")

func (m *mortal) Finish(ctx context.Context, l agg.Lease, res agg.TaskResult) (agg.Run, bool, error) {
	if m.dead.Load() {
		return agg.Run{}, false, errKilled
	}
	return m.Store.Finish(ctx, l, res)
}

func (m *mortal) LayDown(ctx context.Context, l agg.Lease, lines []agg.LogLine) error {
	if m.dead.Load() {
		return errKilled
	}
	return m.Store.LayDown(ctx, l, lines)
}

// A stop in the middle of a fold lays the run down; a kill leaves it to its lease. Either way the next start does it again.
func TestRunsSurviveStopAndKill(t *testing.T) {
	for _, kill := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			w := newWorld()
			w.scanTakes = 10 * time.Second
			w.publish(hour0, request("1", "m", 0))
			m := &mortal{Store: w.open(t)}
			w.through = m
			r := begin(t, w, nil)
			path := r.post(0, 1)
			time.Sleep(time.Second)
			if mid := r.run(path); mid.State != agg.RunRunning {
				t.Fatalf("before: %+v", mid)
			}
			m.dead.Store(kill)
			r.stop()
			w.through = nil
			if len(w.saves) != 0 {
				t.Fatal("a fold that was cut short was stored")
			}
			laid := r.run(path)
			if want := map[bool]agg.RunState{false: agg.RunQueued, true: agg.RunRunning}[kill]; laid.State != want || laid.Tasks[0].State != want {
				t.Fatalf("left as %+v", laid)
			}
			next := begin(t, w, nil)
			if again := next.post(0, 1); again != path {
				t.Errorf("a retry after the restart gives %s, not %s", again, path)
			}
			time.Sleep(time.Minute)
			run := next.run(path)
			if run.State != agg.RunSuccess || run.Tasks[0].Try != 2 || len(w.saved(hour0)) != map[bool]int{false: 1, true: 2}[kill] {
				t.Errorf("after the restart: %+v, folds %v", run, w.saves)
			}
		})
	}
}

// An hour that was folded by itself has no run; when it was made is known after a restart all the same.
func TestLastSuccessSurvivesARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		r := begin(t, w, nil)
		if d := r.call("GET", "/aggregation/status", "").json["detail"].(map[string]any)["hourly"].(map[string]any); d["last_success"] != nil || d["last_interval"] != nil {
			t.Errorf("a fresh store has a success: %v", d)
		}
		w.publish(hour0, request("1", "m", 0))
		time.Sleep(time.Minute)
		detail := func(r *rig) any {
			return r.call("GET", "/aggregation/status", "").json["detail"].(map[string]any)["hourly"]
		}
		before := detail(r).(map[string]any)
		if before["last_success"] == nil {
			t.Fatalf("%v", before)
		}
		r.stop()
		time.Sleep(10 * time.Minute) // nothing comes due meanwhile
		after := detail(begin(t, w, nil)).(map[string]any)
		if after["last_success"] != before["last_success"] || !reflect.DeepEqual(after["last_interval"], before["last_interval"]) {
			t.Errorf("before the restart %v, after it %v", before, after)
		}
	})
}

func TestFoldsOfOneHourDoNotOverlap(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.scanTakes = 10 * time.Second
		w.publish(hour0, request("1", "m", 0))
		r := begin(t, w, nil)
		a, b := r.post(0, 1), r.post(0, 2)
		time.Sleep(15 * time.Second)
		if s := w.saved(hour0); len(s) != 1 {
			t.Fatalf("two folds of one hour at the same time: %v", s)
		}
		time.Sleep(time.Minute)
		if r.run(a).State != agg.RunSuccess || r.run(b).State != agg.RunSuccess {
			t.Error("a run did not end")
		}
		if s := w.saved(hour0); len(s) != 2 { // both runs; the automatic fold finds it clean
			t.Errorf("folds: %v", s)
		}
	})
}
