package store

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

const aDay = anHour / 86400 * 86400

// dayOf is an aggregate of the day with a row and a cell for each dimension.
func dayOf(requests int64, cell byte) agg.Aggregate {
	a := agg.Aggregate{Rows: map[string][]agg.Row{}, Cells: map[agg.Group][]byte{}}
	for _, d := range agg.Dimensions {
		r := row("x", requests)
		r.Timestamp = time.Unix(aDay, 0)
		a.Rows[d] = []agg.Row{r}
		a.Cells[agg.Group{Dimension: d, Value: "x"}] = []byte{cell}
	}
	return a
}

func saveHour(t *testing.T, s *Store, hour, version int64, cell byte) {
	t.Helper()
	if _, err := s.SaveHour(t.Context(), hour, version, models(map[string][]byte{"_all": {cell}})); err != nil {
		t.Fatal(err)
	}
}

func unmerged(t *testing.T, s *Store, level string, want ...int64) {
	t.Helper()
	got, err := s.Unmerged(t.Context(), level, aDay, aDay+86400)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%s has not merged %v, want %v (%v)", level, got, want, err)
	}
}

// A period is behind exactly while a child has another build than the one that was merged.
func TestPeriodsFollowTheBuildsOfTheirChildren(t *testing.T) {
	s := open(t)
	unmerged(t, s, "daily")
	saveHour(t, s, aDay, 1, 1)
	saveHour(t, s, aDay+3600, 1, 1)
	unmerged(t, s, "daily", aDay, aDay+3600)
	save := func(level string, children map[int64]int64, cell byte) agg.Change {
		t.Helper()
		c, err := s.SavePeriod(t.Context(), level, aDay, aDay+86400, children, dayOf(int64(cell), cell))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := save("daily", map[int64]int64{aDay: 1, aDay + 3600: 1}, 1); c.Rows != 4 || c.Cells != 4 {
		t.Errorf("the first day changes %+v", c)
	}
	unmerged(t, s, "daily")
	saveHour(t, s, aDay, 2, 1) // new version, same bytes
	unmerged(t, s, "daily")
	saveHour(t, s, aDay, 3, 2)
	unmerged(t, s, "daily", aDay)

	unmerged(t, s, "weekly", aDay)
	unmerged(t, s, "monthly", aDay)
	save("weekly", map[int64]int64{aDay: 1}, 1)
	unmerged(t, s, "weekly")
	unmerged(t, s, "monthly", aDay)
	save("daily", map[int64]int64{aDay: 2, aDay + 3600: 1}, 2)
	unmerged(t, s, "daily")
	unmerged(t, s, "weekly", aDay)
	if c := save("daily", map[int64]int64{aDay: 1, aDay + 3600: 9}, 7); !c.Overtaken {
		t.Error("a day from an older hour wins")
	}
	if cells, build, err := s.Cells(t.Context(), "daily", aDay); err != nil || build != 2 || !reflect.DeepEqual(cells, dayOf(2, 2).Cells) {
		t.Error(cells, build, err)
	}
	if starts, err := built(t.Context(), s, "daily", aDay, aDay+1); err != nil || !slices.Equal(starts, []int64{aDay}) {
		t.Error(starts, err)
	}
	for _, level := range []string{"hourly", "yearly"} {
		if _, err := s.SavePeriod(t.Context(), level, aDay, aDay+86400, nil, agg.Aggregate{}); err == nil {
			t.Error("a period is saved on level", level)
		}
		if _, err := s.Unmerged(t.Context(), level, 0, 1); err == nil {
			t.Error("children of level", level)
		}
	}
}

// Merging again leaves every byte as it was; a child that is gone is forgotten; a period without data leaves nothing behind.
func TestLastBuilt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		want := func(level string, start int64, at time.Time) {
			t.Helper()
			if gotStart, gotAt, err := s.LastBuilt(t.Context(), level); err != nil || gotStart != start || !gotAt.Equal(at) {
				t.Errorf("%s: %d %s %v, want %d %s", level, gotStart, gotAt, err, start, at)
			}
		}
		want("hourly", 0, time.Time{})
		want("daily", 0, time.Time{})
		save := func(hour, version int64) time.Time {
			time.Sleep(time.Minute)
			if _, err := s.SaveHour(t.Context(), hour, version, foldOf(hour, version)); err != nil {
				t.Fatal(err)
			}
			return time.Now().Truncate(time.Microsecond)
		}
		save(aDay+3600, 1)
		want("hourly", aDay, save(aDay, 1))
		want("hourly", aDay+3600, save(aDay+3600, 2))
		time.Sleep(time.Minute)
		if _, err := s.SavePeriod(t.Context(), "daily", aDay, aDay+86400, map[int64]int64{aDay: 1}, dayOf(1, 1)); err != nil {
			t.Fatal(err)
		}
		want("daily", aDay, time.Now().Truncate(time.Microsecond))
		want("weekly", 0, time.Time{})
	})
}

