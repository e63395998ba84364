package stream

import (
	"context"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Floors are the offsets from which on windows may read their topics again, by topic and partition, in whichever process and version they run;
// of a partition that is missing it is not known.
//
// The journal tells them. Owners shorten it below the older of two snapshots alone, which say no less than the units before them, and never so far
// that a source has no unit left (anchor). So whoever begins, with a snapshot or without one, goes on from an edge of a unit that lies there, and
// what lies before the lowest edge of a source is read by nobody again. What comes to the journal later goes on from there: floors rise, unless the
// log of the input is cut. Positions of the group tell less: they are ahead of what a kill goes back to.
//
// Only windows whose snapshots are lost read below that, to count again what no journal tells any more (past.go): see Service.ReadsOn.
//
// Of hxp-correlations it is what was written some time, every twice, before the oldest record of the journal: a snapshot of behind that has read it.
func Floors(ctx context.Context, b *bus.Bus, every time.Duration) (map[string]map[int32]int64, error) {
	shapes, err := b.Shapes(ctx, watched...)
	if err != nil || shapes[event.TopicPanes].Partitions == 0 {
		return nil, err
	}
	logs, err := b.Offsets(ctx, event.TopicPanes)
	if err != nil {
		return nil, fmt.Errorf("bounds of the journal %s: %w", event.TopicPanes, err)
	}
	f := newFloors(shapes)
	err = b.Walk(ctx, event.TopicPanes, logs[event.TopicPanes], func(batch []*bus.Message) error {
		for _, m := range batch {
			f.take(m)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the journal %s: %w", event.TopicPanes, err)
	}
	for number := range f.torn {
		for _, of := range f.at {
			delete(of, number)
		}
	}
	return f.at, f.correlations(ctx, b, logs[event.TopicPanes], 2*every)
}

// floors is what was read of the journal.
type floors struct {
	shapes map[string]bus.Shape
	at     map[string]map[int32]int64
	since  map[int32]time.Time // of the oldest record by partition of the journal
	torn   map[int32]bool      // partitions with records that this program cannot read
}

func newFloors(shapes map[string]bus.Shape) *floors {
	return &floors{shapes: shapes, at: map[string]map[int32]int64{}, since: map[int32]time.Time{}, torn: map[int32]bool{}}
}

func (f *floors) take(m *bus.Message) {
	if since, known := f.since[m.Partition]; !known || m.Timestamp.Before(since) {
		f.since[m.Partition] = m.Timestamp
	}
	d := decoder{src: m.Value}
	h, _ := d.header()
	if d.err != nil {
		f.torn[m.Partition] = true
		return
	}
	if h.Source.TopicID == f.shapes[h.Source.Topic].ID { // else it is one that was there before
		f.lower(h.Source.Topic, h.Source.Partition, min(h.From, h.To))
	}
}

func (f *floors) lower(topic string, partition int32, to int64) {
	if f.at[topic] == nil {
		f.at[topic] = map[int32]int64{}
	}
	if at, known := f.at[topic][partition]; !known || to < at {
		f.at[topic][partition] = to
	}
}

// correlations adds the floors of hxp-correlations, whose partitions several numbers may write to. One whose journal was never written has
// joined nothing.
func (f *floors) correlations(ctx context.Context, b *bus.Bus, journal map[int32]bus.Range, lag time.Duration) error {
	partitions, numbers := f.shapes[event.TopicCorrelations].Partitions, f.shapes[event.TopicJoins].Partitions
	if partitions == 0 {
		return nil
	}
	for number := range int32(numbers) {
		since, known := f.since[number]
		partition := number % int32(partitions)
		switch log, is := journal[number]; {
		case known && !f.torn[number]:
			at, err := b.OffsetsAt(ctx, since.Add(-lag), event.TopicCorrelations)
			if err != nil {
				return err
			}
			f.lower(event.TopicCorrelations, partition, at[event.TopicCorrelations][partition])
		case !is || log.End > 0:
			f.lower(event.TopicCorrelations, partition, 0)
		}
	}
	return nil
}
