package ingest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/route"
)

const (
	warmEvents = 20_000          // newest events of each partition that the filter learns at the start
	warmTime   = 3 * time.Second // and the time it may take: readiness waits for it, and on a busy machine the first fetch alone takes a while
)

// warm lets the filter learn the newest events of the topics, so that a sender that repeats itself over a restart of ours
// hears "duplicate". It is a courtesy: what it misses, the readers of the topics recognise.
func (a *API) warm(ctx context.Context) {
	defer close(a.warmed)
	if a.filter == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, warmTime)
	defer cancel()
	n, err := a.learn(ctx, kindTopics())
	for _, topic := range a.movedTo() { // behind the others: of an event that was copied, the place on the topic of its kind counts
		if err != nil {
			break
		}
		var more int
		if more, err = a.learn(ctx, []string{topic}); errors.Is(err, bus.ErrUnknownTopic) {
			err = nil // it is gone, and what was on it too
		}
		n += more
	}
	switch {
	case err == nil, errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		a.log.Debug("duplicate filter knows the newest events", "events", n)
	default:
		a.log.Warn("duplicate filter starts empty", "error", err)
	}
}

// movedTo lists the topics to which routes move events.
func (a *API) movedTo() []string {
	if a.Routing.Routes == nil {
		return nil
	}
	var out []string
	for _, r := range a.Routing.Routes.All() {
		if _, own := event.TopicNamed(r.To); r.Mode == route.Move && !own && !slices.Contains(out, r.To) {
			out = append(out, r.To)
		}
	}
	return out
}

func (a *API) learn(ctx context.Context, topics []string) (n int, err error) {
	bounds, err := a.bus.Offsets(ctx, topics...)
	if err != nil {
		return 0, err
	}
	from, left := map[string]map[int32]int64{}, map[string]map[int32]int64{}
	open := 0
	for t, parts := range bounds {
		from[t], left[t] = map[int32]int64{}, map[int32]int64{}
		for p, r := range parts {
			if r.End > r.Start {
				from[t][p], left[t][p] = max(r.Start, r.End-warmEvents), r.End
				open++
			}
		}
	}
	if open == 0 {
		return 0, nil
	}
	reader, err := a.bus.NewReader(from, bus.ReaderOptions{})
	if err != nil {
		return 0, err
	}
	defer reader.Close()
	l := learner{decoder: a.newDecoder(), future: a.settings().MaxFuture.Microseconds()}
	for open > 0 {
		fetch, err := reader.Poll(ctx)
		if err != nil {
			return n, err
		}
		for _, batch := range fetch {
			n += l.learn(a.filter, batch)
			if end, waiting := left[batch.Topic][batch.Partition]; waiting && (batch.Next >= end || batch.Err != nil) {
				delete(left[batch.Topic], batch.Partition)
				open--
			}
		}
	}
	return n, nil
}

// learner reads what lies in the topics as their readers do: only what they count is known.
type learner struct {
	decoder event.Decoder
	e       event.Event
	future  int64 // microseconds ahead of the broker's clock from which on an event is quarantined
}

func (l *learner) learn(f *filter, batch bus.PartitionBatch) (n int) {
	where := uint8(elsewhere)
	if kind, ok := event.KindOfTopic(batch.Topic); ok {
		where = uint8(kind)
	}
	for _, m := range batch.Messages {
		if l.decoder.Decode(m.Value, bus.EventHeaders(m), &l.e) != nil || l.e.ID == "" {
			continue
		}
		if !l.e.HasTime || l.e.Time <= m.Timestamp.UnixMicro()+l.future {
			f.add(l.e.Identity(), place{where, m.Partition, m.Offset})
			n++
		}
	}
	return n
}
