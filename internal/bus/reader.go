package bus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ReaderOptions tune one reader. The zero value reads committed messages with low delay.
type ReaderOptions struct {
	// MaxWait is how long the broker holds a fetch that finds nothing. 0 = 1 s. New messages end the wait at once.
	MaxWait time.Duration
	// MaxBytes bounds one fetch from one broker, MaxPartitionBytes one partition of it. 0 = 16 MiB and 4 MiB.
	MaxBytes, MaxPartitionBytes int32
	// Fetches bounds the fetches under way or waiting for Poll. 0 = one for each broker.
	Fetches int
	// MaxMessages bounds what one Poll returns. 0 = everything that has arrived.
	MaxMessages int
	// Uncommitted also delivers messages of transactions that are open or were aborted.
	Uncommitted bool
}

// PartitionBatch is what one Poll brings from one partition.
type PartitionBatch struct {
	Topic     string
	Partition int32
	Messages  []*Message // in order; may be empty when only markers of transactions were passed
	// Next is the offset from which reading goes on. It passes over markers that are no messages, so it may be more
	// than one behind the last message.
	Next int64
	// HighWatermark is the end of the log and LastStable the end of what a reader of committed messages can see, as the
	// broker knew them when it answered: Next == LastStable means that everything is read.
	HighWatermark, LastStable int64
	LogStart                  int64 // first offset still in the log
	// Err is nil, or an *OutOfRangeError, or what keeps this partition from being read (the topic is gone or was made
	// anew). The partition is paused; Seek starts it again.
	Err error
}

// Fetch is what one Poll brings, one batch for each partition that has news.
type Fetch []PartitionBatch

// Reader reads partitions from given offsets, without a group. Poll, Seek, AddPartitions and Remove belong to one
// goroutine; the others may be called from any.
type Reader struct {
	bus    *Bus
	client *kgo.Client
	opts   ReaderOptions
	once   sync.Once

	mu     sync.Mutex
	next   map[string]map[int32]int64 // offset that Poll will deliver next
	broken map[string]map[int32]bool  // reported an error, waits for Seek
}

// NewReader reads the partitions of assign (topic → partition → first offset to deliver). Offsets below 0 are refused:
// ask Offsets for the start or the end. A topic that does not exist yet is waited for.
func (b *Bus) NewReader(assign map[string]map[int32]int64, o ReaderOptions) (*Reader, error) {
	if err := checkAssign(assign); err != nil {
		return nil, err
	}
	r := &Reader{
		bus: b, opts: o,
		next: map[string]map[int32]int64{}, broken: map[string]map[int32]bool{},
	}
	isolation := kgo.ReadCommitted()
	if o.Uncommitted {
		isolation = kgo.ReadUncommitted()
	}
	memory := new(room)
	opts := b.clientOpts(
		kgo.WithDecompressor(newUnpacker(memory)), kgo.WithHooks(memory),
		kgo.ConsumePartitions(r.assign(assign)),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), // never jump: Poll reports and waits for Seek
		kgo.FetchIsolationLevel(isolation),
		kgo.KeepControlRecords(), // filtered in Poll, kept so that progress over them is seen
		kgo.FetchMaxWait(or(o.MaxWait, time.Second)),
		kgo.FetchMinBytes(1),
		kgo.FetchMaxBytes(or(o.MaxBytes, 16<<20)),
		kgo.FetchMaxPartitionBytes(or(o.MaxPartitionBytes, 4<<20)),
	)
	if o.Fetches > 0 {
		opts = append(opts, kgo.MaxConcurrentFetches(o.Fetches))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("kafka reader: %w", err)
	}
	r.client = client
	if err := b.track(r); err != nil {
		client.Close()
		return nil, err
	}
	return r, nil
}

func checkAssign(assign map[string]map[int32]int64) error {
	var errs []error
	for topic, parts := range assign {
		for p, offset := range parts {
			if offset < 0 {
				errs = append(errs, fmt.Errorf("%s/%d: cannot read from offset %d", topic, p, offset))
			}
		}
	}
	return errors.Join(errs...)
}

