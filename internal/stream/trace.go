package stream

import (
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

const (
	mostTraced    = 16   // records of one unit whose traces are told of
	mostExemplars = 1000 // models whose latest trace is known
)

// traced is a record that carries a trace and waits for its unit to count.
type traced struct {
	trace  telemetry.Trace
	model  string
	offset int64
	came   time.Time // at the broker
}

// tracing tells traces of what the fast path does: from the broker to the windows, and of decisions.
type tracing struct {
	tracer *telemetry.Tracer // nil = nothing is traced

	mu     sync.Mutex
	latest map[string]telemetry.Trace // by model: of the request that counted last
}

// note remembers the trace that a record carries, if any does.
func (w *work) note(m *bus.Message, e *event.Event) {
	if len(w.traces) >= mostTraced {
		return
	}
	for _, h := range m.Headers {
		if t := (telemetry.Trace{}); h.Key == telemetry.Traceparent {
			if t = telemetry.ParseTrace(string(h.Value)); t.Sampled {
				w.traces = append(w.traces, traced{t, strings.Clone(e.Text(event.Model)), m.Offset, m.Timestamp})
			}
			return
		}
	}
}

// counted ends the spans of the records of a unit that counts: they can be asked for now.
func (t *tracing) counted(src source, all []traced, at time.Time) {
	for _, r := range all {
		span := t.tracer.Start(r.trace, telemetry.SpanConsumer, "count "+src.Topic, r.came)
		if span == nil {
			continue
		}
		span.Set(slog.String("messaging.system", "kafka"), slog.String("messaging.operation.type", "process"), slog.String("messaging.destination.name", src.Topic),
			slog.Int64("messaging.destination.partition.id", int64(src.Partition)), slog.Int64("messaging.kafka.offset", r.offset))
		span.End(at)
		t.keep(r.model, span.Trace)
	}
}

func (t *tracing) keep(model string, trace telemetry.Trace) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.latest == nil || len(t.latest) >= mostExemplars {
		t.latest = map[string]telemetry.Trace{}
	}
	t.latest[model] = trace
}

// decided makes the trace of a decision, from the event that caused it until now, linked with the latest request of its model that is
// traced. It returns what carries it on, nil when nothing is traced.
func (t *tracing) decided(d *rule.Decision, at time.Time) []bus.Header {
	if t.tracer == nil {
		return nil
	}
	caused := at
	if d.CausedAt > 0 {
		caused = time.UnixMicro(int64(d.CausedAt))
	}
	span := t.tracer.Root(telemetry.SpanInternal, "decide "+d.Rule, caused)
	span.Set(slog.String("hxp.rule", d.Rule), slog.String("hxp.alert.state", string(d.State)), slog.String("hxp.alert.severity", d.Severity), slog.String("hxp.alert.id", d.ID))
	t.mu.Lock()
	span.Link(t.latest[d.Key["model"]])
	t.mu.Unlock()
	header := bus.Header{Key: telemetry.Traceparent, Value: []byte(span.Trace.String())}
	span.End(at)
	return []bus.Header{header}
}
