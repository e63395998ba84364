package rule

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// An objective becomes the rule that a person would write.
func TestObjectiveBecomesARule(t *testing.T) {
	for _, tt := range []struct{ slo, when, good string }{
		{"indicator: availability", `event_type == "llm_request" && has(data.success)`, "data.success == true"},
		{"indicator: ttft, limit: 500", `event_type == "llm_request" && data.success == true && has(data.ttft_ms)`, "data.ttft_ms <= 500.0"},
		{"indicator: inter_token, limit: 62.5", `event_type == "llm_request" && data.success == true && has(data.tpot_ms)`, "data.tpot_ms <= 62.5"},
		{"indicator: latency, limit: 30000", `event_type == "llm_request" && data.success == true && has(data.duration_ms)`, "data.duration_ms <= 30000.0"},
		{"indicator: cost, limit: 0.000001", `event_type == "llm_request" && has(data.cost_usd)`, "data.cost_usd <= 0.000001"},
		{"indicator: satisfaction, limit: 4", `event_type == "user_feedback" && has(data.satisfaction_score)`, "data.satisfaction_score >= 4.0"},
		{"indicator: cost, limit: 1, when: data.tenant == 'a' || data.tenant == 'b'", `event_type == "llm_request" && has(data.cost_usd) && (data.tenant == 'a' || data.tenant == 'b')`, "data.cost_usd <= 1.0"},
		{"good: data.status_code < 500, when: has(data.status_code)", "has(data.status_code)", "data.status_code < 500"},
	} {
		r := one(t, "slos: [{name: x, objective: 0.95, "+tt.slo+"}]")
		if r.Name != "x-burn" || r.Type != BurnRate || r.When != tt.when || r.Good != tt.good || r.Objective != 0.95 {
			t.Errorf("%s: %+v", tt.slo, r)
		}
		if r.Severity != "critical" || !slices.Equal(r.GroupBy, []string{"model"}) || r.Labels["slo"] != "x" || !strings.Contains(r.Annotations["summary"], "5 %") || r.MinCount != 100 {
			t.Errorf("%s: the defaults are %+v", tt.slo, r)
		}
		again := one(t, string(r.SLO.YAML()))
		if again.Version() != r.Version() {
			t.Errorf("%s becomes %+v", r.SLO.YAML(), again)
		}
	}
}

func TestFaultsOfObjectives(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"slos: 5", "line 1: /slos: a number stands here, but a list belongs here"},
		{"slos: []", "/slos: the list is empty; leave it out"},
		{"slos: [7]", "/slos/0: a number stands here; an objective is an object"},
		{"slos: []\nrule: []", `line 2: /rule: there is no key "rule"; did you mean "rules"?`},
		{"slos:\n  - name: x\n    objective: 0.9", "line 2: /slos/0/indicator: indicator is missing; it is one of availability, ttft"},
		{"slos:\n  - {name: x, objective: 0.9, indicator: tftt}", `/slos/0/indicator: "tftt" is none of availability, ttft, inter_token, latency, cost, satisfaction; did you mean "ttft"?`},
		{"slos:\n  - {name: x, objective: 0.9, indicator: ttft}", "/slos/0/limit: limit is missing: good are successful requests whose first token comes within limit milliseconds"},
		{"slos:\n  - {name: x, objective: 0.9, indicator: availability, limit: 5}", "/slos/0/limit: the indicator availability has no limit"},
		{"slos:\n  - {name: x, objective: 0.9, indicator: satisfaction, limit: 6}", "6 is out of range; the limit of satisfaction goes from 1 to 5"},
		{"slos:\n  - {name: x, objective: 0.9, indicator: ttft, limit: 0}", "/slos/0/limit: 0 is out of range"},
		{"slos:\n  - {name: x, objective: 0.9, indicator: ttft, limit: 5, good: data.success}", "/slos/0/good: the indicator ttft says what is good; leave out one of them"},
		{"slos:\n  - {name: x, objective: 0.9, good: data.success, limit: 5}", "/slos/0/limit: a limit belongs to an indicator"},
		{"slos:\n  - {name: x, objective: 99, good: data.success}", "/slos/0/objective: 99 is out of range"},
		{"slos:\n  - {name: x, objective: 0.9, indicator: ttft, limit: 5, when: 'data.model ='}", "/slos/0/when: the condition is wrong"},
		{"slos:\n  - {name: x, objective: 0.9, good: data.success, type: burn_rate}", `/slos/0/type: there is no key "type"`},
		{"slos:\n  - {name: x, objective: 0.9, good: data.success, labels: {slo: y}}", "/slos/0/labels/slo: the label slo is set to the name"},
		{"slos:\n  - {name: prometheus, objective: 0.9, good: data.success}", "/slos/0/name: the name prometheus is taken"},
		{"slos:\n  - {name: x, objective: 0.9, good: data.success}\nrules:\n  - {name: x-burn, type: absence, window: 5s}", `/rules/0/name: the name "x-burn" is taken by the rule in line 2`},
		{"slos:\n  - {name: " + strings.Repeat("x", 124) + ", objective: 0.9, good: data.success}", "/slos/0/name: the text has 124 bytes"},
		{"slos:\n  - {name: x, objective: 0.9, indicator: cost, limit: 1, when: '" + strings.Repeat("data.model == \"a\" || ", 190) + "data.success'}", "/slos/0/when:"},
	} {
		rules, faults := Decode([]byte(tt.text))
		var all []string
		for _, f := range faults {
			all = append(all, f.Error())
		}
		if text := strings.Join(all, "\n"); !strings.Contains(text, tt.want) || rules != nil {
			t.Errorf("%s\ngot  %s\nwant %s", tt.text, text, tt.want)
		}
	}
}

