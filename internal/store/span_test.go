package store

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// A day is clean while each of its hours with data is made from all of it, and merged as it is now.
func TestClean(t *testing.T) {
	s := open(t)
	s.InitPosition(t.Context(), tp, 0)
	clean := func(wantHours, wantDays []int64) {
		t.Helper()
		hours, days, err := s.Clean(t.Context(), aDay, aDay+86400)
		if err != nil || !slices.Equal(slices.Sorted(maps.Keys(hours)), wantHours) || !slices.Equal(slices.Sorted(maps.Keys(days)), wantDays) {
			t.Errorf("hours %v, days %v, want %v and %v (%v)", hours, days, wantHours, wantDays, err)
		}
	}
	version := func(hour int64) int64 {
		t.Helper()
		h, err := s.HourBuild(t.Context(), hour)
		if err != nil {
			t.Fatal(err)
		}
		return h.Version
	}
	clean(nil, nil)
	publish(t, s, tp, 0, 1, file(0, aDay), file(0, aDay+3600))
	clean(nil, nil)
	saveHour(t, s, aDay, version(aDay), 1)
	clean([]int64{aDay}, nil)
	saveHour(t, s, aDay+3600, version(aDay+3600), 1)
	clean([]int64{aDay, aDay + 3600}, nil) // the day is not merged
	if _, err := s.SavePeriod(t.Context(), "daily", aDay, aDay+86400, map[int64]int64{aDay: 1, aDay + 3600: 1}, dayOf(1, 1)); err != nil {
		t.Fatal(err)
	}
	clean([]int64{aDay, aDay + 3600}, []int64{aDay})
	publish(t, s, tp, 1, 2, file(1, aDay)) // more arrives
	clean([]int64{aDay + 3600}, nil)
	saveHour(t, s, aDay, version(aDay), 2)
	clean([]int64{aDay, aDay + 3600}, nil) // the day has merged another build
}

// An hour whose cells have left is not clean, nor is it when late events have made it of themselves alone; its day is. It is known to hold something.
func TestCleanWithoutHours(t *testing.T) {
	s := open(t)
	on(s, time.Unix(anHour, 0).UTC())
	const day = anHour - anHour%daySeconds
	known := func(wantHours, wantDays []int64, least uint64) {
		t.Helper()
		hours, days, err := s.Clean(t.Context(), day, day+daySeconds)
		if err != nil || !slices.Equal(slices.Sorted(maps.Keys(hours)), wantHours) || !slices.Equal(slices.Sorted(maps.Keys(days)), wantDays) {
			t.Errorf("hours %v, days %v, want %v and %v (%v)", hours, days, wantHours, wantDays, err)
		}
		if n, err := s.HourEvents(t.Context(), day, day+daySeconds); err != nil || !maps.Equal(n, map[int64]uint64{anHour: least}) {
			t.Errorf("%v, want %d (%v)", n, least, err)
		}
	}
	save := func(version int64, n int) {
		t.Helper()
		all := row(agg.AllModels, int64(n))
		all.Events = int64(n)
		a := models(nil, all)
		a.Cells = cellOf(n)
		if _, err := s.SaveHour(t.Context(), anHour, version, a); err != nil {
			t.Fatal(err)
		}
	}
	f := fileOf(t, s, 0, anHour)
	known(nil, nil, 1)
	save(1, 7)
	if _, err := s.SavePeriod(t.Context(), "daily", day, day+daySeconds, map[int64]int64{anHour: 1}, agg.Aggregate{Cells: cellOf(7)}); err != nil {
		t.Fatal(err)
	}
	known([]int64{anHour}, []int64{day}, 7)
	if err := retire(t, s, "p", true, f); err != nil {
		t.Fatal(err)
	}
	if _, err := s.BuryFiles(t.Context(), time.Unix(anHour+1, 0), 10); err != nil {
		t.Fatal(err)
	}
	if err := s.RetireDay(t.Context(), event.Retired{Class: event.ClassAggregated, Plan: "p", Path: "hourly/day", Start: day, End: day + daySeconds}, map[int64]int64{anHour: 1}); err != nil {
		t.Fatal(err)
	}
	known(nil, []int64{day}, 1)
	fileOf(t, s, 1, anHour)
	save(2, 2)
	known(nil, nil, 2)
}

func TestCellsWithin(t *testing.T) {
	s := open(t)
	for hour, cells := range map[int64]map[string][]byte{aDay: {agg.AllModels: {1}, "a": {2}, "b": {3}}, aDay + 3600: {agg.AllModels: {4}, "a": {5}}, aDay + 7200: {"a": {6}}} {
		if _, err := s.SaveHour(t.Context(), hour, 1, models(cells)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.CellsWithin(t.Context(), "hourly", agg.ByModel, []string{"a", "b", "nobody"}, aDay, aDay+7200)
	if err != nil {
		t.Fatal(err)
	}
	found := map[place]byte{}
	for i, c := range got {
		found[place{c.Start, c.Value}] = c.Cell[0]
		if i > 0 && c.Start < got[i-1].Start {
			t.Errorf("%d stands behind %d", c.Start, got[i-1].Start)
		}
	}
	if want := map[place]byte{{aDay, "a"}: 2, {aDay, "b"}: 3, {aDay + 3600, "a"}: 5}; !maps.Equal(found, want) {
		t.Errorf("%v, want %v", found, want)
	}
	if none, err := s.CellsWithin(t.Context(), "hourly", agg.ByModel, nil, aDay, aDay+7200); err != nil || none != nil {
		t.Errorf("no value: %v %v", none, err)
	}
	if _, err := s.CellsWithin(t.Context(), "yearly", agg.ByModel, []string{"a"}, aDay, aDay+1); err == nil {
		t.Error("a level that is not there was read")
	}
}

// place names a cell.
type place struct {
	start int64
	value string
}

func TestBusiest(t *testing.T) {
	s := open(t)
	rows := []agg.Row{row(agg.AllModels, 100), row("a", 1), row("b", 5), row("c", 5)}
	if _, err := s.SaveHour(t.Context(), anHour, 1, models(nil, rows...)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from, to time.Time
		most     int
		want     []string
	}{
		{time.Unix(anHour, 0), time.Unix(anHour+1, 0), 8, []string{"b", "c", "a"}}, {time.Unix(anHour, 0), time.Unix(anHour+1, 0), 2, []string{"b", "c"}}, {time.Unix(anHour+1, 0), time.Unix(anHour+9, 0), 8, nil},
	} {
		if got, err := s.Busiest(t.Context(), "hourly", agg.ByModel, c.from, c.to, c.most); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%v, want %v (%v)", got, c.want, err)
		}
	}
}
