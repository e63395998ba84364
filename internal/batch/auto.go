package batch

import (
	"context"
	"errors"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// When hours are folded by themselves. Data must be in the tables within 60 s of the last of it: an hour is looked at every 2 s and
// folded when it has been quiet for 3 s, or dirty for 30 s while data keeps coming. Then the next fold waits ten times as long
// as the last one took, so that a big hour under a trickle of late events costs a tenth of a core at most; after 30 s of quiet
// it no longer waits for that.
const (
	look       = 2 * time.Second
	quiet      = 3 * time.Second
	dirtyLong  = 30 * time.Second
	quietLong  = 30 * time.Second
	restFactor = 10
	retryFirst = 10 * time.Second // after a failed fold, doubled with each failure up to retry_delay
)

// tracker remembers what the automatic folds need to know of an hour while it is dirty, and of its last fold.
type tracker struct{ hours map[int64]*hourTrack }

type hourTrack struct {
	dirtySince time.Time // zero = not dirty at the last look
	lastEnd    time.Time
	lastTook   time.Duration
	failures   int
	notBefore  time.Time // after a failure
	busy       bool
}

func newTracker() *tracker { return &tracker{hours: map[int64]*hourTrack{}} }

// see takes the dirty hours of a look and returns those to fold now, oldest first.
func (t *tracker) see(dirty []event.HourState, now time.Time) (due []int64) {
	still := make(map[int64]bool, len(dirty))
	for _, h := range dirty {
		still[h.Hour] = true
		k := t.hours[h.Hour]
		if k == nil {
			k = &hourTrack{}
			t.hours[h.Hour] = k
		}
		if k.dirtySince.IsZero() {
			k.dirtySince = now
		}
		if !k.busy && k.due(now, now.Sub(time.UnixMicro(h.LastPublished))) {
			due = append(due, h.Hour)
		}
	}
	for hour, k := range t.hours {
		if still[hour] || k.busy {
			continue
		}
		k.dirtySince, k.failures = time.Time{}, 0
		if now.Sub(k.lastEnd) > restFactor*k.lastTook { // nothing left to remember
			delete(t.hours, hour)
		}
	}
	return due
}

func (k *hourTrack) due(now time.Time, silent time.Duration) bool {
	switch {
	case now.Before(k.notBefore):
		return false
	case silent >= quietLong:
		return true
	case !k.lastEnd.IsZero() && now.Sub(k.lastEnd) < restFactor*k.lastTook:
		return false
	}
	return silent >= quiet || now.Sub(k.dirtySince) >= dirtyLong
}

// auto folds dirty ended hours until ctx ends.
func (s *Service) auto(ctx context.Context) {
	if !s.cfg().Aggregation.enabled("hourly") {
		s.log.Info("hourly aggregation is switched off", "by", "data_aggregation.enabled or data_aggregation.intervals.hourly")
		return
	}
	tick := time.NewTicker(look)
	defer tick.Stop()
	a := autoFolds{s: s, results: make(chan autoResult, s.cfg().Processing.Workers)}
	for {
		select {
		case <-tick.C:
			a.look(ctx)
		case r := <-a.results:
			a.settle(r)
			a.tell()
		case <-ctx.Done():
			return // the folds under way end by themselves: their results fit the channel
		}
		a.launch(ctx)
	}
}

// autoFolds belongs to the loop of auto.
type autoFolds struct {
	s       *Service
	due     []int64 // hours to fold, as of the last look
	flying  int     // folds under way or not settled yet, at most workers
	results chan autoResult
	done    foldSum // since it was told
}

// foldSum is what some folds did together.
type foldSum struct {
	hours, events, duplicates, first, last int64
	took                                   time.Duration
}

func (f *foldSum) add(hour int64, res *hourResult) {
	if f.hours == 0 {
		f.first = hour
	}
	f.first, f.last = min(f.first, hour), max(f.last, hour)
	f.hours++
	f.events += res.Events
	f.duplicates += res.Duplicates
	f.took += res.Took
}

// mostTold are hours that one line of the log tells of, so that a system that never rests is heard of.
const mostTold = 100

// tell logs what was folded once nothing waits: the hours of a past that came at once are one line.
func (a *autoFolds) tell() {
	if f := a.done; f.hours >= mostTold || f.hours > 0 && a.flying == 0 && len(a.due) == 0 {
		a.s.log.Info("hourly aggregation", "hours", f.hours, "from", hourName(f.first), "to", hourName(f.last+3600), "events", f.events, "duplicates", f.duplicates, "took", f.took)
		a.done = foldSum{}
	}
}

type autoResult struct {
	hour int64
	res  hourResult
	err  error
}

// look finds the hours that are due.
func (a *autoFolds) look(ctx context.Context) {
	now := a.s.now()
	paused := a.s.isPaused("hxp_hourly_aggregation")
	dirty, err := a.s.deps.Hours.DirtyHours(ctx, now)
	if err != nil {
		if ctx.Err() == nil {
			a.s.log.Error("aggregation cannot see which hours have new data", "err", err)
		}
		return
	}
	all := make(map[int64]bool, len(dirty))
	for _, h := range dirty {
		all[h.Hour] = true
	}
	a.s.book.lookedAt(all)
	if paused { // what waits is made up for afterwards
		a.due = nil
		return
	}
	a.due = a.s.track.see(dirty, now)
}

// launch starts folds of what is due while workers are free.
func (a *autoFolds) launch(ctx context.Context) {
	s := a.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(a.due) > 0 && a.flying < s.cfg().Processing.Workers && !s.closing {
		hour := a.due[0]
		a.due = a.due[1:]
		s.track.hours[hour].busy = true
		a.flying++
		s.work.Go(func() {
			res, err := s.foldByItself(ctx, hour)
			a.results <- autoResult{hour, res, err}
		})
	}
}

// settle notes how a fold ended.
func (a *autoFolds) settle(r autoResult) {
	s, k, now := a.s, a.s.track.hours[r.hour], a.s.now()
	a.flying--
	k.busy, k.dirtySince = false, time.Time{}
	switch {
	case r.err == nil:
		k.failures, k.notBefore = 0, time.Time{}
		if r.res.Folded { // not when a run was faster
			k.lastEnd, k.lastTook = now, r.res.Took
			a.done.add(r.hour, &r.res)
			s.book.hourFolded(r.res.Took, now)
		}
	case errors.Is(r.err, errStopping) || errors.Is(r.err, context.Canceled):
	default:
		pause := min(retryFirst<<min(k.failures, 10), max(s.cfg().Processing.retryDelay(), retryFirst))
		k.failures++
		k.notBefore = now.Add(pause)
		s.book.hourFailed(r.hour, r.err, now)
		s.log.Error("hourly aggregation failed and is tried again", "hour", hourName(r.hour), "in", pause, "err", r.err)
	}
}
