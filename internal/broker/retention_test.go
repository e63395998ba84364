package broker

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestRetentionGoesByArrival(t *testing.T) {
	r := start(t, Config{}, nil)
	c := client(t, r.Addr())
	create(t, c, "a", func(rt *kmsg.CreateTopicsRequestTopic) {
		rt.Configs = append(rt.Configs, config("retention.ms", "604800000"))
	})
	topics, now, seen := []string{"a"}, time.Now(), arrivals{}
	produce(t, c, "a", 10, 100, now)
	produce(t, c, "a", 1, 100, now.AddDate(0, 0, -8))
	produce(t, c, "a", 10, 100, now)
	r.sample(seen, topics, now)
	r.clean(seen, topics, now)
	if low, high := r.bounds(t, "a"); low != 0 || high != 21 {
		t.Fatalf("the log is %d to %d: an old stamp deleted fresh records", low, high)
	}
	r.clean(seen, topics, now.Add(7*24*time.Hour-time.Second))
	if low, _ := r.bounds(t, "a"); low != 0 {
		t.Fatalf("records went before their time, the log starts at %d", low)
	}
	produce(t, c, "a", 5, 100, now.AddDate(-1, 0, 0))
	r.sample(seen, topics, now.Add(time.Hour))
	r.clean(seen, topics, now.Add(7*24*time.Hour))
	if low, high := r.bounds(t, "a"); low != 21 || high != 26 {
		t.Fatalf("the log is %d to %d, want 21 to 26", low, high)
	}
	readAll(t, r.Addr(), "a", 0, 21, 26)
}

func TestRetentionRespectsTheFloor(t *testing.T) {
	var floor atomic.Int64
	floor.Store(-1)
	r := start(t, Config{}, func(string, int32) (int64, bool) { return floor.Load(), floor.Load() >= 0 })
	c := client(t, r.Addr())
	create(t, c, "a", nil)
	topics, now, seen := []string{"a"}, time.Now(), arrivals{}
	produce(t, c, "a", 10, 100, now)
	r.sample(seen, topics, now.AddDate(0, 0, -8))
	for _, want := range []struct{ floor, low int64 }{{-1, 0}, {0, 0}, {4, 4}, {3, 4}, {100, 9}} {
		floor.Store(want.floor)
		r.clean(seen, topics, now)
		if low, _ := r.bounds(t, "a"); low != want.low {
			t.Errorf("floor %d: the log starts at %d, want %d", want.floor, low, want.low)
		}
	}
}

func TestCapDeletesOnlyWhatReadersHavePassed(t *testing.T) {
	var floor atomic.Int64
	r := start(t, Config{MaxBytes: 20 << 10}, func(string, int32) (int64, bool) { return floor.Load(), true })
	c := client(t, r.Addr())
	create(t, c, "a", nil)
	topics, now := []string{"a"}, time.Now()
	produce(t, c, "a", 40, 1000, now)
	for _, want := range []struct {
		floor, lowest, highest int64
		full                   bool
	}{{0, 0, 0, true}, {5, 5, 5, true}, {40, 20, 25, false}} {
		floor.Store(want.floor)
		r.clean(arrivals{}, topics, now)
		low, _ := r.bounds(t, "a")
		if low < want.lowest || low > want.highest {
			t.Errorf("floor %d: the log starts at %d, want %d to %d", want.floor, low, want.lowest, want.highest)
		}
		if full, why := r.Overfull(); full != want.full || full != (why != "") {
			t.Errorf("floor %d: overfull %v (%q), want %v", want.floor, full, why, want.full)
		}
	}
	readAll(t, r.Addr(), "a", 0, 25, 40)
}

func TestTopicMadeAnewIsNotCleanedByItsPast(t *testing.T) {
	r := start(t, Config{}, nil)
	c := client(t, r.Addr(), kgo.MetadataMinAge(10*time.Millisecond))
	topics, now, seen := []string{"a"}, time.Now(), arrivals{}
	create(t, c, "a", nil)
	produce(t, c, "a", 3, 100, now)
	r.sample(seen, topics, now.AddDate(0, 0, -8))
	del := kmsg.NewPtrDeleteTopicsRequest()
	del.TopicNames = topics
	rt := kmsg.NewDeleteTopicsRequestTopic()
	rt.Topic = new("a")
	del.Topics = append(del.Topics, rt)
	if _, err := del.RequestWith(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	c = client(t, r.Addr())
	create(t, c, "a", nil)
	produce(t, c, "a", 5, 100, now)
	r.sample(seen, topics, now)
	r.clean(seen, topics, now)
	if low, high := r.bounds(t, "a"); low != 0 || high != 5 {
		t.Errorf("the log is %d to %d, want 0 to 5", low, high)
	}
	if len(seen) != 1 {
		t.Errorf("arrivals of a deleted topic are kept: %v", seen)
	}
}

func TestLostTailForgetsItsArrivals(t *testing.T) {
	r := start(t, Config{}, nil)
	c := client(t, r.Addr())
	create(t, c, "a", nil)
	now := time.Now()
	produce(t, c, "a", 5, 100, now)
	seen := arrivals{r.place("a", 0): {{now.AddDate(0, 0, -8).Unix(), 100}}}
	r.sample(seen, []string{"a"}, now)
	r.clean(seen, []string{"a"}, now)
	if low, _ := r.bounds(t, "a"); low != 0 {
		t.Errorf("the log starts at %d, want 0", low)
	}
}

func TestSamplesAreBounded(t *testing.T) {
	r := start(t, Config{}, nil)
	c := client(t, r.Addr())
	create(t, c, "a", nil)
	produce(t, c, "a", 1, 100, time.Now())
	list := make(samples, maxSamples)
	seen := arrivals{r.place("a", 0): list}
	r.sample(seen, []string{"a"}, time.Now())
	got := seen[r.place("a", 0)]
	if len(got) > maxSamples*3/4+2 || got[len(got)-1].End != 1 {
		t.Errorf("%d samples, the last is %v", len(got), got[len(got)-1])
	}
}

func TestArrivalsSurviveARestart(t *testing.T) {
	path := t.TempDir() + "/arrivals.json"
	if seen, err := readArrivals(path); err != nil || seen == nil {
		t.Fatalf("a missing file: %v, %v", seen, err)
	}
	if err := writeArrivals(path, arrivals{"a/0": {{5, 7}, {6, 9}}}); err != nil {
		t.Fatal(err)
	}
	seen, err := readArrivals(path)
	if err != nil || seen["a/0"].before(time.Unix(5, 0)) != 7 || seen["a/0"].before(time.Unix(4, 0)) != 0 || seen["a/0"].before(time.Unix(9, 0)) != 9 {
		t.Errorf("read %v, %v", seen, err)
	}
}
