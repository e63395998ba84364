package e2e

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// exact are the results that were worked out for a group of a trace, by other means.
type exact struct {
	Requests, Errors int64
	Prompt           int64                   `json:"prompt_tokens"`
	Completion       int64                   `json:"completion_tokens"`
	Seconds          *struct{ Mean float64 } `json:"latency_s"`
	Good             *struct{ Mean float64 } `json:"latency_s_success_only"`
	Models           map[string]exact
}

// agrees compares totals with exact results; their means were added up in floats.
func (x exact) agrees(s totals) bool {
	mean := x.Good
	if mean == nil {
		mean = x.Seconds
	}
	return s.requests == x.Requests && s.errors == x.Errors && s.prompt == x.Prompt && s.completion == x.Completion &&
		(mean == nil || s.avg != nil && math.Abs(*s.avg-mean.Mean*1000) <= 1e-6*mean.Mean*1000)
}

func traces() string {
	if dir := os.Getenv("HXP_TEST_DATA"); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "..", "shared", "data")
}

func replayTrace(t *testing.T, w *walk) {
	const rel = "llm/burstgpt_3_head60.csv"
	data, err := os.ReadFile(filepath.Join(traces(), "truth", "llm__burstgpt_3_head60.csv.truth.json"))
	if err != nil {
		t.Skipf("no traces here (HXP_TEST_DATA names their folder): %v", err)
	}
	var truth struct {
		Rows  int
		Hours map[string]exact
	}
	if err := json.Unmarshal(data, &truth); err != nil {
		t.Fatal(err)
	}
	s := w.replay(t, filepath.Join(traces(), rel))
	if s.Read != truth.Rows || s.Sent != truth.Rows {
		t.Errorf("replay: %+v, want %d rows", s, truth.Rows)
	}
	hours := []string{}
	for h := range truth.Hours {
		hours = append(hours, h)
	}
	slices.Sort(hours)
	for _, h := range hours {
		start, err := time.Parse("2006-01-02T15", h)
		if err != nil {
			t.Fatal(err)
		}
		want := truth.Hours[h]
		w.caughtUp(t, start, want.Requests)
		all, models := w.window(t, start)
		want.compare(t, "windows of "+h, all, models)
		all, models = w.aggregate(t, start)
		want.compare(t, "SQL of "+h, all, models)
	}
}

func (x exact) compare(t testing.TB, what string, all totals, models map[string]totals) {
	t.Helper()
	if !x.agrees(all) {
		t.Errorf("%s: %v, want %+v", what, all, x)
	}
	for m, want := range x.Models {
		if !want.agrees(models[m]) {
			t.Errorf("%s, %s: %v, want %+v", what, m, models[m], want)
		}
	}
}
