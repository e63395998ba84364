package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const someTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestParseTrace(t *testing.T) {
	if got := ParseTrace(someTrace); got.String() != someTrace || !got.Sampled {
		t.Error(got)
	}
	if got := ParseTrace("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02-what the future adds"); !got.Valid() || got.Sampled {
		t.Error(got)
	}
	for _, bad := range []string{
		"", "00", someTrace + "-x", strings.ToUpper(someTrace), "ff" + someTrace[2:], strings.Replace(someTrace, "-", "_", 1), "00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", strings.Replace(someTrace, "4b", "xx", 1), "cc" + someTrace[2:] + "x",
	} {
		if got := ParseTrace(bad); got != (Trace{}) {
			t.Errorf("%q is read as %v", bad, got)
		}
	}
}

func FuzzParseTrace(f *testing.F) {
	f.Add(someTrace)
	f.Fuzz(func(t *testing.T, header string) {
		if got := ParseTrace(header); got.Valid() && ParseTrace(got.String()) != got {
			t.Errorf("%q is read as %v and written as %s", header, got, got)
		}
	})
}

// collector answers as it is told and keeps what it took.
type collector struct {
	answers []int // of the next requests; 200 afterwards
	got     map[string][]string
}

func (c *collector) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	if len(c.answers) > 0 {
		status, c.answers = c.answers[0], c.answers[1:]
	}
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	if status == http.StatusOK {
		c.got[r.URL.String()] = append(c.got[r.URL.String()], string(body))
	}
	if ParseTrace(r.Header.Get(Traceparent)).Sampled || r.Header.Get("Authorization") != "secret" {
		status = http.StatusTeapot
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Retry-After": {"3"}}, Body: io.NopCloser(strings.NewReader("said"))}, nil
}

// exporting runs fn with an exporter to c, and returns what its own log said.
func exporting(t *testing.T, c *collector, fn func(x *Exporter, reg *Registry)) string {
	t.Helper()
	var own bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		c.got = map[string][]string{}
		reg := NewRegistry()
		x := NewExporter(ExportConfig{Endpoint: "http://collector:4318/", Headers: map[string]string{"Authorization": "secret"}, Resource: []slog.Attr{slog.String("service.name", "hxp")}, Client: &http.Client{Transport: c}},
			slog.New(slog.NewTextHandler(&own, nil)), reg)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- x.Run(ctx) }()
		fn(x, reg)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return own.String()
}

func TestSpansArrive(t *testing.T) {
	c := &collector{answers: []int{0, 503}} // it is asked again
	exporting(t, c, func(x *Exporter, reg *Registry) {
		tracer := NewTracer(x, 0)
		if s := tracer.Start(Trace{}, SpanServer, "a", time.Now()); s != nil {
			t.Error("a trace is begun at a ratio of 0")
		}
		parent := ParseTrace(someTrace)
		parent.Sampled = false
		if s := tracer.Start(parent, SpanServer, "a", time.Now()); s != nil {
			t.Error("a trace that its beginner does not keep is kept")
		}
		parent.Sampled = true
		s := tracer.Start(parent, SpanServer, "POST /events", time.Now())
		s.Set(slog.Int("n", 7), slog.Bool("b", true), slog.Float64("f", 0.5), slog.Group("g", slog.String("x", "y")))
		s.Link(ParseTrace("00-11111111111111111111111111111111-2222222222222222-01"))
		s.Link(Trace{})
		s.Fail("503")
		time.Sleep(time.Millisecond)
		s.End(time.Now())
		time.Sleep(time.Minute)
		if sent, _ := reg.Sum("hxp_telemetry_sent_total"); sent != 1 {
			t.Errorf("%v sent", sent)
		}
	})
	got := c.got["http://collector:4318/v1/traces"]
	if len(got) != 1 {
		t.Fatalf("%q", c.got)
	}
	var doc otlpTraces
	if err := json.Unmarshal([]byte(got[0]), &doc); err != nil {
		t.Fatal(err)
	}
	s := doc.ResourceSpans[0].ScopeSpans[0].Spans[0]
	if s.TraceID != "4bf92f3577b34da6a3ce929d0e0e4736" || s.ParentID != "00f067aa0ba902b7" || len(s.SpanID) != 16 || s.SpanID == s.ParentID || s.Kind != SpanServer || s.Status.Code != 2 || len(s.Links) != 1 {
		t.Errorf("%+v", s)
	}
	for _, part := range []string{`{"key":"n","value":{"intValue":"7"}}`, `{"key":"b","value":{"boolValue":true}}`, `{"key":"f","value":{"doubleValue":0.5}}`, `{"key":"g.x","value":{"stringValue":"y"}}`, `"service.name"`} {
		if !strings.Contains(got[0], part) {
			t.Errorf("%s is not in %s", part, got[0])
		}
	}
}

