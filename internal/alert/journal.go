package alert

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// journal is hxp-responses, the audit log. It is the respond.Journal of the machine.
type journal struct{ *bus.Replica }

func newJournal(b *bus.Bus, state bus.ReplicaState, log *slog.Logger) (journal, error) {
	topic, _ := event.TopicNamed(event.TopicResponses)
	// A record that took long is not wanted any more: others may have acted meanwhile.
	r, err := b.NewReplica(topic, "audit log", state, bus.ProducerOptions{MaxBufferedMessages: 100, MaxBufferedBytes: 4 << 20, DeliveryTimeout: 5 * time.Second}, log)
	return journal{r}, err
}

// Append is part of respond.Journal.
func (j journal) Append(ctx context.Context, value []byte) error {
	offset, err := j.Replica.Append(ctx, nil, value)
	if err != nil {
		return errors.Join(err, j.CatchUp(ctx))
	}
	return j.WaitFor(ctx, offset)
}

// read gives records from an offset on to see, until it says that it has enough or the log ends. It returns the offset from which to
// go on.
func (j journal) read(ctx context.Context, from int64, see func(offset int64, value []byte) (more bool)) (next int64, err error) {
	log, err := j.Bounds(ctx)
	if err != nil {
		return from, err
	}
	from = max(from, log.Start)
	if from >= log.End {
		return from, nil
	}
	reader, err := j.NewReader(from, bus.ReaderOptions{MaxBytes: 1 << 20, MaxPartitionBytes: 1 << 20})
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

// records hands what the audit log says to the machine. It is a bus.ReplicaState.
type records struct{ s *Service }

func (r records) Reset()               { r.s.machine.Reset() }
func (r records) Apply(m *bus.Message) { r.s.machine.Apply(m.Offset, m.Value) }
func (records) Settled()               {}
