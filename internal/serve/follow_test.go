package serve

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/serve/live"
)

// noSchemas is a registry without schemas.
type noSchemas struct{ asked int }

func (s *noSchemas) Payload(uint32, []byte) ([]byte, *event.Invalid) {
	return nil, &event.Invalid{Code: event.CodeSchema, Detail: "none"}
}
func (s *noSchemas) Prepare(context.Context, []*bus.Message) error { s.asked++; return nil }

// TestEventsAreCanonical: whatever form an event was written in, the canonical one is told, and what is none is passed over.
func TestEventsAreCanonical(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	record := func(value string, headers ...bus.Header) *bus.Message {
		return &bus.Message{Value: []byte(value), Headers: headers, Timestamp: at}
	}
	const canonical = `{"event_id":"1","event_type":"llm_request","timestamp":"2026-03-01T11:59:59Z","source":"a","data":{"model":"m"}}`
	batch := []*bus.Message{
		record(canonical), record(`{ "event_type": "llm_request", "event_id": "1", "timestamp": "2026-03-01T11:59:59Z", "source": "a", "model_name": "m" }`),
		record(`{"model":"m"}`, bus.Header{Key: "ce_specversion", Value: []byte("1.0")}, bus.Header{Key: "ce_id", Value: []byte("1")}, bus.Header{Key: "ce_source", Value: []byte("a")},
			bus.Header{Key: "ce_type", Value: []byte("llm_request")}, bus.Header{Key: "ce_time", Value: []byte("2026-03-01T11:59:59Z")}),
		record(`nonsense`), record("\x00\x00\x00\x00\x01x"), record(`{"event_type":"system_metric","event_id":"2","timestamp":"2026-03-01T11:59:59Z","data":{"cpu_usage":0.5}}`),
	}
	schemas := &noSchemas{}
	got, err := Events(event.Limits{}, schemas).Read(t.Context(), nil, batch, func(string, string) bool { return true })
	if err != nil || len(got) != 4 || schemas.asked != 1 {
		t.Fatalf("%d happenings, %v, %d questions", len(got), err, schemas.asked)
	}
	for i, h := range got[:3] {
		if string(h.Data) != canonical || h.Model != "m" || !h.Time.Equal(at) {
			t.Errorf("%d: %s of %q", i, h.Data, h.Model)
		}
	}
	full, err := Events(event.Limits{}, schemas).Read(t.Context(), nil, batch[:1], func(model, _ string) bool { return model != "m" })
	if err != nil || len(full) != 1 || full[0].Model != "m" || full[0].Data != nil {
		t.Errorf("without room: %+v %v", full, err)
	}
	if got[3].Model != "" || !json.Valid(got[3].Data) {
		t.Errorf("%+v", got[3])
	}
}

// TestHealthIsAskedSeldom: clients that look four times a second do not make the checks run as often.
func TestHealthIsAskedSeldom(t *testing.T) {
	asked := 0
	topic := Health(func(context.Context) httpx.HealthBody {
		asked++
		return httpx.HealthBody{Status: httpx.Degraded, Checks: map[string]httpx.Check{"broker": {Status: httpx.Degraded, Detail: "full"}}}
	})
	now := time.Unix(1_700_000_000, 0)
	for range 8 {
		s, err := topic.State(t.Context(), now, live.Filter{})
		if text := string(s.Data.AppendJSON(nil)); err != nil || text != `{"checks":{"broker":{"detail":"full","status":"degraded"}},"status":"degraded"}` {
			t.Fatalf("%s %v", text, err)
		}
		now = now.Add(250 * time.Millisecond)
	}
	if asked != 2 {
		t.Errorf("asked %d times in two seconds", asked)
	}
}
