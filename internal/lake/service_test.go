package lake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a writer until the test ends or stop is called.
func start(t *testing.T, b *bus.Bus, l *Lake, m Manifest, cfg Config, reg *telemetry.Registry, point func(string) error) (w *Writer, stop func()) {
	t.Helper()
	w = NewWriter(cfg, l, b, m, slog.New(slog.DiscardHandler), reg)
	w.point = point
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("writer ended with %v", err)
		}
	})
	t.Cleanup(stop)
	<-w.Ready()
	return w, stop
}

func send(t *testing.T, b *bus.Bus, msgs ...*bus.Message) {
	t.Helper()
	p, err := b.NewProducer(bus.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Send(t.Context(), msgs); err != nil {
		t.Fatal(err)
	}
}

func requests(from, to int) (out []*bus.Message) {
	for i := from; i < to; i++ {
		e := &event.Event{Kind: event.LLMRequest, ID: fmt.Sprintf("r%d", i), HasTime: true, Time: 1_700_000_000_000_000 + int64(i%5)*hourMicros}
		e.SetText(event.RequestID, e.ID)
		e.SetInt(event.PromptTokens, int64(i))
		out = append(out, &bus.Message{Topic: "llm-requests", Key: []byte(e.ID), Value: event.AppendJSON(nil, e)})
	}
	return out
}

// await waits until the lake has published all that the topics hold.
func await(t *testing.T, b *bus.Bus, w *Writer) {
	t.Helper()
	until := make(map[string]map[int32]int64)
	bounds, err := b.Offsets(t.Context(), w.topics...)
	if err != nil {
		t.Fatal(err)
	}
	for topic, parts := range bounds {
		until[topic] = make(map[int32]int64)
		for p, r := range parts {
			until[topic][p] = r.End
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := w.Wait(ctx, until); err != nil {
		t.Fatal(err)
	}
}

// ids returns how often each event id is in the lake.
func ids(t *testing.T, l *Lake, m *memory) map[string]int {
	t.Helper()
	files, _ := m.Files(t.Context(), event.LakeFilter{})
	out := make(map[string]int)
	if err := l.Scan(t.Context(), files, func(r *event.LakeRow) error { out[r.Event.ID]++; return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}

func once(t *testing.T, got map[string]int, n int) {
	t.Helper()
	for i := range n {
		if id := fmt.Sprintf("r%d", i); got[id] != 1 {
			t.Fatalf("%s is in the lake %d times", id, got[id])
		}
	}
	if len(got) != n {
		t.Fatalf("%d events, not %d", len(got), n)
	}
}

// Everything that is valid comes into the lake once, over restarts and through trouble with the manifest.
func TestWriterTakesEverythingOnce(t *testing.T) {
	b, l, m := bustest.New(t), openTest(t), newMemory()
	w, stop := start(t, b, l, m, Config{}, nil, nil)
	send(t, b, requests(0, 500)...)
	await(t, b, w)
	once(t, ids(t, l, m), 500)

	m.fail(errors.New("disk full"))
	send(t, b, requests(500, 700)...)
	w.Flush(t.Context())
	for w.Healthy() == nil {
		w.Flush(t.Context())
		<-time.After(time.Millisecond)
	}
	m.fail(nil)
	await(t, b, w)
	if err := w.Healthy(); err != nil {
		t.Fatal("not healthy again: ", err)
	}
	once(t, ids(t, l, m), 700)

	send(t, b, requests(700, 800)...)
	stop() // what was read is published, the rest is read by the next one
	w, _ = start(t, b, l, m, Config{}, nil, nil)
	await(t, b, w)
	once(t, ids(t, l, m), 800)
	for topic, parts := range w.Positions() {
		for p, next := range parts {
			if floor, ok := w.Floor(topic, p); !ok || floor != next {
				t.Errorf("floor of %s/%d is %d, published is %d", topic, p, floor, next)
			}
		}
	}
}

// What is no event, or too far ahead, is counted and passed over; other kinds and incomplete events keep their place.
func TestWriterSkips(t *testing.T) {
	b, l, m, reg := bustest.New(t), openTest(t), newMemory(), telemetry.NewRegistry()
	w, _ := start(t, b, l, m, Config{}, reg, nil)
	now := time.Now().UTC()
	send(t, b,
		&bus.Message{Topic: "llm-requests", Value: []byte(`{"event_type":`)},
		&bus.Message{Topic: "llm-requests", Value: nil},
		&bus.Message{Topic: "system-metrics", Value: []byte(`{"event_type":"system_metric","event_id":"future","timestamp":"` + now.Add(time.Hour).Format(time.RFC3339) + `","data":{"cpu_usage":1}}`)},
		&bus.Message{Topic: "system-metrics", Value: []byte(`{"event_type":"system_metric","data":{"cpu_usage":75,"memory_usage":80,"fans":3}}`)},
		&bus.Message{Topic: "llm-requests", Value: []byte(`{"event_type":"user_feedback","event_id":"f1","timestamp":"2024-01-01T00:00:00Z","data":{"thumbs":"up"}}`)},
	)
	await(t, b, w)
	if n, _ := reg.Sum("lake_skipped_total"); n != 3 {
		t.Errorf("%v records skipped, not 3", n)
	}
	found := 0
	err := l.Scan(t.Context(), m.files, func(r *event.LakeRow) error {
		found++
		e := &r.Event
		switch {
		case e.ID == "f1":
			if e.Kind != event.UserFeedback || r.Topic != "llm-requests" || e.Text(event.Thumbs) != "up" {
				t.Errorf("feedback is %s", event.AppendJSON(nil, e))
			}
		case e.ID != event.OffsetID(r.TopicID, r.Partition, r.Offset) || e.Time != r.IngestedAt || len(e.Metrics) != 1 || e.Metrics[0].Name != "fans":
			t.Errorf("bare event is %s", event.AppendJSON(nil, e))
		}
		return nil
	})
	if err != nil || found != 2 {
		t.Fatalf("%d events, %v", found, err)
	}
}

// Records that were deleted before the lake read them are a gap: noted, counted, and reading goes on.
func TestWriterNotesGaps(t *testing.T) {
	b, l, m, reg := bustest.New(t), openTest(t), newMemory(), telemetry.NewRegistry()
	_, stop := start(t, b, l, m, Config{}, nil, nil)
	stop()
	msgs := requests(0, 300)
	for _, msg := range msgs {
		msg.Key = []byte("one partition")
	}
	send(t, b, msgs...)
	p := msgs[0].Partition
	if err := b.DeleteRecords(t.Context(), "llm-requests", map[int32]int64{p: 100}); err != nil {
		t.Fatal(err)
	}
	w, _ := start(t, b, l, m, Config{}, reg, nil)
	await(t, b, w)
	if got := ids(t, l, m); len(got) != 200 || got["r100"] != 1 {
		t.Fatalf("%d events", len(got))
	}
	if len(m.gaps) != 1 || m.gaps[0].From != 0 || m.gaps[0].To != 100 || m.gaps[0].Partition != p {
		t.Fatalf("gaps %+v", m.gaps)
	}
	if n, _ := reg.Sum("lake_gap_offsets_total"); n != 100 {
		t.Errorf("%v offsets lost, not 100", n)
	}
}

// A writer that hangs before its transaction and comes back after another has taken over loses, and nothing is doubled.
func TestZombieWriter(t *testing.T) {
	b, l, m := bustest.New(t), openTest(t), newMemory()
	hung, release := make(chan struct{}), make(chan struct{})
	var first sync.Once
	start(t, b, l, m, Config{PublishInterval: 50 * time.Millisecond}, nil, func(step string) error {
		if step == "move" {
			first.Do(func() { close(hung); <-release })
		}
		return nil
	})
	send(t, b, requests(0, 400)...)
	<-hung
	w, _ := start(t, b, l, m, Config{PublishInterval: 50 * time.Millisecond}, nil, nil)
	await(t, b, w)
	close(release)
	send(t, b, requests(400, 500)...)
	await(t, b, w)
	once(t, ids(t, l, m), 500)
}

// Wait says at once what it cannot fulfil, and at the deadline what is missing.
func TestWaitRefusesStrangers(t *testing.T) {
	b, l, m := bustest.New(t), openTest(t), newMemory()
	w, _ := start(t, b, l, m, Config{}, nil, nil)
	if err := w.Wait(t.Context(), map[string]map[int32]int64{"hxp-panes": {0: 1}}); err == nil {
		t.Error("a topic that the lake does not take in is waited for")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := w.Wait(ctx, map[string]map[int32]int64{"llm-requests": {0: 1}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for what nobody sent ends with %v", err)
	}
}

// The counters that rules look at are there before anything is counted: what appears at its first event has not grown for Prometheus.
func TestTopicsHaveSeriesFromTheStart(t *testing.T) {
	reg := telemetry.NewRegistry()
	NewWriter(Config{}, nil, nil, newMemory(), slog.New(slog.DiscardHandler), reg)
	for _, name := range []string{"lake_rows_total", "lake_gap_offsets_total"} {
		if n, found := reg.Sum(name); n != 0 || !found {
			t.Errorf("%s: %v, %v", name, n, found)
		}
	}
}

// Positions outside of the log are gaps; a topic made anew has no position yet, whatever its name.
func TestAssign(t *testing.T) {
	m := newMemory()
	w := NewWriter(Config{}, nil, nil, m, slog.New(slog.DiscardHandler), nil)
	tp := func(id string, p int32) event.TopicPartition {
		return event.TopicPartition{TopicID: id, Topic: "llm-requests", Partition: p}
	}
	m.next = map[event.TopicPartition]int64{tp("old", 0): 900, tp("new", 1): 10, tp("new", 2): 50, tp("new", 3): 70}
	layout := map[event.TopicPartition]bus.Range{tp("new", 0): {Start: 5, End: 8}, tp("new", 1): {Start: 10, End: 10}, tp("new", 2): {Start: 60, End: 99}, tp("new", 3): {Start: 0, End: 40}}
	got, err := w.assign(t.Context(), layout)
	want := map[event.TopicPartition]int64{tp("new", 0): 5, tp("new", 1): 10, tp("new", 2): 60, tp("new", 3): 40}
	if err != nil || !maps.Equal(got, want) {
		t.Fatalf("%v (%v)", got, err)
	}
	if len(m.gaps) != 2 || m.gaps[0].Lost()+m.gaps[1].Lost() != 10 {
		t.Errorf("gaps %+v", m.gaps)
	}
}