func TestRatio(t *testing.T) {
	x := NewExporter(ExportConfig{}, slog.Default(), nil)
	for ratio, want := range map[float64]int{0: 0, 0.25: 2500, 1: 10000} {
		tracer, n := NewTracer(x, ratio), 0
		for range 10000 {
			if s := tracer.Start(Trace{}, SpanServer, "a", time.Now()); s != nil && s.Trace.Valid() {
				n++
			}
		}
		if n < want-300 || n > want+300 { // 300 is seven standard deviations
			t.Errorf("ratio %v: %d of 10000", ratio, n)
		}
	}
	if s := NewTracer(x, 0).Root(SpanInternal, "a", time.Now()); s == nil {
		t.Error("what is always kept is not")
	}
	if s := (*Tracer)(nil).Root(SpanInternal, "a", time.Now()); s != nil {
		t.Error("a span of no tracer")
	}
}

func TestLogLinesArrive(t *testing.T) {
	c := &collector{}
	var plain bytes.Buffer
	exporting(t, c, func(x *Exporter, _ *Registry) {
		log := x.Tee(slog.New(slog.NewTextHandler(&plain, nil)))
		log.Debug("below the level")
		ctx := WithTrace(context.Background(), ParseTrace(someTrace))
		log.With("service", "lake").WithGroup("file").With("name", "a").ErrorContext(ctx, "it failed", "error", errors.New("why"), "took", 3*time.Second)
		log.WithGroup("").Info("again")
	})
	got := strings.Join(c.got["http://collector:4318/v1/logs"], "")
	for _, part := range []string{
		`"severityNumber":17,"severityText":"ERROR","body":{"stringValue":"it failed"}`, `{"key":"service","value":{"stringValue":"lake"}}`, `{"key":"file.name","value":{"stringValue":"a"}}`,
		`{"key":"file.error","value":{"stringValue":"why"}}`, `{"key":"file.took","value":{"stringValue":"3s"}}`, `"traceId":"4bf92f3577b34da6a3ce929d0e0e4736"`, `"again"`,
	} {
		if !strings.Contains(got, part) {
			t.Errorf("%s is not in %s", part, got)
		}
	}
	if strings.Contains(got, "below") || strings.Count(plain.String(), "\n") != 2 || !strings.Contains(plain.String(), "file.error=why") {
		t.Error(got, plain.String())
	}
}

// A collector that takes nothing holds up nobody, and what is let go is counted.
func TestCollectorAway(t *testing.T) {
	c := &collector{answers: []int{400, 0, 0, 0, 0}}
	said := exporting(t, c, func(x *Exporter, reg *Registry) {
		tracer := NewTracer(x, 1)
		for range exportQueue + 5 { // nobody waits
			tracer.Start(Trace{}, SpanServer, "a", time.Now()).End(time.Now())
		}
		time.Sleep(time.Minute)
		let, _ := reg.Sum("hxp_telemetry_dropped_total")
		sent, _ := reg.Sum("hxp_telemetry_sent_total")
		if let != 5+2*exportBatch || sent != exportQueue-2*exportBatch {
			t.Errorf("%v let go, %v sent", let, sent)
		}
	})
	if !strings.Contains(said, "400") && !strings.Contains(said, "Bad Request: said") || !strings.Contains(said, "connection refused") || strings.Contains(said, "secret") {
		t.Error(said)
	}
}
