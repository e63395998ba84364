package alert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// followAlerts reads hxp-alerts until ctx ends. It begins a little in the past, to know what became of the alerts whose changes are
// in place; nothing follows from old ones.
func (s *Service) followAlerts(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.readAlerts(ctx, s.alertsFrom())
		if ctx.Err() != nil {
			return
		}
		s.log.Warn("the alerts are read again", "reason", err)
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// alertsFrom is before everything that matters: the alerts of responses of which more can become.
func (s *Service) alertsFrom() time.Time {
	from := time.Now()
	s.machine.Look(func(b *respond.Book) {
		for _, r := range b.Open() {
			if r.ProposedAt.Before(from) {
				from = r.ProposedAt
			}
		}
	})
	return from.Add(-s.cfg.Load().MaxLag - time.Minute)
}

// recount is the time between two looks at how many partitions there are.
const recount = time.Minute

func (s *Service) readAlerts(ctx context.Context, from time.Time) error {
	at, err := s.bus.OffsetsAt(ctx, from, event.TopicAlerts)
	if err != nil {
		return err
	}
	shapes, err := s.bus.Shapes(ctx, event.TopicAlerts)
	if err != nil {
		return err
	}
	known, looked := len(at[event.TopicAlerts]), time.Now()
	id := shapes[event.TopicAlerts].ID
	if n := shapes[event.TopicAlerts].Partitions; known != n {
		return fmt.Errorf("%d of %d partitions of %s have no leader now", n-known, n, event.TopicAlerts)
	}
	reader, err := s.bus.NewReader(at, bus.ReaderOptions{})
	if err != nil {
		return err
	}
	defer reader.Close()
	s.log.Debug("alerts are read", "since", from, "offsets", at[event.TopicAlerts])
	for {
		round, stop := context.WithTimeout(ctx, recount)
		fetch, err := reader.Poll(round)
		stop()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			return err
		case time.Since(looked) >= recount:
			looked = time.Now()
			if shapes, err := s.bus.Shapes(ctx, event.TopicAlerts); err == nil && (shapes[event.TopicAlerts].ID != id || shapes[event.TopicAlerts].Partitions != known) {
				return fmt.Errorf("%s has another shape", event.TopicAlerts)
			}
		}
		for _, b := range fetch {
			for _, m := range b.Messages {
				s.alert(ctx, m)
			}
			if b.Err != nil {
				return b.Err
			}
		}
	}
}

// alert hands one alert to the machine, again and again while the log cannot be written.
func (s *Service) alert(ctx context.Context, m *bus.Message) {
	a, err := respond.ParseAlert(m.Value)
	if err != nil {
		s.metrics.badAlerts.Inc()
		s.log.Error("record of hxp-alerts cannot be read, passed over", "partition", m.Partition, "offset", m.Offset, "error", err)
		return
	}
	if a.At.IsZero() {
		a.At = m.Timestamp
	}
	for {
		err := s.machine.Handle(ctx, a)
		if err == nil || ctx.Err() != nil {
			return
		}
		s.log.Warn("an alert waits for the audit log", "alert", a.ID, "rule", a.Rule, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}
