package batch

import (
	"maps"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// rowOf makes the columns of one period and model of a cell. Absent data is null, never 0: a rate without known outcomes, a
// latency without successful requests, money that nobody priced, usage that nobody measured.
//
// capacity_utilization is null: it is the share of what the servers can carry, and that limit is not learnt in this version.
// completeness is 1: a fold takes in all that is published. What was published later makes the hour dirty, and readers are shown
// how much of it the row covers.
func rowOf(start time.Time, model string, period time.Duration, c *agg.Cell) agg.Row {
	s := c.Stats(period.Seconds())
	r := agg.Row{
		Timestamp: start, Model: model,
		Requests: int64(s.Requests), Errors: int64(s.Errors), ErrorRate: s.ErrorRate, ThroughputRPS: s.ThroughputRPS,
		LatencyAvgMS: s.LatencyMS.Avg, LatencyP50MS: s.LatencyMS.P50, LatencyP95MS: s.LatencyMS.P95, LatencyP99MS: s.LatencyMS.P99,
		TTFTP50MS: s.TTFTMS.P50, TTFTP95MS: s.TTFTMS.P95,
		PromptTokens: s.Tokens.Prompt, CompletionTokens: s.Tokens.Completion, TotalTokens: s.Tokens.Total,
		UniqueUsers: int64(s.UniqueUsers), FeedbackCount: int64(s.Feedback.Count), UserSatisfaction: s.Feedback.Satisfaction,
		BusinessEvents: int64(s.Business.Events), BusinessValueUSD: dollars(s.Business.ValueUSD), CostUSD: dollars(s.CostUSD),
		Events: int64(s.Events), LateEvents: int64(s.LateEvents), Completeness: new(1.0),
	}
	if model == agg.AllModels { // a machine serves all models
		r.CPUUsage, r.MemoryUsage, r.GPUUsage = s.System.Mean("cpu_usage"), s.System.Mean("memory_usage"), s.System.Mean("gpu_usage")
	}
	return r
}

func dollars(u *agg.USD) *float64 {
	if u == nil {
		return nil
	}
	return new(u.Float())
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
