package lake

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// session is the time between two looks at the manifest's positions: reading, buffering and publishing, until something odd
// happens. What it holds is then dropped, because the manifest knows where to begin again. Its fields belong to one goroutine.
type session struct {
	*Writer
	lanes   map[string]map[int32]*lane
	decoder event.Decoder
	event   event.Event
	free    map[event.Kind][]*rows // emptied buffers

	buffered int64     // bytes in lanes
	sealed   int64     // bytes on their way to the lake
	oldest   time.Time // when the first unpublished record arrived; zero = nothing is buffered
	urged    bool
	worked   bool // something was published

	fetched chan bus.Fetch
	jobs    chan []*claim
	results chan result
}

// lane is one partition: what was read of it and is not published.
type lane struct {
	tp   event.TopicPartition
	from int64
	next int64 // [from, next) has been read
	rows map[event.Kind]*rows
}

type result struct {
	outcomes []outcome
	claims   []*claim
	err      error
}

// session runs one session. worked tells whether it published anything.
func (w *Writer) session(ctx context.Context) (worked bool, err error) {
	layout, err := w.layout(ctx)
	if err != nil {
		return false, err
	}
	positions, err := w.assign(ctx, layout)
	if err != nil {
		return false, err
	}
	s := &session{Writer: w, decoder: event.Decoder{Limits: w.cfg.Events, Schemas: w.Schemas}, lanes: make(map[string]map[int32]*lane), free: make(map[event.Kind][]*rows),
		fetched: make(chan bus.Fetch), jobs: make(chan []*claim), results: make(chan result, 1)}
	start := make(map[string]map[int32]int64)
	for tp, next := range positions {
		if s.lanes[tp.Topic] == nil {
			s.lanes[tp.Topic], start[tp.Topic] = make(map[int32]*lane), make(map[int32]int64)
		}
		s.lanes[tp.Topic][tp.Partition] = &lane{tp: tp, from: next, next: next, rows: make(map[event.Kind]*rows)}
		start[tp.Topic][tp.Partition] = next
	}
	reader, err := w.bus.NewReader(start, bus.ReaderOptions{MaxMessages: w.cfg.MaxPoll})
	if err != nil {
		return false, err
	}
	w.advance(positions, true)
	w.readyOnce.Do(func() { close(w.ready) })

	live, stop := context.WithCancelCause(ctx)
	drain, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { stop(s.poll(live, reader)) })
	wg.Go(func() {
		if err := w.watch(live, layout); err != nil {
			stop(err)
		}
	})
	wg.Go(func() { s.publishAll(drain) })
	unset := context.AfterFunc(ctx, func() { // published or not, the process ends
		select {
		case <-drain.Done():
		case <-time.After(drainTime):
			giveUp()
		}
	})
	err = s.loop(live)
	stop(err)
	close(s.jobs)
	wg.Wait()
	unset()
	giveUp()
	reader.Close()
	w.metrics.buffered.Set(0)
	return s.worked, err
}

// poll hands over what the reader brings until ctx ends or reading fails.
func (s *session) poll(ctx context.Context, r *bus.Reader) error {
	for {
		f, err := r.Poll(ctx)
		if err != nil {
			return err
		}
		for i := range f {
			if s.Schemas == nil {
				break
			}
			if err := s.Schemas.Prepare(ctx, f[i].Messages); err != nil {
				return err
			}
		}
		select {
		case s.fetched <- f:
		case <-ctx.Done():
			return nil
		}
	}
}

// publishAll publishes job after job. It always answers, and leaves the answer to the last job when nobody takes it.
func (s *session) publishAll(ctx context.Context) {
	p := newPublisher(s.lake, s.manifest, s.log, s.metrics)
	p.point = s.point
	for claims := range s.jobs {
		began := time.Now()
		outcomes, err := p.publish(ctx, claims)
		if err != nil {
			p.abandon(claims)
		}
		s.metrics.publishes.Observe(time.Since(began).Seconds())
		s.results <- result{outcomes: outcomes, claims: claims, err: err}
		s.show(ctx, outcomes)
	}
}

