package stream

import (
	"context"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
)

// joins brings the parts of a request together for one join number. The lane owns it; nil joins nothing.
type joins struct{}

func (j *joins) lock()   {}
func (j *joins) unlock() {}

// full tells whether so much waits to be written that the lane should stop reading.
func (j *joins) full() bool { return false }

func (j *joins) state() []byte              { return nil }
func (j *joins) restore(state []byte) error { return nil }

// correlate joins the event that was read, or puts it aside for the lane that does. Records that are read again were put aside
// before.
func (f *folder) correlate(arrival int64, first bool) {}

// takeParts takes what other lanes have put aside for this one.
func (f *folder) takeParts(m *bus.Message) {
	f.pass(m.Offset + 1)
	if m.Offset >= f.foldFrom {
		f.open.header.To = f.next
	}
}

// sealParts adds what was put aside to what must be written before the unit.
func (w *work) sealParts() {}

// emit writes what is joined and counts, and returns how long the lane may sleep.
func (l *lane) emit(ctx context.Context, now time.Time) time.Duration { return time.Hour }
