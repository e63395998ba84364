package stream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testConfig() Config {
	return Config{WindowSeconds: 300, Lateness: 5 * time.Minute, Disorder: 2 * time.Second, Future: 5 * time.Minute, Idle: 10 * time.Second,
		FilterBytes: 1 << 20, LadderCells: 10_000, MaxModels: 100, MaxTenants: 100, SnapshotEvery: 300 * time.Millisecond, SnapshotBytes: 1 << 20,
		Correlation: true, CorrelationWindow: time.Minute, CorrelationBytes: 8 << 20, CorrelationParts: 64}
}

// running is a service under test with the means to stop it.
type running struct {
	*Service
	stop func() error
	log  *bytes.Buffer // guarded by the handler that writes it; read it after stop
}

func startService(t *testing.T, b *bus.Bus, dir string) *running {
	t.Helper()
	return startConfigured(t, testConfig(), b, dir)
}

func startConfigured(t *testing.T, cfg Config, b *bus.Bus, dir string) *running {
	t.Helper()
	var log bytes.Buffer
	s := New(cfg, b, Options{StateDir: dir, Log: slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), &log), nil))})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	select {
	case <-s.Ready():
	case err := <-done:
		t.Fatalf("ended before it was ready: %v", err)
	case <-time.After(patient):
		t.Fatal("not ready")
	}
	return &running{s, func() error { cancel(); return <-done }, &log}
}

func produce(t *testing.T, b *bus.Bus, msgs []*bus.Message) {
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

// llm makes n request messages around a time, with ids from first on.
func llm(first, n int, base int64) (msgs []*bus.Message) {
	for i := first; i < first+n; i++ {
		e := request(base+int64(i%7200), fmt.Sprintf("m%d", i%5))
		e.ID, e.Source = fmt.Sprintf("e%d", i), "test"
		e.SetText(event.RequestID, e.ID)
		msgs = append(msgs, &bus.Message{Topic: "llm-requests", Key: []byte(e.ID), Value: event.AppendJSON(nil, e)})
	}
	return msgs
}

// total is how many requests count.
func (s *Service) total() (n uint64) {
	for _, c := range s.Query(Span{0, 1 << 40}).Groups {
		n += c.Requests
	}
	return n
}

// patient is how long a test waits for what must come: a member that did not get its leave through is missed for 10 s, a rebalance
// takes up to 15 s, and the machine may be slow. Nothing waits that long where all is well.
const patient = 2 * time.Minute

func await(t *testing.T, what string, want uint64, get func() uint64) {
	t.Helper()
	for end := time.Now().Add(patient); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if get() >= want {
			break
		}
	}
	if got := get(); got != want {
		t.Fatalf("%s: %d, want %d", what, got, want)
	}
}

func TestServiceCountsOverRestarts(t *testing.T) {
	b, dir := bustest.New(t), t.TempDir()
	base := time.Now().Add(-3 * time.Hour).Unix()
	sent := 0
	for round := range 4 {
		s := startService(t, b, dir)
		n := 500 + rand.IntN(2000)
		produce(t, b, llm(sent, n, base))
		produce(t, b, llm(sent, n, base)) // each once more: known ids
		sent += n
		if round%2 == 0 {
			await(t, "counted", uint64(sent), s.total)
		}
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
	}
	s := startService(t, b, dir)
	await(t, "counted at the end", uint64(sent), s.total)
	await(t, "duplicates", uint64(sent), func() (n uint64) {
		for _, p := range s.partitions() {
			n += uint64(p.Tally.Duplicates)
		}
		return n
	})
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
}

// Two instances of one folder come to the same counts, whichever of them folds.
func TestTwoInstancesCountOnce(t *testing.T) {
	b, dir := bustest.New(t), t.TempDir()
	base := time.Now().Add(-3 * time.Hour).Unix()
	one, two := startService(t, b, dir), startService(t, b, dir)
	sent := 0
	for range 20 {
		produce(t, b, llm(sent, 300, base))
		sent += 300
	}
	await(t, "one", uint64(sent), one.total)
	await(t, "two", uint64(sent), two.total)
	for _, s := range []*running{one, two} {
		s.end(t)
	}
}

func TestRubbishGoesToTheDeadLettersOnce(t *testing.T) {
	b, dir := bustest.New(t), t.TempDir()
	good := llm(0, 100, time.Now().Unix()-100)
	msgs := append(good, &bus.Message{Topic: "llm-requests", Value: []byte(`{"event_type":"llm_request","data":{"duration_ms":"fast"}}`)},
		&bus.Message{Topic: "llm-requests", Value: []byte(`{"event_type":"llm_request","timestamp":"2099-01-01T00:00:00Z","data":{}}`)},
		&bus.Message{Topic: "llm-requests", Value: nil})
	produce(t, b, msgs)
	for range 2 { // the second run must not bury them again
		s := startService(t, b, dir)
		await(t, "counted", 100, s.total)
		await(t, "read", 103, func() (n uint64) {
			for _, p := range s.partitions() {
				n += uint64(p.Tally.Records)
			}
			return n
		})
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
	}
	offsets, err := b.Offsets(t.Context(), event.TopicDeadLetters)
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for _, r := range offsets[event.TopicDeadLetters] {
		n += r.End - r.Start
	}
	if n != 3 {
		t.Errorf("%d dead letters, want 3", n)
	}
}

func TestManyModelsCostBoundedMemory(t *testing.T) {
	c := testConfig()
	n, over := newNames(&c), overflow{}
	first := &n.sets[0]
	for i := range 100_000 {
		v := values{fmt.Sprintf("model-%d", i)}
		if _, under := first.id(v); under != v {
			first.note(over, v, under, 61)
		}
	}
	if got := len(first.keys.names); got > c.MaxModels+1 {
		t.Errorf("%d keys for %d models allowed", got, c.MaxModels)
	}
	if got := over[dimSpan{"model", 60}].Count(); len(over) != 1 || got < 95_000 || got > 105_000 {
		t.Errorf("%d models overflowed, want about %d", got, 100_000-c.MaxModels)
	}
}

func TestStopBeforeTheStart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := New(testConfig(), bustest.New(t), Options{StateDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err := s.Run(ctx); err != nil {
		t.Errorf("%v from a service that was stopped before it began", err)
	}
}
