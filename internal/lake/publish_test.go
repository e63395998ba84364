package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/event"
)

var errKill = errors.New("killed")

// at is the event with a number; its time jumps over many hours.
func at(n int64) *event.Event {
	e := &event.Event{Kind: event.LLMRequest, ID: fmt.Sprintf("e%d", n), HasTime: true, Time: 1_700_000_000_000_000 + (n*7919)%(2*3600)*1e6}
	if n%17 == 0 {
		e.Kind = event.UserFeedback // a stranger on this topic
	}
	e.SetText(event.Model, fmt.Sprintf("m%d", n%3))
	if e.Kind == event.LLMRequest {
		e.SetInt(event.PromptTokens, n)
	}
	return e
}

func claimOf(tp event.TopicPartition, from, to int64) *claim {
	c := &claim{tp: tp, from: from, to: to}
	byKind := make(map[event.Kind]*rows)
	for n := from; n < to; n++ {
		if n%10 == 3 {
			continue // no event at this offset
		}
		e := at(n)
		if byKind[e.Kind] == nil {
			byKind[e.Kind] = newRows(e.Kind)
			c.rows = append(c.rows, byKind[e.Kind])
		}
		byKind[e.Kind].add(e, n, e.Time)
	}
	return c
}

// holds checks that the lake holds exactly the events of the offsets [0, end), each once.
func holds(t interface{ Fatalf(string, ...any) }, l *Lake, m *memory, end int64) {
	seen := make(map[int64]int)
	files, _ := m.Files(context.Background(), event.LakeFilter{})
	for _, f := range files {
		err := l.Scan(context.Background(), []event.LakeFile{f}, func(r *event.LakeRow) error {
			seen[r.Offset]++
			if want := at(r.Offset); !want.Equal(&r.Event) {
				return fmt.Errorf("offset %d is %s", r.Offset, event.AppendJSON(nil, &r.Event))
			}
			if h := hourOf(r.Event.Time); h != f.Hour {
				return fmt.Errorf("offset %d of hour %d in a file of hour %d", r.Offset, h, f.Hour)
			}
			if r.Event.Time < f.MinTime || r.Event.Time > f.MaxTime || r.Offset < f.From || r.Offset >= f.To {
				return fmt.Errorf("offset %d is outside of its file %+v", r.Offset, f)
			}
			return nil
		})
		if err != nil {
			t.Fatalf("%v", err)
		}
	}
	for n := range end {
		want := 1
		if n%10 == 3 {
			want = 0
		}
		if seen[n] != want {
			t.Fatalf("offset %d is there %d times, not %d", n, seen[n], want)
		}
		delete(seen, n)
	}
	if len(seen) > 0 {
		t.Fatalf("more offsets than were published: %v", seen)
	}
}

// However a log is cut into ranges, and wherever the writer is killed, the lake holds each event once and the sweep leaves
// exactly the files of the manifest.
func TestKilledAnywhere(t *testing.T) {
	encoders := make(map[event.Kind]*encoder) // dear to make
	rapid.Check(t, func(rt *rapid.T) {
		l, m, tp := openTest(t), newMemory(), testTP
		skipDisk(l)
		m.InitPosition(context.Background(), tp, 0)
		const end = 30
		p := newPublisher(l, m, slog.New(slog.DiscardHandler), newMetrics(nil))
		p.encoders = encoders
		for m.next[tp] < end {
			from := m.next[tp]
			to := min(end, from+int64(rapid.IntRange(1, 12).Draw(rt, "range")))
			kill := rapid.SampledFrom([]string{"", "", "write", "verify", "move", "commit"}).Draw(rt, "kill")
			p.point = func(step string) error {
				if step == kill {
					return errKill
				}
				return nil
			}
			out, err := p.publish(t.Context(), []*claim{claimOf(tp, from, to)})
			if kill == "" && (err != nil || !out[0].published) {
				rt.Fatalf("publish [%d, %d): %v %v", from, to, out, err)
			}
			if kill != "" && !errors.Is(err, errKill) {
				rt.Fatalf("not killed: %v", err)
			}
		}
		holds(rt, l, m, end)
		if _, err := l.sweep(t.Context(), m, -time.Hour); err != nil {
			rt.Fatal(err)
		}
		if got := parquets(t, l); got != len(m.files) {
			rt.Fatalf("%d files after the sweep, %d in the manifest", got, len(m.files))
		}
		holds(rt, l, m, end)
	})
}