// The example of the page defines each indicator, and its objectives pass their tests.
func TestPageOfObjectives(t *testing.T) {
	page, err := os.ReadFile("../../../docs/slos.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("no example")
	}
	rules, faults := Decode([]byte(example))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	missing := IndicatorNames()
	for i := range rules {
		missing = slices.DeleteFunc(missing, func(name string) bool { return name == rules[i].SLO.Indicator })
		results, err := Check(t.Context(), &rules[i])
		if err != nil {
			t.Fatal(err)
		}
		if len(results) == 0 {
			t.Errorf("%s has no tests", rules[i].Name)
		}
		for _, r := range results {
			for _, fault := range r.Failed {
				t.Errorf("%s: %s: %s", r.Rule, r.Test, fault)
			}
		}
	}
	if len(missing) > 0 {
		t.Errorf("the page shows no %v", missing)
	}
}

// What was counted of an objective stays when its goal changes, also what lanes still send of before; its alerts end.
func TestObjectiveChanges(t *testing.T) {
	define := func(more string) []Rule {
		return []Rule{one(t, "slos: [{name: x, indicator: availability, min_count: 10, "+more+"}]")}
	}
	old, err := Compile(define("objective: 0.9"))
	if err != nil {
		t.Fatal(err)
	}
	g := NewEngine(old, Options{})
	late := old.Folder()
	partials := late.Begin()
	fired := 0
	for i := range 200 {
		e := call(float64(i), "a", false)
		g.Event(&e, Position{Offset: int64(i)})
		for _, d := range g.Advance(e.Time + second) {
			if d.State == Firing {
				fired++
			}
		}
	}
	e := call(199.5, "a", true)
	late.Event(partials, &e, e.Time, Position{Offset: 200})
	if fired != 2 || counts(g) != "x [a] 200/0" {
		t.Fatalf("%d fired, counted %s", fired, counts(g))
	}
	next, err := Compile(define("objective: 0.5, severity: info, annotations: {summary: Half}"))
	if err != nil {
		t.Fatal(err)
	}
	ended := g.Swap(next)
	if len(ended) != 2 || ended[0].State != Resolved || ended[0].Severity == "info" {
		t.Errorf("ended %+v", ended)
	}
	g.Merge(partials)
	if again := g.Advance(testBegin + 201*second); len(again) != 1 || again[0].Severity != "info" || again[0].State != Firing || again[0].Class != "ticket" {
		t.Errorf("by the new goal: %+v", again) // of half the budget twice as much is spent as is allowed
	}
	if counts(g) != "x [a] 201/1" {
		t.Errorf("counted %s", counts(g))
	}
	other, err := Compile(define("objective: 0.5, when: data.model != 'b'"))
	if err != nil {
		t.Fatal(err)
	}
	g.Swap(other)
	if counts(g) != "" {
		t.Errorf("another objective goes on with %s", counts(g))
	}
}

