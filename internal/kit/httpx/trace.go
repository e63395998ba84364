package httpx

import (
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// trace begins the span of a request, in the trace that its client began, and lets the request carry it. Streams have no end worth a span,
// and nobody wants to read of questions about health and metrics.
func (e *endpoint) trace(r *http.Request, began time.Time) (*telemetry.Span, *http.Request) {
	if e.mux.tracer == nil || e.route.stream || strings.HasPrefix(e.route.Path, "/health") || e.route.Path == "/metrics" {
		return nil, r
	}
	span := e.mux.tracer.Start(telemetry.ParseTrace(r.Header.Get(telemetry.Traceparent)), telemetry.SpanServer, method(r.Method)+" "+e.route.Path, began)
	if span == nil {
		return nil, r
	}
	span.Set(slog.String("http.request.method", method(r.Method)), slog.String("http.route", e.route.Path), slog.String("hxp.request_id", RequestID(r.Context())))
	return span, r.WithContext(telemetry.WithTrace(r.Context(), span.Trace))
}

// endSpan ends the span of a request by its status (OpenTelemetry's semantic conventions for HTTP servers: only 5xx is an error).
func endSpan(span *telemetry.Span, status int) {
	if span == nil {
		return
	}
	span.Set(slog.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		span.Fail(strconv.Itoa(status))
	}
	span.End(time.Now())
}
