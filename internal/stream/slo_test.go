package stream

import (
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

const objective = "- {name: kept, type: burn_rate, when: event_type == 'llm_request', good: data.success == true, objective: 0.9, group_by: [model]}\n"

// Objectives are counted exactly, and listed page by page.
func TestObjectivesAreAnswered(t *testing.T) {
	b := bustest.New(t)
	s := judging(t, b, t.TempDir(), newRules(t, objective))
	defer s.end(t)
	produce(t, b, append(failures(0, 8, "a"), append(failures(8, 3, "b"), failures(11, 2, "c")...)...))
	mux := httpx.NewMux(slog.New(slog.DiscardHandler), nil)
	s.mountObjectives(mux)
	get := func(query string) (out objectivesAnswer) {
		t.Helper()
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/slo?"+query, nil))
		if w.Code != 200 {
			t.Fatalf("%s: %d %s", query, w.Code, w.Body)
		}
		var raw struct {
			SLOs []json.RawMessage `json:"slos"`
			Next *string           `json:"next_cursor"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &raw); err != nil {
			t.Fatal(err)
		}
		for _, text := range raw.SLOs {
			out.SLOs = append(out.SLOs, shownObjective(t, text))
		}
		out.Next = raw.Next
		return out
	}
	for end := time.Now().Add(2 * time.Minute); ; { // each question waits for what had arrived
		if all := get("").SLOs; len(all) == 3 && all[0].Total+all[1].Total+all[2].Total == 13 {
			break
		} else if time.Now().After(end) {
			t.Fatalf("%+v", all)
		}
	}
	a := get("model=a&name=kept").SLOs
	if len(a) != 1 || a[0].Total != 8 || a[0].Good != 0 || a[0].Budget.Bad != 8 || a[0].Budget.Remaining > -8.999 || a[0].Budget.Remaining < -9.001 || a[0].Objective != 0.9 {
		t.Errorf("%+v", a)
	}
	var models string
	for query := "limit=1"; ; {
		page := get(query)
		models += page.SLOs[0].Key["model"]
		if page.Next == nil {
			break
		}
		query = "limit=1&cursor=" + *page.Next
	}
	if models != "abc" {
		t.Errorf("page by page: %s", models)
	}
}

// shownObjective reads what matters of an objective; its times are written and never read by hxp.
func shownObjective(t *testing.T, text []byte) (o rule.Objective) {
	t.Helper()
	var in struct {
		Name      string            `json:"name"`
		Objective float64           `json:"objective"`
		Key       map[string]string `json:"key"`
		Total     int64             `json:"total"`
		Good      int64             `json:"good"`
		Budget    rule.Budget       `json:"budget"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		t.Fatal(err)
	}
	return rule.Objective{Name: in.Name, Objective: in.Objective, Key: in.Key, Total: in.Total, Good: in.Good, Budget: in.Budget}
}
