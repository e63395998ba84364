package stream

import (
	"encoding/binary"
	"errors"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/join"
)

// A record of hxp-joins: magic, version, and then of each part its arrival and the event in the compact form.

// correlate joins the event that was read, or puts it aside for the lane that does; first tells whether nobody did that yet.
// What is read again is joined again, which changes nothing.
func (f *folder) correlate(r *reading, first bool) {
	if !r.joined {
		return
	}
	arrival := max(f.arrival, min(r.broker, f.now))
	switch {
	case r.number == f.joins.number:
		f.joins.table.Feed(r.key, &r.event, arrival)
	case first:
		f.open.putAside(r.number, &r.event, arrival)
	}
}

const (
	partsMagic = "HXPJ"
	partsVer   = 1
	maxAside   = 200 << 10 // of one record, before its last part
)

// putAside keeps an event for the lane of join number n.
func (w *work) putAside(n int32, e *event.Event, arrival int64) {
	b := w.aside[n]
	if len(b) == 0 {
		b = append(append(b, partsMagic...), partsVer)
	}
	b = binary.AppendVarint(b, arrival)
	b = event.AppendCompact(b, e)
	if w.aside == nil {
		w.aside = map[int32][]byte{}
	}
	w.aside[n] = b
	if len(b) > maxAside {
		w.hand(n)
	}
}

func (w *work) hand(n int32) {
	w.side = append(w.side, &bus.Message{Topic: event.TopicJoins, Partition: n, Value: w.aside[n]})
	delete(w.aside, n)
}

// sealParts adds what was put aside to what must be written before the unit.
func (w *work) sealParts() {
	for n := range w.aside {
		w.hand(n)
	}
}

// takeParts takes what other lanes have put aside for this one. It counts into no window.
func (f *folder) takeParts(m *bus.Message) {
	if m.Offset < f.next {
		return
	}
	if f.joins.works() {
		if err := f.joinParts(m.Value); err != nil {
			f.joins.log.Error("record of hxp-joins is not usable, passed over", "partition", m.Partition, "offset", m.Offset, "error", err)
		}
	}
	f.pass(m.Offset + 1)
	f.arrival = max(f.arrival, min(m.Timestamp.UnixMicro(), f.now))
	if m.Offset >= f.foldFrom {
		f.open.header.To, f.open.header.Arrival = f.next, f.arrival
	}
}

func (f *folder) joinParts(value []byte) error {
	if len(value) < len(partsMagic)+1 || string(value[:len(partsMagic)]) != partsMagic || value[len(partsMagic)] != partsVer {
		return errors.New("not parts of requests in a version that this program knows")
	}
	var e event.Event
	for src := value[len(partsMagic)+1:]; len(src) > 0; {
		arrival, n := binary.Varint(src)
		if n <= 0 {
			return errShort
		}
		part := src[n:]
		rest, err := e.ReadCompact(part)
		if err != nil {
			return err
		}
		if id := e.Text(event.RequestID); id != "" && join.Joins(e.Kind) && event.JoinNumber(id, f.joins.of) == f.joins.number {
			f.joins.table.FeedCompact(&e, part[:len(part)-len(rest)], min(arrival, f.now))
		}
		src = rest
	}
	return nil
}
