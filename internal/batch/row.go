package batch

import (
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// columns are the groups of columns that data_aggregation.metrics chooses; the others are stored as null. nil is all.
type columns map[string]bool

// The groups of columns, by the names of data_aggregation.metrics.
const (
	colThroughput   = "throughput"
	colLatency      = "latency"
	colErrorRate    = "error_rate"
	colSatisfaction = "user_satisfaction"
	colValue        = "business_value"
	colCost         = "cost_analysis"
	colCapacity     = "capacity_utilization"
)

var columnGroups = []string{colThroughput, colLatency, colErrorRate, colSatisfaction, colValue, colCost, colCapacity}

// chosen makes the choice of names.
func chosen(names []string) columns {
	c := columns{}
	for _, n := range names {
		c[n] = true
	}
	return c
}

// row makes the columns of one period and group of a cell. Absent data is null, never 0: a rate without known outcomes, a latency
// without successful requests, money that nobody priced, usage that nobody measured.
//
// capacity_utilization is null: it is the share of what the servers can carry, and that limit is not learnt in this version.
// completeness is 1: a period takes in all that is published when it is made. What came later makes it dirty, and readers are
// shown how much of it the row covers.
func (show columns) row(start time.Time, g agg.Group, period time.Duration, c *agg.Cell) agg.Row {
	s := c.Stats(period.Seconds())
	r := agg.Row{
		Timestamp: start, Model: g.Value,
		Requests: int64(s.Requests), Errors: int64(s.Errors), ErrorRate: s.ErrorRate, ThroughputRPS: s.ThroughputRPS,
		LatencyAvgMS: s.LatencyMS.Avg, LatencyP50MS: s.LatencyMS.P50, LatencyP95MS: s.LatencyMS.P95, LatencyP99MS: s.LatencyMS.P99,
		TTFTP50MS: s.TTFTMS.P50, TTFTP95MS: s.TTFTMS.P95,
		PromptTokens: s.Tokens.Prompt, CompletionTokens: s.Tokens.Completion, TotalTokens: s.Tokens.Total,
		UniqueUsers: int64(s.UniqueUsers), FeedbackCount: int64(s.Feedback.Count), UserSatisfaction: s.Feedback.Satisfaction,
		BusinessEvents: int64(s.Business.Events), BusinessValueUSD: dollars(s.Business.ValueUSD), CostUSD: dollars(s.CostUSD),
		Events: int64(s.Events), LateEvents: int64(s.LateEvents), Completeness: new(1.0),
	}
	if g.Value == agg.AllModels { // a machine serves all models
		r.CPUUsage, r.MemoryUsage, r.GPUUsage = s.System.Mean("cpu_usage"), s.System.Mean("memory_usage"), s.System.Mean("gpu_usage")
	}
	show.blank(&r)
	return r
}

// blank sets the columns that were not chosen to null.
func (show columns) blank(r *agg.Row) {
	for name, of := range map[string][]**float64{
		colThroughput:   {&r.ThroughputRPS},
		colLatency:      {&r.LatencyAvgMS, &r.LatencyP50MS, &r.LatencyP95MS, &r.LatencyP99MS, &r.TTFTP50MS, &r.TTFTP95MS},
		colErrorRate:    {&r.ErrorRate},
		colSatisfaction: {&r.UserSatisfaction},
		colValue:        {&r.BusinessValueUSD},
		colCost:         {&r.CostUSD},
		colCapacity:     {&r.CapacityUtilization, &r.CPUUsage, &r.MemoryUsage, &r.GPUUsage},
	} {
		if show == nil || show[name] {
			continue
		}
		for _, column := range of {
			*column = nil
		}
	}
}

func dollars(u *agg.USD) *float64 {
	if u == nil {
		return nil
	}
	return new(u.Float())
}
