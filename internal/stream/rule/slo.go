package rule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// SLO is a service level objective as it was written: which share of the events must be good, and what good is. The rule of type
// burn_rate that watches over it, what GET /slo says of it and the rules of Prometheus are all made from it.
type SLO struct {
	Name          string            `json:"name"`
	Indicator     string            `json:"indicator,omitempty"` // "" when the definition says itself what is good
	Limit         *float64          `json:"limit,omitempty"`
	When          string            `json:"when,omitempty"`
	Good          string            `json:"good,omitempty"`
	Objective     float64           `json:"objective"`
	Period        Duration          `json:"period,omitempty"`
	GroupBy       []string          `json:"group_by,omitempty"`
	MinCount      int64             `json:"min_count,omitempty"`
	For           Duration          `json:"for,omitempty"`
	KeepFiringFor Duration          `json:"keep_firing_for,omitempty"`
	Severity      string            `json:"severity"`
	Labels        map[string]string `json:"labels,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
	Mode          string            `json:"mode"`
	Actions       []Action          `json:"actions,omitempty"`
	MaxGroups     int               `json:"max_groups,omitempty"`
	Tests         []Test            `json:"tests,omitempty"`
}

// indicator is what an objective can be about. The limit stands behind good.
type indicator struct {
	name, doc  string
	when, good string
	limited    bool
	min, max   float64 // of the limit
}

const served = requests + ` && data.success == true && has(data.`

var indicators = []indicator{
	{name: "availability", doc: "requests that succeed", when: requests + ` && has(data.success)`, good: "data.success == true"},
	{"ttft", "successful requests whose first token comes within limit milliseconds", served + "ttft_ms)", "data.ttft_ms <= ", true, 0, 3.6e6},
	{"inter_token", "successful requests that take at most limit milliseconds for each token after the first", served + "tpot_ms)", "data.tpot_ms <= ", true, 0, 3.6e6},
	{"latency", "successful requests that take at most limit milliseconds", served + "duration_ms)", "data.duration_ms <= ", true, 0, 8.64e7},
	{"cost", "requests that cost at most limit USD, of those whose cost is known", requests + " && has(data.cost_usd)", "data.cost_usd <= ", true, 0, 1e6},
	{"satisfaction", "scores of feedback that are limit or more, of 1 to 5", `event_type == "user_feedback" && has(data.satisfaction_score)`, "data.satisfaction_score >= ", true, 1, 5},
}

// IndicatorNames lists what objectives can be about.
func IndicatorNames() (out []string) {
	for i := range indicators {
		out = append(out, indicators[i].name)
	}
	return out
}

// sloLabel is the label by which an objective is known wherever a rule of it shows.
const sloLabel = "slo"

// sloSuffix makes the name of the rule from that of the objective.
const sloSuffix = "-burn"

// sloKeys are the keys of an objective: two of its own, the others as rules have them.
var sloKeys = func() []key {
	indicate := shape{kind: "enum", enum: IndicatorNames()}
	out := []key{
		{"name", "how people call the objective; its rule has this name with " + sloSuffix + " behind it", nil, true, shape{kind: "text", most: maxNameBytes - len(sloSuffix)}, func(r *Rule) any { return &r.Name }},
		{"indicator", "what it is about; without it, good says what is good", nil, false, indicate, func(r *Rule) any { return &r.SLO.Indicator }},
		{"limit", "what an event must keep to be good: ms for ttft, inter_token and latency, USD for cost, a score of 1 to 5 for satisfaction", nil, false, shape{kind: "number", min: 0, max: huge, above: true}, func(r *Rule) any { return &r.SLO.Limit }},
		{"good", "CEL: the events that the objective wants, in place of an indicator", nil, false, cel, func(r *Rule) any { return &r.Good }},
	}
	for _, name := range []string{"when", "objective", "period", "group_by", "min_count", "for", "keep_firing_for", "severity", "labels", "annotations", "mode", "actions", "max_groups", "tests"} {
		k := keys[slices.IndexFunc(keys, func(k key) bool { return k.name == name })]
		k.types = nil
		switch name {
		case "group_by":
			k.doc += "; model without it"
		case "severity":
			k.doc = "how bad it is when the budget is spent so fast that people are called; critical without it"
		}
		out = append(out, k)
	}
	return out
}()

// slo reads an objective as the rule that watches over it.
func (d *decoder) slo(n *node, pointer string) (*Rule, bool) {
	if n.kind != mapNode {
		d.fault(n, pointer, "%s stands here; an objective is an object with the keys name, indicator and objective", nodeNames[n.kind])
		return nil, false
	}
	r := Rule{Type: BurnRate, Line: n.line, SLO: &SLO{}}
	before := len(d.faults)
	seen := d.fields(n, pointer, keyNames(sloKeys))
	for i := range sloKeys {
		d.key(&sloKeys[i], n, seen[sloKeys[i].name], pointer, &r)
	}
	if len(d.faults) == before {
		d.promise(n, seen, pointer, &r)
	}
	d.rules = append(d.rules, r)
	return &r, true
}

// promise turns what was written into a rule.
func (d *decoder) promise(n *node, seen map[string]*node, pointer string, r *Rule) {
	if !nameText.MatchString(r.Name) {
		d.fault(n, pointer+"/name", "%s is no name: letters, digits, and . _ - make one, and it begins with a letter or digit", quote(r.Name))
	}
	if r.Name == "prometheus" {
		d.fault(seen["name"], pointer+"/name", "the name prometheus is taken: GET /slo/prometheus has the rules for it")
	}
	if label := r.Labels[sloLabel]; label != "" && label != r.Name {
		d.fault(seen["labels"], pointer+"/labels/"+sloLabel, "the label %s is set to the name of the objective; leave it out", sloLabel)
	}
	if r.Severity == "" {
		r.Severity = "critical" // of what pages; what can wait is a warning
	}
	if seen["group_by"] == nil {
		r.GroupBy = []string{"model"}
	}
	r.defaults()
	s := r.SLO
	*s = SLO{
		Name: r.Name, Indicator: s.Indicator, Limit: s.Limit, When: r.When, Good: r.Good, Objective: r.Objective, Period: r.Period, GroupBy: r.GroupBy, MinCount: r.MinCount, For: r.For,
		KeepFiringFor: r.KeepFiringFor, Severity: r.Severity, Labels: r.Labels, Annotations: r.Annotations, Mode: r.Mode, Actions: r.Actions, MaxGroups: r.MaxGroups, Tests: r.Tests,
	}
	d.indicate(n, seen, pointer, r)
	r.Name += sloSuffix
	r.Labels = with(r.Labels, sloLabel, s.Name)
	if r.Annotations["summary"] == "" {
		r.Annotations = with(r.Annotations, "summary", fmt.Sprintf("The error budget of the objective %s, which is %s %%, is spent too fast.", s.Name, percent(1-s.Objective)))
	}
}

// indicate says in CEL what an objective is about.
func (d *decoder) indicate(n *node, seen map[string]*node, pointer string, r *Rule) {
	s := r.SLO
	i := slices.IndexFunc(indicators, func(x indicator) bool { return x.name == s.Indicator })
	if i < 0 {
		switch {
		case s.Good == "":
			d.fault(n, pointer+"/indicator", "indicator is missing; it is one of %s. Or good says which events are good", strings.Join(IndicatorNames(), ", "))
		case s.Limit != nil:
			d.fault(seen["limit"], pointer+"/limit", "a limit belongs to an indicator; good says itself what is good")
		}
		return
	}
	x := &indicators[i]
	switch {
	case s.Good != "":
		d.fault(seen["good"], pointer+"/good", "the indicator %s says what is good; leave out one of them", x.name)
	case x.limited && s.Limit == nil:
		d.fault(n, pointer+"/limit", "limit is missing: good are %s", x.doc)
	case !x.limited && s.Limit != nil:
		d.fault(seen["limit"], pointer+"/limit", "the indicator %s has no limit: good are %s", x.name, x.doc)
	case x.limited && (*s.Limit < x.min || *s.Limit > x.max):
		d.fault(seen["limit"], pointer+"/limit", "%v is out of range; the limit of %s goes from %v to %v", *s.Limit, x.name, x.min, x.max)
	}
	r.When, r.Good = x.when, x.good
	if x.limited && s.Limit != nil {
		r.Good += celNumber(*s.Limit)
	}
	if s.When == "" {
		return
	}
	if r.When += " && (" + s.When + ")"; len(r.When) > maxTextBytes {
		d.fault(seen["when"], pointer+"/when", "the condition has %d bytes, which is too many", len(s.When))
	}
	d.compiles(seen["when"], pointer+"/when", r.When)
}

// celNumber writes a number that CEL takes for a double.
func celNumber(v float64) string {
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// percent writes a ratio as people say it.
func percent(ratio float64) string { return strconv.FormatFloat(ratio*100, 'g', 6, 64) }

// with is a map with one more entry.
func with(m map[string]string, name, value string) map[string]string {
	out := map[string]string{name: value}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// Definition is the objective of a rule of type burn_rate: as it was written, or else what the rule itself says.
func (r *Rule) Definition() *SLO {
	if r.SLO != nil {
		return r.SLO
	}
	return &SLO{
		Name: r.Promise(), When: r.When, Good: r.Good, Objective: r.Objective, Period: r.Period, GroupBy: r.GroupBy, MinCount: r.MinCount, For: r.For, KeepFiringFor: r.KeepFiringFor,
		Severity: r.Severity, Labels: r.Labels, Annotations: r.Annotations, Mode: r.Mode, Actions: r.Actions, MaxGroups: r.MaxGroups, Tests: r.Tests,
	}
}

// Promise is the name of the objective of a rule of type burn_rate.
func (r *Rule) Promise() string {
	if name := r.Labels[sloLabel]; name != "" {
		return name
	}
	return r.Name
}

// YAML writes an objective as a file of its own; Decode reads it from there.
func (s *SLO) YAML() []byte {
	return yamlOf(struct {
		SLOs []*SLO `json:"slos"`
	}{[]*SLO{s}})
}
