package erasure

import (
	"context"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// carry writes the dead letters again, at the end of their partition and in their order, that lie before those of the name, and what became of
// them; it returns how many records that are. A letter is found by its id, wherever it lies, and counts where it was written last, so one that
// was written twice is one: whatever ends this, no letter is lost. What became of letters that go is let go with them. A dry run only counts.
func (s *shortening) carry(ctx context.Context, t *Topic) (moved int64, err error) {
	spans, last := map[int32]bus.Range{}, map[int32]*bus.Message{} // by partition; the last record of the name
	for _, c := range t.Cuts {
		spans[c.Partition] = bus.Range{Start: c.From, End: c.Before}
	}
	out, err := s.Bus.NewProducer(bus.ProducerOptions{ManualPartition: true})
	if err != nil {
		return 0, err
	}
	defer out.Close()
	gone := map[string]bool{}
	err = s.Bus.Walk(ctx, t.Name, spans, func(batch []*bus.Message) error {
		var stay []*bus.Message
		for _, m := range batch {
			if mentions(m, s.texts) {
				gone[string(m.Key)], last[m.Partition] = true, m
			} else if _, mark, _ := event.ParseDeadMark(m.Key, bus.EventHeaders(m)); !mark || !gone[string(m.Key)] {
				stay = append(stay, &bus.Message{Topic: t.Name, Partition: m.Partition, Key: m.Key, Value: m.Value, Headers: m.Headers})
			}
		}
		moved += int64(len(stay))
		if s.dryRun {
			return nil
		}
		return out.Send(ctx, stay)
	})
	if err != nil || s.dryRun || !s.Embedded {
		return moved, err
	}
	return moved, s.coverLast(ctx, t.Name, last, out)
}

// coverLast sees to it that a record follows each of the name: the embedded broker keeps the last one of a log. It is a mark, which says
// nothing, of a letter that goes.
func (s *shortening) coverLast(ctx context.Context, topic string, last map[int32]*bus.Message, out *bus.Producer) error {
	logs, err := s.Bus.Offsets(ctx, topic)
	if err != nil {
		return err
	}
	var marks []*bus.Message
	for p, m := range last {
		if logs[topic][p].End > m.Offset+1 {
			continue
		}
		key, headers := (&event.DeadMark{ID: string(m.Key), At: time.Now().UnixMicro()}).Record()
		mark := &bus.Message{Topic: topic, Partition: p, Key: key}
		for _, h := range headers {
			mark.Headers = append(mark.Headers, bus.Header(h))
		}
		marks = append(marks, mark)
	}
	return out.Send(ctx, marks)
}
