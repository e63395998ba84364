package stream

import (
	"errors"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
)

// errJournal says that the journal is not the one, or not all of the one, that was being read.
var errJournal = errors.New("the journal of the windows cannot be read on")

// follow reads the journal: what counts enters the ladder, what does not is ignored.
func (l *lane) follow(b bus.PartitionBatch) error {
	if b.Err != nil {
		return fmt.Errorf("%w: partition %d: %w", errJournal, b.Partition, b.Err)
	}
	for _, m := range b.Messages {
		v, err := l.journal.read(m.Offset, m.Value)
		if v == nil || v.header.From != v.header.To { // the others hold nothing that a snapshot saves
			l.sinceSnapshot += int64(len(m.Value))
		}
		if err != nil {
			l.log.Error("record of the journal is not usable, passed over", "error", err)
		}
		if v != nil {
			l.judged(v, m.Timestamp)
		}
	}
	l.journal.next = max(l.journal.next, b.Next)
	l.catchUp()
	return nil
}

// catchUp tells when the journal is read as far as it went when the lane began.
func (l *lane) catchUp() {
	if l.journal.next < l.until {
		return
	}
	select {
	case <-l.caught:
	default:
		close(l.caught)
	}
}

// judged acts on a unit that is complete.
func (l *lane) judged(v *verdict, at time.Time) {
	f := l.folders[v.header.Source]
	mine := f != nil && f.pending != nil && f.pending.header.Unit == v.header.Unit
	if v.counted {
		l.count(v, at, mine, f)
	}
	if end, was := v.header.cut(); was && v.counted {
		l.noteCut(&v.header, end, at.UnixMicro()) // its own too: the newest snapshot may be of before it
	}
	if v.counted && !mine {
		l.learnCut(&v.header, f, at)
	}
	switch {
	case f == nil:
	case mine && v.counted:
		l.metrics.times.add(stagePublish, v.header.Tally.Records, time.Since(f.sent))
		l.metrics.tracing.counted(f.src, f.pending.traces, time.Now())
		f.pending, f.idle = nil, v.header.Idle
	case mine || v.counted: // another owner was first: what is not counted is folded again from where the journal stands
		if now := time.Now(); now.Sub(l.rivalSeen) > time.Second { // while there are two it is each unit
			l.rivalSeen = now
			l.log.Info("another owner wrote this partition's journal, folding again", "topic", f.src.Topic, "partition", f.src.Partition)
		}
		if f.restart(l.journal.chains[v.header.Source]) {
			l.again(f, f.next)
		}
	}
	switch {
	case !v.counted:
	case f != nil:
		l.joins.own(mine)
		l.publish(f)
	default:
		l.show(v.header.Source)
	}
	if f != nil && f.pending == nil && f.shorter != nil {
		out := f.shorter
		f.shorter = nil
		l.gap(f, out)
	}
}

// learnCut lets the filter know of a cut that is known from the journal alone: another owner saw it, or this one before it was
// started again. Else offsets of the log before the cut would be compared with those of the log behind it.
func (l *lane) learnCut(h *header, f *folder, at time.Time) {
	end, was := h.cut()
	if known := l.filters[h.Source]; was && known != nil && (f == nil || !f.turned()) {
		known.cut(end, h.From, at.UnixMicro())
	}
}

// count adds a unit to the ladder. The deltas of an own unit are still in memory; those of others are decoded.
func (l *lane) count(v *verdict, at time.Time, mine bool, f *folder) {
	now := at.Unix()
	var own *work
	if mine {
		own = f.pending
	}
	begin := time.Now()
	a := l.gather(v, own)
	l.mu.Lock()
	l.hurry(l.catchingUp(begin))
	if mine {
		l.credit(f.pending, l.names, now, &l.spare)
	} else {
		for _, body := range v.bodies {
			deltas, users := l.creditBody(body, now)
			if deltas != nil {
				l.log.Error("deltas of a counted unit are damaged", "error", deltas)
			}
			if users != nil {
				l.log.Error("users of a counted unit are damaged", "error", users)
			}
		}
	}
	l.age(now)
	l.mu.Unlock()
	l.metrics.times.add(stageCount, v.header.Tally.Records, time.Since(begin))
	l.metrics.counted(&v.header, mine)
	l.submit(v, mine, f, a)
}
