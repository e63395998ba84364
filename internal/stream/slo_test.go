package stream

import (
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"strings"
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

const defined = "slos: [{name: kept, indicator: availability, objective: 0.9, group_by: [model]}]\n"

// An objective is shown as it was defined, and with rules of Prometheus.
func TestDefinitionOfAnObjective(t *testing.T) {
	s := New(testConfig(), nil, Options{Log: slog.New(slog.DiscardHandler), Rules: newRules(t, defined)})
	mux := httpx.NewMux(slog.New(slog.DiscardHandler), nil)
	s.mountObjectives(mux)
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		return w
	}
	var one definitionAnswer
	if w := get("/slo/kept"); w.Code != 200 || json.Unmarshal(w.Body.Bytes(), &one) != nil || one.Rule != "kept-burn" || one.Definition.Indicator != "availability" || one.Definition.Objective != 0.9 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get("/slo/none"); w.Code != 404 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get("/slo/prometheus"); w.Code != 200 || w.Header().Get("Content-Type") != "application/yaml" || !strings.Contains(w.Body.String(), "alert: kept-burn") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// The counters for Prometheus are exact, and go on over a restart: nobody sees them fall.
func TestCountersOfObjectives(t *testing.T) {
	b := bustest.New(t)
	dir, rules := t.TempDir(), newRules(t, defined)
	counted := func(s *running, least, want int) {
		t.Helper()
		for end := time.Now().Add(2 * time.Minute); ; {
			total, shown := s.opts.Registry.Sum(rule.TotalMetric)
			if shown && int(total) == want {
				break
			}
			if shown && (int(total) > want || int(total) < least) || time.Now().After(end) {
				t.Fatalf("%v counted (shown: %t), want %d, and never less than %d", total, shown, want, least)
			}
			if _, err := s.Objectives(t.Context()); err != nil { // a question takes about as long as it needs
				t.Fatal(err)
			}
		}
	}
	first := judging(t, b, dir, rules)
	produce(t, b, append(failures(0, 8, "a"), failures(8, 3, "b")...))
	counted(first, 0, 11)
	first.end(t)
	produce(t, b, failures(11, 5, "a"))
	second := judging(t, b, dir, rules)
	defer second.end(t)
	counted(second, 11, 16)
	if good, _ := second.opts.Registry.Sum(rule.GoodMetric); good != 0 {
		t.Errorf("%v are good", good)
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
