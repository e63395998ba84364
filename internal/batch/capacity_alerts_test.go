package batch

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// An alert of capacity keeps its id while it goes on and is resolved by the week that does not have it; only scheduled runs of new intervals tell.
func TestCapacityAlertsEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.alerts.refused = 3 // it takes all from now on
		r := begin(t, w, nil)
		short, ends, worse := capacityAlert{Rule: "CapacityShort", Severity: "warning", Model: "m", Value: 8, Threshold: 7}, capacityAlert{Rule: "CapacityEnds", Severity: "warning", Model: "_all"},
			capacityAlert{Rule: "CapacityShort", Severity: "critical", Model: "m"}
		week := func(trigger string, n int, alerts ...capacityAlert) string {
			t.Helper()
			before := len(w.alerts.all())
			end := planStart.AddDate(0, 0, 7*n)
			if err := r.s.tellCapacity(t.Context(), alerts, &agg.Run{Trigger: trigger, Start: end.AddDate(0, 0, -7), End: end}); err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, kv := range w.alerts.all()[before:] {
				var a alert
				if err := json.Unmarshal([]byte(kv[1]), &a); err != nil || a.ID != kv[0] || (a.State == "resolved") != (a.EndsAt != nil && a.EndsAt.Equal(end)) {
					t.Errorf("%s: %s, %v", kv[0], kv[1], err)
				}
				out = append(out, a.State+" "+a.Rule+" "+a.Severity+" "+a.StartsAt.Format(time.DateOnly)+" "+a.ID[strings.LastIndexByte(a.ID, '-')+1:])
			}
			return strings.Join(out, "; ")
		}
		const one, two = "2026-03-08 1772928000", "2026-03-15 1773532800"
		for _, c := range []struct{ what, got, want string }{
			{"a backfill", week(agg.RunBackfill, 1, short), ""},
			{"one by hand", week(agg.RunManual, 1, short), ""},
			{"the first", week(agg.RunScheduled, 1, short), "firing CapacityShort warning " + one},
			{"the same once more", week(agg.RunScheduled, 1, short), "firing CapacityShort warning " + one},
			{"it goes on, with another", week(agg.RunScheduled, 2, short, ends), "firing CapacityShort warning " + one + "; firing CapacityEnds warning " + two},
			{"a week of the past", week(agg.RunScheduled, 1), ""},
			{"worse", week(agg.RunScheduled, 3, worse), "firing CapacityShort critical 2026-03-22 1774137600; resolved CapacityEnds warning " + two + "; resolved CapacityShort warning " + one},
			{"all is well", week(agg.RunScheduled, 4), "resolved CapacityShort critical 2026-03-22 1774137600"},
			{"and stays so", week(agg.RunScheduled, 5), ""},
		} {
			if c.got != c.want {
				t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
			}
		}
	})
}

// What could not be told is told by the next try, with the same ids.
func TestCapacityAlertsAreTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.alerts.refused = 2 // one more
		r := begin(t, w, nil)
		run, warned := &agg.Run{Trigger: agg.RunScheduled, Start: planStart, End: planStart.AddDate(0, 0, 7)}, []capacityAlert{{Rule: "CapacityShort", Severity: "warning", Model: "m"}}
		if err := r.s.tellCapacity(t.Context(), warned, run); err == nil {
			t.Error("no broker, and no error")
		}
		if err := r.s.tellCapacity(t.Context(), warned, run); err != nil || len(w.alerts.all()) != 1 {
			t.Errorf("%v, %v", err, w.alerts.all())
		}
	})
}
