package stream

import (
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// quiet tells whether f has been read to its end for so long that it is idle, and nobody was told yet. The end is known from the last batch
// alone, so a time in which none could come here does not count: else a past that is sent faster than it is taken in would be late.
func (l *lane) quiet(f *folder, now time.Time) bool {
	if f.idle || f.src.Topic == event.TopicJoins || f.next < f.high || f.next < f.foldFrom {
		return false
	}
	for _, since := range [...]time.Time{f.moved, l.attentive, l.reader.attentive(now)} {
		if now.Sub(since) < l.cfg.Idle {
			return false
		}
	}
	return true
}

// stall is how long a lane, or the reader, may be busy with one thing and still be said to look at its input all the time.
func (c *Config) stall() time.Duration { return c.Idle / 2 }

// look notes that the lane is about to look at its input.
func (l *lane) look(now time.Time) {
	if now.Sub(l.looked) >= l.cfg.stall() {
		l.attentive = now
	}
	l.looked = now
}

// attentive is since when no lane has kept the reader waiting for longer than a stall: now while one does.
func (r *inputReader) attentive(now time.Time) time.Time {
	if r == nil {
		return time.Time{}
	}
	if since := r.busy(); since != 0 && now.Sub(time.UnixMicro(since)) >= r.stall {
		return now
	}
	return time.UnixMicro(r.free.Load())
}

// handed notes that what was fetched at a time is handed over.
func (r *inputReader) handed(begin, now time.Time) {
	if now.Sub(begin) >= r.stall {
		r.free.Store(now.UnixMicro())
	}
}
