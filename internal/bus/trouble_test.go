package bus_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hxp-enterprise/hxp/internal/broker"
	"github.com/hxp-enterprise/hxp/internal/broker/brokertest"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// flaky is a broker that a test stops and starts again at the same address.
type flaky struct {
	t      *testing.T
	cfg    broker.Config
	cancel context.CancelFunc
	ended  chan error
}

func newFlaky(t *testing.T) *flaky {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &flaky{t: t, cfg: broker.Config{Addr: l.Addr().String(), Dir: t.TempDir()}}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	f.start()
	t.Cleanup(func() { f.stop() })
	return f
}

func (f *flaky) start() {
	f.t.Helper()
	b, err := broker.New(f.cfg, nil, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel, f.ended = cancel, make(chan error, 1)
	go func(ended chan error) { ended <- b.Run(ctx) }(f.ended)
	select {
	case <-b.Ready():
	case err := <-f.ended:
		f.t.Fatal(err)
	}
}

func (f *flaky) stop() {
	f.t.Helper()
	if f.cancel == nil {
		return
	}
	f.cancel()
	f.cancel = nil
	if err := <-f.ended; err != nil {
		f.t.Error(err)
	}
}

func ensure(t *testing.T, b *bus.Bus, partitions int) {
	t.Helper()
	if err := b.EnsureTopics(t.Context(), []event.Topic{{Name: topic, Partitions: partitions}}); err != nil {
		t.Fatal(err)
	}
}

func TestBrokerGoesAndComesBack(t *testing.T) {
	f := newFlaky(t)
	b := bustest.Connect(t, f.cfg.Addr)
	ensure(t, b, 1)
	p, err := b.NewProducer(bus.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.NewReader(all(1), bus.ReaderOptions{MaxWait: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		if err := p.Send(t.Context(), messages(100)); err != nil {
			t.Fatal(err)
		}
		for i, m := range readAll(t, r, 100) {
			if m.Offset != int64(round*100+i) {
				t.Fatalf("round %d: message %d has offset %d", round, i, m.Offset)
			}
		}
		f.stop()
		f.start()
	}
}

// Whoever waits for Send gets his answer when his time is up, and the producer works again once the broker is back.
func TestSendWhileTheBrokerIsAway(t *testing.T) {
	f := newFlaky(t)
	b := bustest.Connect(t, f.cfg.Addr)
	ensure(t, b, 3)
	p, err := b.NewProducer(bus.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Send(t.Context(), messages(10)); err != nil {
		t.Fatal(err)
	}
	f.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	err = p.Send(ctx, messages(10))
	t.Logf("after %v: %v", time.Since(began), err)
	if err == nil || !bus.Retryable(err) {
		t.Fatalf("got %v, want a retryable error", err)
	}
	if err := p.Flush(t.Context()); err != nil { // the library counts down a moment after it told
		t.Fatal(err)
	}
	if n, bytes := p.Buffered(); n != 0 || bytes != 0 {
		t.Errorf("%d messages, %d bytes are still buffered", n, bytes)
	}
	f.start()
	if err := p.Send(t.Context(), messages(10)); err != nil {
		t.Fatal(err)
	}
}

// A full broker is told apart from a message that is wrong.
func TestFullBrokerIsRetryable(t *testing.T) {
	full := brokertest.StartWith(t, broker.Config{Dir: t.TempDir(), MaxBytes: 1})
	b := bustest.Connect(t, full.Addr())
	ensure(t, b, 1)
	p, err := b.NewProducer(bus.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var last error
	for last == nil && ctx.Err() == nil {
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		last = p.Send(short, messages(100))
		cancel()
	}
	if !bus.Retryable(last) {
		t.Fatalf("got %v", last)
	}
}

func TestGrownTopic(t *testing.T) {
	b, addr := bustest.Start(t, event.Topic{Name: topic, Partitions: 1})
	r, err := b.NewReader(all(1), bus.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	send(t, b, messages(10), bus.ProducerOptions{})
	readAll(t, r, 10)
	c, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := kadm.NewClient(c).UpdatePartitions(t.Context(), 3, topic); err != nil {
		t.Fatal(err)
	}
	msgs := messages(30)
	for i, m := range msgs {
		m.Partition = int32(i % 3)
	}
	if err := r.AddPartitions(map[string]map[int32]int64{topic: {1: 0, 2: 5}}); err != nil {
		t.Fatal(err)
	}
	send(t, b, msgs, bus.ProducerOptions{ManualPartition: true})
	got := map[int32]int64{0: 10, 1: 0, 2: 5} // partition → next offset
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for got[0] < 20 || got[1] < 10 || got[2] < 10 {
		fetch, err := r.Poll(ctx)
		if err != nil {
			t.Fatalf("%v; got %v", err, got)
		}
		for _, batch := range fetch {
			if errors.Is(batch.Err, bus.ErrOutOfRange) { // partition 2 was asked for before it had 5 messages
				if err := r.Seek(topic, batch.Partition, got[batch.Partition]); err != nil {
					t.Fatal(err)
				}
			}
			for _, m := range batch.Messages {
				if m.Offset != got[m.Partition] {
					t.Fatalf("%d/%d came, want offset %d", m.Partition, m.Offset, got[m.Partition])
				}
				got[m.Partition]++
			}
		}
	}
}

// Markers of transactions take offsets and are no messages: they are not delivered, and progress over them is told.
func TestMarkersAndAbortedMessages(t *testing.T) {
	b, addr := bustest.Start(t, event.Topic{Name: topic, Partitions: 1})
	c, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.TransactionalID("t"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		if err := c.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for j := range 3 {
			if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: fmt.Appendf(nil, "%d/%d", i, j)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	for _, uncommitted := range []bool{false, true} {
		r, err := b.NewReader(all(1), bus.ReaderOptions{Uncommitted: uncommitted})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for next := int64(0); next < 16; { // 12 messages and 4 markers
			fetch, err := r.Poll(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range fetch[0].Messages {
				got = append(got, string(m.Value))
			}
			next = fetch[0].Next
		}
		want := 6
		if uncommitted {
			want = 12
		}
		if len(got) != want {
			t.Errorf("uncommitted=%v: got %v", uncommitted, got)
		}
		r.Close()
	}
}

// A topic made anew under the same name is another topic: its reader is told so instead of reading it from the middle.
func TestTopicMadeAnew(t *testing.T) {
	b, addr := bustest.Start(t, event.Topic{Name: topic, Partitions: 1})
	send(t, b, messages(10), bus.ProducerOptions{})
	r, err := b.NewReader(all(1), bus.ReaderOptions{MaxWait: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, r, 10)
	before, err := b.TopicID(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	c, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := kadm.NewClient(c).DeleteTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	if _, err := kadm.NewClient(c).CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	if after, err := b.TopicID(t.Context(), topic); err != nil || after == before {
		t.Fatalf("id %s, %v, before it was %s", after, err, before)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	fetch, err := r.Poll(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(fetch[0].Err, bus.ErrUnknownTopic) && !errors.Is(fetch[0].Err, bus.ErrOutOfRange) {
		t.Fatalf("got %+v", fetch[0])
	}
}

func TestCompressions(t *testing.T) {
	b := start(t, 1)
	n := 0
	for _, name := range []string{"", "none", "lz4", "snappy", "zstd", "gzip"} {
		send(t, b, messages(20), bus.ProducerOptions{Compression: name})
		n += 20
	}
	r, err := b.NewReader(all(1), bus.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, r, n)
	if _, err := b.NewProducer(bus.ProducerOptions{Compression: "rar"}); err == nil {
		t.Error("an unknown compression is taken")
	}
}
