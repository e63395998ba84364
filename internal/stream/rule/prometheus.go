package rule

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// FromPrometheus makes rules of the alerting rules of a Prometheus rule file, where their metrics are numbers of events here. What
// does not map is left out and told, with line and reason; a file that is none gives nothing but faults.
func FromPrometheus(data []byte) (rules []Rule, left []Fault) {
	root, fault := parse(data)
	if fault != nil {
		return nil, []Fault{*fault}
	}
	p := prometheus{names: map[string]int{}}
	groups := root.get("groups")
	if groups == nil || groups.kind != listNode {
		return nil, []Fault{{Pointer: "/groups", Line: root.line, Detail: "there is no list of groups, so this is no rule file of Prometheus"}}
	}
	for i, g := range groups.items {
		list := g.get("rules")
		if list == nil || list.kind != listNode {
			continue
		}
		for k, item := range list.items {
			p.take(item, fmt.Sprintf("/groups/%d/rules/%d", i, k))
		}
	}
	return p.rules, p.left
}

// get is the value of a key, nil when there is none.
func (n *node) get(key string) *node {
	if n == nil || n.kind != mapNode {
		return nil
	}
	for i, k := range n.keys {
		if k.text == key {
			return n.items[i]
		}
	}
	return nil
}

type prometheus struct {
	rules []Rule
	left  []Fault
	names map[string]int
}

