package ingest

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// logs is what the duplicate filter stands on: the topics of the kinds, by their ids. A topic that is made anew, or a log whose end a
// broker lost, no longer holds what the filter says is written.
type logs struct {
	mu  sync.Mutex
	ids map[string]string
}

// checkLogs lets the filter forget what is no longer on the topics. A broker that comes back is asked for the ends of its logs; while
// it is there a look at the ids is enough.
func (a *API) checkLogs(ctx context.Context, back bool) error {
	if a.filter == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, rateEvery)
	defer cancel()
	shapes, err := a.bus.Shapes(ctx, kindTopics()...)
	if err != nil {
		return err
	}
	ends := map[uint8]map[int32]int64{}
	if back {
		bounds, err := a.bus.Offsets(ctx, slices.Collect(maps.Keys(shapes))...)
		if err != nil {
			return err
		}
		for topic, parts := range bounds {
			kind, _ := event.KindOfTopic(topic)
			ends[uint8(kind)] = map[int32]int64{}
			for p, r := range parts {
				ends[uint8(kind)][p] = r.End
			}
		}
	}
	anew := a.logs.look(shapes)
	if len(anew) == 0 && !back {
		return nil
	}
	n := a.filter.forgetWhere(func(p place) bool {
		end, known := ends[p.topic][p.partition]
		return anew[p.topic] || known && p.offset >= end
	})
	if n > 0 {
		a.log.Warn("the topics no longer hold events that were written; sent again they are taken again", "events", n)
	}
	return nil
}

// look takes note of the topics and returns the kinds whose topic is another one than before.
func (l *logs) look(shapes map[string]bus.Shape) map[uint8]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	anew := map[uint8]bool{}
	for topic, id := range l.ids {
		if kind, ok := event.KindOfTopic(topic); ok && shapes[topic].ID != id {
			anew[uint8(kind)] = true
		}
	}
	l.ids = map[string]string{}
	for topic, s := range shapes {
		l.ids[topic] = s.ID
	}
	return anew
}

func kindTopics() []string {
	out := make([]string, len(event.Kinds))
	for i, k := range event.Kinds {
		out[i] = k.Topic()
	}
	return out
}
