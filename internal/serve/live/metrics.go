package live

import (
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// Observe makes the hub's figures metrics of reg. data_streaming_latency_seconds is a gauge, because the rules of the
// specification compare it plainly.
func (h *Hub) Observe(reg *telemetry.Registry) {
	reg.GaugeFunc("data_streaming_latency_seconds", "To the frame handed to the socket, from the acknowledged write of a happening, and from the moment when a state was due: p99 of the last minute.", func() float64 {
		return h.latency.quantiles(time.Now(), time.Second).P99
	})
	reg.GaugeFunc("data_streaming_websocket_connections", "WebSockets that are open.", func() float64 { return float64(h.sockets.count().Connected) })
	reg.GaugeFunc("data_streaming_sse_connections", "Event streams that are open.", func() float64 { return float64(h.streams.count().Connected) })
	reg.CounterFunc("data_streaming_conflated_total", "Ticks that a client got as part of a later snapshot.", func() float64 { return float64(h.conflated.Load()) })
	reg.CounterFunc("data_streaming_dropped_total", "Happenings beyond what a client gets in a second.", func() float64 { return float64(h.dropped.Load()) })
	reg.CounterFunc("data_streaming_slow_clients_closed_total", "Clients cut because they did not take what was sent.", func() float64 { return float64(h.slowClosed.Load()) })
}
