package deploy

import (
	"encoding/json"
	"fmt"
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

// known are the metrics of docs/metrics.md, which is held to the code, with their kinds and labels.
func known(t *testing.T) map[string]metric {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs/metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]metric{"up": {kind: "gauge"}}
	w := httptest.NewRecorder()
	telemetry.NewRegistry().Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, m := range regexp.MustCompile(`(?m)^# TYPE ((?:go|process)_\S+) (\w+)`).FindAllStringSubmatch(w.Body.String(), -1) {
		all[m[1]] = metric{kind: m[2]}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-zA-Z0-9_]+)` \\| (\\w+) \\| ([^|]*) \\|").FindAllStringSubmatch(string(page), -1) {
		labels := strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' || r == ' ' })
		if m[2] != "histogram" {
			all[m[1]] = metric{m[2], labels}
			continue
		}
		all[m[1]+"_bucket"], all[m[1]+"_sum"], all[m[1]+"_count"] = metric{"counter", append(labels, "le")}, metric{"counter", labels}, metric{"counter", labels}
	}
	for name, m := range all {
		if strings.HasPrefix(name, "slo_") { // those that the objectives shipped group by
			m.labels = append(m.labels, "model")
			all[name] = m
		}
	}
	return all
}

// metric is what a query may ask of one.
type metric struct {
	kind   string
	labels []string
}

// scraped are the labels that Prometheus adds.
var scraped = []string{"job", "instance"}

var (
	growth   = regexp.MustCompile(`\b(?:rate|irate|increase)\(([a-zA-Z_]\w*)`)
	course   = regexp.MustCompile(`\b(?:delta|idelta|deriv|predict_linear|(?:min|max|avg)_over_time)\(([a-zA-Z_]\w*)`)
	selector = regexp.MustCompile(`([a-zA-Z_:][\w:]*)\{([^}]*)\}`)
	matcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)`)
	by       = regexp.MustCompile(`\bby\s*\(([^)]*)\)`)
	relabel  = regexp.MustCompile(`label_replace\([^,]*, "(\w+)"`)
	summary  = regexp.MustCompile(`\b(?:sum|max|min|avg|count)\s*\(`)
)

// faults are what is wrong with a query: metrics that there are not, growth of what is no counter, a course of what is one, labels that nothing bears.
func faults(all map[string]metric, expr string) (out []string) {
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	labels := slices.Clone(scraped)
	for _, name := range metricsOf(expr) {
		if all[name].kind == "" {
			say("%s is no metric of hxp", name)
		}
		labels = append(labels, all[name].labels...)
	}
	for _, m := range growth.FindAllStringSubmatch(expr, -1) {
		if all[m[1]].kind != "counter" {
			say("growth of %s, which is a %s", m[1], all[m[1]].kind)
		}
	}
	for _, m := range course.FindAllStringSubmatch(expr, -1) {
		if all[m[1]].kind != "gauge" {
			say("course of %s, which is a %s", m[1], all[m[1]].kind)
		}
	}
	for _, m := range selector.FindAllStringSubmatch(expr, -1) {
		for _, label := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(append(all[m[1]].labels, scraped...), label[1]) {
				say("%s has no label %s", m[1], label[1])
			}
		}
	}
	for _, m := range by.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(m[1], ",") {
			if !slices.Contains(labels, strings.TrimSpace(label)) {
				say("nothing has the label %s", label)
			}
		}
	}
	return out
}

// results are the labels that what a query answers may bear.
func results(all map[string]metric, expr string) (labels []string) {
	grouped := by.FindAllStringSubmatch(expr, -1)
	for _, m := range grouped {
		labels = append(labels, strings.Fields(strings.ReplaceAll(m[1], ",", " "))...)
	}
	for _, m := range relabel.FindAllStringSubmatch(expr, -1) {
		labels = append(labels, m[1])
	}
	if len(grouped) > 0 || summary.MatchString(expr) {
		return labels
	}
	for _, name := range metricsOf(expr) {
		labels = append(labels, all[name].labels...)
	}
	return append(labels, scraped...)
}

