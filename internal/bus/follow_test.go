package bus_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// witness is a bus.Follower.
type witness struct {
	begun chan struct{}
	took  chan string
}

func (w *witness) Begun() { close(w.begun) }
func (w *witness) Take(ctx context.Context, batch []*bus.Message) error {
	for _, m := range batch {
		select {
		case w.took <- fmt.Sprintf("%s/%d:%s", m.Topic, m.Partition, m.Value):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
func (w *witness) Lost(topic string, partition int32) {
	w.took <- fmt.Sprintf("%s/%d lost", topic, partition)
}

// TestFollow: what is written once a follower has begun is taken, of all topics and partitions, and nothing from before; a topic that was
// made anew ends it.
func TestFollow(t *testing.T) {
	one, two := event.Topic{Name: "one", Partitions: 2}, event.Topic{Name: "two", Partitions: 1}
	b, _ := bustest.Start(t, one, two)
	p, err := b.NewProducer(bus.ProducerOptions{ManualPartition: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	write := func(topic string, partition int32, value string) {
		t.Helper()
		if err := p.Send(within(t), []*bus.Message{{Topic: topic, Partition: partition, Value: []byte(value)}}); err != nil {
			t.Fatal(err)
		}
	}
	write("one", 0, "before")
	w := &witness{begun: make(chan struct{}), took: make(chan string, 10)}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- b.Follow(ctx, w, "one", "two") }()
	select {
	case <-w.begun:
	case err := <-ended:
		t.Fatal(err)
	}
	for _, m := range []struct {
		topic     string
		partition int32
	}{{"one", 0}, {"one", 1}, {"two", 0}, {"one", 0}} {
		write(m.topic, m.partition, "new")
		if got, want := <-w.took, fmt.Sprintf("%s/%d:new", m.topic, m.partition); got != want {
			t.Errorf("%s was taken, not %s", got, want)
		}
	}
	if err := b.DeleteTopic(within(t), "two"); err != nil {
		t.Fatal(err)
	}
	if err := b.EnsureTopics(within(t), []event.Topic{two}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || ctx.Err() != nil {
		t.Errorf("a topic was made anew, and following ended with %v", err)
	}
	if err := b.Follow(ctx, w, "one", "three"); err == nil || ctx.Err() != nil {
		t.Errorf("a topic that is not there is followed: %v", err)
	}
}
