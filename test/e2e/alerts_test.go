package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/store"
)

// raised is an alert event, in the shape of GET /alerts.
type raised struct {
	ID       string            `json:"id"`
	Rule     string            `json:"rule"`
	State    string            `json:"state"`
	Severity string            `json:"severity"`
	Key      string            `json:"key"`
	Labels   map[string]string `json:"labels"`
	At       *time.Time        `json:"at"` // of an end
	StartsAt time.Time         `json:"starts_at"`
	EndsAt   *time.Time        `json:"ends_at"`
	Window   *struct {
		Start time.Time `json:"start"`
		End   time.Time `json:"end"`
	} `json:"window"`
	Value      float64           `json:"value"`
	Threshold  float64           `json:"threshold"`
	Top        []json.RawMessage `json:"top"`
	RequestIDs []string          `json:"request_ids"`
}

// alerts are what the topic has told now of each alert, by id; decisions of rules are not among them.
func (h *instance) alerts(t *testing.T) map[string][]raised {
	t.Helper()
	byID := map[string][]raised{}
	for _, m := range h.records(t, event.TopicAlerts) {
		var decision struct{ Version string }
		if json.Unmarshal(m.Value, &decision) == nil && decision.Version != "" {
			continue
		}
		var a raised
		dec := json.NewDecoder(bytes.NewReader(m.Value))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&a); err != nil {
			t.Fatalf("%v in %s", err, m.Value)
		}
		if string(m.Key) != a.ID || a.Window == nil || a.Top == nil || a.RequestIDs == nil {
			t.Errorf("key %s: %s", m.Key, m.Value)
		}
		byID[a.ID] = append(byID[a.ID], a)
	}
	return byID
}

// withStore does something with the database of a stopped instance.
func (h *instance) withStore(t *testing.T, do func(*store.Store)) {
	t.Helper()
	s, err := store.Open(t.Context(), cmp.Or(h.sql, "sqlite:"+filepath.Join(h.dir, "data", "hxp.db")), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	do(s)
}

const hourlyDAG = "hxp_hourly_aggregation"

// rewind makes the schedule of the hours stand where it stood so many hours ago, as if nothing had run since.
func (h *instance) rewind(t *testing.T, hours time.Duration) {
	t.Helper()
	h.withStore(t, func(s *store.Store) {
		states, _, err := s.Schedules(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		next := states[hourlyDAG].Next
		if _, ok, err := s.Materialise(t.Context(), hourlyDAG, next, next.Add(-hours*time.Hour), nil); err != nil || !ok {
			t.Fatal(next, ok, err)
		}
	})
}

// An outage makes scheduled runs miss their deadline of two hours. Each is an alert event on hxp-alerts, once, whatever restarts.
func TestMissedDeadlineIsAnAlert(t *testing.T) {
	h := start(t, "127.0.0.1:0")
	// expect waits for n alerts of which some are over. Ends are looked for each minute and at a start, and told once more by each process.
	expect := func(n, over int) map[string]raised {
		t.Helper()
		began, ended := map[string]raised{}, 0
		eventually(t, readyWithin, "the alerts are there", func() bool {
			clear(began)
			ended = 0
			for id, told := range h.alerts(t) {
				if began[id] = told[0]; len(told) > 1 {
					ended++
				}
			}
			return len(began) >= n && ended >= over
		})
		for id, told := range h.alerts(t) {
			for _, a := range told[1:] {
				if a.State != "resolved" || a.EndsAt == nil || a.At == nil || !a.StartsAt.Equal(told[0].StartsAt) {
					t.Errorf("after its beginning was told of %s: %+v", id, a)
				}
			}
		}
		return began
	}
	h.stop(t)
	h.rewind(t, 4) // of the four runs that come due at once, two have missed their deadline
	h.up(t)
	before := expect(2, 0)
	h.kill()
	h.up(t)
	h.stop(t)
	h.rewind(t, 5) // the four have their runs; one more is made, and missed
	h.up(t)
	after := expect(3, 2)
	for id, a := range before {
		if now := after[id]; !now.StartsAt.Equal(a.StartsAt) || now.Value != a.Value {
			t.Errorf("told again: %+v, and before %+v", now, a)
		}
	}
	h.stop(t)

	missed := 0
	h.withStore(t, func(s *store.Store) {
		page, err := s.Runs(t.Context(), agg.RunFilter{DagID: hourlyDAG})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Runs {
			if r.DeadlineMissedAt == nil {
				continue
			}
			missed++
			a := after["dag-deadline-"+r.ID]
			if a.Rule != "DagDeadlineMissed" || a.State != "firing" || a.Severity != "critical" || a.Key != hourlyDAG || a.EndsAt != nil ||
				a.Labels["dag_id"] != hourlyDAG || a.Labels["run_id"] != r.RunID || !a.StartsAt.Equal(*r.DeadlineMissedAt) ||
				!a.Window.Start.Equal(r.Start) || !a.Window.End.Equal(r.End) || a.Threshold != 7200 || a.Value < a.Threshold {
				t.Errorf("%+v of the run %+v", a, r)
			}
		}
	})
	if missed != len(after) {
		t.Errorf("%d runs missed their deadline, %d alerts", missed, len(after))
	}
}
