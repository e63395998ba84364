package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert"
	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/stream/alerts"
)

// mostIncidents bounds what one report lists.
const mostIncidents = 500

// incidents are the alerts that fired in a period, with what was done about them, where this process follows them; nil where it does not.
func (s *system) incidents(ctx context.Context, p report.Period) ([]report.Incident, error) {
	book, tail, responder := s.followsAlerts()
	if book == nil || tail == nil {
		return nil, nil
	}
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	select { // half a list would be a wrong report
	case <-tail.Ready():
	case <-ctx.Done():
		return nil, errors.New("the alerts are not read yet; try again in a minute")
	}
	fired, _ := book.List(alerts.Wanted{Since: p.Start, Match: func(a *alerts.Alert) bool {
		return a.StartsAt.Before(p.End) && (a.State == alerts.Firing || a.State == alerts.Resolved)
	}}, mostIncidents)
	actions := map[string][]report.Action{}
	if responder != nil {
		for _, r := range responder.Between(p.Start, p.End) {
			actions[r.Alert] = append(actions[r.Alert], report.Action{At: r.ProposedAt, Action: r.Action, Target: r.Target, State: r.State})
		}
	}
	out := make([]report.Incident, 0, len(fired))
	for _, a := range slices.Backward(fired) {
		x := report.Incident{Start: a.StartsAt, Rule: a.Rule, Severity: a.Severity, Text: incidentText(a), Actions: actions[a.ID]}
		if a.EndsAt != nil && a.EndsAt.Before(p.End) {
			x.End = a.EndsAt
		}
		var subject []string
		for _, k := range slices.Sorted(maps.Keys(a.Key)) {
			subject = append(subject, a.Key[k])
		}
		x.Subject = strings.Join(subject, ", ")
		if x.Actions == nil {
			x.Actions = []report.Action{}
		}
		out = append(out, x)
	}
	return out, nil
}

func incidentText(a *alerts.Alert) string {
	if text := a.Annotations["summary"]; text != "" {
		return text
	}
	return fmt.Sprintf("The value was %.6g; the threshold is %.6g.", a.Value, a.Threshold)
}

// followsAlerts are the parts of this process that know of alerts, as far as they are built.
func (s *system) followsAlerts() (*alerts.Book, *bus.Tail, *alert.Service) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alerts, s.tail, s.alert
}
