package store

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Tasks of a run follow on each other; results count under the fence of their claim and no other.
func TestTasksInTheirOrder(t *testing.T) {
	s, c := openAt(t)
	create(t, s, run("r", 0))
	first := claim(t, s, 1, "a")[0]
	if first.Task != "first" || first.Try != 1 || first.Of.State != agg.RunRunning || !first.Of.TimeoutAt.Equal(c.Time.Add(time.Hour)) {
		t.Errorf("%+v", first)
	}
	claim(t, s, 0, "b")
	if err := s.ReportProgress(t.Context(), first.Lease, agg.Progress{Done: 1, Total: 2, Unit: "hours"}, []agg.LogLine{{At: c.Time, Level: "info", Event: "hello", Line: 1}}); err != nil {
		t.Fatal(err)
	}
	got, _ := finish(t, s, first, agg.TaskResult{State: agg.RunSuccess, Summary: []byte(`{"n":1}`), Progress: agg.Progress{Done: 2, Total: 2, Unit: "hours"},
		Log: []agg.LogLine{{At: c.Time, Level: "info", Event: "done", Line: 2}}})
	expect(t, got, "running success/1 queued/0")
	if _, _, err := s.Finish(t.Context(), first.Lease, agg.TaskResult{State: agg.RunFailed}); !errors.Is(err, agg.ErrLeaseLost) {
		t.Errorf("a result twice: %v", err)
	}
	second := claim(t, s, 1, "b")[0]
	got, _ = finish(t, s, second, agg.TaskResult{State: agg.TaskSkipped})
	expect(t, got, "success success/1 skipped/1")
	if got.EndedAt == nil || got.Progress.Done != 0 || string(got.Tasks[0].Summary) != `{"n":1}` {
		t.Errorf("%+v", got)
	}
	lines, err := s.TaskLogs(t.Context(), "r", "first", 1, 10)
	if err != nil || len(lines) != 2 || lines[0].Event != "hello" || lines[1].Event != "done" {
		t.Error(lines, err)
	}
}

// A task that fails is tried again after a while, kept in the database, and no oftener than it may.
func TestTaskIsTriedAgainAndThenFails(t *testing.T) {
	s, c := openAt(t)
	create(t, s, run("r", 0))
	res := agg.TaskResult{State: agg.TaskUpForRetry, Error: "disk is sick", RetryIn: 5 * time.Minute}
	got, _ := finish(t, s, claim(t, s, 1, "a")[0], res)
	expect(t, got, "running up_for_retry/1 queued/0")
	if !got.Tasks[0].NextTryAt.Equal(c.Time.Add(5 * time.Minute)) {
		t.Errorf("next try at %s", got.Tasks[0].NextTryAt)
	}
	claim(t, s, 0, "a")
	c.pass(5 * time.Minute)
	got, _ = finish(t, s, claim(t, s, 1, "b")[0], res)
	expect(t, got, "failed failed/2 upstream_failed/0")
	if got.Error != "first failed at try 2: disk is sick" {
		t.Error(got.Error)
	}
}

// Who attaches while the first task works gets that task to go on; while another works, the whole run is done again.
func TestAttachingIsCountedAcrossInstances(t *testing.T) {
	s, _ := openAt(t)
	create(t, s, run("r", 0))
	attach := func(until int64) {
		r := run("x", 0)
		r.Until = map[string]map[int32]int64{"llm-requests": {2: until}}
		if _, existed, err := s.CreateRun(t.Context(), r); !existed || err != nil {
			t.Fatal(existed, err)
		}
	}
	first := claim(t, s, 1, "a")[0]
	attach(20)
	got, again := finish(t, s, first, agg.TaskResult{State: agg.RunSuccess, Raised: first.Of.Raised})
	if !again || got.Until["llm-requests"][2] != 20 {
		t.Fatalf("the first task ended without what was attached: %+v", got)
	}
	got, again = finish(t, s, first, agg.TaskResult{State: agg.RunSuccess, Raised: got.Raised})
	if expect(t, got, "running success/1 queued/0"); again {
		t.Error("again")
	}
	second := claim(t, s, 1, "a")[0]
	attach(30)
	got, _ = finish(t, s, second, agg.TaskResult{State: agg.RunSuccess})
	expect(t, got, "running queued/1 queued/1")
	for _, want := range []string{"running success/2 queued/1", "success success/2 success/2"} {
		c := claim(t, s, 1, "b")[0]
		got, _ = finish(t, s, c, agg.TaskResult{State: agg.RunSuccess, Raised: c.Of.Raised})
		expect(t, got, want)
	}
}

// A lease of a clock that was far ahead does not keep its task from others until that time comes.
func TestLeaseOfATimeToCome(t *testing.T) {
	s, c := openAt(t)
	create(t, s, run("r", 0))
	c.pass(24 * time.Hour)
	ahead := claim(t, s, 1, "ahead")[0]
	for _, step := range []struct {
		by   time.Duration
		want []agg.Lease
	}{{-59 * time.Minute, nil}, {-2 * time.Minute, []agg.Lease{ahead.Lease}}, {0, nil}} {
		c.pass(step.by)
		swept, err := s.Sweep(t.Context(), 5*time.Second, "too slow")
		if err != nil || !slices.Equal(swept.Lost, step.want) {
			t.Fatalf("set back by %s: %+v, %v", step.by, swept, err)
		}
	}
	if err := s.ReportProgress(t.Context(), ahead.Lease, agg.Progress{}, nil); !errors.Is(err, agg.ErrLeaseLost) {
		t.Errorf("its owner goes on: %v", err)
	}
}

