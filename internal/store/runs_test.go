package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

func run(id string, hour int) agg.Run {
	start := time.Unix(anHour, 0).UTC().Add(time.Duration(hour) * time.Hour)
	return agg.Run{ID: id, DagID: "hxp_hourly_aggregation", Trigger: "manual", State: agg.RunQueued, Start: start, End: start.Add(time.Hour),
		Conf: json.RawMessage(`{"a":1}`), Until: map[string]map[int32]int64{"llm-requests": {2: 17}},
		CreatedAt: start, Tasks: []agg.Task{{TaskID: "hourly_aggregation", State: agg.RunQueued}, {TaskID: "after", State: agg.RunQueued}}}
}

func create(t *testing.T, s *Store, r agg.Run) agg.Run {
	t.Helper()
	got, existed, err := s.CreateRun(t.Context(), r)
	if err != nil || existed {
		t.Fatal(existed, err)
	}
	return got
}

func TestRunsComeBack(t *testing.T) {
	s := open(t)
	r := create(t, s, run("r1", 0))
	got, err := s.Run(t.Context(), "r1")
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Fatalf("%v\nwrote %+v\nread  %+v", err, r, got)
	}
	now := time.UnixMicro(1_700_000_000_123_456).UTC()
	r.State, r.StartedAt, r.EndedAt, r.Error = agg.RunFailed, &now, new(now.Add(time.Second)), "disk full"
	r.Progress = agg.Progress{Done: 3, Total: 9, Unit: "files"}
	r.Tasks[0] = agg.Task{TaskID: "hourly_aggregation", State: agg.RunFailed, Try: 2, StartedAt: &now, EndedAt: &now, Error: "disk full", Summary: json.RawMessage(`{"x":1}`)}
	if err := s.UpdateRun(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got, err = s.Run(t.Context(), "r1"); err != nil || !reflect.DeepEqual(got, r) {
		t.Fatalf("%v\nwrote %+v\nread  %+v", err, r, got)
	}
	if _, err := s.Run(t.Context(), "r2"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if err := s.UpdateRun(t.Context(), run("r2", 1)); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	for _, bad := range []agg.Run{{}, {ID: "x", DagID: "d", Start: now, End: now}} {
		if _, _, err := s.CreateRun(t.Context(), bad); err == nil {
			t.Errorf("%+v is stored", bad)
		}
	}
}

// A retry attaches to what is under way, by id, key or work; once that ended, the same work may run again.
func TestRunsAttach(t *testing.T) {
	s := open(t)
	first := run("r1", 0)
	first.IdempotencyKey = "k"
	first = create(t, s, first)
	attaches := func(r agg.Run) {
		t.Helper()
		if got, existed, err := s.CreateRun(t.Context(), r); err != nil || !existed || got.ID != "r1" {
			t.Errorf("%s: %v %v %v", r.ID, got.ID, existed, err)
		}
	}
	keyed := run("r3", 5)
	keyed.IdempotencyKey = "k"
	attaches(run("r1", 7))
	attaches(run("r2", 0))
	attaches(keyed)
	task := run("r4", 0)
	task.TaskID = "hourly_aggregation"
	create(t, s, task) // one task of it is other work
	first.State = agg.RunSuccess
	if err := s.UpdateRun(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	attaches(run("r1", 0))
	attaches(keyed)
	create(t, s, run("r5", 0))
}

func TestRunsRecover(t *testing.T) {
	url := database(t)
	s := reopen(t, url)
	now := time.Now().UTC()
	for i, state := range []agg.RunState{agg.RunRunning, agg.RunSuccess, agg.RunQueued, agg.RunFailed} {
		r := run(fmt.Sprint(i), i)
		r.State, r.StartedAt = state, &now
		r.Tasks[0].State = state
		create(t, s, r)
	}
	s = reopen(t, url)
	runs, err := s.RecoverRuns(t.Context())
	if err != nil || len(runs) != 2 || runs[0].ID != "0" || runs[1].ID != "2" {
		t.Fatal(runs, err)
	}
	if runs[0].State != agg.RunQueued || runs[0].StartedAt != nil || runs[0].Tasks[0].State != agg.RunQueued {
		t.Errorf("%+v", runs[0])
	}
}

func TestRunsListed(t *testing.T) {
	s := open(t)
	for i := range 7 {
		r := run(fmt.Sprint(i), i)
		r.CreatedAt = time.Unix(anHour+int64(i/2), 0) // some at the same moment
		if i == 3 {
			r.DagID = "other"
		}
		if i == 5 {
			r.Trigger = "scheduled"
		}
		create(t, s, r)
	}
	for limit := 1; limit < 9; limit++ {
		var ids []string
		for cursor := ""; ; {
			runs, next, err := s.Runs(t.Context(), "", limit, cursor)
			if err != nil || len(runs) > limit {
				t.Fatal(err)
			}
			for _, r := range runs {
				ids = append(ids, r.ID)
			}
			if cursor = next; next == "" {
				break
			}
		}
		if !reflect.DeepEqual(ids, []string{"6", "5", "4", "3", "2", "1", "0"}) {
			t.Errorf("pages of %d: %v", limit, ids)
		}
	}
	if runs, _, err := s.Runs(t.Context(), "other", 0, ""); err != nil || len(runs) != 1 {
		t.Error(runs, err)
	}
	if _, _, err := s.Runs(t.Context(), "", 1, "?"); !errors.Is(err, ErrBadCursor) {
		t.Error(err)
	}
	for _, c := range []struct {
		dag, trigger string
		state        agg.RunState
		want         string
	}{{"hxp_hourly_aggregation", "", "", "6"}, {"hxp_hourly_aggregation", "scheduled", "", "5"}, {"hxp_hourly_aggregation", "scheduled", agg.RunSuccess, ""}, {"none", "", "", ""}} {
		r, found, err := s.LastRun(t.Context(), c.dag, c.trigger, c.state)
		if err != nil || found != (c.want != "") || r.ID != c.want {
			t.Errorf("%+v: %s %v %v", c, r.ID, found, err)
		}
	}
}
