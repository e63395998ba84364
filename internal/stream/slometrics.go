package stream

import (
	"cmp"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// sloCounters are what the objectives have counted, as of the last second. They are kept over restarts and shown only when they are at
// least what they were before, because Prometheus takes a counter that falls for one that begins again.
type sloCounters struct {
	all atomic.Pointer[[]rule.Counted]
}

func (c *sloCounters) publish(all []rule.Counted) { c.all.Store(&all) }

// mostShown is how many groups of an objective have series. Strangers may invent groups by the thousand; all of them are judged, and GET /slo
// tells of all.
const mostShown = 100

// sloCollector shows them as metrics. Which groups have series is settled when they are first seen, the larger ones first, because a counter
// that comes and goes says nothing.
type sloCollector struct {
	*Service

	mu    sync.Mutex
	shown map[string]map[string]bool // by objective and joined values of the group
}

// Describe is part of telemetry.Collector. It says nothing, because the labels are those that the objectives group by.
func (*sloCollector) Describe(chan<- *telemetry.Desc) {}

// Collect is part of telemetry.Collector.
func (c *sloCollector) Collect(out chan<- telemetry.Metric) {
	if c.judge == nil {
		return
	}
	all := c.judge.slos.all.Load()
	if all == nil {
		return
	}
	groups, left := c.choose(*all)
	for name, counted := range groups {
		labels := append([]string{"slo"}, counted[0].Rule.GroupBy...)
		total := telemetry.NewDesc(rule.TotalMetric, "Events that an objective is about, counted exactly.", labels...)
		good := telemetry.NewDesc(rule.GoodMetric, "Those of slo_events_total that are good.", labels...)
		for _, o := range counted {
			values := append([]string{name}, o.Values...)
			out <- telemetry.Const(total, telemetry.CounterValue, float64(o.Total), values...)
			out <- telemetry.Const(good, telemetry.CounterValue, float64(o.Good), values...)
		}
		out <- telemetry.Const(hiddenDesc, telemetry.GaugeValue, float64(left[name]), name)
	}
}

var hiddenDesc = telemetry.NewDesc(rule.HiddenMetric, "Groups of an objective that have no series here, because it has too many; GET /slo tells of them.", "slo")

// choose lists the groups that have series, by objective, and counts those that have none.
func (c *sloCollector) choose(all []rule.Counted) (groups map[string][]*rule.Counted, left map[string]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	groups, left = map[string][]*rule.Counted{}, map[string]int{}
	promised, rest, shown := map[string]string{}, map[string][]*rule.Counted{}, map[string]map[string]bool{}
	for i := range all {
		o := &all[i]
		name := o.Rule.Promise()
		if promised[name] == "" {
			promised[name], shown[name] = o.Rule.Name, map[string]bool{}
		}
		if promised[name] != o.Rule.Name { // a second rule calls its objective the same; the first by name is shown
			continue
		}
		if key := groupKey(o); c.shown[name][key] {
			shown[name][key], groups[name] = true, append(groups[name], o)
		} else {
			rest[name] = append(rest[name], o)
		}
	}
	for name, others := range rest {
		sorting.StableBy(others, func(a, b *rule.Counted) int { return cmp.Compare(b.Total, a.Total) })
		n := min(len(others), max(mostShown-len(groups[name]), 0))
		for _, o := range others[:n] {
			shown[name][groupKey(o)] = true
		}
		groups[name], left[name] = append(groups[name], others[:n]...), len(others)-n
	}
	c.shown = shown
	return groups, left
}

func groupKey(o *rule.Counted) string { return strings.Join(o.Values, "\x00") }
