package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
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
	s.Findings = []Finding{
		{Kind: "level_shift", Subject: map[string]string{"model": "hermes-2"}, Metric: "latency_p95_ms", At: new(day0.AddDate(0, 0, 16)), Before: new(1210.0), After: new(1936.0), Text: "The 95th percentile of latency rose from 1,210 ms to 1,936 ms on 18 June and stayed there; 4,210 requests before, 3,180 after, p < 0.001.", Evidence: json.RawMessage(`{"n_before":4210}`)},
		{Kind: "lost_tenant", Subject: map[string]string{"tenant": "initech"}, At: new(day0.AddDate(0, 0, 20)), Before: new(312.0), After: new(0.0), Text: "No request since 23 June; before, 312 a day on 21 of 22 days."},
		{Kind: "cheaper_model", Subject: map[string]string{"model": "mixtral-8x7b"}, Saving: new(211.4), Text: "A third of the requests are short and could go to phi-3-mini at the same score."},
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
	a := map[string]any{"generated_at": day0, "period": Period{day0, day0.AddDate(0, 0, 30)}, "data_days": 30,
		"resource_utilization":    []any{map[string]any{"resource": "gpu_usage", "unit": "percent", "mean": 54.2, "p95": 71.5, "max": 98.0, "days": days(45)}, map[string]any{"resource": "kv_cache_usage", "unit": "ratio", "mean": 0.41, "p95": 0.62, "max": 0.97, "days": []any{}}},
		"growth_trends":           []any{map[string]any{"metric": "requests", "model": "_all", "per_day": 23051.4, "per_day_before": 21400.1, "week_over_week": 0.0772}, map[string]any{"metric": "total_tokens", "model": "hermes-2", "per_day": 3e6, "per_day_before": 3.1e6, "week_over_week": -0.03}},
		"capacity_forecasts":      []any{map[string]any{"metric": "requests", "model": "_all", "points": points(), "backtest": map[string]any{"mase": 0.7, "coverage": 0.95, "origins": 12}}},
		"scaling_recommendations": []any{map[string]any{"model": "hermes-2", "resource": "replicas", "current": 2, "recommended": 3, "binding_constraint": "ttft_p95", "formula": "ceil(peak ÷ per_replica) + spare", "exhaustion": map[string]any{"days": 41.0, "lo": 29.0, "hi": 63.0}, "cost_delta_usd_month": 1890.0, "reason": "The busiest hour of the next fortnight asks for 31 requests a second; a replica carried 14 within the objective."}},
		"insufficient_data":       []any{map[string]any{"what": "capacity_forecasts", "have_days": 5, "need_days": 7}},
		"saturation":              []any{map[string]any{"model": "hermes-2", "knee": map[string]any{"load": 14.2, "lo": 12.0, "hi": 15.0}}}}
	text, _ := json.Marshal(a)
	return &Capacity{Period: Period{day0.AddDate(0, 0, 23), day0.AddDate(0, 0, 30)}, Hours: *sample(Hourly, 24), Analysis: text}
}
