package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

const dagOfTests = "hxp_hourly_aggregation"

func run(id string, hour int) agg.Run {
	start := time.Unix(anHour, 0).UTC().Add(time.Duration(hour) * time.Hour)
	return agg.Run{RunID: id, DagID: dagOfTests, Trigger: agg.RunManual, TriggeredBy: "rest_api", State: agg.RunQueued, Start: start, End: start.Add(time.Hour),
		Conf: json.RawMessage(`{"a":1}`), Until: map[string]map[int32]int64{"llm-requests": {2: 17}},
		Tasks: []agg.Task{{TaskID: "first", MaxTries: 1}, {TaskID: "second", MaxTries: 1}}}
}

func create(t *testing.T, s *Store, r agg.Run) agg.Run {
	t.Helper()
	got, existed, err := s.CreateRun(t.Context(), r)
	if err != nil || existed {
		t.Fatal(existed, err)
	}
	return got
}

// clock is a clock of the database that a test sets.
type clock struct{ time.Time }

func (c *clock) pass(d time.Duration) { c.Time = c.Add(d) }

func openAt(t *testing.T) (*Store, *clock) {
	t.Helper()
	s, c := open(t), &clock{time.Unix(anHour, 0).UTC().Add(1000 * time.Hour)}
	s.UseClock(func() time.Time { return c.Time })
	return s, c
}

// claim takes exactly n tasks.
func claim(t *testing.T, s *Store, n int, owner string) []agg.Claim {
	t.Helper()
	claims, err := s.Claim(t.Context(), agg.ClaimRequest{DagID: dagOfTests, Owner: owner, Limit: 10, MaxActive: 2, Lease: time.Minute, Timeout: time.Hour})
	if err != nil || len(claims) != n {
		t.Fatalf("%d tasks claimed, not %d: %v", len(claims), n, err)
	}
	return claims
}

func finish(t *testing.T, s *Store, c agg.Claim, res agg.TaskResult) (agg.Run, bool) {
	t.Helper()
	run, again, err := s.Finish(t.Context(), c.Lease, res)
	if err != nil {
		t.Fatal(err)
	}
	return run, again
}

func stateText(r agg.Run) string {
	text := string(r.State)
	for _, t := range r.Tasks {
		text += fmt.Sprintf(" %s/%d", t.State, t.Try)
	}
	return text
}

func expect(t *testing.T, r agg.Run, want string) {
	t.Helper()
	if got := stateText(r); got != want {
		t.Errorf("run and tasks are %s, want %s", got, want)
	}
}

