package broker

import "github.com/hxp-enterprise/hxp/internal/kit/telemetry"

func (b *Broker) metrics(reg *telemetry.Registry) {
	b.refused = reg.CounterVec("hxp_broker_refused_connections_total", "Connections closed by the guard of the embedded broker.", "reason")
	b.refusedWrites = reg.Counter("hxp_broker_refused_writes_total", "Writes refused because the embedded broker is full.")
	b.deleted = reg.Counter("hxp_broker_deleted_records_total", "Records deleted by retention and caps of the embedded broker.")
	reg.GaugeFunc("hxp_broker_bytes", "Bytes of all logs of the embedded broker.", func() float64 { return float64(b.usage.bytes.Load()) })
	reg.GaugeFunc("hxp_broker_batches", "Batches of all logs of the embedded broker.", func() float64 { return float64(b.usage.batches.Load()) })
	reg.GaugeFunc("hxp_broker_connections", "Open connections of the embedded broker.", func() float64 {
		select {
		case <-b.ready:
			return float64(b.guard.connections())
		default:
			return 0
		}
	})
}
