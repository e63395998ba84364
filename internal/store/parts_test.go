package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

func planned(id string, version int64) agg.HourPlan {
	return agg.HourPlan{ID: id, Hour: 3600, Version: version, Run: "r", Raised: 2, Cuts: []int64{0, 10, 20}, Files: []event.LakeFile{{Path: "a\x00b", Rows: 20}}}
}

// Of several plans for an hour the first one stays until somebody names it to be replaced; with it goes what was made by it.
func TestHourPlans(t *testing.T) {
	s := open(t)
	ctx, now := t.Context(), time.Unix(1e9, 0)
	s.UseClock(func() time.Time { return now })
	if _, err := s.HourPlan(ctx, 3600, 2); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	for _, p := range []agg.HourPlan{planned("one", 1), planned("two", 2)} {
		there, err := s.PlanHour(ctx, p, "")
		if err != nil || there.ID != "one" || there.Version != 1 || there.Parts() != 2 || len(there.Files) != 1 || there.Files[0].Path != "a\x00b" || there.Run != "r" || there.Raised != 2 {
			t.Fatalf("%+v, %v", there, err)
		}
	}
	now = now.Add(time.Hour)
	if p, err := s.HourPlan(ctx, 3600, 2); err != nil || p.Age != time.Hour || p.Choice != nil {
		t.Fatalf("%+v, %v", p, err)
	}
	large := bytes.Repeat([]byte("0123456789"), partPiece/4)
	for _, step := range []struct {
		part    int
		counted bool
		data    []byte
		want    []byte
	}{
		{0, true, []byte("counts"), []byte("counts")}, {0, true, []byte("others"), []byte("counts")}, {0, false, large, large},
		{0, false, []byte("others"), large}, {0, true, []byte("counts"), large}, {1, true, []byte("counts"), []byte("counts")},
	} {
		if err := s.SavePart(ctx, "one", step.part, step.counted, step.data); err != nil {
			t.Fatal(err)
		}
		if got, err := s.PartData(ctx, "one", step.part); err != nil || !bytes.Equal(got, step.want) {
			t.Fatalf("part %d is %d bytes after %d, %v", step.part, len(got), len(step.data), err)
		}
	}
	if made, err := s.PartsMade(ctx, "one"); err != nil || !maps.Equal(made, map[int]bool{0: false, 1: true}) {
		t.Errorf("%v, %v", made, err)
	}
	for _, choice := range []string{"\x01\xff", "other"} {
		if err := s.ChooseForPlan(ctx, "one", []byte(choice)); err != nil {
			t.Fatal(err)
		}
		if p, err := s.HourPlan(ctx, 3600, 2); err != nil || string(p.Choice) != "\x01\xff" {
			t.Errorf("%q, %v", p.Choice, err)
		}
	}
	if there, err := s.PlanHour(ctx, planned("two", 2), "one"); err != nil || there.ID != "two" {
		t.Fatalf("%+v, %v", there, err)
	}
	for what, err := range map[string]error{"part": s.SavePart(ctx, "one", 0, false, large), "choice": s.ChooseForPlan(ctx, "one", large)} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s of a plan that is gone: %v", what, err)
		}
	}
	if _, err := s.PartData(ctx, "one", 0); !errors.Is(err, ErrNotFound) {
		t.Errorf("data of a plan that is gone: %v", err)
	}
	now = now.Add(30 * time.Minute)
	for _, age := range []time.Duration{time.Hour, time.Minute} {
		if err := s.PurgeHourPlans(ctx, age); err != nil {
			t.Fatal(err)
		}
		if _, err := s.HourPlan(ctx, 3600, 2); errors.Is(err, ErrNotFound) != (age == time.Minute) {
			t.Errorf("after the purge of %s: %v", age, err)
		}
	}
}

// Many who plan, make and drop at once never see a part of a plan that is gone, nor two plans.
func TestHourPlansTogether(t *testing.T) {
	s := open(t)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 15 {
				p, err := s.PlanHour(t.Context(), planned(fmt.Sprint(worker, i), int64(i)), "")
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.SavePart(t.Context(), p.ID, worker%2, false, []byte(p.ID)); err != nil && !errors.Is(err, ErrNotFound) {
					t.Error(err)
				}
				if data, err := s.PartData(t.Context(), p.ID, worker%2); err == nil && string(data) != p.ID || err != nil && !errors.Is(err, ErrNotFound) {
					t.Errorf("%s of %s, %v", data, p.ID, err)
				}
				if i%3 == 0 {
					if err := s.DropHourPlan(t.Context(), p.ID); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	var orphans int
	if err := s.read.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM hour_parts WHERE plan_id NOT IN (SELECT id FROM hour_plans)").Scan(&orphans); err != nil || orphans > 0 {
		t.Errorf("%d parts without a plan, %v", orphans, err)
	}
}

// A task that others are put before waits for all of them, and they run side by side: laying down one leaves the others at work.
func TestTasksPutFirst(t *testing.T) {
	s := open(t)
	ctx, now := t.Context(), time.Unix(1e9, 0)
	s.UseClock(func() time.Time { return now })
	first := agg.Run{RunID: "r", DagID: "d", TaskID: "t", Start: now, End: now.Add(time.Hour), Trigger: agg.RunManual, Tasks: []agg.Task{{TaskID: "t", MaxTries: 3}}}
	if _, _, err := s.CreateRun(ctx, first); err != nil {
		t.Fatal(err)
	}
	claim := func(parts int) []agg.Claim {
		t.Helper()
		c, err := s.Claim(ctx, agg.ClaimRequest{DagID: "d", Owner: "o", Limit: 16, Parts: parts, MaxActive: 16, Lease: time.Minute, Timeout: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	whole := claim(0)
	if len(whole) != 1 {
		t.Fatal(whole)
	}
	parts := []string{agg.PartTask("t", 0, 3), agg.PartTask("t", 1, 3), agg.PartTask("t", 2, 3)}
	if _, again, err := s.Finish(ctx, whole[0].Lease, agg.TaskResult{First: parts, Retries: 5}); err != nil || again {
		t.Fatal(again, err)
	}
	if c := claim(0); len(c) != 0 {
		t.Fatalf("without room for parts: %v", c)
	}
	two, third := claim(2), claim(16)
	if len(two) != 2 || len(third) != 1 || two[0].Task != parts[0] || third[0].Task != parts[2] || len(claim(16)) != 0 {
		t.Fatal(two, third)
	}
	if err := s.LayDown(ctx, two[0].Lease, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []agg.Claim{two[1], third[0]} {
		if _, _, err := s.Finish(ctx, c.Lease, agg.TaskResult{State: agg.RunSuccess}); err != nil {
			t.Fatalf("%s: %v", c.Task, err)
		}
	}
	if c := claim(1); len(c) != 1 || c[0].Task != parts[0] {
		t.Fatal(c)
	} else if _, _, err := s.Finish(ctx, c[0].Lease, agg.TaskResult{State: agg.RunSuccess}); err != nil {
		t.Fatal(err)
	}
	last := claim(0)
	if len(last) != 1 || last[0].Task != "t" || last[0].Try != 2 || len(last[0].Of.Tasks) != 4 {
		t.Fatalf("%+v", last)
	}
	run, _, err := s.Finish(ctx, last[0].Lease, agg.TaskResult{State: agg.RunSuccess})
	if err != nil || run.State != agg.RunSuccess || run.Tasks[0].MaxTries < 5 || run.Tasks[3].MaxTries != 4 {
		t.Errorf("%+v, %v", run, err)
	}
}
