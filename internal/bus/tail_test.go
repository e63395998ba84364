package bus_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// notebook writes down what it is told, and says when it was told something.
type notebook struct {
	mu    sync.Mutex
	lines []string
	news  chan struct{}
}

func (n *notebook) note(format string, args ...any) {
	n.mu.Lock()
	n.lines = append(n.lines, fmt.Sprintf(format, args...))
	n.mu.Unlock()
	select {
	case n.news <- struct{}{}:
	default:
	}
}

func (n *notebook) Reset()              { n.note("reset") }
func (n *notebook) Take(m *bus.Message) { n.note("%d:%s", m.Partition, m.Value) }
func (n *notebook) Trim(int32, int64)   {}
func (n *notebook) has(line string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Contains(n.lines, line)
}

// waits until a line is there.
func (n *notebook) await(t *testing.T, line string) {
	t.Helper()
	ctx := within(t)
	for !n.has(line) {
		select {
		case <-n.news:
		case <-ctx.Done():
			t.Fatalf("no %q in %q", line, n.lines)
		}
	}
}

func TestTail(t *testing.T) {
	topic := event.Topic{Name: "tailed"}
	b, _ := bustest.Start(t, topic)
	write := func(partition int32, value string) {
		t.Helper()
		p, err := b.NewProducer(bus.ProducerOptions{ManualPartition: true}) // knows nothing of a topic of before
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if err := p.Send(within(t), []*bus.Message{{Topic: topic.Name, Partition: partition, Value: []byte(value)}}); err != nil {
			t.Fatal(err)
		}
	}
	write(0, "before")
	book := &notebook{news: make(chan struct{}, 1)}
	tail := b.NewTail(topic.Name, book, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- tail.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	select {
	case <-tail.Ready():
	case <-within(t).Done():
		t.Fatal("not ready")
	}
	if !book.has("0:before") {
		t.Errorf("ready without what was there: %q", book.lines)
	}
	write(0, "after")
	book.await(t, "0:after")
	if err := b.DeleteTopic(within(t), topic.Name); err != nil {
		t.Fatal(err)
	}
	if err := b.EnsureTopics(within(t), []event.Topic{topic}); err != nil {
		t.Fatal(err)
	}
	write(0, "anew")
	book.await(t, "0:anew")
	if n := len(slices.DeleteFunc(slices.Clone(book.lines), func(s string) bool { return s != "reset" })); n < 2 {
		t.Errorf("the topic was made anew and the book was not reset: %q", book.lines)
	}
	if err := tail.Trouble(); err != nil {
		t.Error(err)
	}
}
