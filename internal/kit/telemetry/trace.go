package telemetry

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Traceparent is the header in which a trace travels, over HTTP and in records of topics alike.
const Traceparent = "traceparent"

// Trace is a place in a trace, as a traceparent names it (W3C Trace Context, version 00). The zero Trace is none.
type Trace struct {
	ID      [16]byte
	Span    [8]byte
	Sampled bool // whoever began the trace wants it kept
}

// Valid tells whether there is a trace.
func (t Trace) Valid() bool { return t.ID != [16]byte{} && t.Span != [8]byte{} }

// String is the traceparent.
func (t Trace) String() string {
	b := make([]byte, 0, 55)
	b = hex.AppendEncode(append(b, "00-"...), t.ID[:])
	b = hex.AppendEncode(append(b, '-'), t.Span[:])
	if t.Sampled {
		return string(append(b, "-01"...))
	}
	return string(append(b, "-00"...))
}

// ParseTrace reads a traceparent. A later version may have more behind the flags; what is no traceparent is no trace, as the standard
// wants it.
func ParseTrace(header string) (t Trace) {
	if len(header) < 55 || header[2] != '-' || header[35] != '-' || header[52] != '-' || header[:2] == "ff" || header[:2] == "00" && len(header) > 55 {
		return Trace{}
	}
	if len(header) > 55 && header[55] != '-' {
		return Trace{}
	}
	var version, flags [1]byte
	for _, part := range []struct {
		to   []byte
		from string
	}{{version[:], header[:2]}, {t.ID[:], header[3:35]}, {t.Span[:], header[36:52]}, {flags[:], header[53:55]}} {
		if !lowerHex(part.to, part.from) {
			return Trace{}
		}
	}
	if t.Sampled = flags[0]&1 == 1; !t.Valid() {
		return Trace{}
	}
	return t
}

func lowerHex(to []byte, from string) bool {
	for i := range len(from) {
		if c := from[i]; c >= 'A' && c <= 'F' {
			return false
		}
	}
	_, err := hex.Decode(to, []byte(from))
	return err == nil
}

type traceKey struct{}

// WithTrace carries a place in a trace.
func WithTrace(ctx context.Context, t Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

// TraceOf is the place in a trace that ctx carries; none when it carries none.
func TraceOf(ctx context.Context) Trace {
	t, _ := ctx.Value(traceKey{}).(Trace)
	return t
}

// Tracer makes spans of what the process does. A nil Tracer makes none, at no cost.
type Tracer struct {
	keep atomic.Uint64 // a new trace is kept when its last eight bytes, as a number without its highest bit, are below
	out  *Exporter
}

// NewTracer makes a tracer that begins traces for a ratio of what comes without one, 0 to 1, and follows whoever began a trace elsewhere.
func NewTracer(out *Exporter, ratio float64) *Tracer {
	t := &Tracer{out: out}
	t.SetRatio(ratio)
	return t
}

// SetRatio lets traces be begun for another ratio from now on.
func (t *Tracer) SetRatio(ratio float64) {
	if t != nil {
		t.keep.Store(uint64(min(max(ratio, 0), 1) * math.MaxInt64))
	}
}

// SpanKind is the role of a span (OTLP, Span.SpanKind).
type SpanKind int

// The roles that are used here.
const (
	SpanInternal SpanKind = 1
	SpanServer   SpanKind = 2
	SpanClient   SpanKind = 3
	SpanConsumer SpanKind = 5
)

// Span is one piece of work in a trace. A nil Span is one that nobody keeps; its methods do nothing.
type Span struct {
	Trace  Trace
	parent [8]byte
	name   string
	kind   SpanKind
	began  time.Time
	ended  time.Time
	attrs  []slog.Attr
	links  []Trace
	fault  string
	out    *Exporter
}

// Start begins a span that follows parent, or a trace of its own when there is no parent. It is nil when the trace is not kept.
func (t *Tracer) Start(parent Trace, kind SpanKind, name string, began time.Time) *Span {
	if t == nil || parent.Valid() && !parent.Sampled {
		return nil
	}
	s := &Span{Trace: Trace{ID: parent.ID, Sampled: true}, parent: parent.Span, name: name, kind: kind, began: began, out: t.out}
	if !parent.Valid() {
		low := rand.Uint64()
		if low>>1 >= t.keep.Load() {
			return nil
		}
		binary.BigEndian.PutUint64(s.Trace.ID[:8], rand.Uint64()|1)
		binary.BigEndian.PutUint64(s.Trace.ID[8:], low)
	}
	binary.BigEndian.PutUint64(s.Trace.Span[:], rand.Uint64()|1)
	return s
}

// Root begins a trace that is kept whatever the ratio, for what is rare.
func (t *Tracer) Root(kind SpanKind, name string, began time.Time) *Span {
	if t == nil {
		return nil
	}
	all := &Tracer{out: t.out}
	all.keep.Store(1 << 63)
	return all.Start(Trace{}, kind, name, began)
}

// Set adds attributes.
func (s *Span) Set(attrs ...slog.Attr) {
	if s != nil {
		s.attrs = append(s.attrs, attrs...)
	}
}

// Link names another trace that has to do with this one.
func (s *Span) Link(t Trace) {
	if s != nil && t.Valid() {
		s.links = append(s.links, t)
	}
}

// Fail marks the span as failed, and says why.
func (s *Span) Fail(why string) {
	if s != nil {
		s.fault = why
	}
}

// End hands the span over to be sent. It must not be used afterwards.
func (s *Span) End(at time.Time) {
	if s != nil {
		s.ended = at
		s.out.span(s)
	}
}
