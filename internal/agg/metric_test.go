package agg

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// A metric is the number that stands in Stats under its name.
func TestMetricsAreTheNumbersOfStats(t *testing.T) {
	var p event.Parser
	var e event.Event
	full, empty := new(Cell), new(Cell)
	for _, text := range []string{
		`{"event_type":"llm_request","data":{"model":"m","user_id":"u","session_id":"s","duration_ms":120.5,"ttft_ms":30,"tpot_ms":5,"prompt_tokens":10,"completion_tokens":5,"cached_tokens":3,"reasoning_tokens":2,"success":true,"cost_usd":0.125}}`,
		`{"event_type":"llm_request","data":{"model":"m","user_id":"v","duration_ms":20,"success":false}}`,
		`{"event_type":"llm_request","data":{"model":"m"}}`,
		`{"event_type":"user_feedback","data":{"satisfaction_score":4,"accuracy_feedback":0.5,"thumbs":"up"}}`,
		`{"event_type":"business_event","data":{"business_event_type":"sale","business_value_usd":2.5,"cost_usd":1}}`,
		`{"event_type":"system_metric","data":{"cpu_usage":70,"my_own":3}}`,
	} {
		if bad := p.Parse([]byte(text), &e); bad != nil {
			t.Fatal(bad)
		}
		full.Add(&e, false)
	}
	for _, c := range []*Cell{full, empty} {
		text, err := json.Marshal(c.Stats(60))
		if err != nil {
			t.Fatal(err)
		}
		var stats map[string]any
		if err := json.Unmarshal(text, &stats); err != nil {
			t.Fatal(err)
		}
		names := append(MetricNames(), "system.cpu_usage", "system.my_own", "system.gpu_usage")
		seen := map[string]bool{}
		for _, name := range names {
			m, ok := ParseMetric(name)
			if !ok {
				t.Fatalf("%s is not known", name)
			}
			if name == "tokens" {
				name = "tokens.total"
			}
			seen[name] = true
			v, ok := m.Of(c, 60)
			want := lookup(stats, name)
			if want == nil && ok || want != nil && (!ok || v != want.(float64)) {
				t.Errorf("%s: %v, %v; Stats say %v", name, v, ok, want)
			}
		}
		for _, name := range leaves("", stats) {
			if !seen[name] && !strings.HasPrefix(name, "system.") {
				t.Errorf("Stats have %s, which is no metric", name)
			}
		}
	}
	for _, name := range []string{"", "system.", "no.such", "latency_ms"} {
		if _, ok := ParseMetric(name); ok {
			t.Errorf("%q is taken for a metric", name)
		}
	}
}

func lookup(v any, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

func leaves(prefix string, v any) (out []string) {
	m, ok := v.(map[string]any)
	if !ok {
		return []string{strings.TrimSuffix(prefix, ".")}
	}
	for key, x := range m {
		out = append(out, leaves(prefix+key+".", x)...)
	}
	return out
}
