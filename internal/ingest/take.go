package ingest

import (
	"context"
	"errors"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// ErrBusy says that too many bytes are under way; try again later.
var ErrBusy = errors.New("too much is under way")

// Take carries events that were made in this process down the same road as those that came by HTTP: limits, duplicates, dead
// letters, the write. It returns when the brokers have acknowledged everything, or with the error of the write. What is not a
// valid event is in the dead letters, counted and logged, and no error.
func (a *API) Take(ctx context.Context, events []event.Event) error {
	b := batches.Get().(*batch)
	defer a.finish(b)
	var body []byte
	for i := range events {
		from := len(body)
		body = event.AppendJSON(body, &events[i])
		b.spans = append(b.spans, span{from, len(body)})
	}
	b.contentType = "application/json"
	if err := a.carry(ctx, b, body); err != nil {
		return err
	}
	n := a.tally(b)
	if n[rejected] > 0 {
		first := b.errors()[0]
		a.log.Warn("events of this process were rejected", "rejected", n[rejected], "code", first.Code, "pointer", first.Pointer, "detail", first.Detail)
	}
	return nil
}

// Record is a payload with what is known of it from before: a record of a topic, or a dead letter.
type Record struct {
	Payload []byte
	Headers []event.Header // tell how to read it; they do not travel on
	ID      string         // id of the event when the payload names none
	Time    int64          // microseconds since the epoch, time of the event when the payload names none; 0 = now

	Redrives int // how often the dead letter that it was had been sent again; travels on as event.HeaderRedrives
}

// Outcome is what became of a Record. Bad is nil when it is on its topic, at the place named, now or from before.
type Outcome struct {
	EventID   string
	Topic     string
	Partition int32
	Offset    int64
	Duplicate bool
	Bad       *event.Invalid
}

// Offer carries records down the same road, but what is bad stays with the caller: it makes no new dead letter. The outcomes
// are in the order of the records. After an error nothing is known to be written; offered again, what was is a duplicate if
// it has an id.
func (a *API) Offer(ctx context.Context, records []Record) ([]Outcome, error) {
	b := batches.Get().(*batch)
	defer a.finish(b)
	out := make([]Outcome, len(records))
	d := a.newDecoder()
	var e event.Event
	var body []byte
	for _, r := range records {
		from := len(body)
		bad := d.Decode(r.Payload, r.Headers, &e)
		if bad == nil {
			if e.ID == "" {
				e.ID = r.ID
			}
			if !e.HasTime && r.Time != 0 {
				e.Time, e.HasTime = r.Time, true
			}
			body = event.AppendJSON(body, &e)
		}
		b.bad = append(b.bad, bad)
		b.redrives = append(b.redrives, r.Redrives)
		b.spans = append(b.spans, span{from, len(body)})
	}
	b.quiet, b.results = true, true
	if err := a.carry(ctx, b, body); err != nil {
		return nil, err
	}
	a.tally(b)
	for i := range b.items {
		it := &b.items[i]
		if out[i].Bad = it.reject; it.reject == nil {
			out[i] = Outcome{it.id, b.topic(it), it.place.partition, it.place.offset, it.fate == duplicate, nil}
		}
	}
	return out, nil
}

// newDecoder reads what lies on topics, as all their readers do.
func (a *API) newDecoder() event.Decoder {
	return event.Decoder{Limits: a.settings().Event, Schemas: a.Schemas}
}

// carry takes a batch of this process whose items are known down the road.
func (a *API) carry(ctx context.Context, b *batch, body []byte) error {
	if !a.gate.take(int64(len(body))) {
		return ErrBusy
	}
	b.body, b.held = body, int64(len(body))
	if no := a.full(); no != nil {
		return no
	}
	if no := a.accept(ctx, b); no != nil {
		return no
	}
	return nil
}
