package stream

import (
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/join"
)

// readAhead is how many records are read before the first of them is folded. Where an identity is looked up lies anywhere in
// tens of megabytes: one look is a wait for memory that is as long as reading half an event, and sixteen looks at once are
// hardly longer than one.
const readAhead = 16

// reading is a record that was read and is to be folded.
type reading struct {
	event  event.Event
	broker int64          // its time, microseconds
	bad    *event.Invalid // why it does not count
	named  bool           // its producer gave it an id

	identity [2]uint64 // of a named one
	joined   bool      // it is a part of a request,
	number   int32     // which is joined by the lane of this join number
	key      [2]uint64 // by this, when that is the own lane
}

// foldAll folds records in the order of their offsets.
func (f *folder) foldAll(ms []*bus.Message) {
	for len(ms) > 0 && f.past != nil && ms[0].Offset < f.past.end {
		f.recount(ms[0])
		ms = ms[1:]
	}
	if f.src.Topic == event.TopicJoins {
		for _, m := range ms {
			f.takeParts(m)
		}
		return
	}
	for len(ms) > 0 {
		n := min(len(ms), readAhead)
		f.foldSome(ms[:n])
		ms = ms[n:]
	}
}

// foldSome folds at most readAhead records.
func (f *folder) foldSome(ms []*bus.Message) {
	if f.ahead == nil {
		f.ahead = make([]reading, readAhead)
	}
	some := f.ahead[:len(ms)]
	f.laps.begin()
	for i, m := range ms {
		f.read(m, &some[i])
	}
	f.laps.lap(stageParse)
	for i := range some {
		f.touch(&some[i])
	}
	for i, m := range ms {
		f.fold(m, &some[i])
	}
	f.laps.on = false
}

// read takes the event of a record. Only what counts enters the duplicate filter: an event that was quarantined may come again
// with the right time.
func (f *folder) read(m *bus.Message, r *reading) {
	r.broker, r.named, r.joined = m.Timestamp.UnixMicro(), false, false
	e := &r.event
	if r.bad = f.decoder.Decode(m.Value, bus.EventHeaders(m), e); r.bad != nil {
		return
	}
	r.named = e.ID != ""
	e.Complete(f.src.TopicID, m.Partition, m.Offset, r.broker)
	if e.Time > r.broker+f.cfg.Future.Microseconds() {
		r.bad = &event.Invalid{Code: event.CodeFuture, Pointer: "/timestamp", Detail: "the event is stamped more than " + f.cfg.Future.String() + " ahead of the broker's clock"}
		return
	}
	if f.prices != nil {
		f.prices.Rate(e, r.broker)
	}
	if r.named {
		r.identity = e.Identity()
	}
	r.address(f.joins)
}

// address finds out where the event is joined, if anywhere.
func (r *reading) address(j *joins) {
	if j == nil || j.of == 0 || !join.Joins(r.event.Kind) {
		return
	}
	id := r.event.Text(event.RequestID)
	if r.joined = id != ""; !r.joined {
		return
	}
	if r.number = event.JoinNumber(id, j.of); r.number == j.number {
		r.key = event.JoinKey(id)
	}
}

// touch looks at the memory where the record will be looked up.
func (f *folder) touch(r *reading) {
	if r.named {
		f.filter.touch(r.identity)
	}
	if r.joined && r.number == f.joins.number {
		f.joins.table.Touch(r.key)
	}
}