func TestLeases(t *testing.T) {
	s, c := openAt(t)
	create(t, s, run("r", 0))
	dead := claim(t, s, 1, "dead")[0]
	c.pass(59 * time.Second)
	held, err := s.Beat(t.Context(), "dead", c.Time, []agg.Lease{dead.Lease}, time.Minute)
	if err != nil || !slices.Equal(held, []agg.Lease{dead.Lease}) {
		t.Fatal(held, err)
	}
	sweep := func() agg.Swept {
		t.Helper()
		swept, err := s.Sweep(t.Context(), 5*time.Second, "too slow")
		if err != nil {
			t.Fatal(err)
		}
		return swept
	}
	c.pass(59 * time.Second)
	if swept := sweep(); len(swept.Lost) != 0 {
		t.Errorf("a lease that was renewed is over: %+v", swept)
	}
	c.pass(time.Second)
	if swept := sweep(); !slices.Equal(swept.Lost, []agg.Lease{dead.Lease}) || len(swept.Ended) != 0 {
		t.Errorf("%+v", swept)
	}
	for what, err := range map[string]error{
		"report":   s.ReportProgress(t.Context(), dead.Lease, agg.Progress{}, nil),
		"lay down": s.LayDown(t.Context(), dead.Lease, nil),
	} {
		if !errors.Is(err, agg.ErrLeaseLost) {
			t.Errorf("%s without a lease: %v", what, err)
		}
	}
	if held, err := s.Beat(t.Context(), "dead", c.Time, []agg.Lease{dead.Lease}, time.Minute); len(held) != 0 || err != nil {
		t.Error(held, err)
	}
	next := claim(t, s, 1, "b")[0]
	if next.Try != 2 || next.Fence <= dead.Fence {
		t.Errorf("%+v after %+v", next, dead)
	}
	if err := s.LayDown(t.Context(), next.Lease, nil); err != nil { // a stop costs no try
		t.Fatal(err)
	}
	var swept agg.Swept
	for len(swept.Ended) == 0 { // deaths of owners cost no try, but not without end
		if next = claim(t, s, 1, "b")[0]; next.Try > 2*freeTries {
			t.Fatalf("a task that kills its owner is tried for ever: %+v, try %d", swept, next.Try)
		}
		c.pass(time.Minute)
		swept = sweep()
	}
	if next.Try <= freeTries {
		t.Errorf("failed by deaths alone at try %d", next.Try)
	}
	expect(t, swept.Ended[0], fmt.Sprintf("failed failed/%d upstream_failed/0", next.Try))
	c.pass(time.Second)
	beats, err := s.Heartbeats(t.Context(), time.Minute)
	if err != nil || len(beats) != 1 || beats[0].Instance != "dead" || beats[0].Alive {
		t.Error(beats, err)
	}
}

func TestRunsOverTheirTime(t *testing.T) {
	s, c := openAt(t)
	create(t, s, run("working", 0))
	create(t, s, run("waiting", 1))
	claims := claim(t, s, 2, "a")
	if claims[0].Of.ID != "waiting" {
		t.Fatal(claims)
	}
	finish(t, s, claims[0], agg.TaskResult{State: agg.TaskUpForRetry, Error: "no lake", RetryIn: 2 * time.Hour})
	c.pass(time.Hour)
	if _, err := s.Beat(t.Context(), "a", c.Time, []agg.Lease{claims[1].Lease}, time.Minute); err != nil {
		t.Fatal(err)
	}
	swept, err := s.Sweep(t.Context(), 5*time.Second, "too slow")
	if err != nil || len(swept.TimedOut) != 1 || swept.TimedOut[0].ID != "waiting" || swept.TimedOut[0].Error != "too slow: no lake" {
		t.Fatalf("%+v %v", swept, err)
	}
	expect(t, swept.TimedOut[0], "failed failed/1 failed/0")
	c.pass(5 * time.Second)
	swept, err = s.Sweep(t.Context(), 5*time.Second, "too slow")
	if err != nil || len(swept.TimedOut) != 1 || swept.TimedOut[0].ID != "working" {
		t.Fatalf("%+v %v", swept, err)
	}
}

