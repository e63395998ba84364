package stream

import (
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// ruleCosts are what rules cost, as of the last second.
type ruleCosts struct {
	all atomic.Pointer[[]rule.Cost]
}

func (c *ruleCosts) publish(all []rule.Cost) { c.all.Store(&all) }

// sinceStart is the clock of the engine.
func sinceStart() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

var (
	ruleLooks   = telemetry.NewDesc("rule_judgements_total", "Judgements of a group of a rule, since the rule was taken up.", "rule")
	ruleSeconds = telemetry.NewDesc("rule_judgement_seconds_total", "Time that judging a rule took, since it was taken up; to fold events is shared by all rules and not in it.", "rule")
	ruleGroups  = telemetry.NewDesc("rule_groups", "Groups that a rule keeps apart.", "rule")
	ruleBytes   = telemetry.NewDesc("rule_bytes", "Memory of a rule, about.", "rule")
)

// costCollector shows them as metrics; of very many rules the first by name.
type costCollector struct{ *Service }

// Describe is part of telemetry.Collector.
func (costCollector) Describe(out chan<- *telemetry.Desc) {
	for _, d := range []*telemetry.Desc{ruleLooks, ruleSeconds, ruleGroups, ruleBytes} {
		out <- d
	}
}

// Collect is part of telemetry.Collector.
func (c costCollector) Collect(out chan<- telemetry.Metric) {
	if c.judge == nil {
		return
	}
	all := c.judge.costs.all.Load()
	if all == nil {
		return
	}
	for _, r := range (*all)[:min(len(*all), mostCounted)] {
		out <- telemetry.Const(ruleLooks, telemetry.CounterValue, float64(r.Looks), r.Rule)
		out <- telemetry.Const(ruleSeconds, telemetry.CounterValue, r.Spent.Seconds(), r.Rule)
		out <- telemetry.Const(ruleGroups, telemetry.GaugeValue, float64(r.Groups), r.Rule)
		out <- telemetry.Const(ruleBytes, telemetry.GaugeValue, float64(r.Bytes), r.Rule)
	}
}
