package erasure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// One erasure is carried out at a time, over all instances: dead letters that one writes again may be those that another has just taken out. Who
// works has a lease, a document with its id that is as old as its last sign of life.
const (
	kindLease = "erasures_lease"
	leaseFor  = time.Minute // since the last sign of life
)

type lease struct {
	*Service
	id string
	at time.Time // of the last sign of life
}

// take takes the lease, or tells by errBusy that somebody else has it.
func (s *Service) take(ctx context.Context, id string) (*lease, error) {
	text, at, err := s.deps.Records.Analysis(ctx, kindLease)
	if err != nil && !errors.Is(err, s.deps.NotFound) {
		return nil, err
	}
	holder := ""
	if err == nil {
		if err := json.Unmarshal(text, &holder); err != nil {
			return nil, err
		}
	}
	if holder != "" && s.deps.Now().Sub(at).Abs() < leaseFor { // one of a day to come is of a clock that was set back
		return nil, errBusy
	}
	l := &lease{Service: s, id: id, at: at}
	return l, l.beat(ctx, id)
}

// beat writes a sign of life of a holder, "" = nobody, unless somebody else has written one.
func (l *lease) beat(ctx context.Context, holder string) error {
	text, err := json.Marshal(holder)
	if err != nil {
		return err
	}
	now := l.moment(l.at)
	taken, err := l.deps.Records.ReplaceAnalysis(ctx, kindLease, l.at, now, text)
	if err == nil && !taken {
		err = errBusy
	}
	if err == nil {
		l.at = now
	}
	return err
}

// beatSoon gives one up that the database does not answer: meanwhile the lease ends.
func (l *lease) beatSoon(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaseFor/6)
	defer cancel()
	return l.beat(ctx, l.id)
}

// hold gives signs of life until free is called. The context that it returns ends when the lease is lost, as that of a process that slept, or of one
// that does not reach the database.
func (l *lease) hold(ctx context.Context) (held context.Context, free func()) {
	held, lose := context.WithCancelCause(ctx)
	var beating sync.WaitGroup
	beating.Go(func() {
		tick := time.NewTicker(leaseFor / 6)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-held.Done():
				return
			}
			if err := l.beatSoon(held); errors.Is(err, errBusy) || err != nil && l.deps.Now().Sub(l.at) > leaseFor/2 {
				lose(fmt.Errorf("this erasure may go on no longer: %w", err))
				return
			}
		}
	})
	return held, func() {
		lose(nil)
		beating.Wait()
		l.free(ctx)
	}
}

// free lets others erase.
func (l *lease) free(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
	defer cancel()
	if err := l.beat(ctx, ""); err != nil {
		l.log.Warn("erasures wait until the lease of one that has ended is over", "id", l.id, "error", err)
	}
}
