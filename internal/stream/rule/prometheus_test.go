package rule

import (
	"fmt"
	"strings"
	"testing"
)

func TestTranslate(t *testing.T) {
	for _, tt := range []struct{ expr, want string }{
		{`rate(event_processing_total[5m]) < 100`, "type: rate|window: 5m|metric: events|op: \"<\"|value: 100"},
		{`sum by (model_name) (rate(vllm:request_success_total[1m])) > 5`, `type: rate|when: 'event_type == "llm_request"'|group_by: [model]|window: 1m|metric: requests|op: ">"|value: 5`},
		{`sum(increase(litellm_spend_metric_total{team="a", model!="b"}[1h])) >= 10`,
			`type: threshold|when: 'event_type == "llm_request" && data.tenant == "a" && data.model != "b"'|window: 1h|metric: cost_usd|op: ">="|value: 10`},
		{`sum(rate(vllm:request_success_total{model_name=~"llama-.+",team!~"test.*"}[5m])) > 1`,
			`type: rate|when: 'event_type == "llm_request" && data.model.matches("^(?:llama-.+)$") && !data.tenant.matches("^(?:test.*)$")'|window: 5m|metric: requests|op: ">"|value: 1`},
		{`vllm:num_requests_waiting > 20`, `type: threshold|when: 'event_type == "system_metric" && has(data.requests_waiting)'|group_by: [host]|window: 1m|metric: system.requests_waiting|op: ">"|value: 20`},
		{`avg(avg_over_time(vllm:gpu_cache_usage_perc[10m])) > 0.95`, `type: threshold|when: 'event_type == "system_metric" && has(data.kv_cache_usage)'|window: 10m|metric: system.kv_cache_usage|op: ">"|value: 0.95`},
		{`histogram_quantile(0.95, sum by (le, model_name) (rate(vllm:e2e_request_latency_seconds_bucket[5m]))) > 2.5`,
			`type: threshold|when: 'event_type == "llm_request"'|group_by: [model]|window: 5m|metric: latency_ms.p95|op: ">"|value: 2500`},
		{`histogram_quantile(0.95, sum(rate(vllm:e2e_request_latency_seconds_bucket[5m])) by (le, model_name)) > 2.5`,
			`type: threshold|when: 'event_type == "llm_request"'|group_by: [model]|window: 5m|metric: latency_ms.p95|op: ">"|value: 2500`},
		{"sum by (team) (rate(litellm_proxy_failed_requests_metric_total[5m]))\n  / sum by (team) (rate(litellm_proxy_total_requests_metric_total[5m])) > 0.05",
			`type: ratio|when: 'event_type == "llm_request"'|group_by: [tenant]|window: 5m|op: ">"|value: 0.05|of: "data.success == false"`},
		{`absent_over_time(vllm:request_success_total{model_name="a"}[10m])`, `type: absence|when: 'event_type == "llm_request" && data.model == "a"'|window: 10m`},
	} {
		rules, left := FromPrometheus(ruleFile(tt.expr))
		if len(left) > 0 || len(rules) != 1 {
			t.Errorf("%s: %v", tt.expr, left)
			continue
		}
		text := string(rules[0].YAML())
		for line := range strings.SplitSeq(tt.want, "|") {
			if !strings.Contains("\n"+text, "\n"+line+"\n") {
				t.Errorf("%s: no %s in\n%s", tt.expr, line, text)
			}
		}
		if strings.Contains(text, "group_by") != strings.Contains(tt.want, "group_by") {
			t.Errorf("%s:\n%s", tt.expr, text)
		}
	}
}

// ruleFile is a rule file with one alert.
func ruleFile(expr string) []byte {
	return fmt.Appendf(nil, "groups:\n- name: g\n  rules:\n  - alert: An alert\n    expr: |\n      %s\n    for: 2m\n    labels: {severity: page, team: a}\n    annotations: {summary: It burns}\n", strings.ReplaceAll(expr, "\n", "\n      "))
}

