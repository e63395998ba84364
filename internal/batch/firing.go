package batch

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"
)

// Alerts of what is looked at again and again, such as capacity and budgets: one that a look finds again goes on, one that it does not find
// is over.

// firing are the alerts of one kind that fire, as the last look left them.
type firing struct {
	End    time.Time `json:"end"` // of what was looked at
	Alerts []alert   `json:"alerts"`
}

// tellFiring puts the alerts of a look at what ended by end on the bus, and ends those of the look before that it does not have. One that goes
// on keeps its id, so nobody is told twice. What lies before the last look tells nothing. kind is where the alerts are remembered.
func (s *Service) tellFiring(ctx context.Context, kind string, end time.Time, alerts []alert) error {
	if s.deps.Alerts == nil {
		return nil
	}
	before, err := s.firing(ctx, kind)
	if err != nil || end.Before(before.End) {
		return err
	}
	now := firing{End: end.UTC(), Alerts: []alert{}}
	ended := map[string]alert{}
	for _, a := range before.Alerts {
		ended[a.subject()] = a
	}
	for _, a := range alerts {
		if old, ok := ended[a.subject()]; ok {
			a.ID, a.StartsAt = old.ID, old.StartsAt
			delete(ended, a.subject())
		}
		now.Alerts = append(now.Alerts, a)
	}
	told := slices.Clone(now.Alerts)
	for _, subject := range slices.Sorted(maps.Keys(ended)) {
		a := ended[subject]
		a.State, a.At, a.EndsAt = "resolved", &now.End, &now.End
		told = append(told, a)
	}
	for _, a := range told {
		value, err := json.Marshal(a)
		if err == nil {
			err = s.deps.Alerts.Raise(ctx, []byte(a.ID), value)
		}
		if err != nil {
			return err // the next try tells it, with the same ids
		}
	}
	text, err := json.Marshal(now)
	if err == nil {
		err = s.deps.Reports.SaveAnalysis(ctx, kind, end, text)
	}
	return err
}

func (s *Service) firing(ctx context.Context, kind string) (f firing, err error) {
	text, _, err := s.deps.Reports.Analysis(ctx, kind)
	if errors.Is(err, s.deps.NotFound) {
		return f, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	return f, err
}

// subject is what an alert that goes on is about.
func (a *alert) subject() string { return a.Rule + "\x00" + a.Severity + "\x00" + a.Key }
