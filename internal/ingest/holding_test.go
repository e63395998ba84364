package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/sdk/spill"
)

// cluster is brokers that can be away.
type cluster struct {
	mu   sync.Mutex
	away bool
	half bool // of the next write the first message gets through while they are away
	log  []string

	missing string // a topic that is not there
}

func (c *cluster) Send(_ context.Context, msgs []*bus.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	errs, first, half := make([]error, len(msgs)), -1, c.half
	c.half = false
	for i, m := range msgs {
		switch {
		case !c.away && (m.Topic == "gone" || m.Topic == c.missing):
			errs[i] = bus.ErrUnknownTopic
		case c.away && !(half && i == 0):
			errs[i] = bus.ErrAway
		default:
			m.Partition, m.Offset = 0, int64(len(c.log))
			c.log = append(c.log, string(m.Value))
			continue
		}
		if first < 0 {
			first = i
		}
	}
	if first >= 0 {
		return &bus.SendError{Errs: errs, First: first}
	}
	return nil
}

func (c *cluster) set(away, half bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away, c.half = away, half
}

// make makes the topic that is missing.
func (c *cluster) make(topic string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.missing == topic {
		c.missing = ""
	}
}

func (c *cluster) has() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.log)
}

func hold(t *testing.T, c *cluster, dir string, max int64) (*holding, func()) {
	t.Helper()
	q, err := spill.Open(dir, spill.Options{MaxBytes: max})
	if err != nil {
		t.Fatal(err)
	}
	h := newHolding(c, q, slog.New(slog.DiscardHandler), telemetry.NewRegistry())
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.drain(ctx)
	}()
	return h, func() {
		stop()
		<-done
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
}

func message(i int) *bus.Message {
	return &bus.Message{Topic: "t", Key: []byte("k"), Value: fmt.Append(nil, i), Headers: []bus.Header{{Key: "h", Value: []byte("v")}}}
}

func numbers(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint(i))
	}
	return out
}

func TestWhatTheBrokersCannotTakeIsKeptInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{}
		h, stop := hold(t, c, t.TempDir(), 1<<20)
		defer stop()
		send := func(ms ...*bus.Message) {
			t.Helper()
			if err := h.Send(t.Context(), ms); err != nil {
				t.Fatal(err)
			}
		}
		send(message(0))
		c.set(true, true)
		half := []*bus.Message{message(1), message(2)}
		send(half...)
		if half[0].Offset < 0 || half[1].Offset != held {
			t.Errorf("offsets %d, %d: the first was written, the second is kept", half[0].Offset, half[1].Offset)
		}
		c.set(true, false)
		for i := 3; i < 10; i++ {
			send(message(i))
		}
		time.Sleep(5 * drainPause)
		if got := c.has(); len(got) != 2 {
			t.Errorf("written while they are away: %v", got)
		}
		if n, _ := h.state(); n != 8 {
			t.Errorf("%d wait", n)
		}
		c.set(false, false)
		send(message(10)) // they are back, and yet it must not overtake the others
		time.Sleep(2 * drainPause)
		synctest.Wait()
		if got := c.has(); !slices.Equal(got, numbers(11)) {
			t.Errorf("order: %v", got)
		}
		send(message(11))
		if got := c.has(); !slices.Equal(got, numbers(12)) {
			t.Errorf("nothing waits, and it is not written at once: %v", got)
		}
	})
}

func TestWhatIsKeptOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{away: true}
		h, stop := hold(t, c, dir, 1<<20)
		for i := range 5 {
			if err := h.Send(t.Context(), []*bus.Message{message(i)}); err != nil {
				t.Fatal(err)
			}
		}
		stop()
		c.set(false, false)
		_, stop = hold(t, c, dir, 1<<20)
		synctest.Wait()
		stop()
		if got := c.has(); !slices.Equal(got, numbers(5)) {
			t.Errorf("%v", got)
		}
	})
}

func TestAFullDiskIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{away: true}
		h, stop := hold(t, c, t.TempDir(), 64<<10)
		defer stop()
		big := func() *bus.Message { return &bus.Message{Topic: "t", Value: make([]byte, 8<<10)} }
		var err error
		for range 20 {
			if err = h.Send(t.Context(), []*bus.Message{big()}); err != nil {
				break
			}
		}
		if !errors.Is(err, spill.ErrFull) || !bus.Retryable(err) {
			t.Errorf("%v: want a full disk, to be tried again", err)
		}
	})
}

