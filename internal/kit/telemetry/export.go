package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ExportConfig says where what a process tells of itself goes, in the words of OpenTelemetry.
type ExportConfig struct {
	Endpoint string            // base URL of a collector that takes OTLP over HTTP; /v1/traces and /v1/logs are added
	Headers  map[string]string // of each request
	Resource []slog.Attr       // what the process is
	Client   *http.Client
}

const (
	exportQueue    = 4096 // spans, and log lines, that wait; more are let go and counted
	exportBatch    = 512
	exportEvery    = 2 * time.Second
	exportLimit    = 10 * time.Second // one attempt
	exportTries    = 4
	exportPause    = time.Second // before the second attempt; doubles
	exportFarewell = 2 * time.Second
)

// Exporter sends spans and log lines to a collector, as OTLP in JSON over HTTP. Nobody who has something to tell ever waits for it: what
// does not fit into its queue, or what the collector does not take, is let go and counted. It is a run.Service.
type Exporter struct {
	cfg   ExportConfig
	log   *slog.Logger // must not come back here
	spans chan *Span
	lines chan logLine
	let   *CounterVec
	sent  *CounterVec
}

// NewExporter makes an exporter; Run makes it send. log is for its own troubles, and must not lead back to it.
func NewExporter(cfg ExportConfig, log *slog.Logger, reg *Registry) *Exporter {
	if cfg.Client == nil {
		cfg.Client = &http.Client{Timeout: exportLimit}
	}
	return &Exporter{
		cfg: cfg, log: log, spans: make(chan *Span, exportQueue), lines: make(chan logLine, exportQueue),
		sent: reg.CounterVec("hxp_telemetry_sent_total", "Spans and log lines that an OpenTelemetry collector took.", "signal"),
		let:  reg.CounterVec("hxp_telemetry_dropped_total", "Spans and log lines that were let go because a queue was full or the collector did not take them.", "signal"),
	}
}

func (x *Exporter) span(s *Span) {
	select {
	case x.spans <- s:
	default:
		x.let.WithLabelValues("traces").Inc()
	}
}

func (x *Exporter) line(l logLine) {
	select {
	case x.lines <- l:
	default:
		x.let.WithLabelValues("logs").Inc()
	}
}

// Run sends until ctx ends, and then what is left, for a moment.
func (x *Exporter) Run(ctx context.Context) error {
	tick := time.NewTicker(exportEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			x.flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), exportFarewell)
			defer cancel()
			x.flush(last)
			return nil
		}
	}
}

// flush sends what waits now.
func (x *Exporter) flush(ctx context.Context) {
	for ctx.Err() == nil {
		spans, lines := take(x.spans), take(x.lines)
		if len(spans) > 0 {
			x.deliver(ctx, "traces", encodeSpans(x.cfg.Resource, spans), len(spans))
		}
		if len(lines) > 0 {
			x.deliver(ctx, "logs", encodeLines(x.cfg.Resource, lines), len(lines))
		}
		if len(spans) < exportBatch && len(lines) < exportBatch {
			return
		}
	}
}

func take[T any](from chan T) (out []T) {
	for len(out) < exportBatch {
		select {
		case v := <-from:
			out = append(out, v)
		default:
			return out
		}
	}
	return out
}

// deliver sends one request until it is taken, refused for good, or tried often enough.
func (x *Exporter) deliver(ctx context.Context, signal string, body any, n int) {
	text, err := json.Marshal(body)
	for try := 1; err == nil; try++ {
		var wait time.Duration
		if wait, err = x.post(ctx, signal, text); err == nil {
			x.sent.WithLabelValues(signal).Add(float64(n))
			return
		}
		if wait < 0 || try == exportTries || !pause(ctx, max(wait, exportPause<<(try-1))) {
			break
		}
		err = nil
	}
	x.let.WithLabelValues(signal).Add(float64(n))
	x.log.Warn("the OpenTelemetry collector takes nothing", "signal", signal, "items", n, "error", err)
}

// post makes one attempt. When it fails, wait is how long the collector wants to be left alone, negative for ever.
func (x *Exporter) post(ctx context.Context, signal string, text []byte) (wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(x.cfg.Endpoint, "/")+"/v1/"+signal, bytes.NewReader(text))
	if err != nil {
		return -1, err
	}
	for k, v := range x.cfg.Headers {
		req.Header.Set(k, v)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(Traceparent, untold.String())
	resp, err := x.cfg.Client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	switch resp.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return 0, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		wait = min(time.Duration(seconds)*time.Second, time.Minute)
	default:
		wait = -1
	}
	return wait, fmt.Errorf("%s: %.200s", resp.Status, strings.Join(strings.Fields(string(said)), " "))
}

// untold is sent with what is told, so that a collector that is hxp itself, or traces itself, does not tell of that too.
var untold = Trace{ID: [16]byte{0: 1}, Span: [8]byte{0: 1}}

// pause waits and tells whether ctx is still there.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
