package store

import (
	"errors"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

func must(t *testing.T) func(agg.Run, error) agg.Run {
	return func(r agg.Run, err error) agg.Run {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

func TestCancel(t *testing.T) {
	s, _ := openAt(t)
	create(t, s, run("r", 0))
	c := claim(t, s, 1, "a")[0]
	got := must(t)(s.CancelRun(t.Context(), "r", "enough"))
	expect(t, got, "cancelled cancelled/1 cancelled/0")
	if got.Error != "enough" || got.EndedAt == nil {
		t.Errorf("%+v", got)
	}
	if _, _, err := s.Finish(t.Context(), c.Lease, agg.TaskResult{State: agg.RunSuccess}); !errors.Is(err, agg.ErrLeaseLost) {
		t.Errorf("a result after the cancel: %v", err)
	}
	expect(t, must(t)(s.CancelRun(t.Context(), "r", "again")), "cancelled cancelled/1 cancelled/0")
	if _, err := s.CancelRun(t.Context(), "none", ""); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// Cleared tasks have all their tries again, and the run counts what is there by now.
func TestClear(t *testing.T) {
	s, clock := openAt(t)
	create(t, s, run("r", 0))
	fail := agg.TaskResult{State: agg.TaskUpForRetry, Error: "no"}
	finish(t, s, claim(t, s, 1, "a")[0], fail)
	got, _ := finish(t, s, claim(t, s, 1, "a")[0], fail)
	expect(t, got, "failed failed/2 upstream_failed/0")
	clock.pass(time.Hour)
	got = must(t)(s.ClearTasks(t.Context(), "r", []string{"first", "second"}, 1, map[string]map[int32]int64{"llm-requests": {2: 99}}))
	expect(t, got, "queued queued/2 queued/0")
	if got.Tasks[0].MaxTries != 3 || got.EndedAt != nil || got.StartedAt != nil || got.Error != "" || got.Until["llm-requests"][2] != 99 {
		t.Errorf("%+v", got)
	}
	finish(t, s, claim(t, s, 1, "a")[0], fail)
	c := claim(t, s, 1, "a")[0]
	got, again := finish(t, s, c, agg.TaskResult{State: agg.RunSuccess, Raised: c.Of.Raised})
	if expect(t, got, "running success/4 queued/0"); again {
		t.Error("again")
	}
	must(t)(s.ClearTasks(t.Context(), "r", []string{"first"}, 1, nil)) // in the middle of it
	expect(t, must(t)(s.Run(t.Context(), "r")), "queued queued/4 queued/0")
	expect(t, must(t)(s.ClearTasks(t.Context(), "r", nil, 1, nil)), "queued queued/4 queued/0")
}

func TestMark(t *testing.T) {
	s, _ := openAt(t)
	create(t, s, run("r", 0))
	c := claim(t, s, 1, "a")[0]
	expect(t, must(t)(s.MarkTask(t.Context(), "r", "first", agg.RunFailed, 1)), "failed failed/1 upstream_failed/0")
	if _, _, err := s.Finish(t.Context(), c.Lease, agg.TaskResult{State: agg.RunSuccess}); !errors.Is(err, agg.ErrLeaseLost) {
		t.Errorf("a result after the mark: %v", err)
	}
	got := must(t)(s.MarkTask(t.Context(), "r", "first", agg.RunSuccess, 1))
	expect(t, got, "queued success/1 queued/0")
	if got.EndedAt != nil {
		t.Errorf("%+v", got)
	}
	if next := claim(t, s, 1, "a")[0]; next.Task != "second" {
		t.Errorf("%+v", next)
	}
	expect(t, must(t)(s.MarkTask(t.Context(), "r", "second", agg.RunSuccess, 1)), "success success/1 success/1")
	expect(t, must(t)(s.MarkRun(t.Context(), "r", agg.RunFailed)), "failed success/1 success/1")
	if _, err := s.MarkTask(t.Context(), "r", "none", agg.RunSuccess, 1); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if got := must(t)(s.SetNote(t.Context(), "r", "looked at")); got.Note != "looked at" {
		t.Errorf("%+v", got)
	}
	create(t, s, run("q", 1))
	expect(t, must(t)(s.MarkRun(t.Context(), "q", agg.RunSuccess)), "success success/0 success/0")
}
