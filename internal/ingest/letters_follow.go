package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

const (
	lettersEvery = 5 * time.Second // between two looks at the bounds of the topic
	lettersAgain = time.Second     // after trouble
)

// followLetters folds the topic of the dead letters into the index until ctx ends.
func (a *API) followLetters(ctx context.Context) {
	id := ""
	for ctx.Err() == nil {
		err := a.foldLetters(ctx, &id)
		if ctx.Err() != nil {
			return
		}
		a.log.Debug("the dead letters are read again", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(lettersAgain):
		}
	}
}

// foldLetters reads on from what is folded. It returns when that is no longer possible: the topic is gone or was made anew.
func (a *API) foldLetters(ctx context.Context, id *string) error {
	shape, err := a.shapeOfLetters(ctx, id)
	if err != nil {
		return err
	}
	reader, err := a.bus.NewReader(a.lettersFrom(shape.Partitions), bus.ReaderOptions{MaxBytes: 4 << 20, MaxPartitionBytes: 1 << 20, Uncommitted: true})
	if err != nil {
		return err
	}
	defer reader.Close()
	for looked := time.Now(); ; {
		poll, cancel := context.WithTimeout(ctx, lettersEvery)
		fetch, err := reader.Poll(poll)
		cancel()
		if err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)) {
			return err
		}
		for _, batch := range fetch {
			if err := a.foldBatch(reader, &batch); err != nil {
				return err
			}
		}
		if now := time.Now(); now.Sub(looked) >= lettersEvery {
			looked = now
			if err := a.trimLetters(ctx, shape); err != nil {
				return err
			}
		}
	}
}

// shapeOfLetters looks at the topic and forgets everything when it is another one than before.
func (a *API) shapeOfLetters(ctx context.Context, id *string) (bus.Shape, error) {
	ctx, cancel := a.asking(ctx)
	defer cancel()
	shapes, err := a.bus.Shapes(ctx, event.TopicDeadLetters)
	if err != nil {
		return bus.Shape{}, err
	}
	shape, ok := shapes[event.TopicDeadLetters]
	if !ok || shape.ID != *id {
		a.letters.reset()
		*id = shape.ID
	}
	if !ok {
		return shape, bus.ErrUnknownTopic
	}
	return shape, nil
}

func (a *API) lettersFrom(partitions int) map[string]map[int32]int64 {
	a.letters.mu.Lock()
	defer a.letters.mu.Unlock()
	from := map[int32]int64{}
	for p := range int32(partitions) {
		from[p] = a.letters.next[p]
	}
	return map[string]map[int32]int64{event.TopicDeadLetters: from}
}

func (a *API) foldBatch(reader *bus.Reader, batch *bus.PartitionBatch) error {
	if gone, ok := errors.AsType[*bus.OutOfRangeError](batch.Err); ok { // retention was here
		if gone.Offset > gone.End {
			a.letters.reset() // the log was cut: what is known of it is not to be trusted
			return batch.Err
		}
		a.letters.trim(batch.Partition, gone.Start)
		a.letters.advance(batch.Partition, gone.Start)
		return reader.Seek(batch.Topic, batch.Partition, gone.Start)
	}
	if batch.Err != nil {
		return batch.Err
	}
	for _, m := range batch.Messages {
		a.foldLetter(m)
	}
	a.letters.advance(batch.Partition, batch.Next)
	return nil
}

func (a *API) foldLetter(m *bus.Message) {
	headers := bus.EventHeaders(m)
	mark, is, err := event.ParseDeadMark(m.Key, headers)
	if is && err == nil {
		a.letters.apply(mark)
		return
	}
	var d *event.DeadLetter
	if !is {
		if d, err = event.ParseDeadLetter(m.Key, m.Value, headers); err == nil {
			a.letters.add(position{m.Partition, m.Offset}, d)
			return
		}
	}
	a.log.Warn("a record of the dead letters is none", "partition", m.Partition, "offset", m.Offset, "error", err)
}

// trimLetters forgets what retention removed, and notices a topic that is another one or has other partitions.
func (a *API) trimLetters(ctx context.Context, was bus.Shape) error {
	ctx, cancel := a.asking(ctx)
	defer cancel()
	shapes, err := a.bus.Shapes(ctx, event.TopicDeadLetters)
	if err != nil {
		return nil // the brokers are away: the reader waits for them as well
	}
	if shapes[event.TopicDeadLetters] != was {
		return errors.New("the topic of the dead letters has changed")
	}
	bounds, err := a.bus.Offsets(ctx, event.TopicDeadLetters)
	if err != nil {
		return nil
	}
	for p, r := range bounds[event.TopicDeadLetters] {
		a.letters.trim(p, r.Start)
	}
	a.showLetters()
	return nil
}

// caughtUp returns when everything that was on the topic of the dead letters at the call is in the index.
func (a *API) caughtUp(ctx context.Context) error {
	bounds, err := a.bus.Offsets(ctx, event.TopicDeadLetters)
	if err != nil {
		return err
	}
	ends := map[int32]int64{}
	for p, r := range bounds[event.TopicDeadLetters] {
		if r.End > r.Start {
			ends[p] = r.End
		}
	}
	for {
		behind, moved := a.letters.behind(ends)
		if !behind {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
