package tap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Writer is what a tap needs of a bus.Producer: Send returns when the brokers acknowledged everything.
type Writer interface {
	Send(ctx context.Context, msgs []*bus.Message) error
}

// sendTimeout bounds one try to write a batch, the connection included.
const sendTimeout = 15 * time.Second

// sender is the sdk.Sender of a tap: it writes events in the canonical form to their topics. It connects when there is
// something to send, and again until it succeeds. Not for concurrent use, as sdk.Sender promises.
type sender struct {
	connect func(ctx context.Context) (Writer, error)
	writer  Writer
	parser  event.Parser
	event   event.Event
	privacy *event.Privacy
}

// Send implements sdk.Sender.
func (s *sender) Send(ctx context.Context, batch [][]byte) (refused int, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, sendTimeout, fmt.Errorf("the brokers did not answer within %s", sendTimeout))
	defer cancel()
	if s.writer == nil {
		if s.writer, err = s.connect(ctx); err != nil {
			s.writer = nil
			return 0, err
		}
	}
	msgs := make([]*bus.Message, 0, len(batch))
	for _, b := range batch {
		if m := s.message(b); m != nil {
			msgs = append(msgs, m)
		}
	}
	refused = len(batch) - len(msgs)
	err = s.writer.Send(ctx, msgs)
	failed, ok := errors.AsType[*bus.SendError](err)
	if !ok {
		return refused, err
	}
	for _, err := range failed.Errs {
		switch {
		case err == nil:
		case errors.Is(err, bus.ErrTooLarge):
			refused++
		default:
			return 0, failed
		}
	}
	return refused, nil
}

// message is the record of an event; nil for what is none.
func (s *sender) message(b []byte) *bus.Message {
	if s.parser.Parse(b, &s.event) != nil {
		return nil
	}
	s.privacy.Apply(&s.event) // again, for what an older process left on disk
	s.event.Settle()
	return &bus.Message{Topic: s.event.Kind.Topic(), Key: []byte(s.event.Key()), Value: event.AppendJSON(nil, &s.event)}
}
