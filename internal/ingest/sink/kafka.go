package sink

import (
	"context"
	"fmt"
	"sync"

	"github.com/hxp-enterprise/hxp/internal/bus"
)

// Sender is what Kafka needs of a bus.Producer: it acknowledges each message with acks=all and blocks while its buffer is
// full.
type Sender interface {
	SendAsync(ctx context.Context, m *bus.Message, done func(*bus.Message, error))
}

// Kafka sends items straight to their topics. The topics do not say what they knew before, so it reports no duplicates;
// the readers of the topics leave them out.
type Kafka struct {
	sender Sender
	slots  chan struct{} // one per message under way

	mu  sync.Mutex
	err error // the first failure; ends the run
}

// NewKafka returns a sink with at most window messages under way (0 = 20,000).
func NewKafka(s Sender, window int) *Kafka {
	if window <= 0 {
		window = 20_000
	}
	return &Kafka{sender: s, slots: make(chan struct{}, window)}
}

// Send implements Sink.
func (k *Kafka) Send(ctx context.Context, it Item, r Report) error {
	select {
	case k.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := k.failed(); err != nil {
		<-k.slots
		return err
	}
	m := &bus.Message{Topic: it.Kind.Topic(), Key: it.Key, Value: it.Value}
	// What is under way when a run is interrupted is still waited for, so that the summary tells what was really written.
	k.sender.SendAsync(context.WithoutCancel(ctx), m, func(_ *bus.Message, err error) {
		if err != nil {
			k.fail(fmt.Errorf("write to topic %s: %w", it.Kind.Topic(), err))
		} else {
			r.Sent(it)
		}
		<-k.slots
	})
	return nil
}

// Flush implements Sink.
func (k *Kafka) Flush(ctx context.Context) error {
	for taken := range cap(k.slots) { // holding every slot means nothing is under way
		select {
		case k.slots <- struct{}{}:
		case <-ctx.Done():
			for range taken {
				<-k.slots
			}
			return context.Cause(ctx)
		}
	}
	for range cap(k.slots) {
		<-k.slots
	}
	return k.failed()
}

func (k *Kafka) failed() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

func (k *Kafka) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err == nil {
		k.err = err
	}
}
