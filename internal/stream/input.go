package stream

import (
	"context"
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
	times   *stageTimes

	stall time.Duration // see attentive
	free  atomic.Int64  // microseconds: when a stall was over; 0 = there was none
	since atomic.Int64  // microseconds: since when something fetched is being handed over; 0 = nothing is

	steer
}

func newInputReader(s Schemas, t *stageTimes) *inputReader {
	return &inputReader{schemas: s, times: t, names: map[topicPartition]source{}}
}

// seek asks to go on from an offset of a partition, which may be one that is not read yet.
func (r *inputReader) seek(src source, offset int64) { r.ask(seek{source: src, offset: offset}) }

// leave asks to read a partition no more.
func (r *inputReader) leave(src source) { r.ask(seek{source: src, gone: true}) }

// run reads until ctx ends. What was asked for before is done first.
func (r *inputReader) run(ctx context.Context, reader *bus.Reader) error {
	for {
		poll, wishes, cancel := r.begin(ctx)
		if err := r.obey(ctx, reader, wishes); err != nil {
			cancel()
			return err
		}
		r.since.Store(0)
		fetch, err := reader.Poll(poll)
		begin, records := time.Now(), 0
		r.since.Store(begin.UnixMicro())
		cancel()
		for _, b := range fetch {
			records += len(b.Messages)
			if r.schemas != nil {
				if err := r.schemas.Prepare(ctx, b.Messages); err != nil {
					return err
				}
			}
			if err := r.hand(ctx, inputBatch{source: r.names[topicPartition{b.Topic, b.Partition}], batch: b}); err != nil {
				return err
			}
		}
		r.handed(begin, time.Now())
		r.times.add(stageFetch, int64(records), time.Since(begin))
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && poll.Err() == nil {
			return err
		}
	}
}

// obey does what was asked for.
func (r *inputReader) obey(ctx context.Context, reader *bus.Reader, wishes []seek) error {
	for _, s := range wishes {
		if s.gone {
			reader.Remove(s.source.Topic, s.source.Partition)
			continue
		}
		if err := reader.Seek(s.source.Topic, s.source.Partition, s.offset); err != nil {
			return err
		}
		if err := r.hand(ctx, inputBatch{source: s.source, sought: true}); err != nil {
			return err
		}
	}
	return nil
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
