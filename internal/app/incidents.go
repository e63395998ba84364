package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/stream/alerts"
)

// mostIncidents bounds what one report lists.
const mostIncidents = 500

// incidents are the alerts that fired in a period, with what was done about them; nil where nobody follows them, or where they have no topic.
func (s *system) incidents(ctx context.Context, p report.Period) (report.Alerts, error) {
	s.mu.Lock()
	book, tail, account, log := s.alerts, s.tail, s.account, s.auditTail
	s.mu.Unlock()
	if book == nil || account == nil {
		return report.Alerts{}, nil
	}
	for _, t := range []*bus.Tail{tail, log} {
		if known, err := whole(ctx, t); !known {
			return report.Alerts{}, err
		}
	}
	actions := map[string][]report.Action{}
	for _, r := range account.Between(p.Start, p.End) {
		actions[r.Alert] = append(actions[r.Alert], report.Action{At: r.ProposedAt, Action: r.Action, Target: r.Target, State: r.State})
	}
	return incidentsOf(book, p, actions), nil
}

// patience is how long a report waits for a log to be read.
const patience = 10 * time.Second

// whole waits until a log is read to its end, since half a list would be a wrong report. A log that does not exist tells nothing, which is no error.
func whole(ctx context.Context, t *bus.Tail) (known bool, err error) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	select {
	case <-t.Ready():
		return true, nil
	case <-ctx.Done():
	}
	if errors.Is(t.Trouble(), bus.ErrUnknownTopic) {
		return false, nil
	}
	return false, errors.New("the alerts are not read yet; try again in a minute")
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
