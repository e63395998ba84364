package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// ReplicaState is a state that the records of one log make, applied in their order, and nothing else. A Replica calls it from one
// goroutine; a state that others read locks itself.
type ReplicaState interface {
	// Reset forgets everything: the records come again from the start of the log.
	Reset()
	// Apply takes the next record. Its value is the callee's to keep.
	Apply(m *Message)
	// Settled says that the state is whole after a Reset: everything is applied that was in the log when it began to be read.
	Settled()
}

// Replica follows the first partition of a topic from its start, for a ReplicaState, and appends to it. Whatever partitions the
// topic has, one of them is the log, because the order of its records decides between those who write.
//
// Run has one goroutine that applies; the other methods may be called from any.
type Replica struct {
	bus      *Bus
	topic    event.Topic
	name     string // of the log, for errors and log lines
	log      *slog.Logger
	state    ReplicaState
	producer *Producer

	ready chan struct{}
	once  sync.Once

	mu    sync.Mutex
	next  int64         // every record before it is applied
	until int64         // the end of the log when the follower last began at its start
	whole bool          // it was read up to there; belongs to Run
	moved chan struct{} // closed when next has changed
}

// ReplicaPartition is the partition that is the log.
const ReplicaPartition = 0

// NewReplica makes the replica of a log, which errors and log lines call by name, and that appends as options say. Run it.
func (b *Bus) NewReplica(topic event.Topic, name string, state ReplicaState, options ProducerOptions, log *slog.Logger) (*Replica, error) {
	options.ManualPartition, options.Compression = true, "none"
	p, err := b.NewProducer(options)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &Replica{
		bus: b, topic: topic, name: name, log: log.With("topic", topic.Name), state: state, producer: p,
		ready: make(chan struct{}), until: 1, moved: make(chan struct{}),
	}, nil
}

// Append writes a record with acks=all and tells its offset; WaitFor(offset) then waits until it is applied here. After an error the
// record may still have been written, so the state must recognise it when it comes twice.
func (r *Replica) Append(ctx context.Context, key, value []byte) (offset int64, err error) {
	m := &Message{Topic: r.topic.Name, Partition: ReplicaPartition, Key: key, Value: value}
	if err := r.producer.Send(ctx, []*Message{m}); err != nil {
		return 0, fmt.Errorf("append to the %s: %w", r.name, err)
	}
	return m.Offset, nil
}

// Ready is closed when everything is applied that was in the log at the start.
func (r *Replica) Ready() <-chan struct{} { return r.ready }

// WaitFor returns when the record at offset is applied here, or with the cause when ctx ends.
func (r *Replica) WaitFor(ctx context.Context, offset int64) error {
	return r.await(ctx, func() bool { return r.next > offset })
}

// Settled returns when the state is whole: at the start, and after the topic was made anew, the log is being read for a moment. It
// asks nobody and costs nothing otherwise.
func (r *Replica) Settled(ctx context.Context) error {
	return r.await(ctx, func() bool { return r.next >= r.until })
}

// CatchUp returns when everything is applied here that was in the log when it was called. It asks the brokers for the end.
func (r *Replica) CatchUp(ctx context.Context) error {
	log, err := r.Bounds(ctx)
	if err != nil {
		return err
	}
	return r.WaitFor(ctx, log.End-1)
}

// Bounds asks the brokers for the bounds of the log.
func (r *Replica) Bounds(ctx context.Context) (Range, error) {
	all, err := r.bus.Offsets(ctx, r.topic.Name)
	if err != nil {
		return Range{}, err
	}
	log, ok := all[r.topic.Name][ReplicaPartition]
	if !ok {
		return Range{}, fmt.Errorf("%s/%d has no leader now", r.topic.Name, ReplicaPartition)
	}
	return log, nil
}

// NewReader reads the log from an offset on.
func (r *Replica) NewReader(from int64, options ReaderOptions) (*Reader, error) {
	return r.bus.NewReader(map[string]map[int32]int64{r.topic.Name: {ReplicaPartition: from}}, options)
}

