package broker_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hxp-enterprise/hxp/internal/broker"
)

// lay writes a copy to a folder.
func lay(t *testing.T, dir string, files []broker.CopyFile) {
	t.Helper()
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(io.NewSectionReader(f.Body, 0, f.Size))
		if err != nil || int64(len(data)) != f.Size {
			t.Fatalf("%s: %d of %d bytes, %v", f.Name, len(data), f.Size, err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func effectFirst(topic string) int { return strings.Index("effect cause", topic) }

// records are the values of a partition, from its beginning.
func records(t *testing.T, addr, topic string) (values []string) {
	t.Helper()
	_, end := bounds(t, client(t, addr), topic, 0)
	c := client(t, addr, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	for int64(len(values)) < end {
		fetches := c.PollFetches(deadline(t))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values
}

// A copy beside a running broker holds the beginning of every log up to some moment, all that was acknowledged before it, and no effect
// without its cause. A broker starts on it and goes on.
func TestCopyBesideARunningBroker(t *testing.T) {
	dir := t.TempDir()
	b := run(t, broker.Config{Dir: dir}, nil)
	defer b.stop(t)
	c := client(t, b.Addr())
	create(t, c, 1, nil, "cause", "effect")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	acked := 0
	some := make(chan struct{}, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			for _, name := range []string{"cause", "effect"} {
				if err := c.ProduceSync(ctx, &kgo.Record{Topic: name, Value: []byte(strconv.Itoa(i))}).FirstErr(); err != nil {
					return
				}
			}
			mu.Lock()
			acked = i + 1
			mu.Unlock()
			if i%50 == 49 {
				select {
				case some <- struct{}{}:
				default:
				}
			}
		}
	})
	for range 4 {
		<-some
		mu.Lock()
		least := acked
		mu.Unlock()
		held, err := broker.Hold(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		files, err := held.Cut(effectFirst)
		if err != nil {
			t.Fatal(err)
		}
		copied := t.TempDir()
		lay(t, copied, files)
		held.Close()
		other := run(t, broker.Config{Dir: copied}, nil)
		causes, effects := records(t, other.Addr(), "cause"), records(t, other.Addr(), "effect")
		if len(effects) < least || len(effects) > len(causes) {
			t.Errorf("%d effects and %d causes; %d were acknowledged before", len(effects), len(causes), least)
		}
		for _, values := range [][]string{causes, effects} {
			for i, v := range values {
				if v != strconv.Itoa(i) {
					t.Fatalf("record %d is %q", i, v)
				}
			}
		}
		if last := produce(t, client(t, other.Addr()), "cause", 0, 1, 1); last != int64(len(causes)) {
			t.Errorf("the copy goes on at %d, not %d", last, len(causes))
		}
		other.stop(t)
	}
	stop()
	wg.Wait()
}

// What is deleted after Hold is in the copy all the same; when nothing that was held is left, there may be a hole, and the copy is refused.
func TestCopyWhileLogsAreShortened(t *testing.T) {
	dir := t.TempDir()
	b := run(t, broker.Config{Dir: dir, MaxBytes: 32 << 20}, nil)
	defer b.stop(t)
	c := client(t, b.Addr(), kgo.ProducerBatchCompression(kgo.NoCompression()))
	create(t, c, 1, nil, "cause")
	trim := func(to int64) {
		var offsets kadm.Offsets
		offsets.AddOffset("cause", 0, to, -1)
		if _, err := kadm.NewClient(c).DeleteRecords(deadline(t), offsets); err != nil {
			t.Fatal(err)
		}
	}
	end := produce(t, c, "cause", 0, 20, 100_000) + 1 // 8 segments
	held, err := broker.Hold(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	trim(end - 1)
	if left, _ := filepath.Glob(filepath.Join(dir, "log", "partitions", "cause-0", "*.dat")); len(left) != 1 {
		t.Fatalf("%d segments are left; the test wants the others deleted", len(left))
	}
	files, err := held.Cut(effectFirst)
	if err != nil {
		t.Fatal(err)
	}
	copied := t.TempDir()
	lay(t, copied, files)
	other := run(t, broker.Config{Dir: copied}, nil)
	if got := records(t, other.Addr(), "cause"); int64(len(got)) != end {
		t.Errorf("%d records, want %d", len(got), end)
	}
	other.stop(t)

	end = produce(t, c, "cause", 0, 20, 100_000) + 1
	trim(end - 1)
	if _, err := held.Cut(effectFirst); !errors.Is(err, broker.ErrMoved) {
		t.Errorf("a hole: %v", err)
	}
}
