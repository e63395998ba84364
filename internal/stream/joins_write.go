package stream

import (
	"context"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// emit writes what is joined and counts, and returns how long the lane may sleep.
func (l *lane) emit(ctx context.Context, now time.Time) time.Duration {
	j := l.joins
	if !j.works() || !l.owns() || j.next < j.until { // what is written already is not known yet, or not what the records rest on
		return time.Hour
	}
	l.takeJoined(now)
	pause := time.Hour
	for _, b := range j.batches {
		switch wait := retryPause - now.Sub(b.sent); {
		case b.flying:
		case wait > 0:
			pause = min(pause, wait)
		case l.counts(b):
			l.sendJoined(ctx, b, now)
		}
	}
	if !j.owner {
		return min(pause, time.Second)
	}
	if requests, bytes := j.table.Waiting(); requests > 0 || bytes > 0 {
		pause = min(pause, max(flushPause-now.Sub(j.taken), time.Millisecond))
	}
	return pause
}

// refusal is why the last batch could not be written.
func (j *joins) refusal() error {
	if !j.works() {
		return nil
	}
	j.lock()
	defer j.unlock()
	return j.refused
}

func (l *lane) sendJoined(ctx context.Context, b *joined, now time.Time) {
	j := l.joins
	b.flying, b.sent = true, now
	m := &bus.Message{Topic: event.TopicCorrelations, Partition: j.partition(), Value: b.value}
	l.units.SendAsync(ctx, m, l.onAck(func(_ *bus.Message, err error) {
		j.lock()
		j.refused = err
		j.unlock()
		if err != nil {
			b.flying = false
			l.log.Warn("joined records not written, trying again", "join_number", j.number, "error", err)
			return
		}
		j.spare.push(b.value)
		j.batches = slices.DeleteFunc(j.batches, func(o *joined) bool { return o == b })
	}))
}