// A run that missed its deadline is found until somebody says that it was told, and one of those who say so is the first.
func TestDeadlines(t *testing.T) {
	s, c := openAt(t)
	r := run("r", 0)
	r.DeadlineAt = new(c.Add(time.Hour))
	create(t, s, r)
	for _, step := range []struct {
		pass time.Duration
		late int
	}{{time.Hour - time.Second, 0}, {time.Second, 1}, {time.Second, 1}} {
		c.pass(step.pass)
		swept, err := s.Sweep(t.Context(), 0, "")
		if err != nil || len(swept.Late) != step.late || step.late == 1 && !swept.Late[0].DeadlineMissedAt.Equal(c.Time) {
			t.Errorf("at %s: %+v %v", c.Time, swept, err)
		}
	}
	for i := range 2 {
		if first, err := s.MarkLate(t.Context(), "r", c.Time.Add(time.Duration(i)*time.Hour)); err != nil || first != (i == 0) {
			t.Errorf("%d: first is %v, %v", i, first, err)
		}
	}
	if got, err := s.Run(t.Context(), "r"); err != nil || !got.DeadlineMissedAt.Equal(c.Time) {
		t.Errorf("%+v %v", got, err)
	}
	if swept, err := s.Sweep(t.Context(), 0, ""); err != nil || len(swept.Late) != 0 {
		t.Errorf("it was told: %+v %v", swept, err)
	}
	ended := func(since time.Time) string {
		t.Helper()
		runs, err := s.MissedAndEnded(t.Context(), since)
		if err != nil {
			t.Fatal(err)
		}
		ids := ""
		for i := range runs {
			ids += runs[i].ID
		}
		return ids
	}
	if got := ended(time.Unix(0, 0)); got != "" {
		t.Errorf("%q have ended", got)
	}
	end := func(id string) {
		t.Helper()
		if _, err := s.MarkRun(t.Context(), id, agg.RunSuccess); err != nil {
			t.Fatal(err)
		}
	}
	end("r")
	before := c.Time
	for id, deadline := range map[string]time.Duration{"u": time.Hour, "v": 2 * time.Hour} { // nobody notes that u missed it
		r := run(id, 1)
		if id == "v" {
			r = run(id, 2)
		}
		r.DeadlineAt = new(c.Add(deadline))
		create(t, s, r)
	}
	c.pass(time.Hour + time.Second)
	end("u")
	end("v") // in time
	if all, last := ended(before), ended(before.Add(time.Second)); len(all) != 2 || last != "u" {
		t.Errorf("%q, and of late %q have ended", all, last)
	}
}

// New runs begin as far as the DAG allows, oldest first; those of a backfill after the others and within its own limit.
func TestOverlap(t *testing.T) {
	s, _ := openAt(t)
	if err := s.EnsureDAG(t.Context(), dagOfTests, time.Unix(anHour, 0)); err != nil {
		t.Fatal(err)
	}
	b, err := s.CreateBackfill(t.Context(), agg.Backfill{DagID: dagOfTests, From: time.Unix(anHour, 0), To: time.Unix(anHour, 0).Add(time.Hour), MaxActiveRuns: 1},
		func([]agg.RunMark) []agg.Run { return []agg.Run{run("b0", 0), run("b1", 1)} })
	if err != nil || b.Total != 2 {
		t.Fatal(b, err)
	}
	for i, id := range []string{"r0", "r1", "r2"} {
		create(t, s, run(id, 10+i))
	}
	ids := func(claims []agg.Claim) (out []string) {
		for _, c := range claims {
			out = append(out, c.Of.RunID)
		}
		return out
	}
	if err := s.SetPaused(t.Context(), dagOfTests, true); err != nil {
		t.Fatal(err)
	}
	claim(t, s, 0, "a")
	if err := s.SetPaused(t.Context(), dagOfTests, false); err != nil {
		t.Fatal(err)
	}
	claims := claim(t, s, 3, "a")
	if got := ids(claims); !slices.Equal(got, []string{"r0", "r1", "b0"}) {
		t.Errorf("claimed %v", got)
	}
	finish(t, s, claims[0], agg.TaskResult{State: agg.RunFailed, Error: "no"})
	finish(t, s, claims[2], agg.TaskResult{State: agg.RunFailed, Error: "no"})
	if _, err := s.PauseBackfill(t.Context(), b.ID, true); err != nil {
		t.Fatal(err)
	}
	if got := ids(claim(t, s, 1, "a")); !slices.Equal(got, []string{"r2"}) {
		t.Errorf("claimed %v", got)
	}
	if _, err := s.PauseBackfill(t.Context(), b.ID, false); err != nil {
		t.Fatal(err)
	}
	if got := ids(claim(t, s, 1, "a")); !slices.Equal(got, []string{"b1"}) {
		t.Errorf("claimed %v", got)
	}
	if err := s.SetPaused(t.Context(), "none", true); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestLogsAreForgotten(t *testing.T) {
	s, c := openAt(t)
	create(t, s, run("r", 0))
	l := claim(t, s, 1, "a")[0].Lease
	for i := range 2 {
		if err := s.ReportProgress(t.Context(), l, agg.Progress{}, []agg.LogLine{{At: c.Time, Level: "info", Event: "x", Line: i}}); err != nil {
			t.Fatal(err)
		}
		c.pass(time.Minute)
	}
	if err := s.PurgeLogs(t.Context(), 90*time.Second); err != nil {
		t.Fatal(err)
	}
	if lines, err := s.TaskLogs(t.Context(), "r", "", 0, 10); err != nil || len(lines) != 1 || lines[0].Line != 1 {
		t.Error(lines, err)
	}
}
