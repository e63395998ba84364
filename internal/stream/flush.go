package stream

import (
	"context"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// flush sends the units that may go and returns how long the lane may sleep.
func (l *lane) flush(ctx context.Context, closing bool) time.Duration {
	pause, now := time.Hour, time.Now()
	l.look(now)
	for _, f := range l.folders {
		w := f.pending
		switch {
		case w != nil && w.failed:
			if wait := retryPause - now.Sub(f.sent); wait > 0 {
				pause = min(pause, wait)
				continue
			}
			l.send(ctx, f, w)
		case w == nil && f.open.header.To != f.open.header.From:
			if wait := f.open.pause(f.catchingUp(now)) - now.Sub(f.sent); wait > 0 && !closing {
				pause = min(pause, wait)
				continue
			}
			f.pending = f.open
			f.anchor = false
			f.pending.sealParts()
			f.begin(f.open.header.To)
			l.send(ctx, f, f.pending)
		case w == nil && l.quiet(f, now):
			l.sendEmpty(ctx, f, true) // tells every reader that the watermark follows the clock
		case w == nil && f.anchor && !closing:
			l.sendEmpty(ctx, f, f.idle)
		}
	}
	return min(pause, l.emit(ctx, now))
}

// sendEmpty sends a unit that covers no record.
func (l *lane) sendEmpty(ctx context.Context, f *folder, idle bool) {
	f.pending, f.anchor = newWork(f.src, f.open.header.From), false
	f.pending.header.Idle, f.pending.header.Watermark, f.pending.header.Arrival = idle, f.watermark, f.arrival
	l.send(ctx, f, f.pending)
}

// pause is the least time between two units of a partition. Under load each record buys a little more: most of what a unit costs it costs
// for each group, in the journal, the windows and the rules, however many records the group has in it. Of a backlog, which nobody waits
// for, units grow further.
func (w *work) pause(behind bool) time.Duration {
	n := w.header.Tally.Records
	switch {
	case n < smallUnit:
		return smallPause
	case behind && !w.full(2):
		return backlogPause
	}
	return min(flushPause+time.Duration(n)*recordPause, longPause)
}

// send writes the dead letters, late events and deployments of w, and the unit itself once they are acknowledged.
func (l *lane) send(ctx context.Context, f *folder, w *work) {
	f.sent, w.failed = time.Now(), false
	side := w.side
	w.wait = len(side)
	if w.wait == 0 {
		l.sendUnit(ctx, w)
		return
	}
	w.side = nil
	for _, m := range side {
		m.Offset = 0
		to := l.units
		if m.Topic != event.TopicJoins { // which goes where it says, not by its key
			m.Partition, to = 0, l.side
		}
		to.SendAsync(ctx, m, l.onAck(func(m *bus.Message, err error) {
			w.wait--
			if err != nil {
				w.side = append(w.side, m)
				w.failed = true
				l.log.Warn("dead letter, late event, deployment or part to be joined not written, trying again", "topic", m.Topic, "error", err)
			}
			if w.wait == 0 && !w.failed && f.pending == w {
				l.sendUnit(ctx, w)
			}
		}))
	}
}

func (l *lane) sendUnit(ctx context.Context, w *work) {
	if w.values == nil {
		w.values = encodeUnit(w.header, w.payload(l.names))
	}
	w.parts = len(w.values)
	for _, v := range w.values {
		l.units.SendAsync(ctx, &bus.Message{Topic: event.TopicPanes, Partition: l.number, Value: v}, l.onAck(func(_ *bus.Message, err error) {
			w.parts--
			l.refuse(err)
			if err != nil {
				w.failed = true // all parts go again: repeated ones do not chain
				l.log.Warn("unit not written, trying again", "partition", l.number, "error", err)
			}
		}))
	}
}

// onAck hands an acknowledgement to the lane's own goroutine.
func (l *lane) onAck(fn func(*bus.Message, error)) func(*bus.Message, error) {
	return func(m *bus.Message, err error) { l.acks.put(func() { fn(m, err) }) }
}

// refuse notes whether the journal takes units, for those who ask about health.
func (l *lane) refuse(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = err
}

func (l *lane) refusal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused
}
