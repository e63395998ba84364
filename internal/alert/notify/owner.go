package notify

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/channel"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/core"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
)

// The times of an owner.
const (
	term       = 10 * time.Second // of the lease
	renewEvery = 3 * time.Second
	followTime = time.Second // between two looks at what others have stored
	sweepEvery = time.Minute
	tryLimit   = time.Minute
	stopLimit  = 5 * time.Second // that tries get when the service stops
	mostTries  = 16              // at once, beside the one that every way may always make
	mostOfWay  = 4
)

// tried is what became of a try.
type tried struct {
	message core.Message
	err     error
	took    time.Duration
}

// speaker is the loop of an instance: it follows the store, owns when it can, and then decides and sends. Everything in it belongs to
// that one loop.
type speaker struct {
	s        *Service
	name     string
	fence    int64 // 0 = not the owner
	until    time.Time
	renew    time.Time
	swept    time.Time
	purge    int64 // what was removed before this revision is forgotten at the next sweep
	flying   map[string]string
	byWay    map[string]int
	ended    chan tried
	unstored []tried
	tries    sync.WaitGroup
	owning   context.CancelFunc // ends what runs only while this instance owns
	sending  context.Context    // of its tries
	cut      context.CancelFunc // ends them, when another instance makes them
	lapse    *time.Timer        // cuts them when the lease is over and nobody could renew it, whatever the loop waits for
	helpers  sync.WaitGroup
}

// Run works until ctx ends, and gives the tries that are under way a moment to end.
func (s *Service) Run(ctx context.Context) error {
	name, release := s.identity()
	defer release()
	l := &speaker{s: s, name: name, flying: map[string]string{}, byWay: map[string]int{}, ended: make(chan tried, mostTries)}
	sending, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	for ctx.Err() == nil {
		wait := l.turn(ctx, sending)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.wake:
		case t := <-l.ended:
			l.unstored = append(l.unstored, t)
		}
		timer.Stop()
	}
	l.leave(cut)
	return nil
}

// turn does what is to be done now, and says how long there is nothing more.
func (l *speaker) turn(ctx, sending context.Context) time.Duration {
	if err := l.s.follow(ctx); err != nil {
		if ctx.Err() == nil {
			l.s.log.Warn("notifications cannot be read from the store", "error", err)
		}
		return followTime
	}
	l.own(ctx, sending)
	if l.fence == 0 {
		return followTime
	}
	err := l.store(ctx)
	if err == nil {
		err = l.decide(ctx)
	}
	if err != nil {
		l.lost(ctx, err)
		return followTime
	}
	l.send()
	l.sweep(ctx)
	wait := min(followTime, time.Until(l.renew))
	l.s.look(func(e *core.Engine) {
		if next := e.Next(l.free); !next.IsZero() { // for the others a try has to end, which wakes the loop
			wait = min(wait, next.Sub(l.s.o.Clock.Now()))
		}
	})
	return max(wait, 10*time.Millisecond)
}

// free tells whether a message is not under way and can be: ways that do not answer leave room for the others.
func (l *speaker) free(m *core.Message) bool {
	if _, flies := l.flying[m.ID]; flies {
		return false
	}
	return l.byWay[m.Way] == 0 || l.byWay[m.Way] < mostOfWay && len(l.flying) < mostTries
}

