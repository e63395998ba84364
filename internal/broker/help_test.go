package broker_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/hxp-enterprise/hxp/internal/broker"
	"github.com/hxp-enterprise/hxp/internal/broker/brokertest"
)

func TestMain(m *testing.M) {
	if child() {
		return
	}
	goleak.VerifyTestMain(m)
}

const topic = "events"

// running is a broker that a test may stop early.
type running struct {
	*broker.Broker
	cancel context.CancelFunc
	ended  chan error
}

func run(t testing.TB, cfg broker.Config, floor func(string, int32) (int64, bool)) *running {
	t.Helper()
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	b, err := broker.New(cfg, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.Floor = floor
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{b, cancel, make(chan error, 1)}
	go func() { r.ended <- b.Run(ctx) }()
	select {
	case <-b.Ready():
	case err := <-r.ended:
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel() })
	return r
}

func (r *running) stop(t testing.TB) {
	t.Helper()
	r.cancel()
	if err := <-r.ended; err != nil {
		t.Fatal(err)
	}
}

func client(t testing.TB, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(50 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func deadline(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func create(t testing.TB, c *kgo.Client, partitions int32, configs map[string]*string, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := kadm.NewClient(c).CreateTopic(deadline(t), partitions, 1, configs, name); err != nil {
			t.Fatal(err)
		}
	}
}

// produce writes n values of size bytes to a partition, one batch each, and returns the last offset.
func produce(t testing.TB, c *kgo.Client, name string, partition int32, n, size int) int64 {
	t.Helper()
	last := int64(-1)
	for i := range n {
		r := &kgo.Record{Topic: name, Partition: partition, Value: append(fmt.Appendf(nil, "%d ", i), make([]byte, size)...)}
		if err := c.ProduceSync(deadline(t), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		last = r.Offset
	}
	return last
}

func bounds(t testing.TB, c *kgo.Client, name string, partition int32) (start, end int64) {
	t.Helper()
	a := kadm.NewClient(c)
	starts, err := a.ListStartOffsets(deadline(t), name)
	if err != nil {
		t.Fatal(err)
	}
	ends, err := a.ListEndOffsets(deadline(t), name)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := starts.Lookup(name, partition)
	e, _ := ends.Lookup(name, partition)
	return s.Offset, e.Offset
}

// alive fails the test when the broker does not answer.
func alive(t testing.TB, addr string) {
	t.Helper()
	if err := client(t, addr).Ping(deadline(t)); err != nil {
		t.Fatalf("the broker does not answer any more: %v", err)
	}
}

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

// closedByBroker waits until the broker closes the connection.
func closedByBroker(t testing.TB, c net.Conn) {
	t.Helper()
	if n, err := io.Copy(io.Discard, c); n > 0 {
		t.Fatalf("the broker answered with %d bytes", n)
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Fatal("the broker keeps the connection open")
	}
}

// request frames a request.
func request(r kmsg.Request) []byte {
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("test")).AppendRequest(nil, r, 7)
}

// ask sends a request and decodes the answer.
func ask(t testing.TB, c net.Conn, r kmsg.Request) kmsg.Response {
	t.Helper()
	if _, err := c.Write(request(r)); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 8)
	if _, err := io.ReadFull(c, head); err != nil {
		t.Fatalf("no answer to %s: %v", kmsg.NameForKey(r.Key()), err)
	}
	body := make([]byte, binary.BigEndian.Uint32(head)-4)
	if _, err := io.ReadFull(c, body); err != nil {
		t.Fatal(err)
	}
	resp := r.ResponseKind()
	if resp.IsFlexible() && resp.Key() != 18 {
		body = body[1:]
	}
	if err := resp.ReadFrom(body); err != nil {
		t.Fatal(err)
	}
	return resp
}

func start(t testing.TB) string { return brokertest.Start(t) }
