package stream

import (
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/internal/stream/join"
)

// joinMetrics are what joining says of itself.
type joinMetrics struct {
	joined   telemetry.Counter
	complete *telemetry.CounterVec
	evicted  telemetry.Counter
	overflow telemetry.Counter
}

func newJoinMetrics(reg *telemetry.Registry, s *Service) joinMetrics {
	reg.GaugeFunc("event_correlations_open", "Requests whose parts are awaited.", func() float64 { return float64(s.joinStats().Open) })
	reg.GaugeFunc("event_correlations_bytes", "Memory that requests being joined, and joined ones, take.", func() float64 { return float64(s.joinMemory()) })
	return joinMetrics{
		joined:   reg.Counter("event_correlations_total", "Requests joined: complete, or closed because their window had passed or memory was full."),
		complete: reg.CounterVec("event_correlations_complete_total", "Requests that became complete, by who joined their last part: live (within the window) or stub (later).", "tier"),
		evicted:  reg.Counter("event_correlations_evicted_total", "Requests closed before their window had passed because memory was full."),
		overflow: reg.Counter("event_correlations_overflow_total", "Parts left out because they are too large, or their request has too many."),
	}
}

// joins notes what a table counted since told.
func (m *joinMetrics) joins(told, now *join.Stats) {
	m.joined.Add(float64(now.Closed - told.Closed))
	m.complete.WithLabelValues("live").Add(float64(now.CompleteLive - told.CompleteLive))
	m.complete.WithLabelValues("stub").Add(float64(now.CompleteStub - told.CompleteStub))
	m.evicted.Add(float64(now.Evicted - told.Evicted))
	m.overflow.Add(float64(now.Overflow - told.Overflow))
}
