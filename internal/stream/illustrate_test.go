package stream

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// Of the first rule failures are kept, of the second all requests.
const bothRules = `
slos: [{name: x, indicator: availability, objective: 0.9}]
rules: [{name: y, type: threshold, metric: requests, op: ">", value: 1000000, window: 60s, group_by: [model]}]`

// An anomaly shows requests of its model, those that failed where failures are the matter, and what stands out among them; its end shows the same.
func TestAnomaliesHaveExamples(t *testing.T) {
	j := New(testConfig(), nil, Options{Log: slog.New(slog.DiscardHandler), Rules: newRules(t, bothRules)}).judge
	j.reset()
	begin := time.Unix(1_767_225_600, 0).UnixMicro()
	for i := range int64(30) {
		for _, model := range []string{"m", "other"} {
			e := event.Event{Kind: event.LLMRequest, Time: begin + i*1e6, HasTime: true}
			e.SetText(event.Model, model)
			e.SetText(event.RequestID, model+string(rune('a'+i)))
			e.SetText(event.Tenant, "t")
			e.SetBool(event.Success, i%10 != 0)
			e.SetText(event.Endpoint, "e1")
			if i%10 == 0 {
				e.SetText(event.ErrorType, "timeout")
				e.SetText(event.Endpoint, "e2")
			}
			j.engine.Event(&e, rule.Position{Offset: i})
		}
		j.engine.Advance(begin + (i+1)*1e6)
	}
	at := rule.Time(begin + 30e6)
	anomaly := func(id, metric string, state rule.State) *rule.Decision {
		return &rule.Decision{ID: id, Rule: AnomalyRule, State: state, Class: metric, Key: map[string]string{"model": "m"}, StartsAt: at - 10e6, At: at,
			Window: rule.Window{Start: at - 60e6, End: at}, Top: []rule.Share{{Field: "tenant", Value: "exact", Share: 0.75, Of: 400}}}
	}
	failures := anomaly("1", "error_rate", rule.Firing)
	j.illustrate(failures)
	if want := []string{"mu", "mk", "ma"}; !slices.Equal(failures.RequestIDs, want) {
		t.Errorf("examples %v, want %v", failures.RequestIDs, want)
	}
	if want := []rule.Share{{Field: "endpoint", Value: "e2", Share: 1, Of: 3}, {Field: "error_type", Value: "timeout", Share: 1, Of: 3}, {Field: "tenant", Value: "exact", Share: 0.75, Of: 400}}; !slices.Equal(failures.Top, want) {
		t.Errorf("%+v", failures.Top)
	}
	slow := anomaly("2", "latency_ms.p50", rule.Firing)
	j.illustrate(slow)
	if len(slow.RequestIDs) != 5 || slow.RequestIDs[0] != "m~" || slow.Top[0].Value != "e1" || slow.Top[0].Share != 0.9 {
		t.Errorf("%+v", slow)
	}
	j.engine.Advance(begin + 3600e6)
	end := anomaly("1", "error_rate", rule.Resolved)
	j.illustrate(end)
	if !slices.Equal(end.RequestIDs, failures.RequestIDs) || len(j.shown) != 1 {
		t.Errorf("the end shows %v; %d are open", end.RequestIDs, len(j.shown))
	}
	none := anomaly("3", "requests", rule.Firing)
	none.Key["model"] = "unknown"
	if j.illustrate(none); none.RequestIDs == nil || len(none.RequestIDs) != 0 || len(none.Top) != 1 {
		t.Errorf("of a model that no rule knows: %+v", none)
	}
}
