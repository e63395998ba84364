package stream

import (
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// oddCollector shows as metrics what GET /analytics/performance says of sources and of what overflowed. It asks when it is asked.
type oddCollector struct {
	service       *Service
	odd, overflow *telemetry.Desc
}

func newOddCollector(s *Service) *oddCollector {
	return &oddCollector{
		service:  s,
		odd:      telemetry.NewDesc("event_processing_odd_events_total", "Events that did not come as they should have, by source: late, ancient (late by more than a day), future or duplicate.", "source", "kind"),
		overflow: telemetry.NewDesc("event_processing_overflow_values", "Estimated number of values of a dimension that count under __other__.", "dimension"),
	}
}

// Describe is part of telemetry.Collector.
func (c *oddCollector) Describe(out chan<- *telemetry.Desc) {
	out <- c.odd
	out <- c.overflow
}

// Collect is part of telemetry.Collector.
func (c *oddCollector) Collect(out chan<- telemetry.Metric) {
	for _, s := range c.service.sources(c.service.partitions()) {
		for kind, n := range map[string]int64{"late": s.Late, "ancient": s.Ancient, "future": s.Future, "duplicate": s.Duplicates} {
			out <- telemetry.Const(c.odd, telemetry.CounterValue, float64(n), strings.ToValidUTF8(s.Source, "?"), kind)
		}
	}
	for dimension, n := range c.service.overflowWithin(everything) {
		out <- telemetry.Const(c.overflow, telemetry.GaugeValue, float64(n), dimension)
	}
}
