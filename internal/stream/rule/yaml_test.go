package rule

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// sameRule tells whether a text is read as the rule.
func sameRule(t *testing.T, text []byte, r *Rule) {
	t.Helper()
	again, faults := DecodeOne(text, r.Name)
	if len(faults) > 0 {
		t.Fatalf("%v in\n%s", faults, text)
	}
	got, _ := json.Marshal(again)
	if want, _ := json.Marshal(r); !bytes.Equal(got, want) {
		t.Errorf("got  %s\nwant %s\nfrom\n%s", got, want, text)
	}
}

func TestYAMLIsReadAgain(t *testing.T) {
	for _, r := range Pack() {
		sameRule(t, r.YAML(), &r)
	}
	hard := Rule{
		Name: "x", Type: Absence, When: `data.model == "it's \\ here" && data.user_id != ''`, Window: Duration(90e9), Severity: "info", Mode: "observe", MaxGroups: 7,
		Labels: map[string]string{"true": "no", "a b": "- x", "c: d": "12", "e": "", "f": "# not a comment", "g": "~", "h": "1e5", "i": "0x1f", "j": "2026-01-01", "k": "1:30", "60s": "60s"},
		Annotations: map[string]string{
			"summary": "a line\nand one more", "description": strings.Repeat("long ", 60), "tab": "a\tb\u0085\u2028\ufeff\U0001f600\u200b", "colon": "so: it is", "quote": `he said "hi"`, "brace": "{a, b}", "last": "ends.",
		},
	}
	sameRule(t, hard.YAML(), &hard)
}

func TestYAMLReadsWell(t *testing.T) {
	const text = `name: slow
type: threshold
when: 'event_type == "llm_request"'
group_by: [tenant]
window: 1m
severity: warning
annotations: {summary: Answers are slow}
mode: observe
metric: latency_ms.p95
op: ">"
value: 3000
max_groups: 10000
tests:
  - name: slow for a minute
    events:
      - {at: 0s, every: 1s, count: 60, event_type: llm_request, data: {duration_ms: 5000, tenant: t1}}
    expect:
      - {key: {tenant: t1}, fires_by: 40s}
`
	r, faults := DecodeOne([]byte(text), "slow")
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if got := string(r.YAML()); got != text {
		t.Errorf("got\n%s", got)
	}
}

func TestDecodeOne(t *testing.T) {
	const text = "type: absence\nwindow: 60s\n"
	if r, faults := DecodeOne([]byte(text), "a"); len(faults) > 0 || r.Name != "a" {
		t.Errorf("%+v, %v", r, faults)
	}
	for _, tt := range []struct{ text, want string }{
		{"name: b\n" + text, `line 1: /name: the rule calls itself "b", the path "a"`},
		{"- name: a\n", "line 1: a list stands here; one rule belongs here"},
		{"7", "line 1: a number stands here; a rule is an object with the keys name and type"},
		{"{}", "line 1: /type: type is missing: what the rule looks for"},
	} {
		if r, faults := DecodeOne([]byte(tt.text), "a"); r != nil || len(faults) == 0 || faults[0].Error() != tt.want {
			t.Errorf("%q: %v; want %s", tt.text, faults, tt.want)
		}
	}
}

func FuzzYAML(f *testing.F) {
	for _, r := range Pack() {
		text, _ := json.Marshal(r)
		f.Add(text)
	}
	f.Add([]byte(`{"type":"absence","window":"90s","labels":{"a":"yes","b: c":"\u2028"},"annotations":{"x":"- y"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, faults := DecodeOne(data, "a"); len(faults) == 0 {
			sameRule(t, r.YAML(), r)
		}
	})
}
