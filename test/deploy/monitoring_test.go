package deploy

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

type (
	rule struct {
		Alert, Record, Expr, For string
		Labels, Annotations      map[string]string
	}
	ruleFile struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	ruleTest struct {
		RuleFiles []string `yaml:"rule_files"`
		Tests     []struct {
			Alerts []struct {
				Name     string `yaml:"alertname"`
				Expected []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
)

// read decodes a YAML file of the repository.
func read(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// glob lists files of the repository, of which there must be some.
func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files %s, %v", len(files), pattern, err)
	}
	return files
}

// rules reads all rule files, by file.
func rules(t *testing.T) map[string][]rule {
	t.Helper()
	all := map[string][]rule{}
	for _, path := range glob(t, "deploy/prometheus/*.rules.yaml") {
		var f ruleFile
		read(t, path, &f)
		for _, g := range f.Groups {
			all[filepath.Base(path)] = append(all[filepath.Base(path)], g.Rules...)
		}
	}
	return all
}

// TestSpecification: the alerts of the specification are there as it words them.
func TestSpecification(t *testing.T) {
	want := map[string]string{
		"EventProcessingThroughputLow": "rate(event_processing_total[5m]) < 100 for 5m",
		"DataStreamingLatencyHigh":     "data_streaming_latency_seconds > 0.1 for 5m",
		"BatchProcessingFailed":        "batch_processing_success_rate < 0.95 for 10m",
		"BatchProcessingDurationHigh":  "batch_processing_duration_seconds > 3600 for 5m",
		"DataRetentionStorageFull":     "data_retention_storage_usage > 0.9 for 5m",
	}
	for _, r := range rules(t)["phase4.rules.yaml"] {
		if got := r.Expr + " for " + r.For; got != want[r.Alert] || r.Labels["severity"] != "warning" {
			t.Errorf("%s: %s, %v", r.Alert, got, r.Labels)
		}
		delete(want, r.Alert)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

// TestRunbooks: each alert has words, a severity and a place in the runbooks, and the page of the runbooks has no place without an alert.
func TestRunbooks(t *testing.T) {
	heading := regexp.MustCompile(`(?m)^## (\w+)$`)
	places := map[string]map[string]bool{}
	used := map[string]bool{}
	for file, list := range rules(t) {
		for _, r := range list {
			if r.Alert == "" {
				continue
			}
			if r.Annotations["summary"] == "" || !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
				t.Errorf("%s: %s says too little: %v %v", file, r.Alert, r.Labels, r.Annotations)
			}
			page, anchor, _ := strings.Cut(r.Annotations["runbook_url"], "#")
			if places[page] == nil {
				text, err := os.ReadFile(filepath.Join(root, page))
				if err != nil || !strings.HasPrefix(page, "docs/runbooks/") {
					t.Errorf("%s: %s has the runbook %q: %v", file, r.Alert, page, err)
					continue
				}
				places[page] = map[string]bool{}
				for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
					places[page][strings.ToLower(m[1])] = true
				}
			}
			if used[page+anchor] = true; anchor != "" && (!places[page][anchor] || anchor != strings.ToLower(r.Alert)) {
				t.Errorf("%s: %s has the runbook %s#%s, which is not there", file, r.Alert, page, anchor)
			}
		}
	}
	const page = "docs/runbooks/monitoring.md"
	for place := range places[page] {
		if !used[page+place] {
			t.Errorf("%s tells of %s, which is no alert", page, place)
		}
	}
}

// TestEveryAlertIsTested: the tests for promtool see each alert fire, and not fire.
func TestEveryAlertIsTested(t *testing.T) {
	fires, rests := map[string]bool{}, map[string]bool{}
	for _, path := range glob(t, "deploy/prometheus/*.rules.test.yaml") {
		var f ruleTest
		read(t, path, &f)
		for _, name := range f.RuleFiles {
			for _, test := range f.Tests {
				for _, a := range test.Alerts {
					if len(a.Expected) > 0 {
						fires[name+a.Name] = true
					} else {
						rests[name+a.Name] = true
					}
				}
			}
		}
	}
	for file, list := range rules(t) {
		for _, r := range list {
			if r.Alert != "" && (!fires[file+r.Alert] || !rests[file+r.Alert]) {
				t.Errorf("%s: %s is tested to fire: %v, and to rest: %v", file, r.Alert, fires[file+r.Alert], rests[file+r.Alert])
			}
		}
	}
}

// TestPromtool runs those tests where promtool is installed; test-real always does, and those of the objectives too, which take seconds.
func TestPromtool(t *testing.T) {
	if _, err := exec.LookPath("promtool"); err != nil {
		t.Skip("promtool is not installed")
	}
	for _, path := range append(glob(t, "deploy/prometheus/phase4.rules.test.yaml"), glob(t, "deploy/prometheus/hxp*.rules.test.yaml")...) {
		if out, err := exec.Command("promtool", "test", "rules", path).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	if out, err := exec.Command("promtool", "check", "config", filepath.Join(root, "deploy/prometheus/prometheus.yml")).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

var (
	textOrRange = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\{[^}]*\}|\[[^\]]*\]`)
	grouping    = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`)
	identifier  = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*\s*\(?`)
	words       = []string{"and", "or", "unless", "bool", "inf", "nan"}
	offset      = regexp.MustCompile(`\boffset\s+[0-9]+[smhdwy]\b`)
)

// metricsOf names the metrics of a query of Prometheus.
func metricsOf(expr string) (names []string) {
	for _, p := range []*regexp.Regexp{textOrRange, grouping, offset} {
		expr = p.ReplaceAllString(expr, " ")
	}
	for _, name := range identifier.FindAllString(expr, -1) {
		if name = strings.TrimSpace(name); !strings.HasSuffix(name, "(") && !slices.Contains(words, name) {
			names = append(names, name)
		}
	}
	return names
}

func TestMetricsOf(t *testing.T) {
	for expr, want := range map[string]string{
		`rate(a_total{x="b(c)"}[5m]) < 100`:                                           "a_total",
		`max by (slo, model) (increase(slo_good[1h])) / (max by (slo) (slo_all) > 0)`: "slo_good slo_all",
		`(a - (a offset 15m or a * 0)) > 10`:                                          "a a a",
		`label_replace(h == -1, "period", "hourly", "", "")`:                          "h",
		`a:b:5m{c="d"} > 1`:                                                           "a:b:5m",
		`sum(x) unless on (y) sum(z)`:                                                 "x z",
	} {
		if got := strings.Join(metricsOf(expr), " "); got != want {
			t.Errorf("%s: %s", expr, got)
		}
	}
}

// TestMetricsExist: rules and dashboards ask for metrics of docs/metrics.md, which is held to the code, of the process, or of Prometheus itself.
func TestMetricsExist(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"up": true}
	w := httptest.NewRecorder()
	telemetry.NewRegistry().Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, m := range regexp.MustCompile(`(?m)^# TYPE ((?:go|process)_\S+) `).FindAllStringSubmatch(w.Body.String(), -1) {
		known[m[1]] = true
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-zA-Z0-9_]+)` \\| (\\w+) ").FindAllStringSubmatch(string(page), -1) {
		if known[m[1]] = true; m[2] == "histogram" {
			delete(known, m[1])
			known[m[1]+"_bucket"], known[m[1]+"_sum"], known[m[1]+"_count"] = true, true, true
		}
	}
	asked := 0
	check := func(where, expr string) {
		t.Helper()
		for _, name := range metricsOf(expr) {
			if asked++; !known[name] {
				t.Errorf("%s asks for %s, which is no metric of hxp: %s", where, name, expr)
			}
		}
	}
	for file, list := range rules(t) {
		for _, r := range list {
			if r.Record != "" {
				known[r.Record] = true
			}
		}
		for _, r := range list {
			check(file+": "+r.Alert, r.Expr)
		}
	}
	for _, path := range glob(t, "deploy/grafana/*.json") {
		for title, exprs := range panels(t, path) {
			for _, expr := range exprs {
				check(filepath.Base(path)+": "+title, expr)
			}
		}
	}
	if asked < 150 {
		t.Errorf("only %d metrics were looked for", asked)
	}
}

// panels are the queries of a dashboard by the titles of its panels.
func panels(t *testing.T, path string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	out := map[string][]string{}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			out[p.Title] = append(out[p.Title], target.Expr)
		}
	}
	return out
}
