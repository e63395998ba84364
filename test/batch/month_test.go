package batch

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// monthOf is a month of requests to twelve models by users in sessions, of which one in ten is judged: n in each hour.
func monthOf(first time.Time, days, n int) (msgs []*bus.Message) {
	put := func(e *event.Event) {
		e.Settle()
		msgs = append(msgs, &bus.Message{Topic: e.Kind.Topic(), Key: []byte(e.Key()), Value: event.AppendJSON(nil, e)})
	}
	for i := range days * 24 * n {
		var e event.Event
		id := fmt.Sprintf("month-%d", i)
		e.ID, e.Source, e.Kind, e.HasTime = id, "test", event.LLMRequest, true
		e.Time = first.UnixMicro() + int64(i)*3_600_000_000/int64(n)
		e.SetText(event.Model, fmt.Sprintf("model-%d", i*7%12))
		e.SetText(event.RequestID, id)
		e.SetText(event.Tenant, fmt.Sprintf("tenant-%d", i%7))
		e.SetText(event.UserID, fmt.Sprintf("user-%d", i%211))
		e.SetText(event.SessionID, fmt.Sprintf("session-%d", i/5))
		e.SetInt(event.DurationMS, int64(i%9000+1)*1_000_000)
		e.SetInt(event.TTFT, int64(i%700+1)*1_000_000)
		e.SetInt(event.PromptTokens, int64(i%2000))
		e.SetInt(event.CompletionTokens, int64(i%500))
		e.SetInt(event.Cost, int64(i%90+1)*1e6)
		e.SetBool(event.Success, i%20 != 0)
		put(&e)
		if i%10 == 0 {
			var f event.Event
			f.ID, f.Source, f.Kind, f.HasTime, f.Time = "said-"+id, "test", event.UserFeedback, true, e.Time+1_000_000
			f.SetText(event.RequestID, id)
			f.SetFloat(event.SatisfactionScore, float64(1+i/10%5))
			put(&f)
		}
	}
	return msgs
}

// BenchmarkFirstMonthlyIntelligence makes the monthly report of business intelligence as PDF on a service that has seen nothing yet, from 31 days of twelve models.
func BenchmarkFirstMonthlyIntelligence(b *testing.B) {
	first := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	r := newRoad(b)
	r.send(b, monthOf(first, 31, 60))
	s := r.batch(b, batch.Defaults())
	stop := start(b, s)
	run(b, s, "monthly", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")
	stop()
	const order = `{"report_type":"monthly_business_intelligence","format":"pdf","period":{"start":"2026-03-01T00:00:00Z","end":"2026-04-01T00:00:00Z"}}`
	cpu := 0.0
	for b.Loop() {
		b.StopTimer()
		s := r.batch(b, batch.Defaults())
		stop := start(b, s)
		b.StartTimer()
		began := cpuSeconds(b)
		rec := httptest.NewRecorder()
		s.Handler().ServeHTTP(rec, httptest.NewRequest("POST", "/reports/generate", strings.NewReader(order)))
		cpu += cpuSeconds(b) - began
		if rec.Code != 201 {
			b.Fatal(rec.Code, rec.Body)
		}
		b.StopTimer()
		stop()
		b.StartTimer()
	}
	b.ReportMetric(cpu/float64(b.N), "cpu-s/op")
}
