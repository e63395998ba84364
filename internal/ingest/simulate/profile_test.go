package simulate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

func profile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "profile.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProfileIsWhatIsMade(t *testing.T) {
	p, err := ReadProfile(profile(t, "rate: 20\nscenario: drift\nhosts: 2\nmodels:\n  - {name: big, weight: 3, error_rate: 0}\n  - {name: small, error_rate: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Rate != 20 || p.Scenario != Drift || p.Hosts != 2 || p.Users != 400 || len(p.Models) != 2 || p.Models[0].TTFT != 150 {
		t.Errorf("%+v", p)
	}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	requests, failed := map[string]float64{}, map[string]float64{}
	New(1, p, start).Due(start.Add(10*time.Minute), func(e *event.Event) {
		if e.Kind == event.LLMRequest {
			requests[e.Text(event.Model)]++
			if !e.Bool(event.Success) {
				failed[e.Text(event.Model)]++
			}
		}
	})
	if ratio := requests["big"] / requests["small"]; len(requests) != 2 || ratio < 2.7 || ratio > 3.3 {
		t.Errorf("requests by model %v, want three of big for one of small", requests)
	}
	if failed["big"] != 0 || failed["small"] != requests["small"] {
		t.Errorf("failed %v of %v", failed, requests)
	}
}

func TestFaultsOfAProfileAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"rate: fast\n":                              "rate",
		"ratee: 5\n":                                "rate",
		"scenario: calm\n":                          "scenario",
		"models:\n  - {weight: 1}\n":                "name",
		"models:\n  - {name: a, weight: 0}\n":       "weight",
		"models:\n  - {name: a, error_rate: 1.5}\n": "error_rate",
	} {
		if _, err := ReadProfile(profile(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want it to name %q", text, err, want)
		}
	}
	if _, err := ReadProfile(filepath.Join(t.TempDir(), "none.yaml")); err == nil {
		t.Error("a missing file is no fault")
	}
}
