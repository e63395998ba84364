package store

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Several instances materialise the same interval; one run comes of it.
func TestMaterialiseOnce(t *testing.T) {
	url := database(t)
	first, next := time.Unix(anHour, 0).UTC(), time.Unix(anHour, 0).UTC().Add(time.Hour)
	r := run("scheduled__1", 0)
	r.ID, r.Trigger = "scheduled__1.dag", agg.RunScheduled
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range 3 {
		s := reopen(t, url)
		if err := s.EnsureDAG(t.Context(), dagOfTests, first); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			n, ok, err := s.Materialise(t.Context(), dagOfTests, first, next, []agg.Run{r})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if ok {
				done += n
			}
		})
	}
	wg.Wait()
	s := reopen(t, url)
	page, err := s.Runs(t.Context(), agg.RunFilter{})
	if err != nil || done != 1 || len(page.Runs) != 1 || len(page.Runs[0].Tasks) != 2 {
		t.Fatalf("%d runs stored: %+v %v", done, page, err)
	}
	states, now, err := s.Schedules(t.Context())
	if err != nil || !states[dagOfTests].Next.Equal(next) || time.Since(now).Abs() > time.Minute {
		t.Errorf("%+v at %s: %v", states, now, err)
	}
	if err := s.EnsureDAG(t.Context(), dagOfTests, first); err != nil { // known already: nothing goes back
		t.Fatal(err)
	}
	// The clock was ahead and the schedule is set back: what has a run keeps it.
	if n, ok, err := s.Materialise(t.Context(), dagOfTests, next, first, nil); n != 0 || !ok || err != nil {
		t.Error(n, ok, err)
	}
	if n, ok, err := s.Materialise(t.Context(), dagOfTests, first, next, []agg.Run{r}); n != 0 || !ok || err != nil {
		t.Error(n, ok, err)
	}
}

// A person may choose any id for a run, and must not keep the scheduler from an interval by that.
func TestChosenIDsAreDodged(t *testing.T) {
	s, _ := openAt(t)
	first := time.Unix(anHour, 0).UTC()
	if err := s.EnsureDAG(t.Context(), dagOfTests, first); err != nil {
		t.Fatal(err)
	}
	create(t, s, run("scheduled__0", 5))
	create(t, s, run("scheduled__1."+dagOfTests, 6))
	task := run("backfill__0", 7)
	task.TaskID = "first"
	create(t, s, task)
	var runs []agg.Run
	for i := range 2 {
		r := run(fmt.Sprintf("scheduled__%d", i), i)
		r.ID, r.Trigger = r.RunID+"."+dagOfTests, agg.RunScheduled
		runs = append(runs, r)
	}
	if n, ok, err := s.Materialise(t.Context(), dagOfTests, first, first.Add(2*time.Hour), runs); n != 2 || !ok || err != nil {
		t.Errorf("%d runs stored: %v %v", n, ok, err)
	}
	b, err := s.CreateBackfill(t.Context(), agg.Backfill{DagID: dagOfTests, From: first, To: first.Add(time.Hour)},
		func([]agg.RunMark) []agg.Run { return []agg.Run{run("backfill__0", 0)} })
	if err != nil || b.Total != 1 {
		t.Errorf("%+v %v", b, err)
	}
}

func TestBackfills(t *testing.T) {
	s, c := openAt(t)
	backfill := func(n int) agg.Backfill {
		t.Helper()
		b, err := s.CreateBackfill(t.Context(), agg.Backfill{DagID: dagOfTests, From: time.Unix(anHour, 0).UTC(), To: time.Unix(anHour, 0).UTC().Add(time.Duration(n) * time.Hour),
			Reprocess: agg.ReprocessCompleted, MaxActiveRuns: 2, TriggeredBy: "cli", User: "ada", Conf: []byte(`{"a":1}`)},
			func(marks []agg.RunMark) (runs []agg.Run) {
				for i := range n {
					runs = append(runs, run(fmt.Sprintf("backfill__%d", i), i))
				}
				return runs
			})
		if err != nil || b.Total != n || b.State != agg.RunRunning && n > 0 {
			t.Fatalf("%+v %v", b, err)
		}
		return b
	}
	b := backfill(450) // more than fits one statement
	finish(t, s, claim(t, s, 2, "a")[0], agg.TaskResult{State: agg.RunFailed, Error: "no"})
	claim(t, s, 1, "a")
	got, err := s.Backfill(t.Context(), b.ID)
	if err != nil || got.Failed != 1 || got.Running != 2 || got.Done != 0 || got.State != agg.RunRunning || got.CompletedAt != nil || string(got.Conf) != `{"a":1}` {
		t.Errorf("%+v %v", got, err)
	}
	c.pass(time.Minute)
	got, err = s.CancelBackfill(t.Context(), b.ID)
	if err != nil || got.Cancelled != 449 || got.State != agg.RunCancelled || !got.CompletedAt.Equal(c.Time) {
		t.Errorf("%+v %v", got, err)
	}
	claim(t, s, 0, "a")
	again := backfill(3)
	page, err := s.Runs(t.Context(), agg.RunFilter{BackfillID: again.ID})
	if err != nil || len(page.Runs) != 3 || page.Runs[2].RunID != fmt.Sprintf("backfill__0_%d", again.ID) {
		t.Errorf("the runs of the second backfill: %+v %v", page, err)
	}
	for range 6 { // three runs of two tasks
		claims, err := s.Claim(t.Context(), agg.ClaimRequest{DagID: dagOfTests, Owner: "a", Limit: 1, MaxActive: 1, Lease: time.Minute, Timeout: time.Hour})
		if err != nil || len(claims) != 1 {
			t.Fatal(claims, err)
		}
		finish(t, s, claims[0], agg.TaskResult{State: agg.RunSuccess})
	}
	if done, err := s.Backfill(t.Context(), again.ID); err != nil || done.State != agg.RunSuccess || done.Done != 3 {
		t.Errorf("%+v %v", done, err)
	}
	none := backfill(0)
	if none.State != agg.RunSuccess || none.CompletedAt == nil {
		t.Errorf("a backfill of nothing: %+v", none)
	}
	all, err := s.Backfills(t.Context(), dagOfTests, 2)
	if err != nil || len(all) != 2 || all[0].ID != none.ID || all[1].ID != again.ID {
		t.Errorf("%+v %v", all, err)
	}
	marks, err := s.RunMarks(t.Context(), dagOfTests, time.Unix(anHour, 0), time.Unix(anHour, 0).Add(time.Hour))
	if err != nil || len(marks) != 2 || marks[0].RunID != "backfill__0" || marks[0].State != agg.RunFailed || marks[1].State != agg.RunSuccess {
		t.Errorf("%+v %v", marks, err)
	}
}
