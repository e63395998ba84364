package stream

import (
	"sync/atomic"

	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// sloCounters are what the objectives have counted, as of the last second. They are kept over restarts and shown only when they are at
// least what they were before, because Prometheus takes a counter that falls for one that begins again.
type sloCounters struct {
	all atomic.Pointer[[]rule.Counted]
}

func (c *sloCounters) publish(all []rule.Counted) { c.all.Store(&all) }

// sloCollector shows them as metrics. Keys are bounded by max_groups of the objective.
type sloCollector struct{ *Service }

// Describe is part of telemetry.Collector. It says nothing, because the labels are those that the objectives group by.
func (sloCollector) Describe(chan<- *telemetry.Desc) {}

// Collect is part of telemetry.Collector.
func (c sloCollector) Collect(out chan<- telemetry.Metric) {
	if c.judge == nil {
		return
	}
	all := c.judge.slos.all.Load()
	if all == nil {
		return
	}
	total, good, promised := map[string]*telemetry.Desc{}, map[string]*telemetry.Desc{}, map[string]string{}
	for _, o := range *all {
		name := o.Rule.Promise()
		switch promised[name] {
		case "":
			labels := append([]string{"slo"}, o.Rule.GroupBy...)
			promised[name] = o.Rule.Name
			total[name] = telemetry.NewDesc(rule.TotalMetric, "Events that an objective is about, counted exactly.", labels...)
			good[name] = telemetry.NewDesc(rule.GoodMetric, "Those of slo_events_total that are good.", labels...)
		case o.Rule.Name:
		default: // a second rule calls its objective the same; the first by name is shown
			continue
		}
		values := append([]string{name}, o.Values...)
		out <- telemetry.Const(total[name], telemetry.CounterValue, float64(o.Total), values...)
		out <- telemetry.Const(good[name], telemetry.CounterValue, float64(o.Good), values...)
	}
}
