package lake

import (
	"context"
	"fmt"
	"iter"
	"log/slog"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Import publishes events that come from nowhere on the bus: what a measurement or a test makes. They become the next offsets of
// tp, in their order, as one range: the same files, in the same way, as the writer makes of a partition. Each comes with the
// time at which it was taken in (microseconds since the epoch). All of them are in memory at once. tp must be a partition that
// no writer reads.
func (l *Lake) Import(ctx context.Context, m Manifest, tp event.TopicPartition, events iter.Seq2[*event.Event, int64]) ([]event.LakeFile, error) {
	from, err := m.InitPosition(ctx, tp, 0)
	if err != nil {
		return nil, err
	}
	c := &claim{tp: tp, from: from, to: from}
	byKind := map[event.Kind]*rows{}
	for e, ingestedAt := range events {
		r := byKind[e.Kind]
		if r == nil {
			r = newRows(e.Kind)
			byKind[e.Kind], c.rows = r, append(c.rows, r)
		}
		r.add(e, c.to, ingestedAt)
		c.to++
	}
	out, err := newPublisher(l, m, slog.New(slog.DiscardHandler), newMetrics(nil)).publish(ctx, []*claim{c})
	if err != nil {
		return nil, fmt.Errorf("lake: import into %s/%d: %w", tp.Topic, tp.Partition, err)
	}
	if len(out) == 0 || !out[0].published {
		return nil, fmt.Errorf("lake: import into %s/%d: somebody else writes this partition", tp.Topic, tp.Partition)
	}
	return c.files, nil
}
