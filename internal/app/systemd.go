package app

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/kit/sdnotify"
)

// Systemd is who started the process and wants to hear how it is; the zero Systemd is nobody.
type Systemd struct {
	Listener interface{ Tell(lines ...string) error }
	Watchdog time.Duration // how long it waits for a sign of life before it kills the process; 0 for ever
}

// systemd is told that the process stops, and again and again that it is alive, as long as no check of its services hangs. Checks take the locks
// of the rooms that they look at, so one that never returns shows a room that stands still, which a new start mends. One that returns with bad
// news does not count: a broker that is away would not come back by it.
type systemd struct{ *system }

func (s *system) buildSystemd(context.Context) (run.Service, error) { return systemd{s}, nil }

// Run looks and tells until ctx ends.
func (s systemd) Run(ctx context.Context) error {
	var due <-chan time.Time
	if limit := s.demo.Systemd.Watchdog; limit > 0 {
		tick := time.NewTicker(limit / 3) // two may get lost
		defer tick.Stop()
		due = tick.C
	}
	for {
		select {
		case <-ctx.Done():
			s.tell(sdnotify.Stopping)
			return nil
		case <-due:
			s.alive(ctx)
		}
	}
}

func (s systemd) alive(ctx context.Context) {
	if hung := s.hung(ctx); len(hung) > 0 {
		s.log.Error("systemd is not told that the process is alive, because checks hang; it will start it anew", "checks", strings.Join(hung, ", "))
		return
	}
	s.tell(sdnotify.Alive)
}

// hung asks all services at the same time and names the checks that do not return.
func (s systemd) hung(ctx context.Context) (names []string) {
	s.mu.Lock()
	all := append([]*httpx.Health(nil), s.healths...)
	s.mu.Unlock()
	var wg sync.WaitGroup
	for _, h := range all {
		wg.Go(func() { h.Report(ctx) })
	}
	wg.Wait()
	for _, h := range all {
		names = append(names, h.Hung()...)
	}
	return names
}

// tell says something to systemd, if it started the process. That it does not listen stops nothing.
func (s *system) tell(lines ...string) {
	if s.demo.Systemd.Listener == nil {
		return
	}
	if err := s.demo.Systemd.Listener.Tell(lines...); err != nil {
		s.log.Warn("systemd does not hear", "error", err)
	}
}
