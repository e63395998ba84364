package bus

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// ahead is a source that fetches as the library does: one fetch, which is answered as soon as there is anything, and waits to be polled.
type ahead struct {
	news chan struct{}

	mu               sync.Mutex
	fetched, written Fetch
	sought           []int64
}

func (a *ahead) write(batches ...PartitionBatch) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.written = append(a.written, batches...)
	a.fetch()
}

// fetch is called with mu held.
func (a *ahead) fetch() {
	if len(a.fetched) > 0 || len(a.written) == 0 {
		return
	}
	a.fetched, a.written = a.written, nil
	select {
	case a.news <- struct{}{}:
	default:
	}
}

func (a *ahead) Poll(ctx context.Context) (Fetch, error) {
	for {
		a.mu.Lock()
		got := a.fetched
		a.fetched = nil
		a.fetch()
		a.mu.Unlock()
		if len(got) > 0 {
			return got, nil
		}
		select {
		case <-a.news:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (a *ahead) Seek(_ string, _ int32, offset int64) error {
	a.sought = append(a.sought, offset)
	return nil
}

// taker is a Follower that notes what it was told.
type taker struct {
	calls []string
	late  time.Duration
}

func (t *taker) Begun() {}
func (t *taker) Take(_ context.Context, batch []*Message) error {
	text := ""
	for _, m := range batch {
		t.late = max(t.late, time.Since(m.Timestamp))
		text += string(m.Value)
	}
	t.calls = append(t.calls, text)
	return nil
}
func (t *taker) Lost(string, int32) { t.calls = append(t.calls, "lost") }

func record(partition int32, value string) PartitionBatch {
	return PartitionBatch{Topic: "t", Partition: partition, Messages: []*Message{{Value: []byte(value), Timestamp: time.Now()}}}
}

// TestFollowGathers: what comes in quick succession, of all partitions, is taken together, and nothing of it waits for two rests.
func TestFollowGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, f := &ahead{news: make(chan struct{}, 1)}, &taker{}
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			defer stop()
			for range 1000 {
				from.write(record(0, "a"), record(1, "b"), record(2, "c"))
				time.Sleep(time.Millisecond)
			}
		}()
		for ctx.Err() == nil {
			if err := followOn(ctx, from, f); err != nil && ctx.Err() == nil {
				t.Fatal(err)
			}
		}
		if most := int(time.Second / followPace); len(f.calls) > most || len(f.calls) < most/2 {
			t.Errorf("taken %d times in a second", len(f.calls))
		}
		if f.late > followPace+followGather {
			t.Errorf("a record waited for %v", f.late)
		}
	})
}

// TestFollowTellsLossInItsPlace: what was fetched before records were lost is taken before that is told, and what cannot be mended ends it.
func TestFollowTellsLossInItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, f := &ahead{news: make(chan struct{}, 1)}, &taker{}
		gone := PartitionBatch{Topic: "t", Partition: 1, Err: &OutOfRangeError{Topic: "t", Partition: 1, Offset: 5, Start: 9, End: 20}}
		from.write(record(0, "a"), record(1, "b"), gone, record(0, "c"))
		if err := followOn(t.Context(), from, f); err != nil {
			t.Fatal(err)
		}
		if want := []string{"ab", "lost", "c"}; !slices.Equal(f.calls, want) || !slices.Equal(from.sought, []int64{9}) {
			t.Errorf("told %q, went on at %d", f.calls, from.sought)
		}
		f.calls = nil
		from.write(record(0, "d"), PartitionBatch{Topic: "t", Err: errUnknownID})
		if err := followOn(t.Context(), from, f); !errors.Is(err, errUnknownID) || !slices.Equal(f.calls, []string{"d"}) {
			t.Errorf("told %q, ended with %v", f.calls, err)
		}
	})
}
