package stream

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// History is the events at rest.
type History interface {
	// HoursAtRest lists the hours of event time that begin within [from, to), in seconds, and have events, newest first. It is ErrNoHistory
	// where nothing is at rest, or not yet everything that arrived before to.
	HoursAtRest(ctx context.Context, from, to int64) ([]HourAtRest, error)
	// EventsAtRest calls fn with the events of an hour, each once, and when it was taken in, in microseconds. The event is used again for
	// the next call.
	EventsAtRest(ctx context.Context, hour int64, fn func(e *event.Event, taken int64) error) error
}

// HourAtRest is an hour of which there are events.
type HourAtRest struct {
	Start int64 // second
	Rows  int64
	Whole bool // no events have left
}

// ErrNoHistory says that there are no events at rest here.
var ErrNoHistory = errors.New("no events are at rest here")

// recaller finds out what objectives that are new would have counted before. It reads the hours at rest in the background, in passes for all
// that are new, from the newest hour back to where the period of their budgets begins, or to the first hour of which events have left. After
// each pass they know more.
type recaller struct {
	left  [][]rule.Unknown // of passes that were long enough: what is before them
	done  chan recalled    // never blocks: one at a time
	tried map[string]bool
	busy  bool
	again time.Time // not before
	stop  func()
	work  sync.WaitGroup
}

type recalled struct {
	past *rule.Past
	from int64
	rows int64
	more bool // hours that were not read
	err  error
}

const (
	recallDelay = 30 * time.Second // after an objective began: by then what arrived before is at rest
	recallRetry = 5 * time.Minute
	recallLimit = 30 * time.Minute
	recallRows  = 20_000_000 // of a pass; one hour may have more
)

func newRecaller() *recaller {
	return &recaller{done: make(chan recalled, 1), tried: map[string]bool{}, stop: func() {}}
}

// recall begins with what is to be found out, when there is something.
func (j *judge) recall(now time.Time) {
	r := j.recaller
	if j.opts.History == nil || r.busy || now.Before(r.again) {
		return
	}
	var of []rule.Unknown
	for _, u := range j.engine.Unknown() {
		if !r.tried[u.Version] && j.engine.Now() >= (u.Since+int64(recallDelay/time.Second))*1e6 && !j.engine.Expects(u) {
			of = append(of, u)
		}
	}
	if len(of) == 0 && len(r.left) > 0 {
		of, r.left = r.left[0], r.left[1:]
	}
	if len(of) == 0 {
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), recallLimit)
	r.busy, r.stop = true, stop
	past := j.program.Load().Past(of)
	r.work.Go(func() {
		defer stop()
		out := recalled{past: past}
		out.read(ctx, j.opts.History)
		r.done <- out
	})
}

// read counts hours, and notes from which one on all is counted; 0 when none is.
func (c *recalled) read(ctx context.Context, h History) {
	var first, last int64 = math.MaxInt64, 0
	for _, u := range c.past.Of() {
		first, last = min(first, u.From), max(last, cmp.Or(u.Until, u.Since))
	}
	hours, err := h.HoursAtRest(ctx, first, last)
	if err != nil {
		c.err = err
		return
	}
	for _, hour := range hours {
		if !hour.Whole {
			return
		}
		if c.more = c.rows > 0 && c.rows+hour.Rows > recallRows; c.more {
			return
		}
		began := time.Now()
		err := h.EventsAtRest(ctx, hour.Start, c.past.Event)
		if err != nil && (c.from == 0 || ctx.Err() != nil) {
			c.err = err
			return
		}
		if err != nil { // what was counted so far holds
			return
		}
		c.from, c.rows = hour.Start, c.rows+hour.Rows
		select {
		case <-time.After(time.Since(began)): // half a processor is for others
		case <-ctx.Done():
			c.err = ctx.Err()
			return
		}
	}
}

// remember takes over what was found out.
func (j *judge) remember(found recalled, now time.Time) {
	r := j.recaller
	r.busy = false
	if found.err != nil {
		r.again = now.Add(recallRetry)
		r.leave(found.past.Of())
	}
	switch {
	case errors.Is(found.err, ErrNoHistory):
	case found.err != nil:
		j.log.Warn("hours before an objective cannot be counted, trying again later", "error", found.err)
	default:
		for _, u := range found.past.Of() {
			r.tried[u.Version] = true
		}
		if found.from == 0 {
			return
		}
		j.decide(j.engine.Complete())
		n := j.engine.Recall(found.past, found.from)
		j.log.Info("objectives count what was before them", "objectives", n, "from", time.Unix(found.from, 0).UTC(), "events", found.rows)
		if !found.more {
			return
		}
		left := found.past.Of()
		for i := range left {
			left[i].Until = found.from
		}
		r.leave(left)
	}
}

// leave notes what objectives that were told of something are still to be told of. Those that were told of nothing are found again.
func (r *recaller) leave(of []rule.Unknown) {
	of = slices.DeleteFunc(slices.Clone(of), func(u rule.Unknown) bool { return u.Until <= u.From })
	if len(of) > 0 {
		r.left = append(r.left, of)
	}
}

// close ends what is under way.
func (r *recaller) close() {
	r.stop()
	r.work.Wait()
}
