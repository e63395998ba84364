package batch

import (
	"context"
	"encoding/json"
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/event"
)

func TestCostPlans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for day := range 20 {
			var rows []event.LakeRow
			for i := range 4 {
				r := event.LakeRow{TopicID: "t", Topic: "llm-requests", Offset: int64(i)}
				e := &r.Event
				e.Kind, e.ID, e.HasTime, e.Time = event.LLMRequest, string(rune('a'+i)), true, hour0*1e6+int64(i)
				e.SetText(event.Model, []string{"big", "small"}[i%2])
				for f, v := range map[event.Field]int64{event.PromptTokens: 1000, event.CompletionTokens: 100, event.TotalTokens: 1100, event.DurationMS: 2e9, event.TTFT: 5e8, event.Success: 1, event.Cost: []int64{1e9, 1e8}[i%2]} {
					e.SetInt(f, v)
				}
				rows = append(rows, r)
			}
			w.publish(hour0+int64(day)*86400, rows...)
		}
		s, _ := newService(t, w, func(c *Config) {
			c.Costs.SelfHosted = []cost.Pool{{Name: "own", Models: []string{"small"}, GPUs: 2, GPUHourUSD: 3, PUE: 1, OutputWeight: 4}}
			c.Costs.Budgets = []cost.Budget{{Name: "all", USD: 100}, {Name: "big", USD: 10, Model: "big"}}
		})
		now := time.Unix(hour0+19*86400+3600, 0).UTC() // 2026-03-20, after the last requests
		s.now = func() time.Time { return now }
		h := s.Handler()
		ask := func(method, path, body string, want int, out any) string {
			t.Helper()
			rec := httptest.NewRecorder()
			r := httptest.NewRequest(method, path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			h.ServeHTTP(rec, r)
			if rec.Code != want {
				t.Errorf("%s %s %s: %d %s", method, path, body, rec.Code, rec.Body)
			} else if out != nil {
				if err := json.Unmarshal(rec.Body.Bytes(), out); err != nil {
					t.Error(err)
				}
			}
			return rec.Body.String()
		}
		var what whatIfAnswer
		ask("POST", "/costs/whatif", `{"from":"2026-03-01T00:00:00Z","to":"2026-03-21T00:00:00Z","moves":[{"from":"big","to":"small","share":0.5}]}`, 200, &what)
		if what.Before != 44e9 || what.Saving != 18e9 || what.After != 26e9 || what.Month != 27e9 || what.Moves[0].Basis != "observed" {
			t.Errorf("%+v %+v", what, what.Moves[0])
		}
		for body, want := range map[string]string{
			`{"moves":[]}`: "give 1 to 20", `{"moves":[{"from":"big","to":"big","share":1}]}`: "name two models", `{"moves":[{"from":"big","to":"small"}]}`: "give the share",
			`{"from":"2026-03-01","moves":[{"from":"big","to":"small","share":0.6},{"from":"big","to":"x","share":0.6}]}`: "more than all", `{"from":"2026-03-01","moves":[{"from":"big","to":"nobody","share":1}]}`: "nobody knows what nobody costs",
			`{"from":"then","moves":[{"from":"big","to":"small","share":1}]}`: "is not an RFC 3339 time",
		} {
			if text := ask("POST", "/costs/whatif", body, 422, nil); !strings.Contains(text, want) {
				t.Errorf("%s: %s; want %q", body, text, want)
			}
		}

		var own ownAnswer
		ask("GET", "/costs/self-hosted?from=2026-03-01&to=2026-03-21", "", 200, &own)
		if p := own.Pools[0]; own.Total != (19*24+11)*6e9 || !own.To.Equal(now) || p.Utilization != nil || len(p.Models) != 1 || p.Models[0].LoadedUSD != own.Total || p.Models[0].SplitBy != "time" || math.Abs(p.Models[0].PrefillUSD.Float()/own.Total.Float()-0.25) > 1e-6 {
			t.Errorf("%+v", own.Pools[0])
		}
		ask("GET", "/costs/self-hosted?from=2026-03-01T10:10:00Z&to=2026-03-01T10:50:00Z", "", 422, nil)
		ask("GET", "/costs/self-hosted?from=2020-03-01&to=2026-03-01", "", 422, nil)

		var budgets budgetsAnswer
		ask("GET", "/costs/budgets", "", 200, &budgets)
		all, big := budgets.Budgets[0], budgets.Budgets[1]
		if all.SpentUSD != 44e9 || all.State != "within" || all.ExpectedUSD == nil || math.Abs(*all.ExpectedUSD-31*2.2) > 0.5 {
			t.Errorf("%+v, expected %v", all, all.ExpectedUSD)
		}
		if big.SpentUSD != 40e9 || big.State != "breached" {
			t.Errorf("%+v", big)
		}
		soon := func() (cost.Standing, error) {
			all, err := s.standings(context.Background(), []cost.Budget{{Name: "soon", USD: 50}}, now)
			return all[0], err
		}
		if st, err := soon(); err != nil || st.State != "will_breach" || st.BreachOn.Format(time.DateOnly) != "2026-03-23" { // 44 + 3 · 2.2
			t.Errorf("%+v %v", st, err)
		}
		now = time.Unix(hour0+5*86400, 0).UTC()
		if st, err := soon(); err != nil || st.State != "insufficient_data" || st.Why == "" {
			t.Errorf("after five days: %+v %v", st, err)
		}
	})
}

// A day on which something had no price is not a cheap day.
func TestDaysAheadWithoutPrices(t *testing.T) {
	days, unknown := make([]float64, 28), make([]bool, 28)
	for i := range days {
		if days[i] = 10; i%4 == 3 {
			days[i], unknown[i] = 0, true
		}
	}
	ahead, why := daysAhead(days, unknown, 3)
	if ahead == nil || math.Abs(ahead.Likely[0]-10) > 0.1 {
		t.Errorf("%+v %s", ahead, why)
	}
	for i := range unknown {
		unknown[i] = true
	}
	if ahead, why := daysAhead(days, unknown, 3); ahead != nil || why == "" {
		t.Errorf("nothing is priced: %+v", ahead)
	}
}

// Questions wait for a slot: anybody may ask, and each takes seconds of a core.
func TestQuestionsWait(t *testing.T) {
	s, _ := newService(t, newWorld(), func(c *Config) { c.Costs.Budgets = []cost.Budget{{Name: "b", USD: 1}} })
	s.now = func() time.Time { return time.Unix(hour0, 0) }
	for range cap(s.asks) {
		s.asks <- struct{}{}
	}
	const days = "?from=2026-02-01&to=2026-03-01"
	ask := func(ctx context.Context, path string) bool {
		rec := httptest.NewRecorder()
		s.Handler().ServeHTTP(rec, httptest.NewRequestWithContext(ctx, "GET", path, nil))
		return rec.Code == 200 && rec.Body.Len() > 0
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, path := range []string{"/costs" + days, "/costs/self-hosted" + days, "/costs/accepted" + days, "/costs/reconciliation" + days, "/costs/budgets", "/business-intelligence/user_behavior" + days} {
		if ask(gone, path) {
			t.Errorf("%s is answered without a slot", path)
		}
		<-s.asks
		if !ask(t.Context(), path) {
			t.Errorf("%s is not answered with a slot", path)
		}
		s.asks <- struct{}{} // blocks when the question kept its slot
	}
}
