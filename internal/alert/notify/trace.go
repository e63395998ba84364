package notify

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/core"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// mostTraced is how many alerts' traces are known at a time.
const mostTraced = 5000

// traces are those of the decisions that alerts came with, by fingerprint. They are not kept over a restart: a message about an older
// alert begins a trace of its own.
type traces struct {
	tracer *telemetry.Tracer // nil = nothing is traced

	mu sync.Mutex
	of map[string]telemetry.Trace
}

// note remembers the trace of an alert.
func (t *traces) note(a *core.Alert, m *bus.Message) {
	if t.tracer == nil {
		return
	}
	for _, h := range m.Headers {
		if h.Key != telemetry.Traceparent {
			continue
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.of == nil || len(t.of) >= mostTraced {
			t.of = map[string]telemetry.Trace{}
		}
		t.of[string(a.Labels.Fingerprint())] = telemetry.ParseTrace(string(h.Value))
		return
	}
}

// try begins the span of one try of a message, in the trace of the first alert in it whose trace is known.
func (t *traces) try(ctx context.Context, way *plan.Way, m *core.Message) (context.Context, *telemetry.Span) {
	if t.tracer == nil || m.Data == nil {
		return ctx, nil
	}
	span := t.tracer.Start(t.first(m), telemetry.SpanClient, "notify "+way.Channel, time.Now())
	if span == nil {
		return ctx, nil
	}
	span.Set(slog.String("hxp.message", m.ID), slog.String("hxp.receiver", m.Receiver), slog.String("hxp.channel", way.Channel), slog.Int("hxp.attempt", m.Attempts+1), slog.Int("hxp.alerts", len(m.Data.Alerts)))
	return telemetry.WithTrace(ctx, span.Trace), span
}

func (t *traces) first(m *core.Message) telemetry.Trace {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range m.Data.Alerts {
		if trace, ok := t.of[m.Data.Alerts[i].Fingerprint]; ok {
			return trace
		}
	}
	return telemetry.Trace{}
}
