package rule

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The counters that are exported of objectives, with the labels slo and those of group_by.
const (
	TotalMetric = "slo_events_total"
	GoodMetric  = "slo_good_events_total"
	// HiddenMetric is how many groups of an objective are not among them.
	HiddenMetric = "slo_hidden_groups"
)

// The series that the rules of Prometheus record.
const (
	promRate      = "slo:burn_rate:" // and the window
	promRemaining = "slo:budget_remaining:ratio"
)

// promInterval is how often they are evaluated.
const promInterval = "30s"

// PromFile is a rule file of Prometheus.
type PromFile struct {
	Groups []promGroup `json:"groups"`
}

// YAML writes the file as Prometheus reads it.
func (f *PromFile) YAML() []byte { return yamlOf(f) }

type promGroup struct {
	Name     string     `json:"name"`
	Interval string     `json:"interval"`
	Rules    []promRule `json:"rules"`
}

type promRule struct {
	Record        string            `json:"record,omitempty"`
	Alert         string            `json:"alert,omitempty"`
	Expr          string            `json:"expr"`
	For           string            `json:"for,omitempty"`
	KeepFiringFor string            `json:"keep_firing_for,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// Prometheus makes a rule file of Prometheus for the objectives among the rules: how fast each budget is spent over each window, what is
// left of it, and the alerts that the rules here make.
func Prometheus(rules []Rule) *PromFile {
	file := &PromFile{Groups: []promGroup{}}
	for i := range rules {
		if rules[i].Type == BurnRate {
			file.Groups = append(file.Groups, rules[i].promGroup())
		}
	}
	return file
}

// promGroup evaluates one after another, so each rule sees what those before it have recorded.
func (r *Rule) promGroup() promGroup {
	g := promGroup{Name: "hxp-" + r.Name, Interval: promInterval}
	for _, w := range windows() {
		g.Rules = append(g.Rules, promRule{Record: promRate + w.String(), Expr: fmt.Sprintf("(1 - %s / (%s > 0)) / (1 - %v)", r.increase(GoodMetric, w), r.increase(TotalMetric, w), r.Objective)})
	}
	g.Rules = append(g.Rules, promRule{Record: promRemaining, Expr: "1 - " + r.series(promRate+Duration(longest*time.Second).String())})
	for i := range g.Rules {
		g.Rules[i].Labels = map[string]string{sloLabel: r.Promise()} // which they have; promtool takes rules of one name without it for duplicates
	}
	for class := range classes {
		g.Rules = append(g.Rules, r.promAlert(class))
	}
	return g
}

// windows are those of the pairs, the shortest first.
func windows() (out []Duration) {
	for _, p := range pairs {
		for _, seconds := range [...]int64{p.long, p.short} {
			if w := Duration(time.Duration(seconds) * time.Second); !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	slices.Sort(out)
	return out
}

// series selects what a metric has of the objective.
func (r *Rule) series(metric string) string {
	return metric + "{" + sloLabel + "=" + string(appendText(nil, r.Promise())) + "}"
}

// increase is how much a counter of the objective grew over a window. Every instance counts all, so the largest is taken: of the growth,
// not of the counters, because theirs falls by a few events when the instance that is ahead goes away, which looks like a counter that
// begins anew.
func (r *Rule) increase(metric string, window Duration) string {
	by := strings.Join(append([]string{sloLabel}, r.GroupBy...), ", ")
	return fmt.Sprintf("max by (%s) (increase(%s[%s]))", by, r.series(metric), window)
}

// promAlert is the alert of a class: both windows of one of its pairs are spent faster than the factor, of enough events.
func (r *Rule) promAlert(class int) promRule {
	var either []string
	for _, p := range pairs[2*class : 2*class+2] {
		long, short := Duration(time.Duration(p.long)*time.Second), Duration(time.Duration(p.short)*time.Second)
		either = append(either, fmt.Sprintf("(%s > %v and %s > %v and %s >= %d)",
			r.series(promRate+long.String()), p.factor, r.series(promRate+short.String()), p.factor, r.increase(TotalMetric, long), r.MinCount))
	}
	a := promRule{Alert: r.Name, Expr: strings.Join(either, "\nor\n"), Labels: map[string]string{}, Annotations: map[string]string{}}
	if r.For > 0 {
		a.For = r.For.String()
	}
	if r.KeepFiringFor > 0 {
		a.KeepFiringFor = r.KeepFiringFor.String()
	}
	for name, text := range r.Labels {
		if promLabel.MatchString(name) {
			a.Labels[name] = promText(text)
		}
	}
	maps.Copy(a.Labels, map[string]string{"severity": severityOf(r.Severity, class), "burn": classNames[class]})
	for name, text := range r.Annotations {
		if promLabel.MatchString(name) {
			a.Annotations[name] = promText(text)
		}
	}
	return a
}

// promLabel is what Prometheus takes for the name of a label.
var promLabel = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// promText keeps Prometheus from taking a text for a template.
func promText(s string) string {
	if !strings.Contains(s, "{{") {
		return s
	}
	quoted, _ := json.Marshal(s) // of a string: cannot fail
	return "{{ " + string(quoted) + " }}"
}
