package tap

import (
	"strconv"
	"sync/atomic"

	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/sdk"
)

// metrics of a tap. Label values are closed sets.
type metrics struct {
	classes [6]telemetry.Counter // by the first digit of the status
	failed  telemetry.Counter
	open    atomic.Int64

	turnedAway telemetry.Counter
}

func newMetrics(reg *telemetry.Registry, stats func() sdk.Stats) *metrics {
	m := &metrics{failed: reg.Counter("tap_upstream_failures_total", "Requests that the upstream did not answer."),
		turnedAway: reg.Counter("tap_turned_away_total", "Requests beyond --max-open, which were answered 503.")}
	answers := reg.CounterVec("tap_answers_total", "Answers of the upstream, by class of their status.", "class")
	for d := 1; d < len(m.classes); d++ {
		m.classes[d] = answers.WithLabelValues(strconv.Itoa(d) + "xx")
	}
	reg.GaugeFunc("tap_requests_open", "Requests that are being proxied.", func() float64 { return float64(m.open.Load()) })
	count := func(name, help string, of func(s sdk.Stats) uint64) {
		reg.CounterFunc(name, help, func() float64 { return float64(of(stats())) })
	}
	count("tap_events_total", "Events of calls that were taken into the queue.", func(s sdk.Stats) uint64 { return s.Emitted })
	count("tap_events_delivered_total", "Events that the brokers acknowledged.", func(s sdk.Stats) uint64 { return s.Delivered })
	count("tap_events_dropped_total", "Events that found no place in queue and spill, or that the disk lost.", func(s sdk.Stats) uint64 { return s.Dropped + s.Spill.Lost })
	count("tap_events_refused_total", "Events that the brokers refused for good.", func(s sdk.Stats) uint64 { return s.Refused })
	count("tap_send_retries_total", "Failed tries to write to the brokers.", func(s sdk.Stats) uint64 { return s.Retries })
	reg.GaugeFunc("tap_queue_events", "Events that wait in memory.", func() float64 { return float64(stats().Queued) })
	reg.GaugeFunc("tap_spill_events", "Events that wait on disk.", func() float64 { return float64(stats().Spill.Records) })
	reg.GaugeFunc("tap_spill_bytes", "Disk that the spill takes.", func() float64 { return float64(stats().Spill.Bytes) })
	return m
}

func (m *metrics) answered(status int) {
	if d := status / 100; d >= 1 && d < len(m.classes) {
		m.classes[d].Inc()
	}
}
