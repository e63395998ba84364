package serve

import (
	"context"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/serve/live"
)

// Teller reads happenings out of the records of topics. One goroutine at a time uses it.
type Teller interface {
	// Read appends what a batch of records says, without the data of those for which there is no room (see live.Feed.Room). It waits
	// for what it needs, and fails only when ctx ends.
	Read(ctx context.Context, out []live.Happening, batch []*bus.Message, room Room) ([]live.Happening, error)
}

// Room tells whether a client could get one more happening of a model and a tenant.
type Room = func(model, tenant string) bool

// Follow makes a topic of happenings that are read from topics of the bus, while somebody listens. Set Tenants on it when the teller names
// tenants.
func Follow(b *bus.Bus, name string, capped bool, t Teller, topics ...string) live.Topic {
	return live.Topic{Name: name, Capped: capped, Feed: func(ctx context.Context, out *live.Feed) error {
		return b.Follow(ctx, &follower{Feed: out, teller: t}, topics...)
	}}
}

// follower hands what a teller reads to the hub. It is a bus.Follower.
type follower struct {
	*live.Feed
	teller Teller
}

// piece is how many records are told together: what there is room for is known anew after each.
const piece = 200

// Take is part of bus.Follower.
func (f *follower) Take(ctx context.Context, batch []*bus.Message) error {
	for records := range slices.Chunk(batch, piece) {
		happenings, err := f.teller.Read(ctx, make([]live.Happening, 0, len(records)), records, f.Room)
		if len(happenings) > 0 {
			f.Tell(happenings...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Lost is part of bus.Follower.
func (f *follower) Lost(topic string, _ int32) {
	f.Feed.Lost("records of " + topic + " were deleted before they were read")
}

// EachRecord is a Teller that looks at one record after the other.
type EachRecord func(out []live.Happening, m *bus.Message, room Room) []live.Happening

// Read is part of Teller.
func (e EachRecord) Read(_ context.Context, out []live.Happening, batch []*bus.Message, room Room) ([]live.Happening, error) {
	for _, m := range batch {
		out = e(out, m, room)
	}
	return out, nil
}

// Schemas knows the schemas that records were written with.
type Schemas interface {
	event.Schemas
	// Prepare makes the verdict over what is in batch certain. It waits, and fails only when ctx ends.
	Prepare(ctx context.Context, batch []*bus.Message) error
}

// events tells the events of the input topics in the canonical form. It is a Teller. What is no event is in the dead letters.
type events struct {
	schemas Schemas
	decoder event.Decoder
	event   event.Event
}

// Events makes the Teller of events.
func Events(limits event.Limits, s Schemas) Teller {
	return &events{schemas: s, decoder: event.Decoder{Limits: limits, Schemas: s}}
}

// Read is part of Teller.
func (e *events) Read(ctx context.Context, out []live.Happening, batch []*bus.Message, room Room) ([]live.Happening, error) {
	if err := e.schemas.Prepare(ctx, batch); err != nil {
		return out, err
	}
	for _, m := range batch {
		if e.decoder.Decode(m.Value, bus.EventHeaders(m), &e.event) != nil {
			continue
		}
		h := live.Happening{Time: m.Timestamp, Model: strings.Clone(e.event.Text(event.Model)), Tenant: strings.Clone(e.event.Text(event.Tenant))}
		if room(h.Model, h.Tenant) {
			h.Data = event.AppendJSON(make([]byte, 0, len(m.Value)+64), &e.event)
		}
		out = append(out, h)
	}
	return out, nil
}
