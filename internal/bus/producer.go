package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ProducerOptions tune one producer. The zero value is right for requests that wait for the answer.
type ProducerOptions struct {
	// Linger is how long a batch waits for more messages. 0 sends at once: under load batches form by themselves while
	// the request before is under way. Each batch costs the embedded broker memory, so steady streams use a few milliseconds.
	Linger time.Duration
	// Compression is "" (= "snappy"), "none", "lz4", "snappy", "zstd" or "gzip". Measured on events of 380 bytes: snappy
	// costs hardly more than none and packs as well as lz4 (47 %), which halves the rate of one producer.
	Compression string
	// MaxBufferedMessages and MaxBufferedBytes bound what waits for acknowledgement; beyond it Send blocks.
	// 0 = 200,000 messages and 128 MiB.
	MaxBufferedMessages int
	MaxBufferedBytes    int
	// MaxBatchBytes bounds one batch as sent. 0 = 1,000,000, just below Kafka's default max.message.bytes.
	MaxBatchBytes int32
	// ManualPartition sends each message to its own Partition field instead of choosing one by key.
	ManualPartition bool
	// DeliveryTimeout is after how long a message fails that could not be written. 0 = 30 s.
	DeliveryTimeout time.Duration
}

// Producer writes messages. Its methods may be called from any goroutine; messages sent to one partition by one goroutine
// keep their order.
type Producer struct {
	bus    *Bus
	client *kgo.Client
	once   sync.Once
}

// NewProducer opens an idempotent producer that waits for all in-sync replicas.
func (b *Bus) NewProducer(o ProducerOptions) (*Producer, error) {
	codec, err := codecOf(o.Compression)
	if err != nil {
		return nil, err
	}
	partitioner := kgo.StickyKeyPartitioner(nil) // nil = murmur2 as in Kafka's own clients
	if o.ManualPartition {
		partitioner = kgo.ManualPartitioner()
	}
	client, err := kgo.NewClient(b.clientOpts(
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(partitioner),
		kgo.ProducerBatchCompression(codec, kgo.NoCompression()),
		kgo.ProducerLinger(o.Linger),
		kgo.ProducerBatchMaxBytes(or(o.MaxBatchBytes, 1_000_000)),
		kgo.MaxBufferedRecords(or(o.MaxBufferedMessages, 200_000)),
		kgo.MaxBufferedBytes(or(o.MaxBufferedBytes, 128<<20)),
		kgo.RecordDeliveryTimeout(or(o.DeliveryTimeout, 30*time.Second)),
		kgo.ProduceRequestTimeout(5*time.Second),
		// A message whose time is up fails even when the broker may have it: whoever waits gets his answer in time and
		// recognises a second copy by the id of the event.
		kgo.AllowIdempotentProduceCancellation(),
		kgo.UnknownTopicRetries(8),
	)...)
	if err != nil {
		return nil, fmt.Errorf("kafka producer: %w", err)
	}
	p := &Producer{bus: b, client: client}
	if err := b.track(p); err != nil {
		client.Close()
		return nil, err
	}
	return p, nil
}

func codecOf(name string) (kgo.CompressionCodec, error) {
	switch name {
	case "", "snappy":
		return kgo.SnappyCompression(), nil
	case "none":
		return kgo.NoCompression(), nil
	case "lz4":
		return kgo.Lz4Compression(), nil
	case "zstd":
		return kgo.ZstdCompression(), nil
	case "gzip":
		return kgo.GzipCompression(), nil
	}
	return kgo.NoCompression(), fmt.Errorf("compression %q is not one of none, lz4, snappy, zstd, gzip", name)
}

func or[T int | int32 | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// Send writes msgs and returns when each is acknowledged or has failed; then Partition, Offset and Timestamp of the
// acknowledged ones are set and the producer no longer touches any of them. The error is a *SendError that holds one
// error for each message. A topic that was deleted and made anew fails once, with a Retryable error, and is written the next
// time. When ctx ends, what was not sent yet fails with its cause; what is under way may fail although
// the broker has it.
func (p *Producer) Send(ctx context.Context, msgs []*Message) error {
	if len(msgs) == 0 {
		return nil
	}
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		errs []error
	)
	wg.Add(len(msgs))
	for i, m := range msgs {
		p.client.Produce(ctx, m, func(_ *kgo.Record, err error) {
			if err != nil {
				mu.Lock()
				if errs == nil {
					errs = make([]error, len(msgs))
				}
				errs[i] = classify(err)
				mu.Unlock()
			}
			wg.Done()
		})
	}
	wg.Wait()
	p.forgetRemade(msgs, errs)
	for i, err := range errs {
		if err != nil {
			return &SendError{Errs: errs, First: i}
		}
	}
	return nil
}

// forgetRemade lets the client meet a topic that was made anew: by itself it goes on failing with the id of the old one.
func (p *Producer) forgetRemade(msgs []*Message, errs []error) {
	for i, err := range errs {
		if errors.Is(err, errUnknownID) {
			p.client.PurgeTopicsFromProducing(msgs[i].Topic)
			return // one Send mostly has one such topic; the next Send finds the next
		}
	}
}

// SendAsync writes m and calls done once, from a goroutine of the producer, when m is acknowledged or has failed. done
// must be quick. SendAsync blocks while the buffer is full, until ctx ends.
func (p *Producer) SendAsync(ctx context.Context, m *Message, done func(*Message, error)) {
	if done == nil {
		p.client.Produce(ctx, m, nil)
		return
	}
	p.client.Produce(ctx, m, func(m *kgo.Record, err error) { done(m, classify(err)) })
}

// Flush returns when everything sent so far is acknowledged or has failed, or ctx ends.
func (p *Producer) Flush(ctx context.Context) error { return classify(p.client.Flush(ctx)) }

// Buffered tells how many messages and bytes wait for acknowledgement.
func (p *Producer) Buffered() (messages, bytes int64) {
	return p.client.BufferedProduceRecords(), p.client.BufferedProduceBytes()
}

// Close fails what is not acknowledged with ErrClosed. Flush first to keep it.
func (p *Producer) Close() {
	p.once.Do(func() {
		p.bus.untrack(p)
		p.client.Close()
	})
}
