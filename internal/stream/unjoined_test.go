package stream

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// With joining switched off the windows count as ever, nothing is written for joins, and the answer says so. Switched on again, what
// comes from then on is joined, and what was open before goes on.
func TestJoiningIsSwitchedOff(t *testing.T) {
	b, dir := bustest.New(t), t.TempDir()
	run := func(joining bool, first, counted int) (a correlationsAnswer) {
		t.Helper()
		cfg := testConfig()
		cfg.Correlation = joining
		s := New(cfg, b, Options{StateDir: dir, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		<-s.Ready()
		produce(t, b, llm(first, 100, time.Now().Add(-time.Hour).Unix()))
		await(t, "counted", uint64(counted), s.total)
		mux := httpx.NewMux(slog.New(slog.DiscardHandler), nil)
		mountCorrelations(s, mux, Beside{})
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/correlations", nil))
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := run(false, 0, 100); a.Note == "" || len(a.Correlations) != 0 || a.Summary != (correlationCounts{}) || a.Completeness.Live != nil {
		t.Errorf("off: %+v", a)
	}
	logs, err := b.Offsets(t.Context(), event.TopicCorrelations, event.TopicJoins)
	if err != nil {
		t.Fatal(err)
	}
	for topic, parts := range logs {
		for p, log := range parts {
			if log != (bus.Range{}) {
				t.Errorf("%s/%d holds %v", topic, p, log)
			}
		}
	}
	if a := run(true, 100, 200); a.Note != "" || len(a.Correlations) != 100 || a.Summary.Open != 100 {
		t.Errorf("on again: note %q, %d requests, %+v", a.Note, len(a.Correlations), a.Summary)
	}
	run(false, 200, 300)
	run(false, 300, 400) // the state of before goes through more than one snapshot
	if a := run(true, 400, 500); a.Summary.Open != 200 {
		t.Errorf("off and on again: %+v", a.Summary)
	}
}
