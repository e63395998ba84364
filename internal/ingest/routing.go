package ingest

import (
	"context"
	"errors"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/route"
)

// Routing is what the API needs to send events to further topics.
type Routing struct {
	Routes   *route.Table
	Commands Commands
}

// Commands is the log by which all instances learn of a change, here the control log.
type Commands interface {
	Append(ctx context.Context, key string, value []byte) (offset int64, err error)
	WaitFor(ctx context.Context, offset int64) error
	Settled(ctx context.Context) error
}

// routesTo names the routes that send events to a topic.
func (a *API) routesTo(topic string) []string {
	if a.Routing.Routes == nil {
		return nil
	}
	return a.Routing.Routes.Uses(topic)
}

// elsewhere stands in a place for the topic of a move: the filter remembers that an event was written, not on which of the
// extra topics.
const elsewhere = 255

// route adds what routes want of the item in b.e: the first move changes where its message goes, every other match is one
// message more. A topic gets an event once, by however many routes.
func (a *API) route(b *batch, i int) {
	if a.Routing.Routes == nil {
		return
	}
	it, m := &b.items[i], &b.msgs[i]
	it.extra = len(b.send)
	for _, r := range a.Routing.Routes.All() {
		if !r.Matches(&b.e) {
			continue
		}
		a.metrics.routed.Inc()
		copied := slices.IndexFunc(b.send[it.extra:], func(o *bus.Message) bool { return o.Topic == r.To })
		switch {
		case r.Mode == route.Move && !it.moved:
			m.Topic, it.moved = r.To, true
			if copied >= 0 {
				b.send = slices.Delete(b.send, it.extra+copied, it.extra+copied+1)
			}
		case m.Topic == r.To, copied >= 0:
		default:
			b.send = append(b.send, &bus.Message{Topic: r.To, Key: m.Key, Value: m.Value})
		}
	}
	it.extras = len(b.send) - it.extra
}

// placeOf is where the message of an item lies after it was written.
func (it *item) placeOf(m *bus.Message) place {
	if it.moved {
		return place{elsewhere, m.Partition, m.Offset}
	}
	return place{uint8(it.kind), m.Partition, m.Offset}
}

// topic names where an item lies; "" when all that is known is that a route moved it.
func (b *batch) topic(it *item) string {
	switch {
	case it.moved && it.sent >= 0:
		return b.send[it.sent].Topic
	case it.place.topic == elsewhere:
		return ""
	}
	return event.Kind(it.place.topic).Topic()
}

// lostCopies forgives a write in which nothing is missing but copies to topics that are no longer there: the event itself is
// taken, and a route that points nowhere must not stop the way in. It returns what else went wrong.
func (a *API) lostCopies(b *batch, err error) error {
	var some *bus.SendError
	if !errors.As(err, &some) {
		return err
	}
	lost := 0
	for i := range b.items {
		it := &b.items[i]
		copies := some.Errs[it.extra : it.extra+it.extras]
		for j, e := range copies {
			if errors.Is(e, bus.ErrUnknownTopic) {
				copies[j] = nil
				lost++
			}
		}
	}
	if lost > 0 {
		a.metrics.unrouted.Add(float64(lost))
		a.log.Error("copies of events were not written, the topic of a route is not there", "copies", lost)
	}
	if some.First = slices.IndexFunc(some.Errs, func(e error) bool { return e != nil }); some.First < 0 {
		return nil
	}
	return err
}

// written tells whether everything of an item is.
func (it *item) written(err error, some *bus.SendError) bool {
	if err == nil {
		return true
	}
	if some == nil || some.Errs[it.sent] != nil {
		return false
	}
	for _, e := range some.Errs[it.extra : it.extra+it.extras] {
		if e != nil {
			return false // sent again, it is a duplicate on the one topic and new on the other
		}
	}
	return true
}
