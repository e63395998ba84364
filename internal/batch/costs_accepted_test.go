package batch

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// said makes rows of one kind, at places of their own.
func said(topic string, kind event.Kind, n int, fill func(i int, e *event.Event)) (rows []event.LakeRow) {
	for i := range n {
		r := event.LakeRow{TopicID: topic, Topic: topic, Offset: int64(i)}
		e := &r.Event
		e.Kind, e.ID, e.HasTime, e.Time = kind, fmt.Sprint(topic, i), true, hour0*1e6+int64(i)
		fill(i, e)
		rows = append(rows, r)
	}
	return rows
}

func TestAcceptedAndReconciled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.publish(hour0, said("llm-requests", event.LLMRequest, 8, func(i int, e *event.Event) {
			e.SetText(event.RequestID, fmt.Sprint("r", i))
			e.SetText(event.Model, []string{"a", "b"}[i%2])
			e.SetInt(event.DurationMS, 3e9)
			e.SetInt(event.PromptTokens, 450)
			e.SetInt(event.CompletionTokens, 100)
			if i != 7 {
				e.SetInt(event.Cost, 1e9)
			}
		})...)
		w.publish(hour0, said("user-feedback", event.UserFeedback, 7, func(i int, e *event.Event) {
			e.SetText(event.RequestID, fmt.Sprint("r", []int{0, 2, 4, 6, 1, 7, 99}[i]))
			switch i {
			case 0:
				e.SetText(event.Thumbs, "up")
			case 1:
				e.SetText(event.Thumbs, "down")
				e.SetFloat(event.SatisfactionScore, 5)
			case 2:
				e.SetFloat(event.SatisfactionScore, 4)
			default:
				e.SetFloat(event.SatisfactionScore, 3)
			}
		})...)
		w.publish(hour0, said("system-metrics", event.SystemMetric, 4, func(i int, e *event.Event) {
			e.Source = "engine"
			e.SetText(event.Host, []string{"h1", "h2"}[i%2])
			e.Metrics = []event.Metric{{Name: "prompt_tokens_per_second", Value: []float64{0.4, 0.5, 0.6, 0.5}[i]}, {Name: "generation_tokens_per_second", Value: 0.125}, {Name: "x", Value: 9}}
		})...)
		s, _ := newService(t, w, nil)
		s.now = func() time.Time { return time.Unix(hour0+3600, 0) }
		h := s.Handler()
		get := func(path string, out any) {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
			if rec.Code != 200 || json.Unmarshal(rec.Body.Bytes(), out) != nil {
				t.Errorf("%s: %d %s", path, rec.Code, rec.Body)
			}
		}
		const day = "?from=2026-03-01&to=2026-03-02"
		var a acceptedAnswer
		get("/costs/accepted"+day, &a)
		if a.Judged != 7 || a.Matched != 6 || len(a.Models) != 2 {
			t.Fatalf("%+v", a)
		}
		if m := a.Models[0]; m.Model != "a" || m.Judged != 4 || m.Accepted != 2 || m.Rate != 0.5 || *m.CostUSD != 4e9 || *m.Each != 2 {
			t.Errorf("%+v", m)
		}
		if m := a.Models[1]; m.Model != "b" || m.Judged != 2 || m.Accepted != 0 || m.Unpriced != 1 || m.CostUSD != nil || m.Each != nil {
			t.Errorf("%+v", m)
		}
		var r reconciliation
		get("/costs/reconciliation"+day, &r)
		// Two engines tell 0.5 tokens a second each: 3600 in the hour, as many as the requests.
		if len(r.Hours) != 1 || r.Total.Engines != 2 || r.Total.Samples != 8 || r.Total.GatewayPrompt != 3600 || *r.Total.PromptRatio != 1 || *r.Total.CompletionRatio != 900.0/800 {
			t.Errorf("%+v", r)
		}
		s.now = func() time.Time { return time.Unix(hour0+3599, 0) } // the engines of a running hour are not heard out
		r = reconciliation{}
		if get("/costs/reconciliation"+day, &r); len(r.Hours) != 0 || r.To.Unix() != hour0 {
			t.Errorf("of a running hour: %+v", r)
		}
	})
}
