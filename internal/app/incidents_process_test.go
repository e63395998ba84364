package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// A process that runs the batch alone reads from the topics which alerts fired and what was done about them.
func TestIncidentsOfTheBatchAlone(t *testing.T) {
	b := bustest.New(t)
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	at := rule.Time(start.UnixMicro())
	decision, err := json.Marshal(rule.Decision{ID: "e1", Rule: "ttft-slow", Version: "v", State: rule.Firing, Severity: "critical", StartsAt: at, At: at, Window: rule.Window{Start: at - 60e6, End: at}, Value: 3, Threshold: 2, RequestIDs: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	proposed := respond.Record{At: start.Add(time.Second), Who: "hxp", What: respond.WhatProposed, Reason: "slow", Response: "r1", Until: start.Add(time.Hour),
		Order: &respond.Order{Rule: "ttft-slow", Alert: "e1", Mode: "propose", Action: "take_out", Target: "vllm-2"}}
	sealed, err := proposed.Seal("")
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.NewProducer(bus.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Send(t.Context(), []*bus.Message{{Topic: event.TopicAlerts, Key: []byte("e1"), Value: decision}, {Topic: event.TopicResponses, Value: sealed}}); err != nil {
		t.Fatal(err)
	}
	out.Close()

	s := &system{bus: b, log: slog.New(slog.DiscardHandler), reg: telemetry.NewRegistry(), regs: map[string]*telemetry.Registry{}}
	units, err := s.units([]string{Batch}, false)
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]bool{}
	for _, u := range units {
		parts[u.Name] = true
	}
	if !parts["alert-book"] || !parts["action-book"] || parts["alert"] || parts["stream"] {
		t.Errorf("hxp run batch consists of %v", parts)
	}
	ctx, stop := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	defer ended.Wait()
	defer stop()
	for _, build := range []func(context.Context) (run.Service, error){s.buildAlerts, s.buildActions} {
		part, err := build(ctx)
		if err != nil {
			t.Fatal(err)
		}
		ended.Go(func() { _ = part.Run(ctx) })
	}
	got, err := s.incidents(ctx, report.Period{Start: start.Add(-time.Hour), End: start.Add(time.Hour)})
	if err != nil || len(got.Fired) != 1 || got.Since != nil {
		t.Fatalf("%+v, %v", got, err)
	}
	x := got.Fired[0]
	if x.Rule != "ttft-slow" || x.Severity != "critical" || len(x.Actions) != 1 || x.Actions[0].Action != "take_out" || x.Actions[0].Target != "vllm-2" || x.Actions[0].State != "proposed" {
		t.Errorf("%+v", x)
	}
	if got, err := s.incidents(ctx, report.Period{Start: start.Add(time.Hour), End: start.Add(2 * time.Hour)}); err != nil || got.Fired == nil || len(got.Fired) != 0 {
		t.Errorf("the hour after: %+v, %v", got, err)
	}
}