// Scan gives records from an offset on to see, until it says that it has enough or the log ends. It returns the offset from which to go on.
func (r *Replica) Scan(ctx context.Context, from int64, see func(offset int64, value []byte) (more bool)) (next int64, err error) {
	log, err := r.Bounds(ctx)
	if err != nil {
		return from, err
	}
	from = max(from, log.Start)
	if from >= log.End {
		return from, nil
	}
	reader, err := r.NewReader(from, ReaderOptions{MaxBytes: 1 << 20, MaxPartitionBytes: 1 << 20})
	if err != nil {
		return from, err
	}
	defer reader.Close()
	for from < log.End {
		fetch, err := reader.Poll(ctx)
		if err != nil {
			return from, err
		}
		for _, b := range fetch {
			for _, m := range b.Messages {
				if m.Offset >= log.End {
					return log.End, nil
				}
				if !see(m.Offset, m.Value) {
					return m.Offset, nil
				}
			}
			if from = b.Next; b.Err != nil {
				return from, b.Err
			}
		}
	}
	return from, nil
}

// await waits until reached, which is called under the lock, is true.
func (r *Replica) await(ctx context.Context, reached func() bool) error {
	for {
		r.mu.Lock()
		ok, moved := reached(), r.moved
		r.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("the %s was not read so far: %w", r.name, context.Cause(ctx))
		}
	}
}

// followAgain is the pause before the log is read again from its start after trouble.
const followAgain = 200 * time.Millisecond

// Run follows the log until ctx ends. When the topic was deleted, made anew or shortened, the state is reset and built again from
// what it holds then.
func (r *Replica) Run(ctx context.Context) error {
	defer r.producer.Close()
	for {
		err := r.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, ErrClosed) {
			return err
		}
		r.log.Warn("the log is read again from its start", "log", r.name, "reason", err)
		if !sleep(ctx, followAgain) {
			return nil
		}
	}
}

// follow reads the log from its start until it is no longer the one that it began with.
func (r *Replica) follow(ctx context.Context) error {
	if err := r.bus.EnsureTopics(ctx, []event.Topic{r.topic}); err != nil {
		return err
	}
	id, err := r.bus.TopicID(ctx, r.topic.Name)
	if err != nil {
		return err
	}
	log, err := r.Bounds(ctx)
	if err != nil {
		return err
	}
	reader, err := r.NewReader(log.Start, ReaderOptions{})
	if err != nil {
		return err
	}
	defer reader.Close()
	r.begin(log)

	ctx, stop := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { stop(r.watch(ctx, id)) })
	defer wg.Wait()
	defer stop(nil)
	for {
		fetch, err := reader.Poll(ctx)
		if err != nil {
			return errors.Join(context.Cause(ctx), err)
		}
		for _, b := range fetch {
			for _, m := range b.Messages {
				r.state.Apply(m)
			}
			r.advance(b.Next)
			if b.Err != nil {
				return b.Err
			}
		}
	}
}

// watch ends with an error when the topic is another one, and with nil when ctx ends.
func (r *Replica) watch(ctx context.Context, id string) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		shapes, err := r.bus.Shapes(ctx, r.topic.Name)
		if err != nil {
			r.log.Debug("the topic could not be looked at", "error", err)
			continue
		}
		if shapes[r.topic.Name].ID != id {
			return fmt.Errorf("%s was deleted or made anew", r.topic.Name)
		}
	}
}

// begin resets the state. Nobody takes it for whole meanwhile: no record counts as applied until it is empty.
func (r *Replica) begin(log Range) {
	r.mu.Lock()
	r.next, r.until = -1, log.End
	r.mu.Unlock()
	r.whole = false
	r.state.Reset()
	r.advance(log.Start)
}

// advance tells those who wait how far the log is applied.
func (r *Replica) advance(next int64) {
	if !r.whole && next >= r.until { // until changes in this goroutine alone
		r.whole = true
		r.state.Settled()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next = next
	close(r.moved)
	r.moved = make(chan struct{})
	if next >= r.until {
		r.once.Do(func() { close(r.ready) })
	}
}
