package store

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

func loose(t *testing.T, s *Store) (hours []int64) {
	t.Helper()
	all, err := s.LooseHours(t.Context(), time.Unix(10_800, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range all {
		if h.Version == h.Built || h.LastPublished == 0 {
			t.Errorf("%+v", h)
		}
		hours = append(hours, h.Hour)
	}
	return hours
}

func states(t *testing.T, s *Store, hour int64) map[string]string {
	t.Helper()
	files, err := s.Files(t.Context(), event.LakeFilter{FromHour: hour, ToHour: hour + 1})
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for _, f := range files {
		out[f.Path] = f.State
	}
	return out
}

// A compaction swaps files and leaves the version of the hour alone; what comes later makes the hour loose again.
func TestCompact(t *testing.T) {
	s := open(t)
	s.InitPosition(t.Context(), tp, 0)
	publish(t, s, tp, 0, 10, file(1, 3600), file(2, 3600), file(3, 7200), file(4, 10_800))
	if got := loose(t, s); !slices.Equal(got, []int64{3600, 7200}) {
		t.Fatal("hours that have not ended, or none: ", got)
	}
	files, version, err := s.LiveFiles(t.Context(), 3600)
	if err != nil || len(files) != 2 || version != 1 {
		t.Fatal(files, version, err)
	}
	made := file(9, 3600)
	made.Generation = 77
	c := event.Compaction{Hour: 3600, Version: version, Generation: 77, Old: []string{file(1, 3600).Path}, Kept: []string{file(2, 3600).Path}, New: []event.LakeFile{made}}
	publish(t, s, tp, 10, 11, file(5, 3600)) // while the hour was compacted
	if ok, err := s.Compact(t.Context(), c); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if got := states(t, s, 3600); len(got) != 4 || got[file(1, 3600).Path] != event.LakeSuperseded || got[made.Path] != event.LakeLive || got[file(5, 3600).Path] != event.LakeLive {
		t.Fatal(got)
	}
	if got := loose(t, s); !slices.Equal(got, []int64{3600, 7200}) {
		t.Fatal("the late file is not seen: ", got)
	}
	files, version, err = s.LiveFiles(t.Context(), 3600)
	if err != nil || len(files) != 3 || version != 2 {
		t.Fatal(files, version, err)
	}
	for _, f := range files {
		if want := map[string]int64{made.Path: 77, file(2, 3600).Path: 77}[f.Path]; f.Generation != want {
			t.Errorf("%s has generation %d", f.Path, f.Generation)
		}
	}

	// The same swap a second time, and one of a file that left otherwise, change nothing.
	if ok, err := s.Compact(t.Context(), c); err != nil || ok {
		t.Fatal(ok, err)
	}
	other := event.Compaction{Hour: 3600, Version: version, Generation: 78, Old: []string{file(5, 3600).Path, file(1, 3600).Path}}
	if ok, err := s.Compact(t.Context(), other); err != nil || ok || states(t, s, 3600)[file(5, 3600).Path] != event.LakeLive {
		t.Fatal(ok, err)
	}
	if ok, err := s.Compact(t.Context(), event.Compaction{Hour: 3600, Version: version, Generation: 78, Old: []string{file(5, 3600).Path}}); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if got := loose(t, s); !slices.Equal(got, []int64{7200}) {
		t.Fatal(got)
	}

	// What was replaced can be forgotten when its grace is over, and nothing else.
	if got, err := s.Superseded(t.Context(), time.Now().Add(-time.Minute), 10); err != nil || len(got) != 0 {
		t.Fatal(got, err)
	}
	got, err := s.Superseded(t.Context(), time.Now().Add(time.Minute), 10)
	if err != nil || !slices.Equal(got, []string{file(1, 3600).Path, file(5, 3600).Path}) {
		t.Fatal(got, err)
	}
	if err := s.Forget(t.Context(), append(got, made.Path)); err != nil {
		t.Fatal(err)
	}
	if got := states(t, s, 3600); len(got) != 2 || got[made.Path] != event.LakeLive {
		t.Fatal(got)
	}
}

// Of many compactions of the same files at once exactly one wins.
func TestCompactOnce(t *testing.T) {
	s := open(t)
	s.InitPosition(t.Context(), tp, 0)
	publish(t, s, tp, 0, 10, file(1, 3600), file(2, 3600))
	var wg sync.WaitGroup
	won := make(chan int, 8)
	for i := range 8 {
		wg.Go(func() {
			made := file(10+i, 3600)
			ok, err := s.Compact(t.Context(), event.Compaction{Hour: 3600, Version: 1, Generation: int64(i) + 1, Old: []string{file(1, 3600).Path, file(2, 3600).Path}, New: []event.LakeFile{made}})
			if err != nil {
				t.Error(err)
			}
			if ok {
				won <- i
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d compactions won", len(won))
	}
	if got := states(t, s, 3600); len(got) != 3 || got[file(10+<-won, 3600).Path] != event.LakeLive {
		t.Fatal(got)
	}
}
