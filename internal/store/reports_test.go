package store

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

func aReport(id, kind string, day int) agg.Report {
	start := time.Date(2025, 6, day, 0, 0, 0, 0, time.UTC)
	return agg.Report{ID: id, Type: kind, Format: "pdf", Start: start, End: start.AddDate(0, 0, 1), File: kind + "/" + id + ".pdf", CreatedAt: start}
}

func queue(t *testing.T, s *Store, r agg.Report) agg.Report {
	t.Helper()
	got, attached, err := s.QueueReport(t.Context(), r)
	if err != nil || attached {
		t.Fatal(attached, err)
	}
	return got
}

// A report that is made again is the same entry: it keeps its age and, until the new bytes are there, the old ones.
func TestReportsComeBack(t *testing.T) {
	s := open(t)
	r := queue(t, s, aReport("r1", "daily_summary", 1))
	if r.Status != agg.ReportQueued {
		t.Errorf("status %s", r.Status)
	}
	if _, attached, err := s.QueueReport(t.Context(), aReport("r1", "daily_summary", 1)); err != nil || !attached {
		t.Errorf("queued twice: %v %v", attached, err)
	}
	now := time.UnixMicro(1_750_000_000_123_456).UTC()
	r.Status, r.CompletedAt, r.Bytes, r.SHA256, r.Completeness = agg.ReportCompleted, &now, 1234, "abc", new(0.75)
	if err := s.UpdateReport(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Report(t.Context(), "r1"); err != nil || !reflect.DeepEqual(got, r) {
		t.Fatalf("%v\nwrote %+v\nread  %+v", err, r, got)
	}
	again := aReport("r1", "daily_summary", 1)
	again.CreatedAt = now
	want := r
	want.Status = agg.ReportQueued
	if got := queue(t, s, again); !reflect.DeepEqual(got, want) {
		t.Errorf("queued again\nwant %+v\ngot  %+v", want, got)
	}
	want.Status, want.Error = agg.ReportFailed, "disk full"
	if err := s.UpdateReport(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Report(t.Context(), "r1"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\nwrote %+v\nread  %+v", err, want, got)
	}
	if err := s.DeleteReport(t.Context(), "r1"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Report(t.Context(), "r1")
	for _, err := range []error{err, s.DeleteReport(t.Context(), "r1"), s.UpdateReport(t.Context(), r)} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("after the deletion: %v", err)
		}
	}
	for _, bad := range []agg.Report{{}, {ID: "x", Type: "test", Start: now, End: now}} {
		if _, _, err := s.QueueReport(t.Context(), bad); err == nil {
			t.Errorf("%+v is stored", bad)
		}
	}
}

func TestReportsAreListed(t *testing.T) {
	s := open(t)
	for day := 1; day <= 5; day++ {
		r := aReport(fmt.Sprint("d", day), "daily_summary", day)
		r.CreatedAt = time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC) // all of one moment
		queue(t, s, r)
	}
	done := queue(t, s, aReport("h", "hourly_summary", 9))
	done.Status = agg.ReportCompleted
	if err := s.UpdateReport(t.Context(), done); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for cursor := ""; ; {
		page, next, err := s.Reports(t.Context(), "daily_summary", 2, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			ids = append(ids, r.ID)
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	if fmt.Sprint(ids) != "[d5 d4 d3 d2 d1]" {
		t.Errorf("pages give %v", ids)
	}
	if all, _, err := s.Reports(t.Context(), "", 0, ""); err != nil || len(all) != 6 || all[5].ID != "h" {
		t.Errorf("%v %+v", err, all)
	}
	if _, _, err := s.Reports(t.Context(), "", 2, "!"); !errors.Is(err, ErrBadCursor) {
		t.Error(err)
	}
	open, err := s.UnfinishedReports(t.Context())
	if err != nil || len(open) != 5 {
		t.Errorf("%v, %d unfinished", err, len(open))
	}
	last, counts, err := s.LastReports(t.Context())
	if err != nil || len(last) != 2 || last[0].ID != "d5" || last[1].ID != "h" {
		t.Errorf("%v, last are %+v", err, last)
	}
	if want := map[agg.ReportStatus]int{agg.ReportQueued: 5, agg.ReportCompleted: 1}; !reflect.DeepEqual(counts, want) {
		t.Errorf("counts %v, want %v", counts, want)
	}
}

func TestAnalysisIsTheLast(t *testing.T) {
	s := open(t)
	if _, _, err := s.Analysis(t.Context(), "capacity"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	at := time.UnixMicro(1_750_000_000_000_001).UTC()
	for _, x := range []struct {
		at   time.Time
		text string
		want string
	}{{at, "1", "1"}, {at, "2", "2"}, {at.Add(-time.Hour), "old", "2"}, {at.Add(time.Hour), "3", "3"}} {
		if err := s.SaveAnalysis(t.Context(), "capacity", x.at, []byte(x.text)); err != nil {
			t.Fatal(err)
		}
		got, _, err := s.Analysis(t.Context(), "capacity")
		if err != nil || string(got) != x.want {
			t.Errorf("after %q: %q, %v", x.text, got, err)
		}
	}
}

// Of two who change an analysis that they have read, one is told that it is another now.
func TestReplaceAnalysis(t *testing.T) {
	s := open(t)
	at := func(n int) time.Time { return time.UnixMicro(1_750_000_000_000_000 + int64(n)).UTC() }
	for i, x := range []struct {
		was, at time.Time
		taken   bool
	}{{at(9), at(1), false}, {time.Time{}, at(1), true}, {time.Time{}, at(2), false}, {at(1), at(3), true}, {at(1), at(4), false}, {at(3), at(2), true}} {
		text := []byte{'0' + byte(i)}
		taken, err := s.ReplaceAnalysis(t.Context(), "schedules", x.was, x.at, text)
		if err != nil || taken != x.taken {
			t.Errorf("%d: taken %v, %v", i, taken, err)
		}
		if got, made, err := s.Analysis(t.Context(), "schedules"); taken && (err != nil || !bytes.Equal(got, text) || !made.Equal(x.at)) {
			t.Errorf("%d: %s of %s, %v", i, got, made, err)
		}
	}
}