func TestFaults(t *testing.T) {
	all := map[string]metric{"a_total": {"counter", []string{"x"}}, "g": {"gauge", nil}}
	for expr, want := range map[string]string{
		`sum by (x) (rate(a_total{x="1", job="hxp"}[5m]))`: "",
		`rate(g[5m])`:                 "growth of g, which is a gauge",
		`delta(a_total[5m])`:          "course of a_total, which is a counter",
		`a_total{y="1"}`:              "a_total has no label y",
		`sum by (y) (g)`:              "nothing has the label y",
		`b > 1`:                       "b is no metric of hxp",
		`max_over_time(g[5m]) by (x)`: "nothing has the label x",
	} {
		if got := strings.Join(faults(all, expr), "; "); got != want {
			t.Errorf("%s: %q", expr, got)
		}
	}
	for expr, want := range map[string]string{`sum by (x) (a_total)`: "x", `sum(a_total)`: "", `a_total > 1`: "x job instance", `label_replace(g, "p", "h", "", "")`: "p job instance"} {
		if got := strings.Join(results(all, expr), " "); got != want {
			t.Errorf("%s: %q", expr, got)
		}
	}
}

// units of metrics by the ends of their names; of what a panel makes a rate of, the one behind the slash.
var units = map[string][]string{"_seconds": {"s", ""}, "_bytes": {"bytes", "Bps"}, "_ratio": {"percentunit", ""}, "_bytes_total": {"bytes", "Bps"}}

// TestQueries: rules and dashboards ask for metrics that there are, in the way that their kinds and labels allow; what they say of a result names labels
// that it bears; and panels show seconds as seconds and bytes as bytes.
func TestQueries(t *testing.T) {
	all := known(t)
	asked := 0
	check := func(where, expr, says string) {
		t.Helper()
		asked += len(metricsOf(expr))
		for _, f := range faults(all, expr) {
			t.Errorf("%s: %s: %s", where, f, expr)
		}
		for _, m := range regexp.MustCompile(`\$labels\.(\w+)|\{\{(\w+)\}\}`).FindAllStringSubmatch(says, -1) {
			if label := m[1] + m[2]; !slices.Contains(results(all, expr), label) {
				t.Errorf("%s: the result has no label %s: %s", where, label, expr)
			}
		}
	}
	for file, list := range rules(t) {
		for _, r := range list {
			if r.Record != "" {
				all[r.Record] = metric{"gauge", []string{"slo", "model"}}
			}
		}
		for _, r := range list {
			check(file+": "+r.Alert, r.Expr, r.Annotations["summary"]+r.Annotations["description"])
		}
	}
	for _, path := range glob(t, "deploy/grafana/*.json") {
		for _, p := range panels(t, path) {
			where := filepath.Base(path) + ": " + p.Title
			for _, target := range p.Targets {
				check(where, target.Expr, target.LegendFormat)
				if unit, want := p.FieldConfig.Defaults.Unit, unitOf(target.Expr); want != "" && unit != want {
					t.Errorf("%s is shown in %q, and the query gives %q: %s", where, unit, want, target.Expr)
				}
			}
		}
	}
	if asked < 150 {
		t.Errorf("only %d metrics were looked for", asked)
	}
}

// unitOf tells in which unit of Grafana the answer to a query about one metric is, "" where its name does not.
func unitOf(expr string) string {
	names := metricsOf(expr)
	if len(names) != 1 || strings.Contains(expr, "changes(") {
		return ""
	}
	name := strings.TrimSuffix(names[0], "_bucket")
	for end, unit := range units {
		if strings.HasSuffix(name, end) {
			if strings.Contains(expr, "rate(") && !strings.Contains(expr, "histogram_quantile") {
				return unit[1]
			}
			return unit[0]
		}
	}
	return ""
}

type panel struct {
	Title       string
	FieldConfig struct{ Defaults struct{ Unit string } }
	Targets     []struct{ Expr, LegendFormat string }
}

// panels reads a dashboard.
func panels(t *testing.T, path string) []panel {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var board struct{ Panels []panel }
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return board.Panels
}
