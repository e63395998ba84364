package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/stream/rule"
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

// A rule that would change something by itself and for ever is refused where it is loaded: at the start, by rules test, and where it is put.
func TestRulesMustFitTheTargets(t *testing.T) {
	const targets = `responses:
  targets:
    - {name: hook, type: webhook, url: "http://127.0.0.1:1", phases: [apply]}
    - {name: pool, type: http, url: "http://127.0.0.1:1", check: GET /pool, apply: POST /pool, revert: DELETE /pool}
`
	ask := func(mode, action, target string) string {
		return strings.Replace(silentRule, "tests:", "mode: "+mode+"\nactions:\n  - type: "+action+"\n    target: "+target+"\ntests:", 1)
	}
	for _, c := range []struct {
		mode, action, target string
		fits                 bool
	}{
		{"auto", "scale", "hook", false}, {"auto", "fallback_model", "hook", false}, {"auto", "webhook", "hook", true}, {"auto", "incident", "hook", true},
		{"propose", "scale", "hook", true}, {"observe", "scale", "hook", true}, {"auto", "scale", "pool", true}, {"auto", "scale", "elsewhere", true},
	} {
		dir := configDir(t, map[string]string{"event-processing-api": targets})
		if err := os.Mkdir(filepath.Join(dir, "rules"), 0o700); err != nil {
			t.Fatal(err)
		}
		text := ask(c.mode, c.action, c.target)
		if err := os.WriteFile(filepath.Join(dir, "rules", "mine.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := LoadConfig(LoadOptions{ConfigDir: dir})
		says := "mine.yaml:1: /actions/0: rule silent: target \"hook\": " + c.action + " lasts, and its target cannot take it back"
		if (err == nil) != c.fits || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s %s on %s: %v", c.mode, c.action, c.target, err)
		}
		if c.fits {
			continue
		}
		if err := os.Remove(filepath.Join(dir, "rules", "mine.yaml")); err != nil {
			t.Fatal(err)
		}
		cfg, _, err := LoadConfig(LoadOptions{ConfigDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		var out, faults bytes.Buffer
		err = TestRules(t.Context(), cfg, []RuleFile{{Name: "mine.yaml", Text: []byte(text)}}, false, &out, &faults)
		if !errors.Is(err, ErrRules) || !strings.Contains(faults.String(), says) {
			t.Errorf("rules test of %s on %s: %v, %s", c.action, c.target, err, faults.String())
		}
	}
}

// What the page about responses shows can be loaded: its settings, its targets, and its rules on them.
func TestPageOfResponses(t *testing.T) {
	page, err := os.ReadFile("../../docs/responses.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^ *```yaml\n(.*?)^ *```").FindAllSubmatch(page, -1)
	rules := 0
	for _, block := range blocks {
		text := strings.TrimRight(string(block[1]), " ")
		indent := text[:len(text)-len(strings.TrimLeft(text, " "))]
		if strings.HasPrefix(strings.TrimSpace(text), "- name:") { // targets alone
			text = "responses:\n  targets:\n" + text
		} else {
			text = strings.ReplaceAll("\n"+text, "\n"+indent, "\n")
		}
		if strings.HasPrefix(strings.TrimSpace(text), "name:") {
			rules++
			if _, faults := rule.Decode([]byte(text)); len(faults) > 0 {
				t.Errorf("%v in\n%s", faults, text)
			}
			continue
		}
		if _, _, err := LoadConfig(LoadOptions{ConfigDir: configDir(t, map[string]string{"event-processing-api": text})}); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
	}
	if rules < 2 || len(blocks) < 6 {
		t.Errorf("%d blocks, %d rules: the page is not read", len(blocks), rules)
	}
}
