package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// journal is hxp-responses: whatever partitions the topic has, the log is the first one, because the order of records is what
// decides between writers.
type journal struct {
	bus      *bus.Bus
	log      *slog.Logger
	producer *bus.Producer
	apply    func(offset int64, value []byte)
	reset    func()

	ready chan struct{}
	once  sync.Once

	mu    sync.Mutex
	next  int64 // every record before it is applied
	until int64 // the end of the log when it was last begun
	moved chan struct{}
}

const journalPartition = 0

func newJournal(b *bus.Bus, log *slog.Logger) (*journal, error) {
	// A record that took long is not wanted any more: others may have acted meanwhile.
	p, err := b.NewProducer(bus.ProducerOptions{ManualPartition: true, Compression: "none", MaxBufferedMessages: 100, MaxBufferedBytes: 4 << 20, DeliveryTimeout: 5 * time.Second})
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	return &journal{bus: b, log: log.With("topic", event.TopicResponses), producer: p, ready: make(chan struct{}), until: 1, moved: make(chan struct{})}, nil
}

// Append is part of respond.Journal.
func (j *journal) Append(ctx context.Context, value []byte) error {
	m := &bus.Message{Topic: event.TopicResponses, Partition: journalPartition, Value: value}
	if err := j.producer.Send(ctx, []*bus.Message{m}); err != nil {
		return errors.Join(err, j.catchUp(ctx))
	}
	return j.await(ctx, func() bool { return j.next > m.Offset })
}

// catchUp returns when everything is applied that is in the log now.
func (j *journal) catchUp(ctx context.Context) error {
	r, err := j.bounds(ctx)
	if err != nil {
		return err
	}
	return j.await(ctx, func() bool { return j.next >= r.End })
}

func (j *journal) await(ctx context.Context, reached func() bool) error {
	for {
		j.mu.Lock()
		ok, moved := reached(), j.moved
		j.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("the audit log was not read so far: %w", context.Cause(ctx))
		}
	}
}

func (j *journal) bounds(ctx context.Context) (bus.Range, error) {
	all, err := j.bus.Offsets(ctx, event.TopicResponses)
	if err != nil {
		return bus.Range{}, err
	}
	r, ok := all[event.TopicResponses][journalPartition]
	if !ok {
		return bus.Range{}, fmt.Errorf("%s/%d has no leader now", event.TopicResponses, journalPartition)
	}
	return r, nil
}

// run follows the log until ctx ends. When the topic was made anew it begins again.
func (j *journal) run(ctx context.Context) error {
	defer j.producer.Close()
	for {
		err := j.follow(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, bus.ErrClosed):
			return err
		}
		j.log.Warn("the audit log is read again from its start", "reason", err)
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (j *journal) follow(ctx context.Context) error {
	id, err := j.bus.TopicID(ctx, event.TopicResponses)
	if err != nil {
		return err
	}
	log, err := j.bounds(ctx)
	if err != nil {
		return err
	}
	reader, err := j.bus.NewReader(partition(event.TopicResponses, journalPartition, log.Start), bus.ReaderOptions{})
	if err != nil {
		return err
	}
	defer reader.Close()
	j.begin(log)
	ctx, stop := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { stop(sameTopic(ctx, j.bus, event.TopicResponses, id)) })
	defer wg.Wait()
	defer stop(nil)
	for {
		fetch, err := reader.Poll(ctx)
		if err != nil {
			return errors.Join(context.Cause(ctx), err)
		}
		for _, b := range fetch {
			for _, m := range b.Messages {
				j.apply(m.Offset, m.Value)
			}
			j.advance(b.Next)
			if b.Err != nil {
				return b.Err
			}
		}
	}
}

func partition(topic string, p int32, at int64) map[string]map[int32]int64 {
	return map[string]map[int32]int64{topic: {p: at}}
}

// sameTopic ends with an error when the topic is another one, and with nil when ctx ends.
func sameTopic(ctx context.Context, b *bus.Bus, topic, id string) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if shapes, err := b.Shapes(ctx, topic); err == nil && shapes[topic].ID != id {
			return fmt.Errorf("%s was deleted or made anew", topic)
		}
	}
}

// begin resets the state; no record counts as applied until it is empty.
func (j *journal) begin(log bus.Range) {
	j.mu.Lock()
	j.next, j.until = -1, log.End
	j.mu.Unlock()
	j.reset()
	j.advance(log.Start)
}

func (j *journal) advance(next int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.next = next
	close(j.moved)
	j.moved = make(chan struct{})
	if next >= j.until {
		j.once.Do(func() { close(j.ready) })
	}
}

// read gives records from an offset on to see, until it says that it has enough or the log ends. It returns the offset from which to
// go on.
func (j *journal) read(ctx context.Context, from int64, see func(offset int64, value []byte) (more bool)) (next int64, err error) {
	log, err := j.bounds(ctx)
	if err != nil {
		return from, err
	}
	from = max(from, log.Start)
	if from >= log.End {
		return from, nil
	}
	reader, err := j.bus.NewReader(partition(event.TopicResponses, journalPartition, from), bus.ReaderOptions{MaxBytes: 1 << 20, MaxPartitionBytes: 1 << 20})
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