func parquets(t *testing.T, l *Lake) (n int) {
	t.Helper()
	err := filepath.WalkDir(localPath(l, ""), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(d.Name(), ".parquet") {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Of two owners of one range one is published; the other takes its own files away and no others.
func TestSecondOwnerLoses(t *testing.T) {
	l, m := openTest(t), newMemory()
	m.InitPosition(context.Background(), testTP, 0)
	log := slog.New(slog.DiscardHandler)
	slow, fast := newPublisher(l, m, log, newMetrics(nil)), newPublisher(l, m, log, newMetrics(nil))
	slow.point = func(step string) error {
		if step != "move" {
			return nil
		}
		out, err := fast.publish(t.Context(), []*claim{claimOf(testTP, 0, 50)})
		if err != nil || !out[0].published {
			t.Errorf("first owner: %v %v", out, err)
		}
		return nil
	}
	out, err := slow.publish(t.Context(), []*claim{claimOf(testTP, 0, 50)})
	if err != nil || out[0].published {
		t.Fatalf("second owner: %v %v", out, err)
	}
	holds(t, l, m, 50)
	if got := parquets(t, l); got != len(m.files) {
		t.Fatalf("%d files, %d in the manifest", got, len(m.files))
	}
}

// The sweep takes no file that is young, known, or not of the lake's data.
func TestSweepSpares(t *testing.T) {
	l, m := openTest(t), newMemory()
	touch := func(path string, age time.Duration) {
		if err := os.MkdirAll(filepath.Dir(localPath(l, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(localPath(l, path), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-age)
		if err := os.Chtimes(localPath(l, path), when, when); err != nil {
			t.Fatal(err)
		}
	}
	touch("user-feedback/dt=2024-01-01/hour=1/old.parquet", time.Hour)
	touch("_tmp/old.parquet", time.Hour)
	touch("user-feedback/dt=2024-01-01/hour=1/young.parquet", time.Minute)
	touch("user-feedback/dt=2024-01-01/hour=1/known.parquet", time.Hour)
	touch("user-feedback/dt=2024-01-01/hour=1/notes.txt", time.Hour)
	touch("_state/panes/0/x.parquet", time.Hour)
	touch("exports/dt=2024-01-01/hour=1/theirs.parquet", time.Hour)
	touch("user-feedback/mine/theirs.parquet", time.Hour)
	m.files = []event.LakeFile{{Path: "user-feedback/dt=2024-01-01/hour=1/known.parquet", Hour: 1704070800}}
	n, err := l.sweep(t.Context(), m, 15*time.Minute)
	if err != nil || n != 2 {
		t.Fatalf("%d files removed, %v", n, err)
	}
	for _, path := range []string{"user-feedback/dt=2024-01-01/hour=1/young.parquet", "user-feedback/dt=2024-01-01/hour=1/known.parquet", "user-feedback/dt=2024-01-01/hour=1/notes.txt", "_state/panes/0/x.parquet",
		"exports/dt=2024-01-01/hour=1/theirs.parquet", "user-feedback/mine/theirs.parquet"} {
		if _, err := os.Stat(localPath(l, path)); err != nil {
			t.Error(err)
		}
	}
}

// Verify names each file that was changed, cut or lost.
func TestVerify(t *testing.T) {
	l, m := openTest(t), newMemory()
	m.InitPosition(context.Background(), testTP, 0)
	p := newPublisher(l, m, slog.New(slog.DiscardHandler), newMetrics(nil))
	if _, err := p.publish(t.Context(), []*claim{claimOf(testTP, 0, 50)}); err != nil {
		t.Fatal(err)
	}
	checked, bad, err := l.Verify(t.Context(), m, nil)
	if err != nil || len(bad) > 0 || checked != len(m.files) || checked < 2 {
		t.Fatalf("%d checked, bad %v, %v", checked, bad, err)
	}
	whole, err := os.ReadFile(localPath(l, m.files[0].Path))
	if err != nil {
		t.Fatal(err)
	}
	whole[len(whole)/2] ^= 1
	os.WriteFile(localPath(l, m.files[0].Path), whole, 0o644)
	os.Truncate(localPath(l, m.files[1].Path), 10)
	os.Remove(localPath(l, m.files[2].Path))
	_, bad, err = l.Verify(t.Context(), m, nil)
	if err != nil || len(bad) != 3 {
		t.Fatalf("bad %v, %v", bad, err)
	}
	err = l.Scan(t.Context(), m.files[2:3], func(*event.LakeRow) error { return nil })
	if !errors.Is(err, ErrMissing) {
		t.Fatalf("scan of a missing file: %v", err)
	}
	if err = l.Scan(t.Context(), m.files[1:2], func(*event.LakeRow) error { return nil }); err == nil {
		t.Fatal("scan of a cut file says nothing")
	}
}