func (p *prometheus) take(n *node, pointer string) {
	name, query := n.get("alert"), n.get("expr")
	leave := func(at *node, format string, args ...any) {
		p.left = append(p.left, Fault{pointer, at.line, fmt.Sprintf(format, args...)})
	}
	switch {
	case n.get("record") != nil:
		leave(n, "a recording rule; the windows here need none")
		return
	case name == nil || query == nil:
		leave(n, "it has no alert or no expr")
		return
	case len(p.rules) == MaxRules:
		leave(n, "there are %d rules already, more are not taken", MaxRules)
		return
	}
	r, reason := translate(query.text)
	if reason != "" {
		leave(query, "%s: %s", cut(name.text), reason)
		return
	}
	p.dress(r, n, name.text)
	again, faults := DecodeOne(r.YAML(), r.Name) // the rules of the language hold for it like for any other
	if len(faults) > 0 {
		leave(n, "%s: %s", cut(name.text), faults[0].Error())
		return
	}
	again.Line = n.line
	p.rules = append(p.rules, *again)
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// dress gives a rule what stands beside the expression.
func (p *prometheus) dress(r *Rule, n *node, name string) {
	r.Name = strings.TrimLeft(notInNames.ReplaceAllString(name, "-"), "._-")
	if p.names[r.Name]++; p.names[r.Name] > 1 {
		r.Name = fmt.Sprintf("%s-%d", r.Name, p.names[r.Name])
	}
	r.Mode, r.MaxGroups = "observe", 1000
	for key, to := range map[string]*Duration{"for": &r.For, "keep_firing_for": &r.KeepFiringFor} {
		if v := n.get(key); v != nil {
			*to, _ = promSpan(v.text)
		}
	}
	r.Labels, r.Annotations = stringsOf(n.get("labels")), stringsOf(n.get("annotations"))
	switch severity := strings.ToLower(r.Labels["severity"]); severity {
	case "critical", "page", "error":
		r.Severity = "critical"
	case "info", "none":
		r.Severity = "info"
	default:
		r.Severity = "warning"
	}
	delete(r.Labels, "severity")
}

func stringsOf(n *node) map[string]string {
	out := map[string]string{}
	if n != nil && n.kind == mapNode {
		for i, k := range n.keys {
			out[k.text] = n.items[i].text
		}
	}
	return out
}

// family is a metric of Prometheus that is a number of events here.
type family struct {
	metric string
	when   string
	scale  float64 // values there times this are those here
	gauge  bool
}

const requests = `event_type == "llm_request"`

func gaugeOf(field string) family {
	return family{"system." + field, `event_type == "system_metric" && has(data.` + field + ")", 1, true}
}

// families are known by the names that hxp, engines, gateways and OpenTelemetry give them.
var families = map[string]family{
	"event_processing_total":                      {"events", "", 1, false},
	"vllm:request_success_total":                  {"requests", requests, 1, false},
	"vllm:prompt_tokens_total":                    {"tokens.prompt", requests, 1, false},
	"vllm:generation_tokens_total":                {"tokens.completion", requests, 1, false},
	"vllm:e2e_request_latency_seconds":            {"latency_ms", requests, 1000, false},
	"vllm:time_to_first_token_seconds":            {"ttft_ms", requests, 1000, false},
	"vllm:time_per_output_token_seconds":          {"tpot_ms", requests, 1000, false},
	"vllm:inter_token_latency_seconds":            {"tpot_ms", requests, 1000, false},
	"litellm_proxy_total_requests_metric_total":   {"requests", requests, 1, false},
	"litellm_proxy_failed_requests_metric_total":  {"errors", requests, 1, false},
	"litellm_spend_metric_total":                  {"cost_usd", requests, 1, false},
	"litellm_total_tokens_metric_total":           {"tokens.total", requests, 1, false},
	"litellm_request_total_latency_metric":        {"latency_ms", requests, 1000, false},
	"litellm_llm_api_time_to_first_token_metric":  {"ttft_ms", requests, 1000, false},
	"gen_ai_client_operation_duration_seconds":    {"latency_ms", requests, 1000, false},
	"gen_ai_server_time_to_first_token_seconds":   {"ttft_ms", requests, 1000, false},
	"gen_ai_server_time_per_output_token_seconds": {"tpot_ms", requests, 1000, false},
	"vllm:num_requests_waiting":                   gaugeOf("requests_waiting"),
	"vllm:num_requests_running":                   gaugeOf("requests_running"),
	"vllm:kv_cache_usage_perc":                    gaugeOf("kv_cache_usage"),
	"vllm:gpu_cache_usage_perc":                   gaugeOf("kv_cache_usage"),
}

// labelFields are the fields that labels of Prometheus are here.
var labelFields = map[string]string{
	"model": "model", "model_name": "model", "served_model_name": "model", "litellm_model_name": "model", "gen_ai_request_model": "model",
	"instance": "host", "host": "host", "hostname": "host", "tenant": "tenant", "team": "tenant", "user": "user_id", "end_user": "user_id",
}

var (
	comparison = regexp.MustCompile(`^(.+?)\s*(==|!=|>=|<=|>|<)\s*(?:bool\s+)?([-+0-9.eE]+)$`)
	quantile   = regexp.MustCompile(`^histogram_quantile\s*\(\s*(0\.\d+)\s*,\s*(.+)\)$`)
	aggregated = regexp.MustCompile(`^(sum|avg)\s*(?:by\s*\(([^)]*)\)\s*)?\((.+?)\)\s*(?:by\s*\(([^)]*)\))?$`)
	function   = regexp.MustCompile(`^(rate|increase|avg_over_time|absent_over_time)\s*\(\s*(.+?)\s*\[([0-9a-z]+)\]\s*\)$`)
	selector   = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?$`)
	matcher    = regexp.MustCompile(`^\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*$`)
)

// side is one side of a comparison.
type side struct {
	family
	function  string // "" for a plain selector
	window    Duration
	by        []string
	share     string // of a percentile
	aggregate string // "" for none: each series is judged
}

// translate makes a rule of an expression; the reason says why it cannot.
func translate(text string) (*Rule, string) {
	text = strings.Join(strings.Fields(text), " ")
	if strings.ContainsAny(text, "#") || regexp.MustCompile(`\b(and|or|unless|on|ignoring|offset)\b`).MatchString(text) {
		return nil, "it joins series (and, or, unless, on, offset), which rules here do not"
	}
	if x := function.FindStringSubmatch(text); x != nil && x[1] == "absent_over_time" {
		s, reason := sideOf(text)
		if reason != "" {
			return nil, reason
		}
		return &Rule{Type: Absence, When: s.when, Window: s.window}, ""
	}
	m := comparison.FindStringSubmatch(text)
	if m == nil {
		return nil, "it is no comparison with a number"
	}
	value, err := strconv.ParseFloat(m[3], 64)
	if err != nil {
		return nil, m[3] + " is no number"
	}
	if left, right, ok := strings.Cut(m[1], " / "); ok {
		return ratioOf(left, right, m[2], value)
	}
	s, reason := sideOf(m[1])
	if reason != "" {
		return nil, reason
	}
	if s.aggregate == "" && s.when != "" { // each series is judged: here the engine, or the model
		s.by = []string{map[bool]string{true: "host", false: "model"}[s.gauge]}
	}
	r := &Rule{Type: Threshold, When: s.when, Op: m[2], GroupBy: s.by, Window: s.window, Metric: s.metric}
	switch {
	case s.share != "":
		r.Metric += "." + s.share
	case s.gauge && (s.function == "rate" || s.function == "increase" || s.aggregate == "sum"):
		return nil, "a gauge is averaged here; neither its rate nor its sum is known"
	case !s.gauge && s.aggregate == "avg":
		return nil, "the mean over series means nothing here, where all events of a key are counted together; use sum"
	case s.gauge && s.window == 0:
		r.Window = Duration(time.Minute)
	case s.gauge:
	case s.scale != 1:
		return nil, "of durations only histogram_quantile maps"
	case s.function == "rate":
		r.Type = Rate
	case s.function != "increase":
		return nil, "a counter means something only under rate or increase"
	}
	r.Value = new(value * s.scale)
	return r, ""
}

// ratioOf makes a rule of errors divided by all requests.
func ratioOf(left, right, op string, value float64) (*Rule, string) {
	a, reason := sideOf(left)
	if reason != "" {
		return nil, reason
	}
	b, reason := sideOf(right)
	switch {
	case reason != "":
		return nil, reason
	case a.metric != "errors" || b.metric != "requests":
		return nil, "a quotient maps only for failed requests by all requests"
	case a.window != b.window || !slices.Equal(a.by, b.by) || a.when != b.when || a.function != b.function:
		return nil, "both sides of the quotient must be of the same window, labels and function"
	}
	return &Rule{Type: Ratio, When: a.when, Of: "data.success == false", Op: op, Value: &value, GroupBy: a.by, Window: a.window}, ""
}

// sideOf reads a selector under functions.
func sideOf(text string) (s side, reason string) {
	text = bare(text)
	if m := quantile.FindStringSubmatch(text); m != nil {
		s.share = map[string]string{"0.5": "p50", "0.50": "p50", "0.95": "p95", "0.99": "p99"}[m[1]]
		if s.share == "" {
			return s, "of quantiles 0.5, 0.95 and 0.99 are known here"
		}
		text = bare(m[2])
	}
	if m := aggregated.FindStringSubmatch(text); m != nil {
		s.aggregate = m[1]
		for label := range strings.SplitSeq(m[2]+m[4], ",") {
			label = strings.TrimSpace(label)
			field := labelFields[label]
			switch {
			case label == "" || label == "le":
			case field == "":
				return s, fmt.Sprintf("there is no field for the label %s", cut(label))
			case !slices.Contains(s.by, field):
				s.by = append(s.by, field)
			}
		}
		text = bare(m[3])
	}
	if m := function.FindStringSubmatch(text); m != nil {
		window, ok := promSpan(m[3])
		if !ok {
			return s, m[3] + " is no duration"
		}
		s.function, s.window, text = m[1], window, bare(m[2])
	}
	return s, s.selects(text)
}

// selects reads a name with its matchers.
func (s *side) selects(text string) (reason string) {
	m := selector.FindStringSubmatch(text)
	if m == nil {
		return fmt.Sprintf("%s is beyond what is translated", quote(text))
	}
	name := m[1]
	if s.share != "" {
		buckets := false
		if name, buckets = strings.CutSuffix(name, "_bucket"); !buckets {
			return "histogram_quantile is not over buckets"
		}
	}
	f, known := families[name]
	if !known {
		return fmt.Sprintf("the metric %s is none that is made of events here%s", cut(m[1]), words.DidYouMean(m[1], slices.Sorted(maps.Keys(families))))
	}
	s.family = f
	for one := range strings.SplitSeq(m[2], ",") {
		if strings.TrimSpace(one) == "" {
			continue
		}
		x := matcher.FindStringSubmatch(one)
		if x == nil {
			return fmt.Sprintf("the matcher %s cannot be read", quote(strings.TrimSpace(one)))
		}
		field := labelFields[x[1]]
		if field == "" {
			return fmt.Sprintf("there is no field for the label %s", cut(x[1]))
		}
		if s.when != "" {
			s.when += " && "
		}
		s.when += matched(field, x[2], x[3])
	}
	return ""
}

// matched is a matcher as a condition. Patterns are RE2 on both sides, and those of Prometheus mean the whole text.
func matched(field, op, text string) string {
	switch op {
	case "=~":
		return fmt.Sprintf(`data.%s.matches("^(?:%s)$")`, field, text)
	case "!~":
		return fmt.Sprintf(`!data.%s.matches("^(?:%s)$")`, field, text)
	case "!=":
		return fmt.Sprintf(`data.%s != "%s"`, field, text)
	}
	return fmt.Sprintf(`data.%s == "%s"`, field, text)
}

// bare takes outer parentheses away.
func bare(text string) string {
	for {
		text = strings.TrimSpace(text)
		if len(text) < 2 || text[0] != '(' || text[len(text)-1] != ')' || !whole(text[1:len(text)-1]) {
			return text
		}
		text = text[1 : len(text)-1]
	}
}

// whole tells whether no parenthesis closes that was not opened.
func whole(text string) bool {
	depth := 0
	for _, c := range text {
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth < 0 {
			return false
		}
	}
	return depth == 0
}

var spanText = regexp.MustCompile(`^([0-9]+)(s|m|h|d|w)$`)

// promSpan reads a duration of Prometheus of one unit.
func promSpan(text string) (Duration, bool) {
	m := spanText.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}[m[2]]
	if err != nil || n > 1e6 {
		return 0, false
	}
	return Duration(n) * Duration(unit), true
}
