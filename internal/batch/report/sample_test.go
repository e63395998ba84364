package report

import (
	"math"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// day0 is a Monday.
var day0 = time.Date(2025, 6, 2, 0, 0, 0, 0, time.UTC)

// sampleRow is a believable row: traffic that rises by day and falls by night.
func sampleRow(t time.Time, model string, share, hours float64) agg.Row {
	wave := 1 + 0.6*math.Sin((float64(t.Hour())-8)*math.Pi/12)
	n := int64(2000 * share * hours * wave)
	errs := int64(float64(n) * 0.011 * wave)
	r := agg.Row{Timestamp: t, Model: model, Requests: n, Errors: errs, ThroughputRPS: new(float64(n) / (3600 * hours)),
		PromptTokens: n * 410, CompletionTokens: n * 160, TotalTokens: n * 570, UniqueUsers: n / 9, Events: n + n/10, LateEvents: n / 900,
		FeedbackCount: n / 20, BusinessEvents: n / 40, Completeness: new(1.0), UpdatedAt: t.Add(time.Hour)}
	if n > 0 {
		r.ErrorRate, r.LatencyAvgMS, r.LatencyP50MS = new(float64(errs)/float64(n)), new(700*wave), new(520*wave)
		r.LatencyP95MS, r.LatencyP99MS, r.TTFTP50MS, r.TTFTP95MS = new(1930*wave), new(3450*wave), new(120*wave), new(410*wave)
		r.UserSatisfaction, r.CostUSD, r.BusinessValueUSD = new(4.4-0.3*wave), new(float64(n)*0.00123), new(float64(n)*0.02)
	}
	if model == agg.AllModels {
		r.CPUUsage, r.MemoryUsage, r.GPUUsage = new(30*wave), new(61.5), new(45*wave)
	}
	return r
}

var sampleModels = []struct {
	name  string
	share float64
}{{"mixtral-8x7b", 0.42}, {"hermes-2", 0.27}, {"openchat-3.5", 0.16}, {"phi-3-mini", 0.1}, {"=cmd|' /C calc'!A0", 0.04}, {"通义千问", 0.01}}

// sample is a summary of n periods from day0 of a kind.
func sample(kind Kind, n int) *Summary {
	level := kind.Level()
	start := Floor(level, day0)
	s := &Summary{Kind: kind, Period: Period{start, Step(level, start, n)}}
	for t := start; t.Before(s.Period.End); t = Step(level, t, 1) {
		hours := Step(level, t, 1).Sub(t).Hours()
		s.Rows = append(s.Rows, sampleRow(t, agg.AllModels, 1, hours))
		for _, m := range sampleModels {
			s.Rows = append(s.Rows, sampleRow(t, m.name, m.share, hours))
		}
	}
	slices.SortFunc(s.Rows, func(a, b agg.Row) int {
		if c := a.Timestamp.Compare(b.Timestamp); c != 0 {
			return c
		}
		return map[bool]int{true: -1, false: 1}[a.Model < b.Model]
	})
	whole := s.Period.hours()
	s.Total, s.Previous = new(sampleRow(start, agg.AllModels, 1, whole)), new(sampleRow(start, agg.AllModels, 0.93, whole))
	s.Previous.ErrorRate, s.Previous.UserSatisfaction, s.Previous.LatencyP95MS = new(0.0041), new(4.31), new(1001.0)
	s.Earlier = new(sampleRow(start, agg.AllModels, 0.61, whole))
	s.Earlier.LatencyP95MS = new(1310.0)
	s.ModelsBefore, s.TenantsBefore = map[string]agg.Row{}, map[string]agg.Row{}
	for i, m := range sampleModels[:5] {
		r := sampleRow(start, m.name, m.share*(0.8+0.1*float64(i)), whole)
		r.ErrorRate, r.UserSatisfaction, r.LatencyP95MS = new(0.004+0.001*float64(i)), new(4.5-0.1*float64(i)), new(800+float64(i)*90)
		s.ModelsBefore[m.name] = r
	}
	for i, name := range []string{"acme", "globex", "initech", "umbrella", agg.Others} {
		s.Tenants = append(s.Tenants, sampleRow(start, name, 0.36/float64(i+1), whole))
	}
	s.TenantsBefore["acme"] = sampleRow(start, "acme", 0.3, whole)
	s.Incidents.Fired = []Incident{
		{Start: day0.Add(9 * time.Hour), End: new(day0.Add(9*time.Hour + 17*time.Minute)), Rule: "ttft-slo-burn", Severity: "critical", Subject: "mixtral-8x7b", Text: "Time to first token was over 2 s for 14 % of the requests of ten minutes; 5 % are allowed.",
			Actions: []Action{{day0.Add(9*time.Hour + time.Minute), "take_out", "vllm-2", "applied"}, {day0.Add(9*time.Hour + 16*time.Minute), "take_out", "vllm-2", "reverted"}}},
		{Start: day0.Add(30 * time.Hour), Rule: "error-burst", Severity: "warning", Subject: "hermes-2", Text: "Errors were 6.1 % of the requests of a minute."},
	}
	for _, m := range sampleModels {
		s.Models = append(s.Models, sampleRow(start, m.name, m.share, whole))
	}
	s.Unpriced, s.UnpricedBefore, s.UnpricedEarlier = Unpriced{agg.AllModels: 0}, Unpriced{agg.AllModels: 0}, Unpriced{agg.AllModels: 0}
	for _, m := range sampleModels {
		s.Unpriced[m.name] = 0
	}
	s.TrendLevel, s.TrendPeriod = "hourly", s.Period
	step := 1.0
	if whole > 24*8 {
		s.TrendLevel, step = "daily", 24
	}
	if kind == Hourly && n == 1 {
		s.TrendPeriod.Start = s.Period.End.Add(-24 * time.Hour)
	}
	for t := s.TrendPeriod.Start; t.Before(s.TrendPeriod.End); t = Step(s.TrendLevel, t, 1) {
		s.Trend = append(s.Trend, sampleRow(t, agg.AllModels, 1, step))
	}
	return s
}
