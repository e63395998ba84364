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

// records hands what the audit log says to the machine. It is a bus.ReplicaState.
type records struct{ s *Service }

func (r records) Reset()               { r.s.machine.Reset() }
func (r records) Apply(m *bus.Message) { r.s.machine.Apply(m.Offset, m.Value) }
func (records) Settled()               {}
