package batch

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/batch/insight"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Satisfaction is told by the version that requests name, in what else they carry or in their metadata; of models that name none it is not.
func TestSatisfactionByVersion(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		version := func(i int) string { return []string{"v1", "v2"}[i/40%2] }
		w.publish(hour0, said("llm-requests", event.LLMRequest, 160, func(i int, e *event.Event) {
			e.SetText(event.RequestID, fmt.Sprint("r", i))
			e.SetText(event.Model, "m")
			switch {
			case i >= 120:
				e.SetText(event.Model, "other")
			case i >= 80:
				e.Metadata = []byte(`{"prompt_version":"v9","model_version":"v3"}`)
			default:
				e.Extra = []byte(`{"model_version":"` + version(i) + `"}`)
			}
		})...)
		w.publish(hour0, said("user-feedback", event.UserFeedback, 160, func(i int, e *event.Event) {
			e.SetText(event.RequestID, fmt.Sprint("r", i))
			e.SetFloat(event.SatisfactionScore, float64([]int{4, 2, 3, 5}[i/40]+i%2))
		})...)
		r := begin(t, w, nil)
		r.post(0, 1)
		for _, kind := range []string{userBehavior, performanceTrends} {
			a := r.call("GET", "/business-intelligence/"+kind+"?from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z", "")
			var told struct {
				Findings []insight.Finding `json:"findings"`
				Sections struct {
					Versions     []insight.ShownVersion `json:"satisfaction_by_version"`
					Satisfaction satisfaction           `json:"satisfaction"`
				} `json:"sections"`
			}
			if err := json.Unmarshal([]byte(a.body), &told); err != nil || a.status != 200 {
				t.Fatalf("%d %v: %s", a.status, err, a.body)
			}
			got := append(told.Sections.Versions, told.Sections.Satisfaction.ByVersion...)
			if len(got) != 3 || got[0].Version != "v1" || got[1].Version != "v2" || got[2].Version != "v3" || *got[0].Mean != 4.5 || *got[1].Mean != 2.5 || *got[2].Mean != 3.5 || got[0].N != 40 || got[0].OthersN != 80 || *got[0].PValue > 1e-6 {
				t.Errorf("%s: %+v", kind, got)
			}
			named := map[string]bool{}
			for _, f := range told.Findings {
				if f.Kind == "satisfaction_by_version" {
					named[f.Subject["version"]] = true
				}
			}
			if !named["v1"] || !named["v2"] || named["v3"] { // v3 is as the mean of the others
				t.Errorf("%s: %v", kind, named)
			}
		}
	})
}
