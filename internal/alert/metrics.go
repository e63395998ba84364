package alert

import (
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// metrics are what the room says of itself.
type metrics struct {
	latency   telemetry.Histogram
	moved     *telemetry.CounterVec
	refused   *telemetry.CounterVec
	badAlerts telemetry.Counter
	started   time.Time
}

func newMetrics(reg *telemetry.Registry, s *Service) *metrics {
	m := &metrics{
		latency:   reg.Histogram("event_action_latency_seconds", "From the event that caused an alert to the change that was made.", []float64{.005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60}),
		moved:     reg.CounterVec("responses_total", "Responses by the state that they came to.", "state", "action"),
		refused:   reg.CounterVec("responses_refused_total", "Responses that a rail refused, also those that were not recorded.", "rail"),
		badAlerts: reg.Counter("responses_unreadable_alerts_total", "Records of hxp-alerts that cannot be read."),
		started:   time.Now(),
	}
	for _, rail := range respond.Rails {
		m.refused.WithLabelValues(string(rail))
	}
	look := func(f func(*respond.Book) float64) func() float64 {
		return func() (v float64) {
			s.machine.Look(func(b *respond.Book) { v = f(b) })
			return v
		}
	}
	reg.GaugeFunc("responses_kill_switch", "1 while nothing may be changed.", func() float64 {
		if s.switchState().On {
			return 1
		}
		return 0
	})
	reg.GaugeFunc("responses_audit_records", "Records of the audit log that are chained.", look(func(b *respond.Book) float64 { return float64(b.Records()) }))
	reg.GaugeFunc("responses_audit_faults", "Places at which the audit log is not as it was written.", look(func(b *respond.Book) float64 { _, n := b.Faults(); return float64(n) }))
	reg.GaugeFunc("responses_in_place", "Changes that are in place now.", look(func(b *respond.Book) float64 {
		n := 0
		for _, r := range b.Open() {
			if r.InPlace() {
				n++
			}
		}
		return float64(n)
	}))
	return m
}

// Moved is part of respond.Observer. What the log tells of the time before the start is not counted again.
func (m *metrics) Moved(r *respond.Response, rec *respond.Record) {
	if rec.At.Before(m.started) {
		return
	}
	switch rec.What {
	case respond.WhatClaimed, respond.WhatUnverified, respond.WhatStepping, respond.WhatWaiting, respond.WhatRenewed, respond.WhatReverting: // no new state
	default:
		m.moved.WithLabelValues(string(r.State), known(r.Order.Action)).Inc()
	}
}

// known keeps labels to a closed list: actions come from a topic that others write too.
func known(action string) string {
	for _, a := range respond.Actions {
		if a == action {
			return a
		}
	}
	return "other"
}

// Refused is part of respond.Observer.
func (m *metrics) Refused(rail respond.Rail) { m.refused.WithLabelValues(string(rail)).Inc() }

// Acted is part of respond.Observer.
func (m *metrics) Acted(caused, applied time.Time) {
	if !caused.IsZero() {
		m.latency.Observe(max(applied.Sub(caused), 0).Seconds())
	}
}