// own takes or keeps the lease.
func (l *speaker) own(ctx, sending context.Context) {
	now := time.Now()
	if now.Before(l.renew) && (l.fence == 0 || now.Before(l.until)) {
		return
	}
	limited, stop := context.WithTimeout(ctx, storeLimit/2)
	defer stop()
	fence, err := l.s.o.Store.OwnNotifications(limited, l.name, term)
	l.renew = now.Add(renewEvery)
	if err != nil {
		if ctx.Err() == nil {
			l.s.log.Warn("the lease of notifications cannot be renewed", "error", err)
		}
		if now.After(l.until) {
			l.yield()
		}
		l.renew = now.Add(followTime)
		return
	}
	if fence != l.fence {
		l.yield()
	}
	if fence == 0 {
		return
	}
	l.until = now.Add(term - renewEvery)
	if fence == l.fence {
		l.goOn(sending)
		return
	}
	// What the last owner stored before the fence was taken may be newer than what was read; nothing of it comes after.
	if err := l.s.follow(ctx); err != nil {
		l.renew = time.Time{}
		return
	}
	l.fence = fence
	l.s.look(func(e *core.Engine) { e.Regroup() })
	l.s.setOwner(true)
	l.goOn(sending)
	l.s.log.Info("this instance speaks for all", "fence", fence)
	owning, end := context.WithCancel(ctx)
	l.owning = end
	if l.s.o.Bus != nil {
		l.helpers.Go(func() { l.s.readAlerts(owning, fence) })
	}
	l.helpers.Go(func() { l.s.forward(owning) })
}

// goOn lets tries last as long as the lease, as it was renewed just now.
func (l *speaker) goOn(sending context.Context) {
	if l.lapse != nil && l.lapse.Stop() {
		l.lapse.Reset(time.Until(l.until))
		return
	}
	l.sending, l.cut = context.WithCancel(sending)
	l.lapse = time.AfterFunc(time.Until(l.until), l.cut)
}

// yield ends what an owner does.
func (l *speaker) yield() {
	if l.fence == 0 {
		return
	}
	l.yieldQuietly()
	l.s.log.Info("another instance speaks for all now")
}

func (s *Service) setOwner(is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owner = is
}

// lost looks at why something could not be stored.
func (l *speaker) lost(ctx context.Context, err error) {
	switch {
	case errors.Is(err, event.ErrNotOwner):
		l.yield()
		l.renew = time.Time{}
	case ctx.Err() == nil:
		l.s.log.Warn("notifications cannot be stored, trying again", "error", err)
	}
}

// decide looks at the groups whose time has come, and stores what follows.
func (l *speaker) decide(ctx context.Context) error {
	for {
		var d *core.Decided
		l.s.look(func(e *core.Engine) { d = e.Decide(l.s.o.Clock.Now(), l.s.cfg.Load().ExternalURL) })
		if d.Empty() {
			return nil
		}
		var err error
		if len(d.Docs) > 0 {
			err = l.s.save(ctx, l.fence, d.Docs...)
		}
		l.s.look(func(*core.Engine) {
			if err != nil {
				d.Failed()
			} else {
				d.Stored()
			}
		})
		if err != nil {
			return err
		}
	}
}

// send starts tries, while it is sure that nobody else does.
func (l *speaker) send() {
	if !time.Now().Before(l.until) {
		return
	}
	var ready []core.Message
	ways := map[string]*plan.Way{}
	off := map[string]*core.Off{}
	l.s.look(func(e *core.Engine) {
		ready = e.Ready(l.s.o.Clock.Now(), func(m *core.Message) bool {
			if !l.free(m) {
				return false
			}
			l.flying[m.ID] = m.Way
			l.byWay[m.Way]++
			return true
		})
		for _, m := range ready {
			ways[m.Way], off[m.Way] = e.Plan().Way(m.Way), e.Off(m.Way)
		}
	})
	sending := l.sending
	for _, m := range ready {
		way, off := ways[m.Way], off[m.Way]
		l.tries.Go(func() {
			began := time.Now()
			err := l.s.try(sending, way, off, &m)
			l.ended <- tried{m, err, time.Since(began)}
		})
	}
}

// try makes one try of a message.
func (s *Service) try(ctx context.Context, way *plan.Way, off *core.Off, m *core.Message) error {
	switch {
	case way == nil:
		return &deliver.Failure{Err: errors.New("the configuration has no such receiver any more"), Final: true}
	case off != nil:
		return &deliver.Failure{Err: errors.New("the receiver is switched off: " + off.Reason), Final: true}
	}
	ctx, stop := context.WithTimeout(ctx, tryLimit)
	defer stop()
	data, links := s.proposed(way, m.Data)
	ctx, span := s.traces.try(ctx, way, m)
	err := s.sender.Send(ctx, way, &channel.Message{ID: m.ID, At: time.Now(), Made: m.CreatedAt, Data: data, Links: links})
	if err != nil {
		span.Fail(err.Error())
	}
	span.End(time.Now())
	return err
}

