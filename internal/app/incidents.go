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
func (s *system) incidents(ctx context.Context, p report.Period) (report.Alerts, error) {
	book, tail, responder := s.followsAlerts()
	if book == nil || tail == nil {
		return report.Alerts{}, nil
	}
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	select { // half a list would be a wrong report
	case <-tail.Ready():
	case <-ctx.Done():
		return report.Alerts{}, errors.New("the alerts are not read yet; try again in a minute")
	}
	actions := map[string][]report.Action{}
	if responder != nil {
		for _, r := range responder.Between(p.Start, p.End) {
			actions[r.Alert] = append(actions[r.Alert], report.Action{At: r.ProposedAt, Action: r.Action, Target: r.Target, State: r.State})
		}
	}
	return incidentsOf(book, p, actions), nil
}

// incidentsOf lists what the book has, and says from when on that is all: it forgets, and the list has an end.
func incidentsOf(book *alerts.Book, p report.Period, actions map[string][]report.Action) report.Alerts {
	fired, more := book.List(alerts.Wanted{Since: p.Start, Match: func(a *alerts.Alert) bool {
		return a.StartsAt.Before(p.End) && (a.State == alerts.Firing || a.State == alerts.Resolved)
	}}, mostIncidents)
	since := book.WholeSince() // asked after the list, which what is forgotten meanwhile may still have
	if more && fired[len(fired)-1].StartsAt.After(since) {
		since = fired[len(fired)-1].StartsAt
	}
	out := report.Alerts{Fired: make([]report.Incident, 0, len(fired))}
	if since.After(p.Start) {
		out.Since = &since
	}
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
		out.Fired = append(out.Fired, x)
	}
	return out
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