// assign remembers where reading starts and says it in the library's words.
func (r *Reader) assign(assign map[string]map[int32]int64) map[string]map[int32]kgo.Offset {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[string]map[int32]kgo.Offset, len(assign))
	for topic, parts := range assign {
		out[topic] = make(map[int32]kgo.Offset, len(parts))
		if r.next[topic] == nil {
			r.next[topic] = make(map[int32]int64, len(parts))
		}
		for p, offset := range parts {
			out[topic][p] = kgo.NoResetOffset().At(offset)
			r.next[topic][p] = offset
		}
	}
	return out
}

// Poll waits for news and returns it. It returns an error only when ctx ended or the reader is closed; trouble of one
// partition is in its batch, a broker that is away is waited for.
func (r *Reader) Poll(ctx context.Context) (Fetch, error) {
	for {
		fetches := r.client.PollRecords(ctx, r.opts.MaxMessages)
		if fetches.IsClientClosed() {
			return nil, ErrClosed
		}
		var out Fetch
		fetches.EachPartition(func(tp kgo.FetchTopicPartition) {
			if batch, ok := r.take(ctx, tp); ok {
				out = append(out, batch)
			}
		})
		if len(out) > 0 {
			return out, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// take turns what the library fetched from one partition into a batch. It is false when there is nothing to tell.
func (r *Reader) take(ctx context.Context, tp kgo.FetchTopicPartition) (PartitionBatch, bool) {
	next, reading := r.position(tp.Topic, tp.Partition)
	if !reading {
		return PartitionBatch{}, false // an error of the whole client (ctx ended), or a partition just removed
	}
	batch := PartitionBatch{
		Topic: tp.Topic, Partition: tp.Partition, Next: next,
		HighWatermark: tp.HighWatermark, LastStable: tp.LastStableOffset, LogStart: tp.LogStartOffset,
	}
	if n := len(tp.Records); n > 0 {
		first := tp.Records[0].Offset
		// The library bounds a start offset by the log in one case (a partition newer than its metadata). That would be
		// a silent jump, so the first offset is checked against the one that was asked for.
		if first < next || (first > next && tp.LogStartOffset > next) {
			return r.outOfRange(ctx, batch)
		}
		batch.Next = tp.Records[n-1].Offset + 1
		batch.Messages = withoutMarkers(tp.Records)
		r.advance(tp.Topic, tp.Partition, batch.Next)
	}
	if tp.Err == nil {
		return batch, batch.Next > next
	}
	return r.fail(ctx, batch, next, tp.Err)
}

// fail decides what an error of one partition means.
func (r *Reader) fail(ctx context.Context, batch PartitionBatch, before int64, err error) (PartitionBatch, bool) {
	if ctx.Err() != nil {
		return batch, batch.Next > before
	}
	if isOutOfRange(err) {
		if batch.Next > before { // deliver what came; the error comes again with the next fetch
			return batch, true
		}
		return r.outOfRange(ctx, batch)
	}
	// A topic made anew under the same name gets an "unknown id", which counts as retryable but never heals.
	if Retryable(err) && !errors.Is(err, errUnknownID) {
		r.bus.log.Debug("fetch failed, trying again", "topic", batch.Topic, "partition", batch.Partition, "error", err)
		return batch, batch.Next > before
	}
	batch.Err = classify(err)
	r.breakOff(batch.Topic, batch.Partition)
	return batch, true
}

// outOfRange asks for the bounds of the log and stops the partition. When they cannot be had now, nothing is told: the
// next fetch runs into the same wall.
func (r *Reader) outOfRange(ctx context.Context, batch PartitionBatch) (PartitionBatch, bool) {
	bounds, err := r.bus.Offsets(ctx, batch.Topic)
	have, ok := bounds[batch.Topic][batch.Partition]
	if err != nil || !ok {
		r.bus.log.Debug("bounds of the log not known yet", "topic", batch.Topic, "partition", batch.Partition, "error", err)
		r.client.RemoveConsumePartitions(map[string][]int32{batch.Topic: {batch.Partition}})
		r.client.AddConsumePartitions(r.assign(map[string]map[int32]int64{batch.Topic: {batch.Partition: batch.Next}}))
		return batch, false
	}
	batch.Messages = nil
	batch.HighWatermark, batch.LogStart = have.End, have.Start
	batch.Err = &OutOfRangeError{Topic: batch.Topic, Partition: batch.Partition, Offset: batch.Next, Start: have.Start, End: have.End}
	r.breakOff(batch.Topic, batch.Partition)
	return batch, true
}

func withoutMarkers(records []*kgo.Record) []*Message {
	for i, m := range records {
		if m.Attrs.IsControl() {
			kept := append([]*Message(nil), records[:i]...)
			for _, m := range records[i+1:] {
				if !m.Attrs.IsControl() {
					kept = append(kept, m)
				}
			}
			return kept
		}
	}
	return records
}

func (r *Reader) position(topic string, p int32) (int64, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next, ok := r.next[topic][p]
	return next, ok && !r.broken[topic][p]
}

func (r *Reader) advance(topic string, p int32, next int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next[topic][p] = next
}

// breakOff stops a partition until Seek.
func (r *Reader) breakOff(topic string, p int32) {
	r.mu.Lock()
	set(r.broken, topic, p, true)
	r.mu.Unlock()
	r.client.RemoveConsumePartitions(map[string][]int32{topic: {p}})
}

// Position returns the offset that is delivered next.
func (r *Reader) Position(topic string, p int32) (offset int64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	offset, ok = r.next[topic][p]
	return offset, ok
}

// Seek goes on from offset. What was fetched of the partition but not delivered is dropped.
func (r *Reader) Seek(topic string, p int32, offset int64) error {
	return r.AddPartitions(map[string]map[int32]int64{topic: {p: offset}})
}

// AddPartitions reads more partitions, e.g. those by which a topic has grown; for one that is read already it is a Seek.
func (r *Reader) AddPartitions(assign map[string]map[int32]int64) error {
	if err := checkAssign(assign); err != nil {
		return err
	}
	known := map[string][]int32{}
	r.mu.Lock()
	for topic, parts := range assign {
		for p := range parts {
			if _, ok := r.next[topic][p]; ok && !r.broken[topic][p] {
				known[topic] = append(known[topic], p)
			}
			set(r.broken, topic, p, false)
		}
	}
	r.mu.Unlock()
	r.client.RemoveConsumePartitions(known)
	r.client.AddConsumePartitions(r.assign(assign))
	return nil
}

// Remove stops reading a partition.
func (r *Reader) Remove(topic string, p int32) {
	r.mu.Lock()
	delete(r.next[topic], p)
	delete(r.broken[topic], p)
	r.mu.Unlock()
	r.client.RemoveConsumePartitions(map[string][]int32{topic: {p}})
}

// Pause stops fetching a partition; what has arrived but was not delivered is fetched again after Resume.
func (r *Reader) Pause(topic string, p int32) {
	r.client.PauseFetchPartitions(map[string][]int32{topic: {p}})
}

// Resume undoes Pause.
func (r *Reader) Resume(topic string, p int32) {
	r.client.ResumeFetchPartitions(map[string][]int32{topic: {p}})
}

// Positions returns the offsets that are delivered next.
func (r *Reader) Positions() map[string]map[int32]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[string]map[int32]int64, len(r.next))
	for topic, parts := range r.next {
		out[topic] = maps.Clone(parts)
	}
	return out
}

// Close ends reading; a Poll under way returns ErrClosed.
func (r *Reader) Close() {
	r.once.Do(func() {
		r.bus.untrack(r)
		r.client.Close()
	})
}

func set(m map[string]map[int32]bool, topic string, p int32, v bool) {
	if m[topic] == nil {
		m[topic] = map[int32]bool{}
	}
	m[topic][p] = v
}

func isOutOfRange(err error) bool {
	if _, ok := errors.AsType[*kgo.ErrDataLoss](err); ok {
		return true
	}
	return errors.Is(err, errOffsetOutOfRange)
}