// show commits the positions to the courtesy group.
func (s *session) show(ctx context.Context, outcomes []outcome) {
	next := make(map[string]map[int32]int64)
	for _, o := range outcomes {
		if o.published {
			if next[o.claim.tp.Topic] == nil {
				next[o.claim.tp.Topic] = make(map[int32]int64)
			}
			next[o.claim.tp.Topic][o.claim.tp.Partition] = o.claim.to
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := s.bus.CommitGroup(ctx, s.cfg.Group, next); err != nil {
		s.log.Debug("positions of the lake are not shown", "group", s.cfg.Group, "error", err)
	}
}

// loop is the session's own goroutine. When ctx ends it publishes what is buffered; the error is why it ended.
func (s *session) loop(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	busy := false
	for {
		in := s.fetched
		if s.buffered+s.sealed >= s.cfg.MaxBytes {
			in = nil // enough until something is published
		}
		wait := s.wait(busy)
		if wait == 0 {
			busy = true
			s.jobs <- s.seal() // the publisher is idle
			continue
		}
		timer.Reset(wait)
		select {
		case f := <-in:
			if err := s.take(f); err != nil {
				return s.finish(busy, err)
			}
		case res := <-s.results:
			busy = false
			if err := s.settle(res); err != nil {
				return err
			}
		case <-s.urge:
			s.urged = true
		case <-timer.C:
		case <-ctx.Done():
			return s.finish(busy, context.Cause(ctx))
		}
		s.metrics.buffered.Set(float64(s.buffered + s.sealed))
	}
}

// wait returns the time until the next publication is due.
func (s *session) wait(busy bool) time.Duration {
	const idle = time.Hour
	const haste = 10 * time.Millisecond // gathers what comes at the same time
	switch {
	case busy || s.oldest.IsZero():
		return idle
	case s.buffered >= s.cfg.FlushBytes:
		return 0
	case s.urged || s.waiting.Load() > 0:
		return max(0, time.Until(s.oldest.Add(haste)))
	}
	return max(0, time.Until(s.oldest.Add(s.cfg.PublishInterval)))
}

// finish publishes what was read before the session ends because of cause.
func (s *session) finish(busy bool, cause error) error {
	if busy {
		if err := s.settle(<-s.results); err != nil {
			return errors.Join(cause, err)
		}
	}
	if claims := s.seal(); len(claims) > 0 {
		s.jobs <- claims
		if err := s.settle(<-s.results); err != nil {
			return errors.Join(cause, err)
		}
	}
	if errors.Is(cause, context.Canceled) {
		return nil
	}
	return cause
}

// seal takes what is buffered out of the lanes. A range without events is a claim as well.
func (s *session) seal() []*claim {
	var out []*claim
	for _, parts := range s.lanes {
		for _, l := range parts {
			if l.next == l.from {
				continue
			}
			c := &claim{tp: l.tp, from: l.from, to: l.next}
			for _, k := range event.Kinds {
				if r := l.rows[k]; r != nil {
					c.rows = append(c.rows, r)
					delete(l.rows, k)
				}
			}
			l.from = l.next
			out = append(out, c)
		}
	}
	s.sealed, s.buffered, s.oldest, s.urged = s.buffered, 0, time.Time{}, false
	return out
}

// settle takes the result of a publication.
func (s *session) settle(res result) error {
	s.sealed = 0
	positions := make(map[event.TopicPartition]int64)
	var err error
	for _, o := range res.outcomes {
		if !o.published {
			s.metrics.races.Inc()
			err = fmt.Errorf("%w: %s/%d", errRace, o.claim.tp.Topic, o.claim.tp.Partition)
			continue
		}
		s.metrics.published(o.claim)
		positions[o.claim.tp] = o.claim.to
	}
	if len(positions) > 0 {
		s.worked = true
		s.advance(positions, false)
	}
	for _, c := range res.claims {
		for _, r := range c.rows {
			s.recycle(r)
		}
	}
	return errors.Join(res.err, err)
}

// recycle keeps a few buffers of modest size.
func (s *session) recycle(r *rows) {
	const most, roomy = 16, 8 << 20
	k := r.table.kind
	if len(s.free[k]) < most && cap(r.arena) <= roomy {
		r.reset()
		s.free[k] = append(s.free[k], r)
	}
}

// take adds what was fetched to the lanes. The error is that of a partition that cannot be read any more.
func (s *session) take(f bus.Fetch) error {
	var failed error
	for i := range f {
		b := &f[i]
		l := s.lanes[b.Topic][b.Partition]
		if l == nil {
			continue
		}
		for _, m := range b.Messages {
			s.add(l, m)
		}
		if b.Next > l.next {
			l.next = b.Next
			if s.oldest.IsZero() {
				s.oldest = time.Now()
			}
		}
		if b.Err != nil {
			failed = fmt.Errorf("%w: %w", errLayout, b.Err) // out of the log, or the topic is another: the next session looks
		}
	}
	return failed
}

// add parses one record and buffers the event, or counts why it is none.
func (s *session) add(l *lane, m *bus.Message) {
	e := &s.event
	if v := s.decoder.Decode(m.Value, bus.EventHeaders(m), e); v != nil {
		s.metrics.skipped.WithLabelValues(l.tp.Topic, v.Code).Inc()
		return
	}
	ingested := m.Timestamp.UnixMicro()
	e.Complete(l.tp.TopicID, m.Partition, m.Offset, ingested)
	if e.Time > ingested+s.cfg.Future.Microseconds() {
		s.metrics.skipped.WithLabelValues(l.tp.Topic, event.CodeFuture).Inc()
		return
	}
	if s.Prices != nil {
		s.Prices.Rate(e, ingested)
	}
	r := l.rows[e.Kind]
	if r == nil {
		if free := s.free[e.Kind]; len(free) > 0 {
			r, s.free[e.Kind] = free[len(free)-1], free[:len(free)-1]
		} else {
			r = newRows(e.Kind)
		}
		l.rows[e.Kind] = r
	}
	before := r.bytes
	r.add(e, m.Offset, ingested)
	s.buffered += r.bytes - before
}
