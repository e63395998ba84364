package bus

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Follower gets what is new in some topics. Follow calls it from one goroutine.
type Follower interface {
	// Begun says that everything which is written from now on will be taken.
	Begun()
	// Take gets the next records, those of a partition in their order. They are the callee's to keep.
	Take(ctx context.Context, batch []*Message) error
	// Lost says that records of a partition cannot be read any more that should have been taken.
	Lost(topic string, partition int32)
}

// followPace bounds how often a Follower is called: what comes in quick succession is taken together.
const followPace = 10 * time.Millisecond

// Follow reads topics from their ends of now on, until ctx ends. It returns an error when that is no longer possible: a topic is missing,
// was made anew, or has other partitions than before. Records between two calls are not taken.
func (b *Bus) Follow(ctx context.Context, f Follower, topics ...string) error {
	shapes, err := b.Shapes(ctx, topics...)
	if err != nil {
		return err
	}
	bounds, err := b.Offsets(ctx, topics...)
	if err != nil {
		return err
	}
	next := make(map[string]map[int32]int64, len(topics))
	for _, topic := range topics {
		next[topic] = map[int32]int64{}
		for p := range int32(shapes[topic].Partitions) {
			r, ok := bounds[topic][p]
			if !ok {
				return fmt.Errorf("%s/%d has no leader now", topic, p)
			}
			next[topic][p] = r.End
		}
	}
	reader, err := b.NewReader(next, ReaderOptions{MaxBytes: 8 << 20, MaxPartitionBytes: 2 << 20})
	if err != nil {
		return err
	}
	defer reader.Close()
	f.Begun()
	for looked := time.Now(); ; {
		if err := followOn(ctx, reader, f); err != nil {
			return err
		}
		if time.Since(looked) < tailLook {
			continue
		}
		looked = time.Now()
		if now, err := b.Shapes(ctx, topics...); err == nil { // brokers that are away: the reader waits for them as well
			for _, topic := range topics {
				if now[topic] != shapes[topic] {
					return fmt.Errorf("%s has changed", topic)
				}
			}
		}
	}
}

// followOn takes what comes next, and rests a little.
func followOn(ctx context.Context, reader *Reader, f Follower) error {
	poll, cancel := context.WithTimeout(ctx, tailLook)
	fetch, err := reader.Poll(poll)
	cancel()
	if err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)) {
		return err
	}
	for i := range fetch {
		batch := &fetch[i]
		if gone, ok := errors.AsType[*OutOfRangeError](batch.Err); ok {
			f.Lost(batch.Topic, batch.Partition)
			if err := reader.Seek(batch.Topic, batch.Partition, min(max(gone.Offset, gone.Start), gone.End)); err != nil {
				return err
			}
		} else if batch.Err != nil {
			return batch.Err
		}
		if err := f.Take(ctx, batch.Messages); err != nil {
			return err
		}
	}
	if len(fetch) > 0 && !sleep(ctx, followPace) {
		return ctx.Err()
	}
	return nil
}
