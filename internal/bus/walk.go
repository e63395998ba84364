package bus

import (
	"context"
	"errors"
	"slices"
)

// Walk shows the records of spans of a topic in the order of each partition, those of transactions too that are open or were aborted: they lie
// there like others. What goes meanwhile from the beginning of a log is passed over.
func (b *Bus) Walk(ctx context.Context, topic string, spans map[int32]Range, show func(batch []*Message) error) error {
	open := map[int32]int64{}
	for p, span := range spans {
		if span.Start < span.End {
			open[p] = span.Start
		}
	}
	if len(open) == 0 {
		return nil
	}
	reader, err := b.NewReader(map[string]map[int32]int64{topic: open}, ReaderOptions{MaxBytes: 8 << 20, MaxPartitionBytes: 4 << 20, Uncommitted: true})
	if err != nil {
		return err
	}
	defer reader.Close()
	for len(open) > 0 {
		fetch, err := reader.Poll(ctx)
		if err != nil {
			return err
		}
		for _, b := range fetch {
			if gone, is := errors.AsType[*OutOfRangeError](b.Err); is && gone.Offset < gone.Start {
				b.Next, b.Err = gone.Start, reader.Seek(topic, b.Partition, gone.Start)
			}
			if b.Err != nil {
				return b.Err
			}
			end := spans[b.Partition].End
			if err := show(slices.DeleteFunc(b.Messages, func(m *Message) bool { return m.Offset >= end })); err != nil {
				return err
			}
			if b.Next >= end {
				delete(open, b.Partition)
				reader.Remove(topic, b.Partition)
			}
		}
	}
	return nil
}
