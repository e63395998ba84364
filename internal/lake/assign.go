package lake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

var (
	errLayout = errors.New("topics have changed")
	errRace   = errors.New("another owner publishes the same partitions")
)

// layout says which partitions the input topics have, and the bounds of their logs.
func (w *Writer) layout(ctx context.Context) (map[event.TopicPartition]bus.Range, error) {
	ids := make(map[string]string, len(w.topics))
	for _, topic := range w.topics {
		id, err := w.bus.TopicID(ctx, topic)
		if err != nil {
			return nil, err
		}
		ids[topic] = id
	}
	bounds, err := w.bus.Offsets(ctx, w.topics...)
	if err != nil {
		return nil, err
	}
	out := make(map[event.TopicPartition]bus.Range)
	for topic, parts := range bounds {
		for p, r := range parts {
			out[event.TopicPartition{TopicID: ids[topic], Topic: topic, Partition: p}] = r
		}
	}
	return out, nil
}

// assign returns where to go on with each partition. A partition that is new to the manifest begins at the start of its log;
// a position that lies outside of the log is a gap, noted before reading goes on at the log's edge.
func (w *Writer) assign(ctx context.Context, layout map[event.TopicPartition]bus.Range) (map[event.TopicPartition]int64, error) {
	known, err := w.manifest.Positions(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[event.TopicPartition]int64, len(layout))
	for tp, log := range layout {
		next, ok := known[tp]
		if !ok {
			if next, err = w.manifest.InitPosition(ctx, tp, log.Start); err != nil {
				return nil, err
			}
		}
		if next < log.Start || next > log.End {
			if next, err = w.skipGap(ctx, tp, next, log); err != nil {
				return nil, err
			}
		}
		out[tp] = next
	}
	return out, nil
}

func (w *Writer) skipGap(ctx context.Context, tp event.TopicPartition, next int64, log bus.Range) (int64, error) {
	g := event.LakeGap{TopicPartition: tp, From: next, To: log.Start, Reason: "deleted before it was read", At: time.Now().UnixMicro()}
	if next > log.End {
		g.To, g.Reason = log.End, "the log ends before the published position: it was cut or restored"
	}
	ok, err := w.manifest.SkipGap(ctx, g)
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, errRace
	}
	w.metrics.lost.WithLabelValues(tp.Topic).Add(float64(g.Lost()))
	w.log.Error("the lake goes on behind a gap in the log", "topic", tp.Topic, "partition", tp.Partition,
		"from", g.From, "to", g.To, "lost", g.Lost(), "reason", g.Reason)
	return g.To, nil
}

// watch ends with errLayout when a topic has grown or was made anew, and with nil when ctx ends.
func (w *Writer) watch(ctx context.Context, have map[event.TopicPartition]bus.Range) error {
	const every = 10 * time.Second
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, err := w.layout(ctx)
		if err != nil {
			w.log.Debug("the topics could not be looked at", "error", err)
			continue
		}
		for tp := range maps.Keys(now) {
			if _, ok := have[tp]; !ok {
				return fmt.Errorf("%w: %s/%d is new", errLayout, tp.Topic, tp.Partition)
			}
		}
	}
}
