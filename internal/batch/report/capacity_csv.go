package report

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"maps"
	"slices"
)

// capacityColumns are those of the CSV; new ones are added at the end.
var capacityColumns = []string{"section", "model", "name", "time", "value", "lo", "hi", "previous", "unit", "text",
	"binding_constraint", "confidence", "exhaustion_days", "exhaustion_lo", "exhaustion_hi", "demand_per_hour", "carries_per_hour", "cost_delta_usd_month", "formula",
	"mase", "mase_seasonal_naive", "coverage", "interval", "bias", "origins", "horizon_hours"}

// csv has one line for each number of the analysis.
func (a *Analysis) csv() ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	_ = w.Write(capacityColumns)
	put := func(cells map[string]any) {
		line := make([]string, len(capacityColumns))
		for i, name := range capacityColumns {
			line[i] = Cell(cells[name])
		}
		_ = w.Write(line)
	}
	a.plans(put)
	a.measured(put)
	a.expected(put)
	w.Flush()
	if err := w.Error(); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return b.Bytes(), nil
}

// plans puts what should be done and what it stands on: a line for each alert, recommendation, constraint and number of a formula.
func (a *Analysis) plans(put func(map[string]any)) {
	for _, x := range a.Alerts {
		put(map[string]any{"section": "alerts", "model": x.Model, "name": x.Rule, "value": x.Value, "previous": x.Threshold, "unit": x.Severity, "text": x.Text})
	}
	for _, r := range a.Recommendations {
		cells := map[string]any{"section": "scaling_recommendations", "model": r.Model, "name": r.Resource, "value": int64(r.Recommended), "previous": int64(r.Current), "unit": "machines", "text": r.Reason,
			"binding_constraint": r.Binding, "confidence": r.Confidence, "demand_per_hour": r.Demand, "carries_per_hour": r.Carries, "cost_delta_usd_month": r.CostDelta, "formula": r.Formula}
		if e := r.Exhaustion; e != nil {
			cells["exhaustion_days"], cells["exhaustion_lo"], cells["exhaustion_hi"] = e.Days, e.Lo, e.Hi
		}
		put(cells)
		for _, name := range slices.Sorted(maps.Keys(r.Constraints)) {
			put(map[string]any{"section": "constraints", "model": r.Model, "name": name, "value": r.Constraints[name], "unit": "requests an hour"})
		}
		for _, name := range slices.Sorted(maps.Keys(r.Inputs)) {
			put(map[string]any{"section": "formula_inputs", "model": r.Model, "name": name, "value": r.Inputs[name]})
		}
	}
	for _, l := range a.Insufficient {
		put(map[string]any{"section": "insufficient_data", "name": l.What, "value": int64(l.Have), "previous": int64(l.Need), "unit": "days", "text": fmt.Sprintf("%d days are needed", l.Need)})
	}
}

// measured puts what was measured: how machines were used, how the load grew, where it was too much.
func (a *Analysis) measured(put func(map[string]any)) {
	for _, u := range a.Utilization {
		for _, v := range []struct {
			name  string
			value float64
		}{{"mean", u.Mean}, {"p95", u.P95}, {"max", u.Max}} {
			put(map[string]any{"section": "resource_utilization", "name": u.Resource + "_" + v.name, "value": v.value, "unit": u.Unit})
		}
	}
	for _, g := range a.Growth {
		put(map[string]any{"section": "growth_trends", "model": g.Model, "name": g.Metric, "value": g.PerDay, "previous": g.PerDayBefore, "unit": "per day"})
	}
	for _, s := range a.Saturation {
		if s.Knee != nil {
			put(map[string]any{"section": "saturation", "model": s.Model, "name": s.Metric, "value": s.Knee.Load, "lo": s.Knee.Lo, "hi": s.Knee.Hi, "unit": "requests a second"})
		}
	}
	for _, p := range a.Phases {
		if p.Knee != nil {
			put(map[string]any{"section": "phases", "model": p.Model, "name": p.Phase, "value": p.Knee.Load, "lo": p.Knee.Lo, "hi": p.Knee.Hi, "unit": "tokens a second"})
		}
	}
	if l := a.Law; l != nil {
		for _, v := range []struct {
			name  string
			value *float64
		}{{"lambda", &l.Lambda}, {"sigma", &l.Sigma}, {"kappa", &l.Kappa}, {"most_machines", l.Most}, {"fit", &l.Fit}} {
			put(map[string]any{"section": "scaling_law", "name": v.name, "value": v.value})
		}
	}
}

// expected puts how the load goes on, and how good such forecasts were.
func (a *Analysis) expected(put func(map[string]any)) {
	for _, f := range a.Forecasts {
		b := &f.Backtest
		put(map[string]any{"section": "forecast_backtests", "model": f.Model, "name": f.Metric, "text": f.Method, "mase": b.MASE, "mase_seasonal_naive": b.MASESeasonalNaive, "coverage": b.Coverage,
			"interval": f.Interval, "bias": b.Bias, "origins": int64(b.Origins), "horizon_hours": int64(b.Horizon)})
	}
	for _, f := range a.Forecasts {
		for _, p := range f.Points {
			put(map[string]any{"section": "capacity_forecasts", "model": f.Model, "name": f.Metric, "time": p.T, "value": p.P50, "lo": p.Lo, "hi": p.Hi})
		}
	}
}