func TestSavePeriodTouchesOnlyWhatDiffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t)
		save := func(children map[int64]int64, a agg.Aggregate, want bool) {
			t.Helper()
			if c, err := s.SavePeriod(t.Context(), "daily", aDay, aDay+86400, children, a); err != nil || c.Any() != want {
				t.Fatalf("%+v, %v", c, err)
			}
		}
		save(nil, agg.Aggregate{}, false)
		if starts, err := built(t.Context(), s, "daily", 0, 1<<40); err != nil || len(starts) != 0 {
			t.Error("a day without data is built", starts, err)
		}
		first := time.Now().UTC().Truncate(time.Second)
		save(map[int64]int64{aDay: 1, aDay + 3600: 1}, dayOf(1, 1), true)
		time.Sleep(time.Hour)
		save(map[int64]int64{aDay: 1, aDay + 3600: 1}, dayOf(1, 1), false)
		save(map[int64]int64{aDay: 2, aDay + 3600: 1}, dayOf(1, 1), false)
		for _, d := range agg.Dimensions {
			rows, _, err := s.Rows(t.Context(), "daily", d, time.Time{}, time.Time{}, "*", 0, "")
			if err != nil || len(rows) != 1 || rows[0].Model != "x" || rows[0].Requests != 1 || !rows[0].UpdatedAt.Equal(first) {
				t.Errorf("%s: %+v, %v", d, rows, err)
			}
		}
		a := dayOf(1, 1)
		delete(a.Cells, agg.Group{Dimension: agg.ByTenant, Value: "x"})
		delete(a.Rows, agg.ByTenant)
		save(map[int64]int64{aDay: 2}, a, true)
		if rows, _, err := s.Rows(t.Context(), "daily", agg.ByTenant, time.Time{}, time.Time{}, "*", 0, ""); err != nil || len(rows) != 0 {
			t.Error(rows, err)
		}
		var children int
		if err := s.read.QueryRow("SELECT COUNT(*) FROM merged_children").Scan(&children); err != nil || children != 1 {
			t.Error(children, err)
		}
		if _, _, err := s.Rows(t.Context(), "daily", "colour", time.Time{}, time.Time{}, "*", 0, ""); err == nil {
			t.Error("a dimension that does not exist is read")
		}
	})
}

// fileOf publishes a file of an hour, the n-th of its partition.
func fileOf(t *testing.T, s *Store, n int, hour int64) event.LakeFile {
	t.Helper()
	f := file(n, hour)
	f.Hour = hour
	if n == 0 {
		if _, err := s.InitPosition(t.Context(), tp, 0); err != nil {
			t.Fatal(err)
		}
	}
	if ok, err := s.Publish(t.Context(), tp, int64(n), int64(n)+1, []event.LakeFile{f}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	return f
}

func TestRetireAndReviveHour(t *testing.T) {
	s := open(t)
	a := fileOf(t, s, 0, anHour)
	retire := func(want error, paths ...string) {
		t.Helper()
		r := event.Retirement{Hour: anHour, Plan: "p", Copies: map[string]string{}}
		for _, p := range paths {
			r.Copies[p] = "raw/" + p
		}
		if err := s.RetireHour(t.Context(), r); !errors.Is(err, want) {
			t.Errorf("retire %v: %v, want %v", paths, err, want)
		}
	}
	snapshot := func(files int, base byte, version int64) {
		t.Helper()
		got, cells, v, err := s.HourSnapshot(t.Context(), anHour)
		if err != nil || len(got) != files || v != version || (base == 0) != (len(cells) == 0) || base != 0 && cells[agg.Group{Dimension: agg.ByModel, Value: "_all"}][0] != base {
			t.Errorf("%d files, base %v, version %d, %v", len(got), cells, v, err)
		}
	}
	retire(ErrHourMoved, a.Path) // not folded yet
	saveHour(t, s, anHour, 1, 1)
	retire(ErrHourMoved)
	retire(ErrHourMoved, a.Path, "another")
	b := fileOf(t, s, 1, anHour) // lands between the look and the retirement
	retire(ErrHourMoved, a.Path)
	retire(ErrHourMoved, a.Path, b.Path)
	saveHour(t, s, anHour, 2, 2)
	snapshot(2, 0, 2)
	retire(nil, b.Path, a.Path)
	snapshot(0, 2, 2)
	if h, err := s.HourBuild(t.Context(), anHour); err != nil || h.Version != h.Built {
		t.Errorf("retiring made the hour dirty: %+v, %v", h, err)
	}

	c := fileOf(t, s, 2, anHour) // a late event
	saveHour(t, s, anHour, 3, 3)
	snapshot(1, 2, 3)
	retire(nil, c.Path)
	snapshot(0, 3, 3)

	if err := s.ReviveHour(t.Context(), anHour, map[string]string{a.Path: a.Path, b.Path: b.Path}); !errors.Is(err, ErrHourMoved) {
		t.Error("a part of the base was taken away:", err)
	}
	snapshot(0, 3, 3)
	if err := s.ReviveHour(t.Context(), anHour, map[string]string{a.Path: a.Path, b.Path: b.Path + "~1", c.Path: c.Path}); err != nil {
		t.Fatal(err)
	}
	snapshot(3, 0, 4)
	if files, err := s.Files(t.Context(), event.LakeFilter{State: event.LakeMarked}); err != nil || len(files) != 0 {
		t.Error(files, err)
	}
	if left, err := s.RetiredBy(t.Context(), "p"); err != nil || len(left) != 0 {
		t.Error(left, err)
	}
}

// built returns the periods of a level (daily, weekly, monthly) that were made and start in [from, to), oldest first.
func built(ctx context.Context, s *Store, level string, from, to int64) (starts []int64, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT start FROM period_builds WHERE level = ? AND start >= ? AND start < ? ORDER BY start", level, from, to)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var start int64
		if err := rows.Scan(&start); err != nil {
			return nil, err
		}
		starts = append(starts, start)
	}
	return starts, rows.Err()
}
