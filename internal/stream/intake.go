package stream

import (
	"errors"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
)

// take folds a batch of input.
func (l *lane) take(in inputBatch) error {
	f := l.folders[in.source]
	if in.sought {
		l.sought[in.source]--
		if f != nil {
			f.skip--
		}
		return nil
	}
	if f == nil {
		return nil
	}
	if f.skip > 0 {
		return nil // fetched before the seek
	}
	b := in.batch
	f.high = max(f.high, b.HighWatermark, b.Next)
	if l.leaving != nil { // for the next owner to fold; it shows that there is more
		return nil
	}
	f.moved = time.Now()
	if b.Err != nil {
		if out, ok := errors.AsType[*bus.OutOfRangeError](b.Err); ok {
			l.gap(f, out)
			return nil
		}
		if errors.Is(b.Err, bus.ErrUnknownTopic) {
			return fmt.Errorf("%w: %s/%d: %w", errLayout, b.Topic, b.Partition, b.Err)
		}
		return fmt.Errorf("%s/%d cannot be read: %w", b.Topic, b.Partition, b.Err)
	}
	start := time.Now()
	f.now = start.UnixMicro()
	l.joins.lock()
	f.foldAll(b.Messages)
	l.joins.unlock()
	l.metrics.fold(f, len(b.Messages), time.Since(start))
	if b.Next > f.next { // markers of transactions were passed
		f.pass(b.Next)
		if f.next > f.foldFrom {
			f.open.header.To = f.next
		}
	}
	l.absorb(f)
	l.publish(f)
	return nil
}

const (
	reasonDeleted = "deleted by retention before it was read"
	reasonCut     = "the log ends before the position: it was cut"
)

// gap goes on at the edge of the log when the reader stands outside of it, and says what is missing.
func (l *lane) gap(f *folder, out *bus.OutOfRangeError) {
	cut := out.Offset > out.End
	switch {
	case out.Start <= out.Offset && !cut: // the log has it: the fetch was of another moment
	case cut && f.pending != nil: // which identities stay known depends on whether it counts: see judged
		f.shorter = out
		return
	case out.Offset >= f.foldFrom:
		l.lose(f, out, cut)
	case cut:
		l.overlook(f, f.foldFrom)
	default:
		l.overlook(f, min(out.Start, f.foldFrom))
	}
	l.again(f, f.next)
}

// lose says in the open unit that the records from the position to the edge of the log are missing. What was folded before
// travels with it, except when the log was cut: then what was not sent is dropped, as a kill at this moment would drop it, and
// what the log still has of it is folded again. So windows and filter agree on what counts, and a unit that goes back holds no
// records.
func (l *lane) lose(f *folder, out *bus.OutOfRangeError, cut bool) {
	to, reason := out.Start, reasonDeleted
	if cut {
		c := l.journal.chains[f.src]
		if c == nil {
			c = &chain{To: f.open.header.From, Watermark: noWatermark}
		}
		f.rewind(c)
		to, reason = min(out.End, c.To), reasonCut
	}
	lost := max(to-out.Offset, 0)
	l.log.Error("input records are missing, reading goes on at the edge of the log", "topic", f.src.Topic, "partition", f.src.Partition, "from", out.Offset, "to", to, "lost", lost, "reason", reason)
	h := &f.open.header
	if h.Gap == nil {
		h.Gap = &gap{}
	}
	h.Gap.Lost += lost
	h.Gap.Reason, h.To = reason, to
	f.foldFrom, f.high = to, out.End
	if cut {
		f.filter.cut(to, h.From, time.Now().UnixMicro())
		f.next = min(f.filter.next, to)
	} else {
		f.pass(to)
	}
}

// overlook goes on at offset to, behind records that count already and cannot be read again: their identities are not
// known, and those that had to be counted again are missing.
func (l *lane) overlook(f *folder, to int64) {
	l.log.Error("records that were to be read again are gone: events that repeat them would count again", "topic", f.src.Topic, "partition", f.src.Partition, "from", f.next, "to", to)
	f.filter.pass(to, time.Now().UnixMicro())
	if p := f.past; p != nil {
		l.journal.chains[f.src].miss(max(min(to, p.end)-f.next, 0), reasonForgotten)
		p.next = max(p.next, to)
	}
	f.pass(to)
	l.absorb(f)
}

// again reads f's partition from offset; what was fetched before is passed over.
func (l *lane) again(f *folder, offset int64) {
	l.sought[f.src]++
	f.skip = l.sought[f.src]
	l.seek(f.src, offset)
}