func TestRunsComeBack(t *testing.T) {
	s, c := openAt(t)
	r := run("r1", 0)
	r.LogicalDate, r.Note, r.User, r.IdempotencyKey, r.DeadlineAt = new(r.Start), "why not", "ada", "k", new(r.End)
	r = create(t, s, r)
	if !r.CreatedAt.Equal(c.Time) || r.ID != "r1" {
		t.Errorf("created at %s as %s", r.CreatedAt, r.ID)
	}
	for _, get := range []func() (agg.Run, error){
		func() (agg.Run, error) { return s.Run(t.Context(), "r1") },
		func() (agg.Run, error) { return s.RunOf(t.Context(), dagOfTests, "r1") },
	} {
		got, err := get()
		if err != nil || len(got.Tasks) != 2 || got.Tasks[0].ID == "" || got.Tasks[0].ID == got.Tasks[1].ID {
			t.Fatal(got, err)
		}
		got.Tasks[0].ID, got.Tasks[1].ID = "", ""
		if !reflect.DeepEqual(got, r) {
			t.Fatalf("\nwrote %+v\nread  %+v", r, got)
		}
	}
	for _, dag := range []string{"other", dagOfTests} {
		if _, err := s.RunOf(t.Context(), dag, "r2"); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	}
	if _, err := s.Run(t.Context(), "r2"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	for _, bad := range []agg.Run{{}, {RunID: "x", DagID: "d", Start: r.Start, End: r.Start}} {
		if _, _, err := s.CreateRun(t.Context(), bad); err == nil {
			t.Errorf("%+v is stored", bad)
		}
	}
	other := run("r1", 0) // run ids are unique within a DAG, ids everywhere
	other.DagID = "other"
	if got := create(t, s, other); got.ID == "r1" || got.RunID != "r1" {
		t.Errorf("the run of the other DAG is %s, run id %s", got.ID, got.RunID)
	}
}

// A retry attaches to what is under way, by id, key or work, and raises what it counts; once that ended, the same work may run again.
func TestRunsAttach(t *testing.T) {
	s, _ := openAt(t)
	first := run("r1", 0)
	first.IdempotencyKey = "k"
	create(t, s, first)
	attaches := func(r agg.Run, raised int64, until int64) {
		t.Helper()
		got, existed, err := s.CreateRun(t.Context(), r)
		if err != nil || !existed || got.ID != "r1" || got.Raised != raised || got.Until["llm-requests"][2] != until {
			t.Errorf("%s: %v %v %v, raised %d to %v", r.RunID, got.ID, existed, err, got.Raised, got.Until)
		}
	}
	keyed := run("r3", 5)
	keyed.IdempotencyKey = "k"
	attaches(run("r1", 7), 0, 17) // other work: it is told whose id it is
	attaches(run("r2", 0), 0, 17)
	attaches(keyed, 0, 17)
	later := run("r2", 0)
	later.Until = map[string]map[int32]int64{"llm-requests": {2: 20}, "user-feedback": {0: 3}}
	attaches(later, 1, 20)
	attaches(run("r2", 0), 1, 20) // one who asked before comes after: nothing goes back
	task := run("r4", 0)
	task.TaskID = "first"
	create(t, s, task) // one task of it is other work
	if _, err := s.MarkRun(t.Context(), "r1", agg.RunSuccess); err != nil {
		t.Fatal(err)
	}
	attaches(run("r1", 0), 1, 20)
	attaches(keyed, 1, 20)
	create(t, s, run("r5", 0))
}

func TestRunsListed(t *testing.T) {
	s, c := openAt(t)
	for i := range 7 {
		r := run(fmt.Sprint(i), 6-i)
		r.CreatedAt = c.Time.Add(time.Duration(i/2) * time.Second) // some at the same moment
		if i == 3 {
			r.DagID = "other"
		}
		if i == 5 {
			r.Trigger = agg.RunScheduled
		}
		create(t, s, r)
	}
	list := func(f agg.RunFilter) (ids []string, page agg.RunPage) {
		t.Helper()
		page, err := s.Runs(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Runs {
			ids = append(ids, r.ID)
		}
		return ids, page
	}
	for limit := 1; limit < 9; limit++ {
		var all []string
		for cursor := ""; ; {
			ids, page := list(agg.RunFilter{Limit: limit, Cursor: cursor})
			if all = append(all, ids...); len(ids) > limit {
				t.Fatal(ids)
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		if !slices.Equal(all, []string{"6", "5", "4", "3", "2", "1", "0"}) {
			t.Errorf("pages of %d: %v", limit, all)
		}
	}
	if _, err := s.MarkRun(t.Context(), "4", agg.RunFailed); err != nil {
		t.Fatal(err)
	}
	start := time.Unix(anHour, 0)
	for _, c := range []struct {
		f     agg.RunFilter
		want  []string
		total int
	}{
		{agg.RunFilter{DagID: "other"}, []string{"3"}, 0},
		{agg.RunFilter{Types: []string{agg.RunScheduled}}, []string{"5"}, 0},
		{agg.RunFilter{States: []agg.RunState{agg.RunFailed, agg.RunSuccess}, WithoutTasks: true}, []string{"4"}, 0},
		{agg.RunFilter{Order: "data_interval_start", Limit: 2, Offset: 1, CountTotal: true}, []string{"5", "4"}, 7},
		{agg.RunFilter{Order: "-data_interval_start", From: start.Add(time.Hour), To: start.Add(3 * time.Hour)}, []string{"4", "5"}, 0},
		{agg.RunFilter{RunID: "2", CountTotal: true}, []string{"2"}, 1},
	} {
		if ids, page := list(c.f); !slices.Equal(ids, c.want) || page.Total != c.total {
			t.Errorf("%+v: %v of %d", c.f, ids, page.Total)
		}
	}
	for _, f := range []agg.RunFilter{{Limit: 1, Cursor: "?"}, {Limit: 1, Cursor: joinCursor(c.Time, "x"), Order: "state"}} {
		if _, err := s.Runs(t.Context(), f); !errors.Is(err, ErrBadCursor) {
			t.Error(err)
		}
	}
	if _, err := s.Runs(t.Context(), agg.RunFilter{Order: "id; DROP TABLE dag_runs"}); err == nil {
		t.Error("sorted by nonsense")
	}
	if n, err := s.Unfinished(t.Context(), agg.RunManual); n != 5 || err != nil {
		t.Error(n, err)
	}
}
