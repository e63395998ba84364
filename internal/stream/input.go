package stream

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
)

type topicPartition struct {
	topic     string
	partition int32
}

// inputReader reads the input partitions for all lanes. A lane that must go back asks by seek and knows from the answer,
// which comes in order, that everything before it is stale.
type inputReader struct {
	names map[topicPartition]source
	lanes []*lane

	schemas Schemas // nil = none

	since atomic.Int64 // microseconds: since when something fetched is being handed over; 0 = nothing is

	mu     sync.Mutex
	seeks  []seek
	cancel context.CancelFunc // ends the Poll under way
}

type seek struct {
	source source
	offset int64
}

func newInputReader(s Schemas) *inputReader {
	return &inputReader{schemas: s, names: map[topicPartition]source{}, cancel: func() {}}
}

func (r *inputReader) seek(src source, offset int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seeks = append(r.seeks, seek{src, offset})
	r.cancel()
}

// run reads until ctx ends. Seeks asked for before are done first.
func (r *inputReader) run(ctx context.Context, reader *bus.Reader) error {
	for {
		poll, cancel := context.WithCancel(ctx)
		r.mu.Lock()
		seeks := r.seeks
		r.seeks, r.cancel = nil, cancel
		r.mu.Unlock()
		for _, s := range seeks {
			if err := reader.Seek(s.source.Topic, s.source.Partition, s.offset); err != nil {
				cancel()
				return err
			}
			if err := r.hand(ctx, inputBatch{source: s.source, sought: true}); err != nil {
				cancel()
				return err
			}
		}
		r.since.Store(0)
		fetch, err := reader.Poll(poll)
		r.since.Store(time.Now().UnixMicro())
		cancel()
		for _, b := range fetch {
			if r.schemas != nil {
				if err := r.schemas.Prepare(ctx, b.Messages); err != nil {
					return err
				}
			}
			if err := r.hand(ctx, inputBatch{source: r.names[topicPartition{b.Topic, b.Partition}], batch: b}); err != nil {
				return err
			}
		}
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && poll.Err() == nil {
			return err
		}
	}
}

// busy tells since when something that was fetched is being handed over, in microseconds; 0 when nothing is.
func (r *inputReader) busy() int64 {
	if r == nil {
		return 0
	}
	return r.since.Load()
}

func (r *inputReader) hand(ctx context.Context, b inputBatch) error {
	l := r.lanes[b.source.Partition]
	l.inbox.Add(1)
	select {
	case l.input <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
