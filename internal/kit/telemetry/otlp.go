package telemetry

import (
	"encoding/hex"
	"log/slog"
	"math"
	"strconv"
	"time"
)

// OTLP 1.x in JSON (opentelemetry-proto, ProtoJSON with ids in hexadecimal): only what is sent.

type (
	otlpTraces struct {
		ResourceSpans []otlpResourceSpans `json:"resourceSpans"`
	}
	otlpResourceSpans struct {
		Resource   otlpResource     `json:"resource"`
		ScopeSpans []otlpScopeSpans `json:"scopeSpans"`
	}
	otlpScopeSpans struct {
		Scope otlpScope  `json:"scope"`
		Spans []otlpSpan `json:"spans"`
	}
	otlpSpan struct {
		TraceID    string      `json:"traceId"`
		SpanID     string      `json:"spanId"`
		ParentID   string      `json:"parentSpanId,omitempty"`
		Name       string      `json:"name"`
		Kind       SpanKind    `json:"kind"`
		Start      string      `json:"startTimeUnixNano"`
		End        string      `json:"endTimeUnixNano"`
		Attributes []otlpPair  `json:"attributes,omitempty"`
		Links      []otlpLink  `json:"links,omitempty"`
		Status     *otlpStatus `json:"status,omitempty"`
	}
	otlpLink struct {
		TraceID string `json:"traceId"`
		SpanID  string `json:"spanId"`
	}
	otlpStatus struct {
		Code    int    `json:"code"` // 2 = error
		Message string `json:"message,omitempty"`
	}
	otlpLogs struct {
		ResourceLogs []otlpResourceLogs `json:"resourceLogs"`
	}
	otlpResourceLogs struct {
		Resource  otlpResource    `json:"resource"`
		ScopeLogs []otlpScopeLogs `json:"scopeLogs"`
	}
	otlpScopeLogs struct {
		Scope otlpScope  `json:"scope"`
		Lines []otlpLine `json:"logRecords"`
	}
	otlpLine struct {
		Time       string     `json:"timeUnixNano"`
		Severity   int        `json:"severityNumber"`
		Level      string     `json:"severityText"`
		Body       otlpValue  `json:"body"`
		Attributes []otlpPair `json:"attributes,omitempty"`
		TraceID    string     `json:"traceId,omitempty"`
		SpanID     string     `json:"spanId,omitempty"`
	}
	otlpResource struct {
		Attributes []otlpPair `json:"attributes"`
	}
	otlpScope struct {
		Name string `json:"name"`
	}
	otlpPair struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	otlpValue struct {
		String *string  `json:"stringValue,omitempty"`
		Bool   *bool    `json:"boolValue,omitempty"`
		Int    *string  `json:"intValue,omitempty"`
		Double *float64 `json:"doubleValue,omitempty"`
	}
)

var scope = otlpScope{Name: "hxp"}

func encodeSpans(resource []slog.Attr, spans []*Span) otlpTraces {
	out := make([]otlpSpan, len(spans))
	for i, s := range spans {
		out[i] = otlpSpan{
			TraceID: hex.EncodeToString(s.Trace.ID[:]), SpanID: hex.EncodeToString(s.Trace.Span[:]), Name: s.name, Kind: s.kind,
			Start: nanos(s.began), End: nanos(s.ended), Attributes: pairs(s.attrs),
		}
		if s.parent != [8]byte{} {
			out[i].ParentID = hex.EncodeToString(s.parent[:])
		}
		for _, l := range s.links {
			out[i].Links = append(out[i].Links, otlpLink{hex.EncodeToString(l.ID[:]), hex.EncodeToString(l.Span[:])})
		}
		if s.fault != "" {
			out[i].Status = &otlpStatus{2, s.fault}
		}
	}
	return otlpTraces{[]otlpResourceSpans{{otlpResource{pairs(resource)}, []otlpScopeSpans{{scope, out}}}}}
}

func encodeLines(resource []slog.Attr, lines []logLine) otlpLogs {
	out := make([]otlpLine, len(lines))
	for i, l := range lines {
		out[i] = otlpLine{Time: nanos(l.at), Severity: severity(l.level), Level: l.level.String(), Body: valueOf(slog.StringValue(l.message)), Attributes: l.attrs}
		if l.trace.Valid() {
			out[i].TraceID, out[i].SpanID = hex.EncodeToString(l.trace.ID[:]), hex.EncodeToString(l.trace.Span[:])
		}
	}
	return otlpLogs{[]otlpResourceLogs{{otlpResource{pairs(resource)}, []otlpScopeLogs{{scope, out}}}}}
}

// severity is the number of a level: DEBUG 5, INFO 9, WARN 13, ERROR 17, as OpenTelemetry's bridge for slog has them.
func severity(l slog.Level) int { return min(max(int(l)+9, 1), 24) }

func nanos(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

// pairs are attributes without groups: a member m of group g is g.m.
func pairs(attrs []slog.Attr) (out []otlpPair) {
	for _, a := range attrs {
		out = appendPair(out, "", a)
	}
	return out
}

func appendPair(out []otlpPair, under string, a slog.Attr) []otlpPair {
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		return append(out, otlpPair{under + a.Key, valueOf(v)})
	}
	if a.Key != "" {
		under += a.Key + "."
	}
	for _, member := range v.Group() {
		out = appendPair(out, under, member)
	}
	return out
}

func valueOf(v slog.Value) otlpValue {
	switch v.Kind() {
	case slog.KindBool:
		b := v.Bool()
		return otlpValue{Bool: &b}
	case slog.KindInt64:
		text := strconv.FormatInt(v.Int64(), 10)
		return otlpValue{Int: &text}
	case slog.KindFloat64:
		if f := v.Float64(); !math.IsNaN(f) && !math.IsInf(f, 0) { // which JSON has no numbers for
			return otlpValue{Double: &f}
		}
	}
	text := v.String()
	return otlpValue{String: &text}
}
