package ingest

import "github.com/hxp-enterprise/hxp/internal/kit/telemetry"

// metrics of the way in. Outcomes and codes are closed sets.
type metrics struct {
	accepted, rejected, duplicates telemetry.Counter
	reasons, skipped, lookalikes   *telemetry.CounterVec
	throttled                      *telemetry.CounterVec
	routed, unrouted               telemetry.Counter
	letters                        *telemetry.GaugeVec
	redrives                       *telemetry.CounterVec
	bytes                          telemetry.Counter
	duration                       telemetry.Histogram
	samples                        *telemetry.CounterVec
}

func newMetrics(reg *telemetry.Registry, a *API) *metrics {
	events := reg.CounterVec("ingest_events_total", "Events that came by HTTP, by outcome.", "outcome")
	reg.GaugeFunc("ingest_in_flight_bytes", "Bytes of the bodies that are being taken in.", func() float64 { return float64(a.gate.used.Load()) })
	return &metrics{
		accepted:   events.WithLabelValues("accepted"),
		rejected:   events.WithLabelValues("rejected"),
		duplicates: events.WithLabelValues("duplicate"),
		reasons:    reg.CounterVec("ingest_rejected_total", "Rejected events, by reason.", "code"),
		lookalikes: reg.CounterVec("ingest_lookalike_fields_total", "Bodies with an unknown field that is nearly one of its event, by that one.", "field"),
		throttled:  reg.CounterVec("ingest_throttled_total", "Requests refused because their sender brought too much, by limit.", "limit"),
		routed:     reg.Counter("ingest_routed_total", "Matches of events and routes."),
		unrouted:   reg.Counter("ingest_route_copies_lost_total", "Copies of events that were not written because the topic of their route is not there."),
		skipped:    reg.CounterVec("ingest_skipped_total", "Things in bodies of foreign formats that are no events, as their senders were told.", "format"),
		letters:    reg.GaugeVec("dead_letters", "Dead letters on their topic, by reason and state.", "reason", "state"),
		redrives:   reg.CounterVec("dead_letter_redrives_total", "Dead letters sent again, by outcome.", "outcome"),
		bytes:      reg.Counter("ingest_bytes_total", "Bytes of the bodies as sent."),
		samples:    reg.CounterVec("prometheus_samples_total", "Samples of remote writes, by what became of them.", "outcome"),
		duration:   reg.Histogram("ingest_request_duration_seconds", "Time from the first byte of the body to the answer.", nil),
	}
}
