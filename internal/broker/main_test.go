package broker

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// childDir is the variable that makes the test binary a broker on that folder, for tests that kill a process.
const childDir = "HXP_TEST_BROKER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		serveChild(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

func serveChild(dir string) {
	b, err := New(Config{Addr: "127.0.0.1:0", Dir: dir}, slog.New(slog.DiscardHandler), telemetry.NewRegistry())
	if err == nil {
		go func() {
			<-b.Ready()
			fmt.Println(b.Addr())
		}()
		err = b.Run(context.Background())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// running is a broker that runs until stop, or the end of the test.
type running struct {
	*Broker
	reg  *telemetry.Registry
	done chan error
	end  context.CancelFunc
}

func (r *running) stop(t *testing.T) {
	t.Helper()
	r.end()
	if err := <-r.done; err != nil {
		t.Errorf("Run: %v", err)
	}
	r.done <- nil
}

func start(t *testing.T, cfg Config, floor func(string, int32) (int64, bool)) *running {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	cfg.Addr = "127.0.0.1:0"
	reg := telemetry.NewRegistry()
	b, err := New(cfg, slog.New(slog.DiscardHandler), reg)
	if err != nil {
		t.Fatal(err)
	}
	b.Floor = floor
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Broker: b, reg: reg, done: make(chan error, 1), end: cancel}
	go func() { r.done <- b.Run(ctx) }()
	select {
	case <-b.Ready():
	case err := <-r.done:
		cancel()
		t.Fatalf("broker did not start: %v", err)
	}
	t.Cleanup(func() { r.stop(t) })
	return r
}

func (r *running) refusals() float64 {
	n, _ := r.reg.Sum("hxp_broker_refused_connections_total")
	return n
}

func client(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// alive fails the test when the broker does not answer a new client.
func alive(t *testing.T, addr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Ping(ctx); err != nil {
		t.Fatalf("the broker does not answer any more: %v", err)
	}
}

// create makes a topic and returns the error code and message of the answer.
func create(t *testing.T, c *kgo.Client, topic string, change func(*kmsg.CreateTopicsRequestTopic)) (int16, string) {
	t.Helper()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = topic, 1, 1
	if change != nil {
		change(&rt)
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if m := resp.Topics[0].ErrorMessage; m != nil {
		return resp.Topics[0].ErrorCode, *m
	}
	return resp.Topics[0].ErrorCode, ""
}

func config(name, value string) kmsg.CreateTopicsRequestTopicConfig {
	c := kmsg.NewCreateTopicsRequestTopicConfig()
	c.Name, c.Value = name, &value
	return c
}

// produce writes n records of size bytes as one batch each, and waits for each.
func produce(t *testing.T, c *kgo.Client, topic string, n, size int, stamp time.Time) {
	t.Helper()
	for range n {
		value := make([]byte, size)
		_, _ = rand.Read(value)
		if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: value, Timestamp: stamp}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// readAll gives the values of a topic's first partition from its start to end.
func readAll(t *testing.T, addr, topic string, partition int32, from, end int64) [][]byte {
	t.Helper()
	c := client(t, addr, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(from)}}))
	defer c.Close()
	var values [][]byte
	for at := from; at < end; {
		fetches := c.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset != at {
				t.Fatalf("offset %d of %s, want %d", r.Offset, topic, at)
			}
			at++
			values = append(values, r.Value)
		})
	}
	return values
}

func (r *running) bounds(t *testing.T, topic string) (low, high int64) {
	t.Helper()
	for _, p := range r.cluster.PartitionInfos(topic) {
		if p.Partition == 0 {
			return p.LogStartOffset, p.HighWatermark
		}
	}
	t.Fatalf("topic %s is gone", topic)
	return 0, 0
}

func dial(t *testing.T, addr string, data []byte) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Write(data); err != nil {
		t.Fatal(err)
	}
	return c
}

func rand16() string {
	return rand.Text()
}
