package store

import (
	"bytes"
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// on sets the clock of the database.
func on(s *Store, at time.Time) *time.Time {
	s.UseClock(func() time.Time { return at })
	return &at
}

func retire(t *testing.T, s *Store, plan string, copied bool, files ...event.LakeFile) error {
	t.Helper()
	r := event.Retirement{Hour: files[0].Hour, Plan: plan, Copies: map[string]string{}}
	for _, f := range files {
		r.Copies[f.Path] = ""
		if copied {
			r.Copies[f.Path] = "raw/" + f.Path
		}
	}
	return s.RetireHour(t.Context(), r)
}

func TestPlansBelongToTheirOwners(t *testing.T) {
	s := open(t)
	now := on(s, time.Unix(anHour, 0).UTC())
	p := event.RetentionPlan{ID: "a", Kind: "cleanup", State: "running", CreatedAt: *now, Document: []byte(`{"n":1}`)}
	yes := func(want bool, what string) func(bool, error) {
		return func(ok bool, err error) {
			t.Helper()
			if ok != want || err != nil {
				t.Errorf("%s: %t, %v", what, ok, err)
			}
		}
	}
	yes(true, "new")(s.AddPlan(t.Context(), p, "one"))
	yes(false, "the same id")(s.AddPlan(t.Context(), p, "two"))
	yes(true, "beat")(s.BeatPlan(t.Context(), "a", "one"))
	yes(false, "somebody else beats")(s.BeatPlan(t.Context(), "a", "two"))
	yes(false, "take a living one")(s.TakePlan(t.Context(), "a", "two", time.Minute))
	*now = now.Add(61 * time.Second)
	yes(true, "take a silent one")(s.TakePlan(t.Context(), "a", "two", time.Minute))
	yes(false, "the owner before saves")(s.SavePlan(t.Context(), p, "one"))
	if err := s.DropPlan(t.Context(), "a", "two"); err != nil {
		t.Fatal(err)
	}
	yes(true, "take a dropped one")(s.TakePlan(t.Context(), "a", "three", time.Minute))
	p.State, p.Document = "done", []byte(`{"n":2}`)
	yes(true, "save")(s.SavePlan(t.Context(), p, "three"))
	yes(false, "save what is over")(s.SavePlan(t.Context(), p, "three"))
	got, err := s.Plan(t.Context(), "a")
	if err != nil || got.State != "done" || string(got.Document) != `{"n":2}` || !got.CreatedAt.Equal(p.CreatedAt) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := s.Plan(t.Context(), "b"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if running, err := s.Plans(t.Context(), "running", 10); err != nil || len(running) != 0 {
		t.Error(running, err)
	}
	if all, err := s.Plans(t.Context(), "", 10); err != nil || len(all) != 1 {
		t.Error(all, err)
	}
}

func TestHoldsKeep(t *testing.T) {
	s := open(t)
	on(s, time.Unix(anHour, 0).UTC())
	f := fileOf(t, s, 0, anHour)
	saveHour(t, s, anHour, 1, 1)
	h := event.Hold{Name: "audit", Class: event.ClassRaw, From: time.Unix(anHour+3599, 0).UTC(), To: time.Unix(anHour+9000, 0).UTC(), Reason: "why"}
	for range 2 { // the second time in place of the first
		if got, err := s.PutHold(t.Context(), h); err != nil || got.Name != "audit" || !got.From.Equal(h.From) || !got.CreatedAt.Equal(time.Unix(anHour, 0)) {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if err := retire(t, s, "p", true, f); !errors.Is(err, ErrHeld) {
		t.Fatal(err)
	}
	h.From = time.Unix(anHour+3600, 0).UTC() // the hour after
	if _, err := s.PutHold(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if err := retire(t, s, "p", true, f); err != nil {
		t.Fatal(err)
	}
	if holds, err := s.Holds(t.Context()); err != nil || len(holds) != 1 {
		t.Error(holds, err)
	}
	if err := s.DeleteHold(t.Context(), "audit"); err != nil {
		t.Error(err)
	}
	if err := s.DeleteHold(t.Context(), "audit"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := s.Hold(t.Context(), "audit"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestGraceOfRawFiles(t *testing.T) {
	s := open(t)
	now := on(s, time.Unix(anHour, 0).UTC())
	copied, plain := fileOf(t, s, 0, anHour), fileOf(t, s, 1, anHour+3600)
	saveHour(t, s, anHour, 1, 1)
	saveHour(t, s, anHour+3600, 1, 1)
	if old, err := s.OldRaw(t.Context(), anHour+7200); err != nil || len(old) != 2 || old[0].Path != copied.Path || old[0].PublishedAt == 0 {
		t.Errorf("%+v, %v", old, err)
	}
	if old, err := s.OldRaw(t.Context(), anHour+7199); err != nil || len(old) != 1 {
		t.Errorf("an hour that has not ended: %+v, %v", old, err)
	}
	if h, err := s.RawHoldings(t.Context()); err != nil || h.Objects != 2 || h.Rows != copied.Rows+plain.Rows || h.Newest != max(copied.MaxTime, plain.MaxTime) {
		t.Errorf("%+v, %v", h, err)
	}
	if err := errors.Join(retire(t, s, "p", true, copied), retire(t, s, "q", false, plain)); err != nil {
		t.Fatal(err)
	}
	buried := func(want ...string) {
		t.Helper()
		got, err := s.BuryFiles(t.Context(), *now, 10)
		if err != nil || len(got) != len(want) {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
	}
	buried()
	*now = now.Add(time.Second)
	buried(copied.Path, plain.Path)
	buried()
	files, err := s.Files(t.Context(), event.LakeFilter{})
	if err != nil || len(files) != 1 || files[0].State != event.LakeArchived {
		t.Errorf("%+v, %v", files, err)
	}
	left, err := s.RetiredBy(t.Context(), "p")
	if err != nil || len(left) != 1 || left[0].Copy != "raw/"+copied.Path || left[0].State != event.LakeArchived || left[0].SHA256 != copied.SHA256 {
		t.Errorf("%+v, %v", left, err)
	}
	if copies, err := s.Copies(t.Context()); err != nil || len(copies) != 1 {
		t.Errorf("%+v, %v", copies, err)
	}
	if lake, archive, err := s.StoredBytes(t.Context()); err != nil || lake != 0 || archive != copied.Bytes {
		t.Error(lake, archive, err)
	}
	if err := s.ReviveHour(t.Context(), anHour, map[string]string{copied.Path: copied.Path}); !errors.Is(err, ErrHourMoved) {
		t.Error("an archived file comes back without a new name:", err)
	}
	late := fileOf(t, s, 2, anHour+3600)
	saveHour(t, s, anHour+3600, 2, 2)
	if err := retire(t, s, "r", true, late); err != nil {
		t.Fatal(err)
	}
	if err := s.ReviveHour(t.Context(), anHour+3600, map[string]string{late.Path: late.Path}); !errors.Is(err, ErrNoCopy) {
		t.Error("a part of a base comes back whose other part is gone:", err)
	}
}

func TestRetireAndReviveDay(t *testing.T) {
	s := open(t)
	on(s, time.Unix(anHour, 0).UTC())
	const day = anHour - anHour%daySeconds
	f := fileOf(t, s, 0, anHour)
	whole := cellOf(7)
	save := func(version int64, cells map[agg.Group][]byte) {
		t.Helper()
		if _, err := s.SaveHour(t.Context(), anHour, version, agg.Aggregate{Cells: cells}); err != nil {
			t.Fatal(err)
		}
	}
	merge := func(build int64, cells map[agg.Group][]byte) {
		t.Helper()
		if _, err := s.SavePeriod(t.Context(), "daily", day, day+daySeconds, map[int64]int64{anHour: build}, agg.Aggregate{Cells: cells}); err != nil {
			t.Fatal(err)
		}
	}
	builds := map[int64]int64{anHour: 1}
	r := event.Retired{Class: event.ClassAggregated, Plan: "p", Path: "hourly/day", Start: day, End: day + daySeconds, Copy: "aggregated/1"}
	leaves := func(want error, what string) {
		t.Helper()
		if err := s.RetireDay(t.Context(), r, builds); !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	save(1, whole)
	merge(1, whole)
	if hours, err := s.HoursWithout(t.Context(), day, day+daySeconds); err != nil || len(hours) != 0 {
		t.Errorf("raw files are live, and events have left hours %v, %v", hours, err)
	}
	leaves(ErrHourMoved, "raw files are live")
	if err := retire(t, s, "p", true, f); err != nil {
		t.Fatal(err)
	}
	without := func(want bool, when string) {
		t.Helper()
		if hours, err := s.HoursWithout(t.Context(), day, day+daySeconds); err != nil || hours[anHour] != want || len(hours) > 1 {
			t.Errorf("%s: events have left hours %v, %v", when, hours, err)
		}
	}
	without(true, "raw files have left")
	leaves(ErrHourMoved, "raw files are in their grace")
	if _, err := s.BuryFiles(t.Context(), time.Unix(anHour+1, 0), 10); err != nil {
		t.Fatal(err)
	}
	if days, err := s.OldDays(t.Context(), day+daySeconds); err != nil || len(days) != 1 || days[0].Start != day || days[0].Rows != int64(len(whole)) || days[0].Bytes == 0 {
		t.Errorf("%+v, %v", days, err)
	}
	if days, err := s.OldDays(t.Context(), day+daySeconds-1); err != nil || len(days) != 0 {
		t.Errorf("a day that has not ended: %+v, %v", days, err)
	}
	builds[anHour] = 2
	leaves(ErrHourMoved, "another build")
	builds[anHour] = 1
	leaves(nil, "all is as it should be")
	if h, err := s.DayHoldings(t.Context()); err != nil || h.Objects != 0 {
		t.Errorf("%+v, %v", h, err)
	}
	base, err := s.PeriodBase(t.Context(), "daily", day)
	if err != nil || !maps.EqualFunc(base, whole, bytes.Equal) {
		t.Errorf("base of the day: %v, %v", base, err)
	}
	if hours, err := s.StoredHours(t.Context(), day); err != nil || len(hours) != 1 || len(hours[0].Cells) != 0 {
		t.Errorf("%+v, %v", hours, err)
	}
	if h, err := s.HourBuild(t.Context(), anHour); err != nil || h.Version != h.Built {
		t.Errorf("the hour is behind: %+v, %v", h, err)
	}
	if err := s.ReviveHour(t.Context(), anHour, map[string]string{f.Path: f.Path + "~"}); !errors.Is(err, ErrAggregateLeft) {
		t.Error(err)
	}

	fileOf(t, s, 1, anHour) // a late event makes an hour of itself alone
	without(true, "its aggregate has left, too")
	save(2, cellOf(1))
	if err := s.ReviveDay(t.Context(), day, nil, nil); !errors.Is(err, ErrHourMoved) {
		t.Error("a part of the base comes back:", err)
	}
	if err := s.ReviveDay(t.Context(), day, []string{"aggregated/1"}, map[int64]map[agg.Group][]byte{anHour: whole}); err != nil {
		t.Fatal(err)
	}
	_, hourBase, version, err := s.HourSnapshot(t.Context(), anHour)
	if err != nil || version != 3 || !maps.EqualFunc(hourBase, whole, bytes.Equal) {
		t.Errorf("base of the hour: %v, version %d, %v", hourBase, version, err)
	}
	if base, err = s.PeriodBase(t.Context(), "daily", day); err != nil || len(base) != 0 {
		t.Errorf("base of the day: %v, %v", base, err)
	}
}

// cellOf are the cells of n events.
func cellOf(n int) map[agg.Group][]byte {
	var c agg.Cell
	for i := range n {
		var e event.Event
		e.Kind, e.Time = event.LLMRequest, anHour*1e6+int64(i)
		e.Settle()
		c.Add(&e, false)
	}
	return map[agg.Group][]byte{{Dimension: agg.ByModel, Value: agg.AllModels}: c.Append(nil)}
}

func TestRetireAndReviveReport(t *testing.T) {
	s := open(t)
	on(s, time.Unix(anHour, 0).UTC())
	r, _, err := s.QueueReport(t.Context(), agg.Report{ID: "r", Type: "test", Format: "json", Start: time.Unix(anHour, 0), End: time.Unix(anHour+3600, 0), CreatedAt: time.Unix(anHour, 0), File: "test/r.json"})
	if err != nil {
		t.Fatal(err)
	}
	before := time.Unix(anHour+10, 0)
	old := func(want int) []agg.Report {
		t.Helper()
		got, all, err := s.OldReports(t.Context(), before)
		if err != nil || len(got) != want || all.Objects > 1 {
			t.Fatalf("%+v, %+v, %v", got, all, err)
		}
		return got
	}
	old(0) // it is queued
	r.Status, r.SHA256, r.Bytes, r.CompletedAt = agg.ReportCompleted, "abc", 10, new(time.Unix(anHour+5, 0).UTC())
	if err := s.UpdateReport(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	kept := old(1)[0]
	left := event.Retired{Class: event.ClassReports, Plan: "p", Path: r.File, Start: anHour, End: anHour + 3600, Copy: "reports/r", SHA256: "other", Document: "{}"}
	if err := s.RetireReport(t.Context(), "r", left); !errors.Is(err, ErrHourMoved) {
		t.Error("a report leaves that was made again:", err)
	}
	left.SHA256 = "abc"
	if err := s.RetireReport(t.Context(), "r", left); err != nil {
		t.Fatal(err)
	}
	old(0)
	if got, err := s.RetiredBy(t.Context(), "p"); err != nil || len(got) != 1 || got[0].Document != "{}" {
		t.Errorf("%+v, %v", got, err)
	}
	removed, put := 0, 0
	clear := func() error { return s.ClearReport(t.Context(), left, func() error { removed++; return nil }) }
	if err := clear(); err != nil || removed != 1 {
		t.Fatal(removed, err)
	}
	if _, _, err := s.QueueReport(t.Context(), agg.Report{ID: "r", Type: "test", Format: "json", Start: r.Start, End: r.End, File: r.File}); err != nil {
		t.Fatal(err)
	}
	if err := clear(); !errors.Is(err, ErrHourMoved) || removed != 1 {
		t.Errorf("the file of a report is removed that is made again: %d, %v", removed, err)
	}
	if err := s.DeleteReport(t.Context(), "r"); err != nil {
		t.Fatal(err)
	}
	revive := func(put func() error) error { return s.ReviveReport(t.Context(), kept, left, put) }
	full := errors.New("the disk is full")
	if err := revive(func() error { return full }); !errors.Is(err, full) {
		t.Fatal(err)
	}
	old(0) // nothing is listed whose file did not come
	for range 2 {
		if err := revive(func() error { put++; return nil }); err != nil || put != 1 {
			t.Fatal(put, err)
		}
	}
	if err := clear(); !errors.Is(err, ErrHourMoved) || removed != 1 {
		t.Errorf("the file of a report is removed that came back: %d, %v", removed, err)
	}
	if got := old(1)[0]; got.SHA256 != "abc" || got.File != r.File || !got.CompletedAt.Equal(*r.CompletedAt) {
		t.Errorf("%+v", got)
	}
	if got, err := s.RetiredBy(t.Context(), "p"); err != nil || len(got) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}
