package ingest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// swallow acknowledges everything at once.
type swallow struct{}

func (swallow) Send(context.Context, []*bus.Message) error { return nil }

// BenchmarkRoad is a body of 1,000 NDJSON events from the request to the answer, without brokers.
func BenchmarkRoad(b *testing.B) {
	cfg := Defaults()
	cfg.FilterBytes = 16 << 20
	a := newAPI(cfg, swallow{}, nil, telemetry.NewRegistry())
	h := a.Handler()
	var body []byte
	bodies := make([][]byte, 64)
	for k := range bodies {
		body = nil
		for i := range 1000 {
			body = fmt.Appendf(body, `{"event_id":"01JTX3M8Q6Z9V4%04d%04d","event_type":"llm_request","timestamp":"2026-05-01T12:00:00.123456Z","source":"gateway-eu-1","data":{"model":"citadel-70b-instruct","request_id":"req-7f3a9c2e41d8","user_id":"user-104729","session_id":"s-88213","tenant":"acme","duration_ms":1834.271,"ttft_ms":212.5,"prompt_tokens":1024,"completion_tokens":287,"success":true,"status_code":200}}`+"\n", k, i)
		}
		bodies[k] = body
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		r := httptest.NewRequest("POST", "/events", io.NopCloser(bytes.NewReader(bodies[n%len(bodies)])))
		r.Header.Set("Content-Type", "application/x-ndjson")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusAccepted {
			b.Fatal(w.Code, w.Body)
		}
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(1000*n), "ns/event")
}
