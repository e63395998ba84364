package app

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/hxp-enterprise/hxp/internal/audit"
	"github.com/hxp-enterprise/hxp/internal/kit/auth"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
)

// noteWithin is how long a change waits for its record.
const noteWithin = 2 * time.Second

func (s *system) buildAudit(context.Context) (run.Service, error) {
	l, err := audit.New(s.bus, s.log.With("part", "audit"), s.registry(KafkaAPI))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.audit = l // a reload may come before it is there
	s.mu.Unlock()
	return l, nil
}

// note records what no request changed, where this process has the log. It waits for within at the longest.
func (s *system) note(within time.Duration, r audit.Record) {
	s.mu.Lock()
	l := s.audit
	s.mu.Unlock()
	if l != nil {
		r.At = time.Now()
		l.Note(context.Background(), r, within)
	}
}

// noting records the changes of a service.
func (s *system) noting(service string) func(*http.Request, httpx.Change) {
	return func(r *http.Request, c httpx.Change) {
		s.audit.Note(r.Context(), audit.Record{
			At: time.Now(), Who: cmp.Or(c.Who, whoAsks(r)), From: httpx.From(r), Service: service, What: c.Route, Target: c.Target, Status: c.Status, RequestID: httpx.RequestID(r.Context()),
			Before: c.Before, After: c.After,
		}, noteWithin)
	}
}

// whoAsks is who changes something; where nobody is asked, nobody knows.
func whoAsks(r *http.Request) string {
	if who := auth.Who(r.Context()); who != "" {
		return who
	}
	return "somebody"
}
