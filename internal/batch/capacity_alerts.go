package batch

import (
	"context"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// soonDays is how long before capacity ends a warning is given.
const soonDays = 14

// alertsOf tells what somebody should do something about: too little for the next week, an end that is near, and an objective that broke on the
// last day of the data.
func alertsOf(a *analysis) []capacityAlert {
	out := []capacityAlert{}
	for i := range a.Recommendations {
		r := &a.Recommendations[i]
		limit := r.Carries * r.policy.Target
		switch {
		case r.Demand > r.Carries:
			out = append(out, capacityAlert{Rule: "CapacityShort", Severity: "critical", Model: r.Model, Value: r.Demand, Threshold: r.Carries, Text: r.Reason})
		case r.Demand > limit:
			out = append(out, capacityAlert{Rule: "CapacityShort", Severity: "warning", Model: r.Model, Value: r.Demand, Threshold: limit, Text: r.Reason})
		case r.Exhaustion != nil && r.Exhaustion.Days < soonDays:
			out = append(out, capacityAlert{Rule: "CapacityEnds", Severity: "warning", Model: r.Model, Value: r.Exhaustion.Days, Threshold: soonDays,
				Text: fmt.Sprintf("the daily peak reaches the target in %.0f days (%.0f to %.0f)", r.Exhaustion.Days, r.Exhaustion.Lo, r.Exhaustion.Hi)})
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
			out = append(out, capacityAlert{Rule: "ObjectiveBreaks", Severity: "warning", Model: s.Model, Value: worst, Threshold: s.Objective,
				Text: fmt.Sprintf("the 95th percentile of the time to the first token was up to %.0f ms in %d windows of the last day; %.0f ms is the objective", worst, count, s.Objective)})
		}
	}
	return out
}

// tellCapacity puts the alerts of the analysis of a scheduled run on the bus; see tellFiring.
func (s *Service) tellCapacity(ctx context.Context, alerts []capacityAlert, r *agg.Run) error {
	if r.Trigger != agg.RunScheduled { // others look at the past: they tell nothing
		return nil
	}
	now := make([]alert, len(alerts))
	for i := range alerts {
		now[i] = alertOfCapacity(&alerts[i], r)
	}
	return s.tellFiring(ctx, capacityTales, r.End, now)
}

// alertOfCapacity is the event of a warning that begins with a run. An episode never changes its severity, so the severity belongs to the id.
func alertOfCapacity(c *capacityAlert, r *agg.Run) alert {
	return alert{ID: fmt.Sprintf("capacity-%s-%s-%s-%d", c.Rule, c.Severity, c.Model, r.End.Unix()), Rule: c.Rule, State: "firing", Severity: c.Severity, Key: c.Model,
		Labels: map[string]string{"model": c.Model}, StartsAt: r.End.UTC(), Window: interval{r.Start.UTC(), r.End.UTC()}, Value: c.Value, Threshold: c.Threshold,
		Top: []string{}, RequestIDs: []string{}}
}
