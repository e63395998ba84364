package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// soonDays is how long before capacity ends a warning is given.
const soonDays = 14

// capacityAlert is a warning of an analysis. Rule names the page of the runbook.
type capacityAlert struct {
	Rule      string  `json:"rule"` // CapacityShort, CapacityEnds or ObjectiveBreaks
	Severity  string  `json:"severity"`
	Model     string  `json:"model"`
	Value     float64 `json:"value"`
	Threshold float64 `json:"threshold"`
	Text      string  `json:"text"`
}

// alertsOf tells what somebody should do something about: too little for the next week, an end that is near, and an objective that broke on the
// last day of the data.
func alertsOf(a *analysis) []capacityAlert {
	out := []capacityAlert{}
	for i := range a.Recommendations {
		r := &a.Recommendations[i]
		limit := r.Carries * r.policy.Target
		switch {
		case r.Demand > r.Carries:
			out = append(out, capacityAlert{"CapacityShort", "critical", r.Model, r.Demand, r.Carries, r.Reason})
		case r.Demand > limit:
			out = append(out, capacityAlert{"CapacityShort", "warning", r.Model, r.Demand, limit, r.Reason})
		case r.Exhaustion != nil && r.Exhaustion.Days < soonDays:
			out = append(out, capacityAlert{"CapacityEnds", "warning", r.Model, r.Exhaustion.Days, soonDays,
				fmt.Sprintf("the daily peak reaches the target in %.0f days (%.0f to %.0f)", r.Exhaustion.Days, r.Exhaustion.Lo, r.Exhaustion.Hi)})
		}
	}
	for _, s := range a.Saturation {
		worst, count := 0.0, 0
		for _, p := range s.Points {
			if !p.Good && p.Start.After(a.Period.End.Add(-24*time.Hour)) {
				worst, count = max(worst, p.Value), count+1
			}
		}
		if count > 0 {
			out = append(out, capacityAlert{"ObjectiveBreaks", "warning", s.Model, worst, s.Objective,
				fmt.Sprintf("the 95th percentile of the time to the first token was up to %.0f ms in %d windows of the last day; %.0f ms is the objective", worst, count, s.Objective)})
		}
	}
	return out
}

// firingCapacity are the alerts of capacity that fire, as the last scheduled analysis left them.
type firingCapacity struct {
	End    time.Time `json:"end"` // of its interval
	Alerts []alert   `json:"alerts"`
}

// tellCapacity puts the alerts of the analysis of a scheduled run on the bus and ends those of the analysis before that it does not have. One that goes on keeps
// its id, so nobody is told twice. Other runs, and scheduled ones of intervals before the last that was told of, look at the past: they tell nothing.
func (s *Service) tellCapacity(ctx context.Context, alerts []capacityAlert, r *agg.Run) error {
	if s.deps.Alerts == nil || r.Trigger != agg.RunScheduled {
		return nil
	}
	before, err := s.firingCapacity(ctx)
	if err != nil || r.End.Before(before.End) {
		return err
	}
	now := firingCapacity{End: r.End.UTC(), Alerts: []alert{}}
	ended := map[string]alert{}
	for _, a := range before.Alerts {
		ended[a.subject()] = a
	}
	for _, c := range alerts {
		a := c.alert(r)
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
			return err // the task is tried again, with the same ids
		}
	}
	text, err := json.Marshal(now)
	if err == nil {
		err = s.deps.Reports.SaveAnalysis(ctx, capacityTales, r.End, text)
	}
	return err
}

func (s *Service) firingCapacity(ctx context.Context) (f firingCapacity, err error) {
	text, _, err := s.deps.Reports.Analysis(ctx, capacityTales)
	if errors.Is(err, s.deps.NotFound) {
		return f, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	return f, err
}

// alert is the event of a warning that begins with a run. An episode never changes its severity, so the severity belongs to the id.
func (c *capacityAlert) alert(r *agg.Run) alert {
	return alert{ID: fmt.Sprintf("capacity-%s-%s-%s-%d", c.Rule, c.Severity, c.Model, r.End.Unix()), Rule: c.Rule, State: "firing", Severity: c.Severity, Key: c.Model,
		Labels: map[string]string{"model": c.Model}, StartsAt: r.End.UTC(), Window: interval{r.Start.UTC(), r.End.UTC()}, Value: c.Value, Threshold: c.Threshold,
		Top: []string{}, RequestIDs: []string{}}
}

// subject is what an alert of capacity is about.
func (a *alert) subject() string { return a.Rule + "\x00" + a.Severity + "\x00" + a.Key }
