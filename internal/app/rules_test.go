package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

const silentRule = `name: silent
type: absence
window: 5s
tests:
  - name: silence
    events: [{at: 0s, event_type: llm_request, data: {model: a}}]
    expect: [{fires_by: 6s}]
`

func testRules(t *testing.T, asJSON bool, texts ...string) (out, faults string, err error) {
	t.Helper()
	var files []RuleFile
	for _, text := range texts {
		files = append(files, RuleFile{Name: "my.yaml", Text: []byte(text)})
	}
	var o, f bytes.Buffer
	err = TestRules(t.Context(), &Config{}, files, asJSON, &o, &f)
	return o.String(), f.String(), err
}

func TestRulesThatPass(t *testing.T) {
	out, faults, err := testRules(t, false, silentRule)
	if want := "ok    silent: silence\n1 rules, 1 tests passed, 0 failed\n"; out != want || faults != "" || err != nil {
		t.Errorf("got %q, %q, %v", out, faults, err)
	}
	if out, _, err := testRules(t, false); err != nil || !strings.Contains(out, "ok    error-burst: ") {
		t.Errorf("without files: %q, %v", out, err)
	}
	if out, _, err := testRules(t, false, "name: x\ntype: absence\nwindow: 5s"); err != nil || !strings.HasPrefix(out, "none  x: no tests\n") {
		t.Errorf("without tests: %q, %v", out, err)
	}
}

func TestRulesThatFail(t *testing.T) {
	failing := strings.Replace(silentRule, "6s", "4s", 1)
	out, _, err := testRules(t, false, failing)
	if !errors.Is(err, ErrRules) || !strings.Contains(out, "FAIL  silent: silence\n      line 7: it fires later than 4s") {
		t.Errorf("got %q, %v", out, err)
	}
	out, faults, err := testRules(t, false, silentRule, "name: x\ntype: absense\n")
	if want := `my.yaml:2: /type: "absense" is none of`; !errors.Is(err, ErrRules) || !strings.HasPrefix(faults, want) || !strings.Contains(out, "ok    silent") {
		t.Errorf("got %q, %q, %v", out, faults, err)
	}
	out, _, err = testRules(t, true, failing)
	var got struct {
		Rules, Passed, Failed int
		Results               []struct{ Failed []string }
	}
	if json.Unmarshal([]byte(out), &got) != nil || got.Rules != 1 || got.Failed != 1 || len(got.Results) != 1 || len(got.Results[0].Failed) != 1 || !errors.Is(err, ErrRules) {
		t.Errorf("got %q, %v", out, err)
	}
}
