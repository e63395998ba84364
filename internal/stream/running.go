package stream

import (
	"context"
	"errors"
	"time"
)

// RunsRule tells whether this instance runs a rule of a version.
func (s *Service) RunsRule(version string) bool {
	if s.judge == nil {
		return false
	}
	program := s.judge.program.Load()
	return program != nil && program.Has(version)
}

// AwaitRules waits until everything that comes from then on is looked at, on this instance, by the rules that count at the call or by later ones.
// Only the end of ctx ends it before.
func (s *Service) AwaitRules(ctx context.Context) error {
	if s.judge == nil {
		return errNoRules
	}
	_, wanted := s.opts.Rules.Current()
	for {
		run, err := s.runs(ctx, wanted)
		if run || err != nil {
			return err
		}
		select {
		case <-time.After(rulesLook):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// rulesLook is the time between two looks whether other rules are run. Units that were begun with those of before are open for some
// milliseconds.
const rulesLook = 5 * time.Millisecond

// runs tells whether the judge has taken rules up and no lane has a unit open that was begun with those of before. Lanes that work no more, as
// between two sessions, take nothing in; those of the next session begin with the rules of then.
func (s *Service) runs(ctx context.Context, generation uint64) (all bool, err error) {
	if s.judge.generation.Load() < generation {
		return false, nil
	}
	for _, l := range s.allLanes() {
		err := l.ask(ctx, func() { all = l.foldsAnew() })
		if errors.Is(err, errEnded) {
			continue
		}
		if err != nil || !all {
			return false, err
		}
	}
	return true, nil
}

// foldsAnew tells whether all that the lane takes in next is folded by the rules that are run. The lane calls it.
func (l *lane) foldsAnew() bool {
	for _, f := range l.folders {
		if r := f.open.rules; r != nil && r.Program != l.judge.program.Load() {
			return false
		}
	}
	return true
}

// errEnded says that a lane works no more.
var errEnded = errors.New("the lane works no more")

// ask runs fn on the lane's own goroutine, unless ctx or the lane ends before the lane comes to it.
func (l *lane) ask(ctx context.Context, fn func()) error {
	done := make(chan struct{})
	select {
	case l.calls <- func() { fn(); close(done) }:
		<-done
		return nil
	case <-l.ended:
		return errEnded
	case <-ctx.Done():
		return ctx.Err()
	}
}
