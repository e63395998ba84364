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
	// Take gets the next records of all partitions, those of each in their order. They are the callee's to keep.
	Take(ctx context.Context, batch []*Message) error
	// Lost says that records of a partition cannot be read any more that should have been taken.
	Lost(topic string, partition int32)
}

const (
	// followPace bounds how often a Follower is called: what comes in quick succession is taken together.
	followPace = 10 * time.Millisecond
	// followGather is how long is waited for what was written in one go with the first record.
	followGather = 2 * time.Millisecond
)

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

// source is what a Follower is fed from: a Reader.
type source interface {
	Poll(ctx context.Context) (Fetch, error)
	Seek(topic string, partition int32, offset int64) error
}

// followOn takes what comes next, and rests a little. A reader fetches ahead, and a fetch is answered as soon as there is anything: what is got after a rest
// may have lain ready for all of it. So it is looked twice, and what was written during the rest is taken at its end.
func followOn(ctx context.Context, from source, f Follower) error {
	fetch, err := look(ctx, from, tailLook)
	if err != nil || len(fetch) == 0 {
		return err
	}
	more, err := look(ctx, from, followGather)
	if err != nil {
		return err
	}
	if err := hand(ctx, from, f, append(fetch, more...)); err != nil {
		return err
	}
	if !sleep(ctx, followPace) {
		return ctx.Err()
	}
	return nil
}

// look polls for a while; nothing may have come in it.
func look(ctx context.Context, from source, d time.Duration) (Fetch, error) {
	poll, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	fetch, err := from.Poll(poll)
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return fetch, err
}

// hand gives a Follower what was fetched, of all partitions together.
func hand(ctx context.Context, from source, f Follower, fetch Fetch) error {
	var records []*Message
	take := func() (err error) {
		if len(records) > 0 {
			err = f.Take(ctx, records)
		}
		records = nil // the Follower has them
		return err
	}
	for i := range fetch {
		batch := &fetch[i]
		records = append(records, batch.Messages...)
		if batch.Err == nil {
			continue
		}
		if err := take(); err != nil {
			return err
		}
		gone, ok := errors.AsType[*OutOfRangeError](batch.Err)
		if !ok {
			return batch.Err
		}
		f.Lost(batch.Topic, batch.Partition)
		if err := from.Seek(batch.Topic, batch.Partition, min(max(gone.Offset, gone.Start), gone.End)); err != nil {
			return err
		}
	}
	return take()
}
