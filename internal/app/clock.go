package app

import (
	"context"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/clock"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
)

// clockLook is the time between two looks at the clock of this machine.
const clockLook = time.Second

// buildClock makes what notices that the clock is set, and tells of it.
func (s *system) buildClock(context.Context) (run.Service, error) {
	s.clock.Look(time.Now())
	return run.Func(func(ctx context.Context) error {
		tick := time.NewTicker(clockLook)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
			switch by := s.clock.Look(time.Now()); {
			case by > 0:
				s.log.Warn("the clock was set forward", "by", by.Round(time.Second), "distrusted", s.clock.Doubt() > 0)
			case by < 0:
				s.log.Warn("the clock was set back", "by", -by.Round(time.Second))
			}
		}
	}), nil
}

// checkClock says when the clock is not believed.
func (s *system) checkClock(context.Context) httpx.Check {
	if by := s.clock.Doubt(); by > 0 {
		return httpx.Check{Status: httpx.Degraded, Detail: fmt.Sprintf("the clock was set forward by %s less than %s ago; nothing is removed because of its age meanwhile; if it is wrong now, set it back, runbook clock", by.Round(time.Second), clock.Distrust)}
	}
	return httpx.Check{Status: httpx.Healthy, Detail: "the clock goes on steadily"}
}
