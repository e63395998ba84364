package lake

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// published returns a lake of the offsets [0, end) of one partition, in ranges of ten, and the hours that it has.
func published(t *testing.T, end int64) (*Lake, *memory, *publisher, []int64) {
	t.Helper()
	l, m := openTest(t), newMemory()
	skipDisk(l)
	m.InitPosition(t.Context(), testTP, 0)
	p := newPublisher(l, m, slog.New(slog.DiscardHandler), newMetrics(nil))
	publishRange(t, p, 0, end)
	hours := make(map[int64]bool)
	for _, f := range m.files {
		hours[f.Hour] = true
	}
	return l, m, p, sortedKeys(hours)
}

func sortedKeys(set map[int64]bool) (out []int64) {
	for k := range set {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func publishRange(t *testing.T, p *publisher, from, end int64) {
	t.Helper()
	for ; from < end; from += 10 {
		if out, err := p.publish(t.Context(), []*claim{claimOf(testTP, from, min(end, from+10))}); err != nil || !out[0].published {
			t.Fatal(out, err)
		}
	}
}

// liveOnly hides superseded files, as exact readers do.
func liveOnly(m *memory) *memory {
	out := newMemory()
	out.files, _ = m.Files(context.Background(), event.LakeFilter{State: event.LakeLive})
	return out
}

// The command compacts every ended hour; files become few, and what was read before is read after.
func TestCompactAll(t *testing.T) {
	l, m, p, hours := published(t, 200)
	before := len(m.files)
	var progress []int
	done, err := l.Compact(t.Context(), m, CompactOptions{Budget: 64 << 20, Progress: func(c Compacted, i, n int) {
		if n != len(hours) || c.RowsAfter == 0 || c.RowsBefore != c.RowsAfter || c.FilesAfter > 2 {
			t.Errorf("%d of %d: %+v", i, n, c)
		}
		progress = append(progress, i)
	}})
	if err != nil || len(done) != len(hours) || len(progress) != len(hours) {
		t.Fatal(done, err)
	}
	holds(t, l, liveOnly(m), 200)
	if now := len(liveOnly(m).files); now >= before || now > 2*len(hours) {
		t.Fatalf("%d files became %d", before, now)
	}
	if again, err := l.Compact(t.Context(), m, CompactOptions{Budget: 64 << 20}); err != nil || len(again) != 0 {
		t.Fatal("compacted hours are compacted again: ", again, err)
	}

	// What comes later is merged, also when only some hours are chosen.
	publishRange(t, p, 200, 240)
	some, err := l.Compact(t.Context(), m, CompactOptions{Budget: 64 << 20, From: time.Unix(hours[1], 0), To: time.Unix(hours[1]+1, 0)})
	if err != nil || len(some) != 1 || some[0].Hour.Unix() != hours[1] {
		t.Fatal(some, err)
	}
	holds(t, l, liveOnly(m), 240)
	if _, err := l.Compact(t.Context(), m, CompactOptions{Budget: 64 << 20}); err != nil {
		t.Fatal(err)
	}
	holds(t, l, liveOnly(m), 240)
}

// An hour that is still running is left alone.
func TestRunningHourIsNotCompacted(t *testing.T) {
	l, m := openTest(t), newMemory()
	m.versions[time.Now().Unix()/3600*3600] = 1
	if done, err := l.Compact(t.Context(), m, CompactOptions{Budget: 64 << 20}); err != nil || len(done) != 0 {
		t.Fatal(done, err)
	}
}

// What is published while its hour is compacted stays live, and the hour is compacted once more.
func TestPublishedMeanwhile(t *testing.T) {
	for _, when := range []string{"survey", "write", "place"} {
		l, m, p, hours := published(t, 100)
		how := testCompacting
		how.point = func(step string) error {
			if step == when && m.next[testTP] == 100 {
				publishRange(t, p, 100, 150)
			}
			return nil
		}
		if done, err := l.compactHour(t.Context(), m, hours[0], how); err != nil || done.Lost {
			t.Fatal(when, done, err)
		}
		holds(t, l, liveOnly(m), 150)
		loose, _ := m.LooseHours(t.Context(), time.Now())
		if len(loose) != len(hours) {
			t.Fatalf("%s: %d hours are loose", when, len(loose))
		}
		if done, err := l.compactHour(t.Context(), m, hours[0], testCompacting); err != nil || done.FilesAfter > 2 {
			t.Fatal(when, done, err)
		}
		holds(t, l, liveOnly(m), 150)
	}
}

// Of two compactions of one hour one wins; the other changes nothing and takes its own files away.
func TestSecondCompactionLoses(t *testing.T) {
	l, m, _, hours := published(t, 100)
	slow := testCompacting
	slow.point = func(step string) error {
		if step == "survey" {
			if done, err := l.compactHour(t.Context(), m, hours[0], testCompacting); err != nil || done.Lost {
				t.Error(done, err)
			}
		}
		return nil
	}
	if done, err := l.compactHour(t.Context(), m, hours[0], slow); err != nil || !done.Lost {
		t.Fatal(done, err)
	}
	holds(t, l, liveOnly(m), 100)
	if got := parquets(t, l); got != len(m.files) {
		t.Fatalf("%d files, %d in the manifest", got, len(m.files))
	}
}

// When the manifest fails, whether it took the compaction is not known: what may be live is not removed.
func TestManifestFailsCompaction(t *testing.T) {
	l, m, _, hours := published(t, 100)
	m.fail(errors.New("disk full"))
	before := parquets(t, l)
	if _, err := l.compactHour(t.Context(), m, hours[0], testCompacting); err == nil {
		t.Fatal("no error")
	}
	if parquets(t, l) <= before {
		t.Fatal("files that may be live were removed")
	}
	m.fail(nil)
	if _, err := l.sweep(t.Context(), m, -time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := parquets(t, l); got != before {
		t.Fatalf("%d files after the sweep, %d before", got, before)
	}
	holds(t, l, m, 100)
}

// A damaged file stops the compaction of its hour; nothing is replaced.
func TestDamagedFileStopsCompaction(t *testing.T) {
	l, m, _, hours := published(t, 100)
	if err := os.Truncate(localPath(l, m.files[0].Path), 20); err != nil {
		t.Fatal(err)
	}
	if _, err := l.compactHour(t.Context(), m, m.files[0].Hour, testCompacting); err == nil {
		t.Fatal("no error")
	}
	for _, f := range m.files {
		if f.State != event.LakeLive {
			t.Fatalf("%+v", f)
		}
	}
	if len(hours) < 2 {
		t.Fatal("the test wants a second hour")
	}
}

// By itself an hour is compacted when it has been quiet, and one that fails is not tried all the time. Replaced files go when
// their grace is over; who reads them until then is not disturbed.
func TestCompactsByItself(t *testing.T) {
	l, m, _, hours := published(t, 100)
	reg := telemetry.NewRegistry()
	w := NewWriter(Config{}, l, nil, m, slog.New(slog.DiscardHandler), reg)
	c := &compactor{Writer: w, failures: make(map[int64]failure)}
	if took := c.one(t.Context()); took != 0 {
		t.Fatal("an hour that is not quiet is compacted")
	}
	old := slices.Clone(m.files)
	for hour := range m.published {
		m.published[hour] = time.Now().Add(-time.Hour)
	}
	if err := os.Rename(localPath(l, m.files[0].Path), localPath(l, "away")); err != nil {
		t.Fatal(err)
	}
	for range len(hours) {
		if took := c.one(t.Context()); took == 0 {
			t.Fatal("nothing is done")
		}
	}
	if took := c.one(t.Context()); took != 0 || len(c.failures) != 1 {
		t.Fatalf("took %s, failures %v", took, c.failures)
	}
	if err := os.Rename(localPath(l, "away"), localPath(l, m.files[0].Path)); err != nil {
		t.Fatal(err)
	}
	clear(c.failures)
	c.one(t.Context())
	for outcome, want := range map[string]float64{"lake_compactions_total": float64(len(hours) + 1), "lake_compacted_rows_total": 90} {
		if got, _ := reg.Sum(outcome); got != want {
			t.Errorf("%s is %v, not %v", outcome, got, want)
		}
	}
	holds(t, l, liveOnly(m), 100)

	w.sweepOnce(t.Context())
	if err := l.Scan(t.Context(), old, func(*event.LakeRow) error { return nil }); err != nil {
		t.Fatal("within the grace: ", err)
	}
	w.cfg.SupersededGrace = -time.Second
	w.sweepOnce(t.Context())
	if got := parquets(t, l); got != len(m.files) || len(m.files) != len(liveOnly(m).files) {
		t.Fatalf("%d files, %d in the manifest", got, len(m.files))
	}
	holds(t, l, m, 100)
}
