package store

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

var tp = event.TopicPartition{TopicID: "aa", Topic: "llm-requests", Partition: 1}

func file(n int, hour int64) event.LakeFile {
	return event.LakeFile{Path: fmt.Sprintf("llm-requests/%d-%d.parquet", n, hour), TopicID: tp.TopicID, Topic: tp.Topic, Partition: tp.Partition,
		From: int64(n), To: int64(n) + 1, Hour: hour, Rows: 5, Bytes: 100, SHA256: "00", MinTime: hour * 1e6, MaxTime: hour*1e6 + 1, State: event.LakeLive}
}

// publish is a publication that must succeed.
func publish(t *testing.T, s *Store, tp event.TopicPartition, from, to int64, files ...event.LakeFile) {
	t.Helper()
	if ok, err := s.Publish(t.Context(), tp, from, to, files); err != nil || !ok {
		t.Fatalf("publish [%d, %d): %v %v", from, to, ok, err)
	}
}

func TestPublish(t *testing.T) {
	s := open(t)
	if ok, err := s.Publish(t.Context(), tp, 0, 1, nil); ok || err != nil {
		t.Fatalf("an unknown partition is published: %v %v", ok, err)
	}
	for _, want := range []int64{7, 7} { // the second call finds the first
		if next, err := s.InitPosition(t.Context(), tp, want); err != nil || next != 7 {
			t.Fatal(next, err)
		}
	}
	publish(t, s, tp, 7, 10, file(1, 3600), file(2, 3600), file(3, 7200))
	if ok, err := s.Publish(t.Context(), tp, 7, 12, []event.LakeFile{file(4, 3600)}); ok || err != nil {
		t.Fatalf("the second owner is published too: %v %v", ok, err)
	}
	publish(t, s, tp, 10, 11) // nothing to write moves the position as well
	if ok, err := s.Publish(t.Context(), tp, 11, 12, []event.LakeFile{file(5, 3600), file(1, 3600)}); ok || err == nil {
		t.Fatal("a path is in the manifest twice")
	}
	positions, err := s.Positions(t.Context())
	if err != nil || !reflect.DeepEqual(positions, map[event.TopicPartition]int64{tp: 11}) {
		t.Fatal(positions, err)
	}
	files, err := s.Files(t.Context(), event.LakeFilter{})
	if err != nil || !reflect.DeepEqual(files, []event.LakeFile{file(1, 3600), file(2, 3600), file(3, 7200)}) {
		t.Fatal(files, err)
	}
	for _, c := range []struct {
		f event.LakeFilter
		n int
	}{{event.LakeFilter{Topic: "x"}, 0}, {event.LakeFilter{FromHour: 3601}, 1}, {event.LakeFilter{ToHour: 7200}, 2}, {event.LakeFilter{State: event.LakeMarked}, 0}, {event.LakeFilter{Topic: tp.Topic, State: event.LakeLive}, 3}} {
		if files, err := s.Files(t.Context(), c.f); err != nil || len(files) != c.n {
			t.Errorf("%+v chooses %d files, not %d (%v)", c.f, len(files), c.n, err)
		}
	}
	files, _, version, err := s.HourSnapshot(t.Context(), 3600)
	if err != nil || len(files) != 2 || version != 1 {
		t.Fatal(files, version, err)
	}
}

func TestSkipGap(t *testing.T) {
	s := open(t)
	s.InitPosition(t.Context(), tp, 5)
	g := event.LakeGap{TopicPartition: tp, From: 5, To: 9, Reason: "deleted"}
	for _, want := range []bool{true, false} {
		if ok, err := s.SkipGap(t.Context(), g); ok != want || err != nil {
			t.Fatal(ok, err)
		}
	}
	gaps, err := s.Gaps(t.Context())
	if err != nil || len(gaps) != 1 || gaps[0].Lost() != 4 || gaps[0].At == 0 {
		t.Fatal(gaps, err)
	}
	publish(t, s, tp, 9, 10)
}

// Owners that publish at the same time: every offset is published once, and the hour's version counts the publications.
func TestPublishRace(t *testing.T) {
	url := database(t)
	s := reopen(t, url)
	s.InitPosition(t.Context(), tp, 0)
	const end = 60
	var wg sync.WaitGroup
	var won [3]int
	for owner := range won {
		s := reopen(t, url)
		wg.Go(func() {
			for at := int64(0); at < end; {
				f := file(int(at), 0)
				f.Path += fmt.Sprint(owner)
				ok, err := s.Publish(t.Context(), tp, at, at+1, []event.LakeFile{f})
				if err != nil {
					t.Error(err)
					return
				}
				if ok {
					won[owner]++
				}
				positions, err := s.Positions(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				at = positions[tp]
			}
		})
	}
	wg.Wait()
	files, _, version, err := s.HourSnapshot(t.Context(), 0)
	if err != nil || len(files) != end || version != end || won[0]+won[1]+won[2] != end {
		t.Fatal(len(files), version, won, err)
	}
}

func TestDirtyHours(t *testing.T) {
	s := open(t)
	other := tp
	other.TopicID, other.Topic = "bb", "user-feedback"
	s.InitPosition(t.Context(), tp, 0)
	s.InitPosition(t.Context(), other, 0)
	publish(t, s, tp, 0, 1, file(0, 0), file(0, 3600))
	publish(t, s, tp, 1, 2, file(1, 3600))
	f := file(9, 3600)
	f.Topic, f.TopicID = other.Topic, other.TopicID
	publish(t, s, other, 0, 1, f)

	dirty := func(until int64) (out []int64) {
		t.Helper()
		hours, err := s.DirtyHours(t.Context(), time.Unix(until, 0))
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hours {
			if h.Version == h.Built || h.LastPublished == 0 {
				t.Errorf("%+v", h)
			}
			out = append(out, h.Hour)
		}
		return out
	}
	for _, c := range []struct {
		until int64
		want  []int64
	}{{3599, nil}, {3600, []int64{0}}, {7199, []int64{0}}, {7200, []int64{0, 3600}}} {
		if got := dirty(c.until); !reflect.DeepEqual(got, c.want) {
			t.Errorf("dirty at %d: %v, not %v", c.until, got, c.want)
		}
	}
	_, _, version, err := s.HourSnapshot(t.Context(), 3600)
	if err != nil || version != 3 {
		t.Fatal(version, err)
	}
	if _, err := s.SaveHour(t.Context(), 3600, version, agg.Aggregate{}); err != nil {
		t.Fatal(err)
	}
	if got := dirty(7200); !reflect.DeepEqual(got, []int64{0}) {
		t.Error("dirty after the build: ", got)
	}
	publish(t, s, tp, 2, 3, file(2, 3600))
	if got := dirty(7200); !reflect.DeepEqual(got, []int64{0, 3600}) {
		t.Error("dirty after new data: ", got)
	}
	h, err := s.HourBuild(t.Context(), 3600)
	if err != nil || h.Version != 4 || h.Built != 3 || h.LastPublished == 0 {
		t.Error(h, err)
	}
	if h, err := s.HourBuild(t.Context(), 1e6*3600); err != nil || h.Version != 0 || h.Built != 0 {
		t.Error(h, err)
	}
}

// A store that is closed says so, instead of losing what it is told.
func TestClosed(t *testing.T) {
	s := open(t)
	s.Close()
	if _, err := s.Publish(t.Context(), tp, 0, 1, nil); err == nil || errors.Is(err, errMoved) {
		t.Fatal(err)
	}
}