// store notes what became of tries. Until that is stored they count as under way, so that none is made twice.
func (l *speaker) store(ctx context.Context) error {
	for {
		select {
		case t := <-l.ended:
			l.unstored = append(l.unstored, t)
			continue
		default:
		}
		break
	}
	if len(l.unstored) == 0 {
		return nil
	}
	var docs []event.Document
	now := l.s.o.Clock.Now()
	l.s.look(func(e *core.Engine) {
		for _, t := range l.unstored {
			docs = append(docs, e.Ended(t.message, t.err, now)...)
		}
	})
	if len(docs) > 0 {
		if err := l.s.save(ctx, l.fence, docs...); err != nil {
			return err
		}
	}
	for _, t := range l.unstored {
		l.s.metrics.tried(&t, now)
		l.s.logTry(&t)
		way := l.flying[t.message.ID]
		delete(l.flying, t.message.ID)
		l.byWay[way]--
	}
	l.unstored = nil
	return nil
}

func (s *Service) logTry(t *tried) {
	args := []any{"id", t.message.ID, "receiver", t.message.Receiver, "channel", t.message.Channel, "attempts", t.message.Attempts + 1}
	f, _ := errors.AsType[*deliver.Failure](t.err)
	switch {
	case t.err == nil && t.message.Channel == plan.ByConsole: // it stands in the log itself
	case t.err == nil:
		s.log.Info("notification sent", args...)
	case f != nil && (f.Final || f.Gone):
		s.log.Error("notification refused for good", append(args, "error", t.err)...)
	default:
		s.log.Warn("notification not sent yet", append(args, "error", t.err)...)
	}
}

// sweep removes what has ended long ago.
func (l *speaker) sweep(ctx context.Context) {
	now := l.s.o.Clock.Now()
	if now.Sub(l.swept) < sweepEvery {
		return
	}
	l.swept = now
	var docs []event.Document
	var seen int64
	l.s.mu.Lock()
	docs, seen = l.s.engine.Sweep(now), l.s.seen
	l.s.mu.Unlock()
	if len(docs) > 0 {
		if err := l.s.save(ctx, l.fence, docs...); err != nil {
			l.lost(ctx, err)
			return
		}
	}
	// Every instance looks each second, so after a minute all have seen what was removed; one that could not look reads everything anew.
	if err := l.s.o.Store.PurgeNotifications(ctx, l.purge); err != nil && ctx.Err() == nil {
		l.s.log.Warn("removed documents of notifications cannot be forgotten", "error", err)
	}
	l.purge = seen
}

// leave ends the tries, notes what became of them, and gives the lease back.
func (l *speaker) leave(cut context.CancelFunc) {
	timer := time.AfterFunc(stopLimit, cut)
	defer timer.Stop()
	done := make(chan struct{})
	go func() { l.tries.Wait(); close(done) }()
	for waiting := true; waiting; {
		select {
		case t := <-l.ended:
			l.unstored = append(l.unstored, t)
		case <-done:
			waiting = false
		}
	}
	ctx, stop := context.WithTimeout(context.Background(), stopLimit)
	defer stop()
	if l.fence == 0 {
		return
	}
	if err := l.store(ctx); err != nil {
		l.s.log.Warn("what became of notifications could not be stored; they are sent again", "error", err)
	}
	l.yieldQuietly()
	if err := l.s.o.Store.LeaveNotifications(ctx, l.name); err != nil {
		l.s.log.Warn("the lease of notifications could not be given back; another instance waits until it is over", "error", err)
	}
}

func (l *speaker) yieldQuietly() {
	l.fence = 0
	if l.lapse != nil {
		l.lapse.Stop()
		l.lapse = nil
	}
	l.cut()
	l.owning()
	l.helpers.Wait()
	l.s.setOwner(false)
}