// What was acknowledged is not thrown away because the topic of a route has gone meanwhile, and what is no event does not hold
// the rest.
func TestWhatWasKeptForATopicThatIsGoneGoesHome(t *testing.T) {
	const moved = `{"event_id":"1","event_type":"llm_request","data":{"model":"a"}}`
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{away: true}
		h, stop := hold(t, c, t.TempDir(), 1<<20)
		defer stop()
		for _, m := range []*bus.Message{message(0), {Topic: "gone", Value: []byte(moved)}, {Topic: "gone", Value: []byte("x")}, message(1)} {
			if err := h.Send(t.Context(), []*bus.Message{m}); err != nil {
				t.Fatal(err)
			}
		}
		c.set(false, false)
		time.Sleep(5 * drainPause)
		synctest.Wait()
		got := c.has()
		if slices.Sort(got); !slices.Equal(got, []string{"0", "1", moved}) {
			t.Errorf("%v", got)
		}
		if n, _ := h.state(); n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
}

// A topic of hxp that is not there for a moment, as after a restart of the brokers, is waited for.
func TestWhatWasKeptWaitsForTheTopicsOfHxp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{away: true, missing: "llm-requests"}
		h, stop := hold(t, c, t.TempDir(), 1<<20)
		defer stop()
		if err := h.Send(t.Context(), []*bus.Message{{Topic: "llm-requests", Value: []byte("x")}}); err != nil {
			t.Fatal(err)
		}
		c.set(false, false)
		time.Sleep(3 * drainPause)
		if n, _ := h.state(); n != 1 {
			t.Errorf("%d wait", n)
		}
		c.make("llm-requests")
		time.Sleep(2 * drainPause)
		synctest.Wait()
		if got := c.has(); !slices.Equal(got, []string{"x"}) {
			t.Errorf("%v", got)
		}
	})
}

// While a part of the brokers is away, what the others took is not written to them again and again.
func TestWhatWasDeliveredIsNotWrittenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{away: true}
		h, stop := hold(t, c, t.TempDir(), 1<<20)
		defer stop()
		for i := range 3 {
			if err := h.Send(t.Context(), []*bus.Message{message(i)}); err != nil {
				t.Fatal(err)
			}
		}
		c.set(true, true) // one message gets through
		time.Sleep(10 * drainPause)
		c.set(false, false)
		time.Sleep(2 * drainPause)
		synctest.Wait()
		if got := c.has(); !slices.Equal(got, numbers(3)) {
			t.Errorf("%v", got)
		}
	})
}

// Brokers that are away when the process starts again do not keep it from taking events; what is on the topics is learned when they
// are back.
func TestReadyWhileTheBrokersAreAway(t *testing.T) {
	b := bustest.New(t)
	before, err := b.NewProducer(bus.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	e := event.Event{ID: "old", Kind: event.LLMRequest}
	if err := before.Send(t.Context(), []*bus.Message{{Topic: e.Kind.Topic(), Value: event.AppendJSON(nil, &e)}}); err != nil {
		t.Fatal(err)
	}
	before.Close()
	cfg := Defaults()
	cfg.SpillBytes, cfg.SpillDir = 1<<20, t.TempDir()
	q, err := spill.Open(cfg.SpillDir, spill.Options{MaxBytes: cfg.SpillBytes})
	if err == nil {
		err = errors.Join(q.Append(framed(message(0))), q.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	api, err := New(cfg, b, nil, telemetry.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{away: true}
	api.held.out = c
	f := serve(t, api, b) // returns when it is ready
	if r := f.post("/events", "application/json", []byte(`{"event_id":"new","event_type":"llm_request"}`)); r.Status != 202 || r.Accepted != 1 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	c.set(false, false)
	<-api.warmed
	if v, _, _ := api.filter.claim(e.Identity()); v != known {
		t.Errorf("the event of before is not known: %v", v)
	}
	if got := c.has(); len(got) != 2 || got[0] != "0" {
		t.Errorf("%v", got)
	}
}

func TestFramedMessages(t *testing.T) {
	m := message(7)
	got, err := unframed(framed(m))
	if err != nil || got.Topic != m.Topic || string(got.Key) != "k" || string(got.Value) != "7" || len(got.Headers) != 1 || got.Headers[0].Key != "h" {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzUnframed(f *testing.F) {
	f.Add(framed(message(1)))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := unframed(b); err == nil {
			again, err := unframed(framed(m))
			if err != nil || again.Topic != m.Topic || string(again.Value) != string(m.Value) {
				t.Errorf("%+v, %v", again, err)
			}
		}
	})
}