func TestFromPrometheus(t *testing.T) {
	text := string(ruleFile(`rate(event_processing_total[5m]) < 100`)) + "  - record: a:b\n    expr: sum(x)\n  - alert: An alert\n    expr: rate(event_processing_total[5m]) < 50\n  - alert: Other\n    expr: node_load1 > 5\n"
	rules, left := FromPrometheus([]byte(text))
	if len(rules) != 2 || rules[0].Name != "An-alert" || rules[1].Name != "An-alert-2" || rules[0].Severity != "critical" || rules[0].Labels["team"] != "a" || rules[0].For.String() != "2m" || rules[0].Annotations["summary"] != "It burns" {
		t.Errorf("%+v", rules)
	}
	if len(left) != 2 || left[0].Line != 10 || !strings.Contains(left[0].Detail, "recording rule") || left[1].Line != 15 || !strings.Contains(left[1].Detail, "node_load1") {
		t.Errorf("%+v", left)
	}
	again, faults := Decode(YAML(rules))
	if len(faults) > 0 || len(again) != 2 || again[1].Version() != rules[1].Version() {
		t.Errorf("%v in\n%s", faults, YAML(rules))
	}
}

func TestFromPrometheusLeaves(t *testing.T) {
	for expr, want := range map[string]string{
		`up == 0`:                                                 "the metric up is none",
		`vllm:num_requests_waiting`:                               "no comparison",
		`a > 1 and b > 2`:                                         "joins series",
		`sum(vllm:num_requests_waiting) > 5`:                      "averaged here",
		`rate(vllm:num_requests_waiting[5m]) > 5`:                 "averaged here",
		`event_processing_total > 5`:                              "under rate or increase",
		`avg(rate(vllm:request_success_total[5m])) > 1`:           "use sum",
		`rate(vllm:request_success_total[1y]) > 1`:                "1y is no duration",
		`rate(vllm:request_success_total[90d]) > 1`:               "out of range",
		`sum by (pod) (rate(vllm:request_success_total[5m])) > 1`: "no field for the label pod",
		`rate(vllm:request_success_total{model=~"a("}[5m]) > 1`:   "missing closing )",
		`rate(vllm:request_success_total{model="a",b}[5m]) > 1`:   "cannot be read",
		`rate(vllm:time_to_first_token_seconds_sum[5m]) > 1`:      "is none",
		`histogram_quantile(0.9, sum by (le) (rate(vllm:time_to_first_token_seconds_bucket[5m]))) > 1`: "0.95 and 0.99",
		`sum(rate(vllm:prompt_tokens_total[5m])) / sum(rate(vllm:request_success_total[5m])) > 1`:      "a quotient maps only",
		`predict_linear(vllm:kv_cache_usage_perc[1h], 3600) > 1`:                                       "beyond what is translated",
	} {
		rules, left := FromPrometheus(ruleFile(expr))
		if len(rules) > 0 || len(left) != 1 || !strings.Contains(left[0].Detail, want) {
			t.Errorf("%s: %v, want %q", expr, left, want)
		}
	}
	for _, text := range []string{"", "a: 1", "[]", "groups: 5", ":"} {
		if rules, left := FromPrometheus([]byte(text)); len(rules) > 0 || len(left) != 1 {
			t.Errorf("%q: %v", text, left)
		}
	}
}

// Whatever is translated is a rule that can be compiled.
func FuzzFromPrometheus(f *testing.F) {
	f.Add([]byte(ruleFile(`histogram_quantile(0.95, sum by (le, model_name) (rate(vllm:e2e_request_latency_seconds_bucket{team="a"}[5m]))) > 2.5`)))
	f.Add([]byte(ruleFile(`absent_over_time(event_processing_total[10m])`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		rules, _ := FromPrometheus(data)
		if _, err := Compile(rules); err != nil {
			t.Fatal(err)
		}
	})
}
