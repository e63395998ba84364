package app

import (
	"context"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
)

// buildAlert makes what answers alerts. Where the windows run in this process, it knows how far they are behind.
func (s *system) buildAlert(context.Context) (run.Service, error) {
	o := alert.Options{DataDir: s.set.dataDir, Clock: &s.steady, Log: s.log, Registry: s.registry(EventProcessingAPI)}
	if s.stream != nil {
		o.Lag = func() (time.Duration, bool) { return s.stream.Lag() }
	}
	a, err := alert.New(s.set.alert, s.bus, o)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.alert = a
	s.mu.Unlock()
	return a, nil
}
