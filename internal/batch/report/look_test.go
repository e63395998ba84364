package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/batch/insight"
)

// TestLook writes documents to the folder HXP_LOOK, for eyes.
func TestLook(t *testing.T) {
	dir := os.Getenv("HXP_LOOK")
	if dir == "" {
		t.Skip("HXP_LOOK names no folder")
	}
	for name, s := range documents() {
		for _, f := range []string{PDF, HTML, Mail} {
			file := name + "." + f
			if f == Mail {
				file += ".html"
			}
			if err := os.WriteFile(filepath.Join(dir, file), render(t, s, f), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// documents are samples of every kind.
func documents() map[string]interface {
	Render(string) ([]byte, error)
} {
	bi, cost := sampleInsight(MonthlyBusiness, 1), sampleInsight(Cost, 30)
	return map[string]interface {
		Render(string) ([]byte, error)
	}{"monthly": sample(Monthly, 1), "daily": sample(Daily, 3), "hourly": sample(Hourly, 72), "weekly": sample(Weekly, 1), "bi": bi, "cost": cost, "capacity": sampleCapacity(),
		"test": &TestPage{Period: Period{day0, Step("daily", day0, 1)}, Hours: sample(Daily, 1).Trend}}
}

func sampleInsight(k Kind, n int) Insight {
	s := sample(k, n)
	for i := range 30 {
		s.Users = append(s.Users, sampleRow(s.Period.Start, fmt.Sprintf("acme-u%02d", i), 0.05/float64(i+1), s.Period.hours()))
	}
	for i, name := range []string{"/v1/chat/completions", "/v1/completions", "/v1/embeddings"} {
		s.Endpoints = append(s.Endpoints, sampleRow(s.Period.Start, name, 0.7/float64(2*i+1), s.Period.hours()))
	}
	s.Found = &Found{Days: s.Period, Limits: []Limit{{"gpu_usage", "no system metric tells it"}}, Findings: []insight.Finding{
		{Kind: "level_shift", Subject: map[string]string{"model": "hermes-2"}, Metric: "latency_ms.p50", At: new(day0.AddDate(0, 0, 16)), Before: new(1210.0), After: new(1936.0), Text: "hermes-2: the median latency is 1.6 times what it was, since 2025-06-18: 1,210 ms before, 1,936 ms after (16 and 13 days, 4,210 and 3,180 requests).", Evidence: map[string]any{"days_before": 16}},
		{Kind: "lost_tenant", Subject: map[string]string{"tenant": "initech"}, Metric: "requests", At: new(day0.AddDate(0, 0, 20)), Before: new(312.0), After: new(0.0), Text: "initech has made no request since 2025-06-22, 9 days in a row; before it came on 21 of 22 days with 312 requests a day, and was never away for more than 1."},
		{Kind: "cheaper_model", Subject: map[string]string{"model": "mixtral-8x7b"}, Metric: "usd_per_million_tokens", Before: new(2.1), After: new(0.7), Saving: new(agg.USD(211_400_000_000)), Text: "Requests to mixtral-8x7b would cost 66 % less on phi-3-mini.", Risk: "low"},
	}, People: &People{Activity: &insight.Users{Users: 812, DailyUsers: new(214.0), MostUsers: 391, Unnamed: 17}, Sessions: &insight.Sessions{Sessions: 5210, PerSession: new(3.0), OneRequest: new(0.31)},
		Cohorts:   []insight.Cohort{{Week: "2025-06-01", Users: 410, Retained: []float64{1, 0.62, 0.55, 0.5}}, {Week: "2025-06-08", Users: 202, Retained: []float64{1, 0.4, 0.41}}, {Week: "2025-06-15", Users: 120, Retained: []float64{1, 0.5}}, {Week: "2025-06-22", Users: 80, Retained: []float64{1}}},
		ByLatency: []insight.ShownScores{{Name: "below 0.5 s", N: 1200, Mean: new(4.5), Lo: new(4.44), Hi: new(4.56)}, {Name: "10 s and more", N: 1, Mean: new(2.0)}}, ByModel: []insight.ShownScores{{Name: "hermes-2", N: 800, Mean: new(4.2), Lo: new(4.1), Hi: new(4.3)}}}}
	pool := cost.Pool{Name: "rack-1", Models: []string{"mixtral-8x7b", "hermes-2"}, GPUs: 8, CapexUSD: 240000, LifeYears: 4, Residual: 0.1, PowerKW: 6.5, PUE: 1.3, KWhUSD: 0.18, HostHourUSD: 1.2, OutputWeight: 4}
	own := pool.Begin()
	for range int(s.Period.hours()) {
		work := []cost.Work{{Model: "mixtral-8x7b", Requests: 840, Prompt: 344_444, Completion: 134_722}, {Model: "hermes-2", Requests: 540, Prompt: 220_833, Completion: 86_111}}
		own.Add(pool.Hour(0, 0.54, work, nil), work)
	}
	own.End()
	s.Own = []*cost.PoolCost{own}
	s.Budgets = []cost.Standing{
		{Name: "everything", Month: "2025-06", BudgetUSD: 2000e9, SpentUSD: 1771e9, UsedRatio: 0.8855, State: cost.Within, ExpectedUSD: new(1771.0)},
		{Name: "acme", Tenant: "acme", Month: "2025-06", BudgetUSD: 600e9, SpentUSD: 637e9, UsedRatio: 1.0617, State: cost.Breached, ExpectedUSD: new(637.0), BreachOn: new(day0.AddDate(0, 0, 26)), Unpriced: 3, Why: "3 requests of the month have no price and what they cost comes on top: more was spent than is told"},
	}
	return Insight{s}
}

func sampleCapacity() *Capacity {
	days := func(base float64) (out []map[string]any) {
		for i := range 30 {
			out = append(out, map[string]any{"day": day0.AddDate(0, 0, i).Format(time.DateOnly), "mean": base + float64(i)*0.6, "max": base + 20 + float64(i)*0.8})
		}
		return out
	}
	points := func() (out []map[string]any) {
		for i := range 48 {
			v := 900 + 40*float64(i%24)
			out = append(out, map[string]any{"t": day0.AddDate(0, 0, 30).Add(time.Duration(i) * time.Hour), "p50": v, "lo": v * 0.8, "hi": v * 1.2})
		}
		return out
	}
	series := func(metric, model string, mase float64) map[string]any {
		return map[string]any{"metric": metric, "model": model, "interval": 0.9, "points": points(), "method": "ridge 90 %, smoothing 10 %", "warnings": []any{},
			"backtest": map[string]any{"mase": mase, "mase_seasonal_naive": 1.1, "coverage": 0.93, "bias": -0.25, "origins": 12, "horizon": 168}}
	}
	inputs := map[string]float64{"current": 2, "demand_per_hour": 61344, "target_utilization": 0.7, "knee_per_second": 14.2, "peak_factor": 1.4, "failure_domain": 1, "band": 0.15}
	a := map[string]any{"generated_at": day0, "period": Period{day0, day0.AddDate(0, 0, 30)}, "data_days": 30,
		"resource_utilization": []any{map[string]any{"resource": "gpu_usage", "unit": "percent", "mean": 54.2, "p95": 71.5, "max": 98.0, "days": days(45)}, map[string]any{"resource": "kv_cache_usage", "unit": "ratio", "mean": 0.41, "p95": 0.62, "max": 0.97, "days": []any{}},
			map[string]any{"resource": "requests_waiting", "unit": "requests", "mean": 0.31, "p95": 2.2, "max": 41.0, "days": days(0)}},
		"growth_trends":      []any{map[string]any{"metric": "requests", "model": "_all", "per_day": 23051.4, "per_day_before": 21400.1, "week_over_week": 0.0772}, map[string]any{"metric": "total_tokens", "model": "hermes-2", "per_day": 3e6, "per_day_before": 3.1e6, "week_over_week": -0.03}},
		"capacity_forecasts": []any{series("requests", "_all", 0.71), series("requests", "hermes-2", 0.83)},
		"scaling_recommendations": []any{map[string]any{"model": "hermes-2", "resource": "machines", "current": 2, "recommended": 5, "binding_constraint": "ttft_p95", "formula": "max(1, ceil(current × demand_per_hour ÷ (target_utilization × (3600 × knee_per_second ÷ peak_factor)))) + failure_domain", "inputs": inputs,
			"demand_per_hour": 61344.0, "carries_per_hour": 36514.3, "constraints": map[string]float64{"ttft_p95": 36514.3, "gpu_usage": 51000}, "confidence": 0.87,
			"exhaustion": map[string]any{"days": 41.0, "lo": 29.0, "hi": 63.0}, "cost_delta_usd_month": 5670.0, "cost_basis": "machine_hour_usd", "reason": "The busiest hour of the next week may bring 61344 requests; 3 more machines are needed, counting 1 that may be lost."}},
		"scaling_law": map[string]any{"lambda": 8.1, "sigma": 0.061, "kappa": 0.0021, "fit": 0.97, "used": true, "most_machines": 21.1, "points": []any{
			map[string]any{"machines": 1, "carried_per_second": 8.0, "law_per_second": 8.1}, map[string]any{"machines": 2, "carried_per_second": 15.1, "law_per_second": 15.2}, map[string]any{"machines": 4, "carried_per_second": 26.9, "law_per_second": 26.8}}},
		"alerts":            []any{map[string]any{"rule": "CapacityShort", "severity": "critical", "model": "hermes-2", "value": 61344.0, "threshold": 36514.3, "text": "the busiest hour of the next week is more than what the machines carry"}},
		"phases":            []any{map[string]any{"model": "hermes-2", "phase": "prefill", "objective": 2000.0, "tokens_per_request": 410.0, "knee": map[string]any{"load": 5822.0, "lo": 5000.0, "hi": 6600.0}}},
		"insufficient_data": []any{map[string]any{"what": "growth_trends", "have_days": 5, "need_days": 14}},
		"saturation":        []any{map[string]any{"model": "hermes-2", "metric": "ttft_ms.p95", "objective": 2000.0, "knee": map[string]any{"load": 14.2, "lo": 12.0, "hi": 15.0}, "points": []any{map[string]any{"good": true}, map[string]any{"good": false}}}}}
	text, _ := json.Marshal(a)
	return &Capacity{Period: Period{day0.AddDate(0, 0, 23), day0.AddDate(0, 0, 30)}, Hours: *sample(Hourly, 24), Analysis: text}
}
