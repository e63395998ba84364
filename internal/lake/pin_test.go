package lake

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
	"github.com/hxp-enterprise/hxp/internal/kit/clock"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// replaced is a lake with files that a compaction has replaced, and the writer that removes them.
func replaced(t *testing.T) (*Lake, *memory, *Writer) {
	t.Helper()
	l, m, _, hours := published(t, 100)
	if _, err := l.compactHour(t.Context(), m, hours[0], testCompacting); err != nil {
		t.Fatal(err)
	}
	return l, m, &Writer{cfg: Config{SupersededGrace: -50 * 365 * 24 * time.Hour, OrphanGrace: time.Hour}, lake: l, manifest: m, log: slog.New(slog.DiscardHandler), metrics: newMetrics(telemetry.NewRegistry())}
}

// While a backup reads the lake nothing of it is removed: not by age, and not by an erasure, which waits.
func TestABackupKeepsTheFiles(t *testing.T) {
	l, m, w := replaced(t)
	before := parquets(t, l)
	release, err := Pin(t.Context(), filepath.Dir(l.stage))
	if err != nil {
		t.Fatal(err)
	}
	if w.sweepOnce(t.Context()) {
		t.Error("the sweep does not wait")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Millisecond)
	defer cancel()
	if err := l.removeReplaced(ctx, m); !errors.Is(err, atomicfile.ErrLocked) {
		t.Errorf("an erasure removes files: %v", err)
	}
	if got := parquets(t, l); got != before {
		t.Fatalf("%d files, %d before", got, before)
	}
	again, err := Pin(t.Context(), filepath.Dir(l.stage)) // another backup
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(release(), again()); err != nil {
		t.Fatal(err)
	}
	if !w.sweepOnce(t.Context()) || parquets(t, l) >= before {
		t.Error("nothing is removed afterwards")
	}
	if err := l.removeReplaced(t.Context(), m); err != nil {
		t.Error(err)
	}
}

// A clock that was set forward makes no file old enough to be removed, until somebody had the time to set it right.
func TestAClockThatWasSetForwardRemovesNothing(t *testing.T) {
	l, _, w := replaced(t)
	before := parquets(t, l)
	synctest.Test(t, func(t *testing.T) {
		l.Clock = &clock.Watch{}
		l.Clock.Look(time.Now())
		l.Clock.Look(time.Now().Add(24 * time.Hour))
		if w.sweepOnce(t.Context()) || parquets(t, l) != before {
			t.Error("files were removed")
		}
		time.Sleep(clock.Distrust)
		if !w.sweepOnce(t.Context()) || parquets(t, l) == before {
			t.Error("nothing is ever removed again")
		}
	})
}
