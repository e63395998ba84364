package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Book is what is folded from a whole topic. A Tail calls it from one goroutine.
type Book interface {
	// Reset forgets everything: the topic is another one, or its log was cut.
	Reset()
	// Take gets the next record of its partition. Its value is the callee's to keep.
	Take(m *Message)
	// Trim says that the log of a partition begins at an offset now.
	Trim(partition int32, start int64)
}

// Tail reads a topic from its start and goes on, for a Book. A topic that is not there yet is waited for; one that was made anew is
// read from its start; new partitions are read as they come.
type Tail struct {
	bus   *Bus
	topic string
	book  Book
	log   *slog.Logger
	ready chan struct{}

	// of Run alone
	id   string
	next map[int32]int64 // everything below is in the book
	ends map[int32]int64 // what was in the log at the start; nil once it is in the book

	mu      sync.Mutex
	trouble error
}

const (
	tailLook  = 5 * time.Second // between two looks at the bounds of the topic
	tailAgain = time.Second     // after trouble
)

// NewTail makes the tail of a topic; Run it.
func (b *Bus) NewTail(topic string, book Book, log *slog.Logger) *Tail {
	return &Tail{bus: b, topic: topic, book: book, log: log.With("topic", topic), ready: make(chan struct{}), next: map[int32]int64{}, ends: map[int32]int64{}}
}

// Ready is closed when everything is in the book that was in the log at the start.
func (t *Tail) Ready() <-chan struct{} { return t.ready }

// Trouble says why the topic cannot be read now, nil when it can.
func (t *Tail) Trouble() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.trouble
}

func (t *Tail) tell(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trouble = err
}

// Run follows the topic until ctx ends.
func (t *Tail) Run(ctx context.Context) error {
	for {
		err := t.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, ErrClosed) {
			return err
		}
		t.tell(err)
		t.log.Debug("the topic is read again", "reason", err)
		if !sleep(ctx, tailAgain) {
			return nil
		}
	}
}

// follow reads on from what is in the book. It returns when that is no longer possible.
func (t *Tail) follow(ctx context.Context) error {
	shape, err := t.shape(ctx)
	if err != nil {
		return err
	}
	if err := t.begin(ctx, shape); err != nil {
		return err
	}
	reader, err := t.bus.NewReader(map[string]map[int32]int64{t.topic: t.next}, ReaderOptions{MaxBytes: 8 << 20, MaxPartitionBytes: 2 << 20, Uncommitted: true})
	if err != nil {
		return err
	}
	defer reader.Close()
	t.tell(nil)
	for looked := time.Now(); ; {
		poll, cancel := context.WithTimeout(ctx, tailLook)
		fetch, err := reader.Poll(poll)
		cancel()
		if err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)) {
			return err
		}
		for _, batch := range fetch {
			if err := t.take(reader, &batch); err != nil {
				return err
			}
		}
		t.whole()
		if now := time.Now(); now.Sub(looked) >= tailLook {
			looked = now
			if err := t.look(ctx, shape); err != nil {
				return err
			}
		}
	}
}

// shape looks at the topic and forgets everything when it is another one than before.
func (t *Tail) shape(ctx context.Context) (Shape, error) {
	shapes, err := t.bus.Shapes(ctx, t.topic)
	if err != nil {
		return Shape{}, err
	}
	shape, ok := shapes[t.topic]
	if shape.ID != t.id {
		t.forget()
		t.id = shape.ID
	}
	if !ok {
		return shape, fmt.Errorf("%s: %w", t.topic, ErrUnknownTopic)
	}
	return shape, nil
}

func (t *Tail) forget() {
	t.book.Reset()
	t.next = map[int32]int64{}
}

// begin finds where to read: new partitions from their start.
func (t *Tail) begin(ctx context.Context, shape Shape) error {
	bounds, err := t.bus.Offsets(ctx, t.topic)
	if err != nil {
		return err
	}
	for p := range int32(shape.Partitions) {
		r, ok := bounds[t.topic][p]
		if !ok {
			return fmt.Errorf("%s/%d has no leader now", t.topic, p)
		}
		if _, known := t.next[p]; !known {
			t.next[p] = r.Start
		}
		if t.ends != nil {
			t.ends[p] = r.End
		}
	}
	t.whole()
	return nil
}

// whole tells those who wait when the book has what was there at the start.
func (t *Tail) whole() {
	if t.ends == nil {
		return
	}
	for p, end := range t.ends {
		if t.next[p] < end {
			return
		}
	}
	t.ends = nil
	close(t.ready)
}

func (t *Tail) take(reader *Reader, batch *PartitionBatch) error {
	if gone, ok := errors.AsType[*OutOfRangeError](batch.Err); ok { // retention was here
		if gone.Offset > gone.End {
			t.forget() // the log was cut: what is known of it is not to be trusted
			return batch.Err
		}
		t.book.Trim(batch.Partition, gone.Start)
		t.next[batch.Partition] = gone.Start
		return reader.Seek(batch.Topic, batch.Partition, gone.Start)
	}
	if batch.Err != nil {
		return batch.Err
	}
	for _, m := range batch.Messages {
		t.book.Take(m)
	}
	t.next[batch.Partition] = batch.Next
	return nil
}

// look tells the book what retention removed, and notices a topic that is another one or has other partitions.
func (t *Tail) look(ctx context.Context, was Shape) error {
	shapes, err := t.bus.Shapes(ctx, t.topic)
	if err != nil {
		return nil // the brokers are away: the reader waits for them as well
	}
	if shapes[t.topic] != was {
		return fmt.Errorf("%s has changed", t.topic)
	}
	bounds, err := t.bus.Offsets(ctx, t.topic)
	if err != nil {
		return nil
	}
	for p, r := range bounds[t.topic] {
		t.book.Trim(p, r.Start)
	}
	return nil
}