// counts writes what objectives have counted.
func counts(g *Engine) string {
	var all []string
	for _, c := range g.Counted() {
		all = append(all, fmt.Sprintf("%s %v %d/%d", c.Rule.Promise(), c.Values, c.Total, c.Good))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// Counters and budgets go on over a restart, and over steps that no window of a burn rate reaches any more.
func TestCountersAreKept(t *testing.T) {
	rules := []Rule{one(t, "slos: [{name: x, indicator: availability, objective: 0.9, group_by: [tenant]}]")}
	g, err := New(rules, Options{})
	if err != nil {
		t.Fatal(err)
	}
	send := func(at float64, good bool) {
		e := call(at, "a", good)
		e.SetText(event.Tenant, "t")
		g.Event(&e, Position{Offset: int64(at)})
		g.Advance(e.Time + second)
	}
	send(1, true)
	send(2, false)
	send(longest-10, true)
	g.Advance(testBegin + (longest+1000)*second)
	if o := g.Objectives(); len(o) != 1 || o[0].Total != 3 || o[0].Burn[2].Rate == nil || *o[0].Burn[2].Rate != 0 {
		t.Fatalf("%+v", o)
	}
	again, err := New(rules, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Import(exported(g)); err != nil {
		t.Fatal(err)
	}
	if counts(again) != "x [t] 3/2" || counts(g) != counts(again) {
		t.Errorf("counted %s before, %s after", counts(g), counts(again))
	}
}

// The file that is shipped is what hxp makes of the objectives that come with it; promtool tests it in make test-real.
func TestPrometheusRulesThatAreShipped(t *testing.T) {
	file, err := os.ReadFile("../../../deploy/prometheus/slo.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if want := string(Prometheus(Pack()).YAML()); string(file) != want {
		t.Errorf("make docs writes it anew; it is to be\n%s", want)
	}
}

func TestPrometheusRules(t *testing.T) {
	rules, faults := Decode([]byte(`
slos:
  - name: x
    indicator: cost
    limit: 0.5
    objective: 0.995
    min_count: 7
    for: 90s
    keep_firing_for: 5m
    severity: warning
    group_by: [tenant, model]
    labels: {team: '{{ evil }}', "not one": dropped}
rules:
  - {name: y, type: absence, window: 5s}
`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	groups := Prometheus(rules).Groups
	if len(groups) != 1 || groups[0].Name != "hxp-x-burn" || len(groups[0].Rules) != 10 {
		t.Fatalf("%+v", groups)
	}
	all := groups[0].Rules
	if rate := all[0]; rate.Record != "slo:burn_rate:5m" || rate.Labels["slo"] != "x" || !strings.HasSuffix(rate.Expr, "/ (1 - 0.995)") ||
		!strings.Contains(rate.Expr, `max by (slo, tenant, model) (increase(slo_events_total{slo="x"}[5m]))`) {
		t.Errorf("%+v", rate)
	}
	page := all[8]
	if page.For != "90s" && page.For != "1m30s" || page.KeepFiringFor != "5m" || page.Labels["severity"] != "warning" || page.Labels["burn"] != "page" || page.Labels["team"] != `{{ "{{ evil }}" }}` || len(page.Labels) != 4 {
		t.Errorf("%+v", page)
	}
	for _, want := range []string{`slo:burn_rate:1h{slo="x"} > 14.4`, `slo:burn_rate:5m{slo="x"} > 14.4`, `(increase(slo_events_total{slo="x"}[1h])) >= 7`, `slo:burn_rate:6h{slo="x"} > 6`, `slo:burn_rate:30m{slo="x"} > 6`} {
		if !strings.Contains(page.Expr, want) {
			t.Errorf("%s is not in %s", want, page.Expr)
		}
	}
	if empty := string(Prometheus(nil).YAML()); empty != "groups: []\n" {
		t.Errorf("without objectives %q", empty)
	}
}
