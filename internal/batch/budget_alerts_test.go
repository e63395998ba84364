package batch

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// spending publishes days from hour0 on which one request costs so many USD, or has no price where that is 0.
func spending(w *world, days int, usd func(day int) int64) {
	for day := range days {
		r := event.LakeRow{TopicID: "t", Topic: "llm-requests", Offset: int64(day)}
		e := &r.Event
		e.Kind, e.ID, e.HasTime, e.Time = event.LLMRequest, string(rune('a'+day)), true, hour0*1e6 // publish moves it to its hour
		e.SetText(event.Model, "m")
		if n := usd(day); n > 0 {
			e.SetInt(event.Cost, n*1e9)
		}
		w.publish(hour0+int64(day)*86400, r)
	}
}

// A budget that will be spent is told once, ends when it is spent, which is told in its place, and that ends with the month.
func TestBudgetAlerts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.alerts.refused = 3 // it takes all from now on
		spending(w, 34, func(int) int64 { return 10 })
		s, _ := newService(t, w, func(c *Config) {
			c.Costs.Budgets = []cost.Budget{{Name: "all", USD: 200}, {Name: "large", USD: 10000, Model: "m"}}
		})
		tell := func(trigger string, day, hour int) string {
			t.Helper()
			before := len(w.alerts.all())
			end := time.Unix(hour0, 0).UTC().Truncate(24*time.Hour).AddDate(0, 0, day-1).Add(time.Duration(hour) * time.Hour)
			s.now = func() time.Time { return end.Add(time.Minute) }
			s.tellBudgets(t.Context(), &agg.Run{Trigger: trigger, Start: end.Add(-time.Hour), End: end})
			var out []string
			for _, kv := range w.alerts.all()[before:] {
				var a alert
				if err := json.Unmarshal([]byte(kv[1]), &a); err != nil || a.ID != kv[0] || a.Threshold != 200 || a.Labels["budget"] != "all" || a.Labels["kind"] != "quota" || !a.Once || a.Texts["summary"] == "" {
					t.Errorf("%s: %s, %v", kv[0], kv[1], err)
				}
				out = append(out, a.State+" "+a.Rule+" "+a.Severity+" "+a.Key+" "+a.Labels["breach_on"]+" since "+a.StartsAt.Format(time.DateOnly))
			}
			return strings.Join(out, "; ")
		}
		const likely = "BudgetWillBreach warning all 2026-03 2026-03-20 since 2026-03-16"
		for _, c := range []struct{ what, got, want string }{
			{"five days tell nothing", tell(agg.RunScheduled, 6, 0), ""},
			{"by hand", tell(agg.RunManual, 16, 0), ""},
			{"it will be spent", tell(agg.RunScheduled, 16, 0), "firing " + likely},
			{"an hour later it goes on", tell(agg.RunScheduled, 16, 1), "firing " + likely},
			{"little is left", tell(agg.RunScheduled, 20, 0), "firing BudgetNearlySpent warning all 2026-03 2026-03-20 since 2026-03-20; resolved " + likely},
			{"it is spent", tell(agg.RunScheduled, 21, 0), "firing BudgetBreached critical all 2026-03 2026-03-20 since 2026-03-21; resolved BudgetNearlySpent warning all 2026-03 2026-03-20 since 2026-03-20"},
			{"the month is over", tell(agg.RunScheduled, 32, 0), "firing BudgetBreached critical all 2026-03 2026-03-20 since 2026-03-21"},
			{"the next month begins", tell(agg.RunScheduled, 33, 0), "firing BudgetWillBreach warning all 2026-04 2026-04-20 since 2026-04-02; resolved BudgetBreached critical all 2026-03 2026-03-20 since 2026-03-21"},
		} {
			if c.got != c.want {
				t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
			}
		}
	})
}

// Requests without a price may cost anything: a budget that is likely to be spent without them is told with their number, and one whose end
// nobody can tell any more does not end its alert.
func TestBudgetAlertsWithoutPrices(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.alerts.refused = 3
		spending(w, 20, func(day int) int64 {
			if day == 15 {
				return 0
			}
			return 10
		})
		s, _ := newService(t, w, func(c *Config) { c.Costs.Budgets = []cost.Budget{{Name: "all", USD: 200}} })
		at := time.Unix(hour0, 0).UTC().Truncate(24*time.Hour).AddDate(0, 0, 18)
		if err := s.tellBudgetsAt(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		told := w.alerts.all()
		if len(told) != 1 || !strings.Contains(told[0][1], `"unpriced_requests":"1"`) || !strings.Contains(told[0][1], `"BudgetWillBreach"`) {
			t.Fatalf("%v", told)
		}
		s.cfg().Costs.Budgets[0].USD = 10000 // lasts, were it not for the one without a price
		if err := s.tellBudgetsAt(t.Context(), at.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if told = w.alerts.all(); len(told) != 2 || told[1] != told[0] {
			t.Errorf("%v", told[1:])
		}
	})
}

// A forecast that crosses a budget to and fro is told once: the alert goes on while the budget may be spent, and is over when it is kept in the worst
// case as well.
func TestBudgetAlertsGoOnWhileUnsure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.alerts.refused = 5
		spending(w, 18, func(day int) int64 { return int64(5 + day*7%11) }) // days differ, so that a forecast has an interval
		s, _ := newService(t, w, func(c *Config) { c.Costs.Budgets = []cost.Budget{{Name: "all", USD: 1e6}} })
		at := time.Unix(hour0, 0).UTC().Truncate(24*time.Hour).AddDate(0, 0, 18)
		stands, err := s.standings(t.Context(), s.cfg().Costs.Budgets, at)
		if err != nil || stands[0].ExpectedUSD == nil || *stands[0].HiUSD < *stands[0].ExpectedUSD+2 {
			t.Fatalf("%+v, %v", stands, err)
		}
		likely, most := *stands[0].ExpectedUSD, *stands[0].HiUSD
		ids := map[string]bool{}
		for _, c := range []struct {
			what string
			usd  float64
			want string
		}{
			{"it may be spent, which is not told", likely + 1, ""},
			{"it is likely to be", likely - 1, "firing"},
			{"it may be", likely + 1, "firing"},
			{"it is likely to be", likely - 1, "firing"},
			{"it is kept", most + 1, "resolved"},
			{"it may be spent", likely + 1, ""},
		} {
			before := len(w.alerts.all())
			s.cfg().Costs.Budgets[0].USD = c.usd
			if err := s.tellBudgetsAt(t.Context(), at); err != nil {
				t.Fatal(err)
			}
			at = at.Add(time.Second) // another look, for which all else is as it was
			got := ""
			for _, kv := range w.alerts.all()[before:] {
				var a alert
				if err := json.Unmarshal([]byte(kv[1]), &a); err != nil || a.Rule != "BudgetWillBreach" {
					t.Errorf("%s: %s, %v", c.what, kv[1], err)
				}
				ids[a.ID], got = true, got+a.State
			}
			if got != c.want {
				t.Errorf("%s: %q, want %q", c.what, got, c.want)
			}
		}
		if len(ids) != 1 {
			t.Errorf("it is told as %v", ids)
		}
	})
}
