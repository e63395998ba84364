package batch

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/insight"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// fortnight publishes fourteen days with one busy hour each: model a gets twice as dear on the eighth day, tenant y is gone from the tenth on.
func fortnight(w *world) {
	rng := rand.New(rand.NewPCG(2, 3))
	for day := range 14 {
		rows := spent(rng, 80)
		for i := range rows {
			e := &rows[i].Event
			if e.SetText(event.Model, "a"); e.Text(event.Tenant) == "" || day >= 10 {
				e.SetText(event.Tenant, "x")
			}
			tokens := 100 + rng.Int64N(20)
			e.SetText(event.SessionID, fmt.Sprint(e.Text(event.UserID), day))
			e.SetInt(event.PromptTokens, tokens)
			if e.SetInt(event.Cost, tokens*1000); day >= 7 {
				e.SetInt(event.Cost, tokens*2000)
			}
		}
		w.publish(hour0+int64(day)*86400, rows...)
	}
}

func TestInsight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		fortnight(w)
		s, _ := newService(t, w, func(c *Config) { c.Intelligence.Types = []string{userBehavior, performanceTrends, costOptimization} })
		h := s.Handler()
		get := func(path string) (int, *insightAnswer) {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
			a := &insightAnswer{}
			if err := json.Unmarshal(rec.Body.Bytes(), a); rec.Code == 200 && err != nil {
				t.Fatal(err)
			}
			return rec.Code, a
		}
		for path, want := range map[string]int{
			"/business-intelligence/no_such": 404, "/business-intelligence/capacity_planning": 409, "/business-intelligence/user_behavior?from=2026-03-02&to=2026-03-01": 422,
			"/business-intelligence/user_behavior?from=2026-03-01T01:00:00Z&to=2026-03-01T23:00:00Z": 422, "/business-intelligence/user_behavior?from=2020-01-01&to=2026-03-01": 422, "/business-intelligence/user_behavior?model=x": 422,
		} {
			if code, _ := get(path); code != want {
				t.Errorf("%s: %d, want %d", path, code, want)
			}
		}
		const days = "?from=2026-03-01&to=2026-03-15"
		_, costs := get("/business-intelligence/cost_optimization" + days)
		var rise *insight.Finding
		for i := range costs.Findings {
			if costs.Findings[i].Kind == "unit_cost_change" {
				rise = &costs.Findings[i]
			}
		}
		if rise == nil || rise.Subject["model"] != "a" || rise.At.Format("2006-01-02") != "2026-03-08" || *rise.After < 1.9**rise.Before || rise.Saving == nil {
			t.Errorf("the price rise: %+v", rise)
		}
		_, people := get("/business-intelligence/user_behavior" + days)
		if len(people.Findings) != 1 || people.Findings[0].Kind != "lost_tenant" || people.Findings[0].Subject["tenant"] != "y" || people.Findings[0].At.Format("2006-01-02") != "2026-03-11" {
			t.Errorf("user_behavior: %+v", people.Findings)
		}
		text, _ := json.Marshal(people.Sections)
		for _, want := range []string{`"users":3`, `"sessions":42`, `"retained":[1,1]`, `"by_latency"`} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s is not in %s", want, text)
			}
		}
		if people.Days != 14 || people.Hours != 14 {
			t.Errorf("%d days, %d hours", people.Days, people.Hours)
		}
		if code, none := get("/business-intelligence/performance_trends?from=2026-01-01&to=2026-01-05"); code != 200 || len(none.Findings) != 0 || !slices.Contains(none.Limits, insightLimit{"days", "no event was counted from 2026-01-01 to 2026-01-05; a day counts when it is over"}) {
			t.Errorf("without data: %d %+v", code, none)
		}
	})
}

// Strangers name tenants as they like: what is kept of them is bounded, and those with the most requests stay.
func TestOutlookIsBounded(t *testing.T) {
	l := &outlook{days: 3, by: map[string]map[string]*valueDays{agg.ByTenant: {}}, cut: map[string]bool{}}
	for day := range l.days {
		sum := cells{{Dimension: agg.ByTenant, Value: "big"}: {Requests: 100}, {Dimension: agg.ByTenant, Value: agg.Others}: {Requests: 1}}
		for i := range mostKept {
			sum[agg.Group{Dimension: agg.ByTenant, Value: fmt.Sprint(day, "-", i)}] = &agg.Cell{Requests: 1}
		}
		l.take(day, sum)
	}
	kept := l.by[agg.ByTenant]
	if len(kept) != mostKept+1 || !l.cut[agg.ByTenant] {
		t.Errorf("%d values are kept, cut %v", len(kept), l.cut)
	}
	if big, rest := kept["big"], kept[agg.Others]; big == nil || sumOf(big.requests) != 300 || rest == nil || sumOf(rest.requests) != 3 {
		t.Errorf("big %+v, the others %+v", big, rest)
	}
}

// What nobody can price is not free.
func TestSpent(t *testing.T) {
	d := &valueDays{sofar: 3, unpriced: 3, cost: []int64{0, 0}}
	if d.spent() != nil {
		t.Errorf("nothing is priced: %v", *d.spent())
	}
	if d.unpriced, d.cost = 1, []int64{4, 3}; d.spent() == nil || *d.spent() != 7 {
		t.Errorf("%v", d.spent())
	}
}
