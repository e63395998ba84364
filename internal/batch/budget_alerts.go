package batch

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
)

// budgetTales is the kind under which the alerts of budgets are remembered.
const budgetTales = "budget_alerts"

// tellBudgets puts an alert on the bus for each budget that is spent or is likely to be, and ends those of the hour before that are over. It
// belongs to the scheduled run of the latest hour, which one instance executes. What fails is told an hour later: aggregation does not hang
// on it.
func (s *Service) tellBudgets(ctx context.Context, r *agg.Run) {
	if s.deps.Alerts == nil || len(s.cfg().Costs.Budgets) == 0 || r.Trigger != agg.RunScheduled || !levels["hourly"].floor(s.now().UTC()).Equal(r.End) {
		return
	}
	if err := s.tellBudgetsAt(ctx, r.End.UTC()); err != nil && ctx.Err() == nil {
		s.log.Warn("budgets could not be looked at; the next hour does", "error", err)
	}
}

func (s *Service) tellBudgetsAt(ctx context.Context, at time.Time) error {
	standings, err := s.standings(ctx, s.cfg().Costs.Budgets, at)
	if err != nil {
		return err
	}
	before, err := s.firing(ctx, budgetTales)
	if err != nil {
		return err
	}
	var alerts []alert
	for i := range standings {
		b := &standings[i]
		switch {
		case b.State == cost.Breached:
			alerts = append(alerts, budgetAlert(b, at, "BudgetBreached", "critical", b.SpentUSD.Float()))
		case b.UsedRatio >= nearlySpent:
			alerts = append(alerts, budgetAlert(b, at, "BudgetNearlySpent", "warning", b.SpentUSD.Float()))
		case b.State == cost.WillBreach:
			alerts = append(alerts, budgetAlert(b, at, "BudgetWillBreach", "warning", *b.ExpectedUSD))
		default:
			alerts = append(alerts, goingOn(before.Alerts, b)...)
		}
	}
	return s.tellFiring(ctx, budgetTales, at, alerts)
}

// goingOn are the alerts of a budget that are not over yet: all of them where nobody can tell, and the likely breach for as long as there may be one.
// Forecasts cross the budget to and fro from hour to hour, and people are to be told once.
func goingOn(before []alert, b *cost.Standing) (out []alert) {
	for _, a := range before {
		if a.Key == budgetKey(b) && (b.State == cost.Unclear || b.State == cost.MayBreach && a.Rule == "BudgetWillBreach") {
			out = append(out, a)
		}
	}
	return out
}

// nearlySpent is the share of a budget after which people are told that little is left.
const nearlySpent = 0.9

// budgetKey names a budget of a month.
func budgetKey(b *cost.Standing) string { return b.Name + " " + b.Month }

// budgetAlert is the event of a budget whose alert begins at a moment. value is what is or will be spent, in USD. It lasts as long as that is so, but
// people are told once: to repeat it until the end of the month helps nobody.
func budgetAlert(b *cost.Standing, at time.Time, rule, severity string, value float64) alert {
	month, _ := time.Parse("2006-01", b.Month) // Stand wrote it
	a := alert{ID: fmt.Sprintf("budget-%s-%s-%s-%d", rule, b.Name, b.Month, at.Unix()), Rule: rule, State: "firing", Severity: severity, Key: budgetKey(b),
		Once:   true,
		Labels: map[string]string{"kind": "quota", "budget": b.Name, "month": b.Month}, StartsAt: at, Window: interval{month, month.AddDate(0, 1, 0)},
		Value: value, Threshold: b.BudgetUSD.Float(), Top: []string{}, RequestIDs: []string{}}
	what := map[string]string{"BudgetBreached": "is spent", "BudgetNearlySpent": "is nearly spent", "BudgetWillBreach": "is likely to be spent before the month ends"}[rule]
	a.Texts = map[string]string{"summary": fmt.Sprintf("The budget %s of %s %s: %.2f of %.2f USD (%.0f %%) are used", b.Name, b.Month, what, b.SpentUSD.Float(), b.BudgetUSD.Float(), 100*b.UsedRatio)}
	if b.BreachOn != nil {
		a.Labels["breach_on"] = b.BreachOn.Format(time.DateOnly)
	}
	for name, v := range map[string]string{"model": b.Model, "tenant": b.Tenant, "user_id": b.UserID, "key": b.Key, "feature": b.Feature, "endpoint": b.Endpoint} {
		if v != "" {
			a.Labels[name] = v
		}
	}
	if b.Unpriced > 0 { // they cost something as well, and are not in the value
		a.Labels["unpriced_requests"] = strconv.FormatUint(b.Unpriced, 10)
	}
	return a
}
