package ingest

import (
	"context"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// mostTraced is how many events of one request carry its trace on: they all go the same way.
const mostTraced = 8

// carryTrace writes the trace of a request into the headers of its first events, when the trace is kept.
func carryTrace(ctx context.Context, msgs []*bus.Message) {
	t := telemetry.TraceOf(ctx)
	if !t.Sampled {
		return
	}
	header, left := bus.Header{Key: telemetry.Traceparent, Value: []byte(t.String())}, mostTraced
	for _, m := range msgs {
		if m.Topic == event.TopicDeadLetters { // their headers tell how to read them
			continue
		}
		if left--; left < 0 {
			return
		}
		m.Headers = append(m.Headers, header)
	}
}
