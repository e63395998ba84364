package rule

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hxp-enterprise/hxp/internal/event/expr"
	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// Decode reads one rule, a list of rules, or an object with objectives (slos) and rules, as YAML or JSON. Objectives come as the rules
// that watch over them. It returns the rules only if nothing is wrong with any of them.
func Decode(data []byte) ([]Rule, []Fault) {
	root, fault := parse(data)
	if fault != nil {
		return nil, []Fault{*fault}
	}
	d := decoder{lines: map[string]int{}}
	switch {
	case root.kind == listNode:
		d.list(root, "", d.rule)
	case root.kind == mapNode && (root.has("slos") || root.has("rules")):
		d.both(root)
	default:
		d.rule(root, "")
	}
	if n := len(d.faults); n > maxFaults {
		d.faults = append(d.faults[:maxFaults:maxFaults], Fault{Detail: fmt.Sprintf("and %d more faults", n-maxFaults)})
	}
	if len(d.faults) > 0 {
		return nil, d.faults
	}
	return d.rules, nil
}

type decoder struct {
	rules  []Rule
	faults []Fault
	lines  map[string]int // of the names that are taken
}

// both reads an object of objectives and rules.
func (d *decoder) both(n *node) {
	seen := d.fields(n, "", []string{"slos", "rules"})
	if v := seen["slos"]; v != nil {
		d.list(v, "/slos", d.slo)
	}
	if v := seen["rules"]; v != nil {
		d.list(v, "/rules", d.rule)
	}
}

func (d *decoder) fault(n *node, pointer, format string, args ...any) {
	d.faults = append(d.faults, Fault{Pointer: pointer, Line: n.line, Detail: fmt.Sprintf(format, args...)})
}

func (d *decoder) list(n *node, pointer string, one func(n *node, pointer string) (*Rule, bool)) {
	switch {
	case n.kind != listNode:
		d.fault(n, pointer, "%s stands here, but a list belongs here", nodeNames[n.kind])
		return
	case len(n.items) == 0 && pointer == "":
		d.fault(n, "", "the list is empty; it holds rules")
	case len(n.items) == 0:
		d.fault(n, pointer, "the list is empty; leave it out")
	case len(d.rules)+len(n.items) > MaxRules:
		d.fault(n, pointer, "%d rules are too many; at most %d are taken", len(d.rules)+len(n.items), MaxRules)
		return
	}
	for i, item := range n.items {
		at := pointer + "/" + strconv.Itoa(i)
		r, ok := one(item, at)
		if !ok || r.Name == "" {
			continue
		}
		if line, twice := d.lines[r.Name]; twice {
			d.fault(item, at+"/name", "the name %q is taken by the rule in line %d", r.Name, line)
		}
		d.lines[r.Name] = item.line
	}
}

func (d *decoder) rule(n *node, pointer string) (*Rule, bool) {
	if n.kind != mapNode {
		d.fault(n, pointer, "%s stands here; a rule is an object with the keys name and type", nodeNames[n.kind])
		return nil, false
	}
	r := Rule{Line: n.line}
	before := len(d.faults)
	seen := d.fields(n, pointer, keyNames(keys))
	if v := seen["type"]; v != nil { // first, because it decides which keys there are
		d.value(v, pointer+"/type", keys[1].shape, keys[1].set(&r))
	}
	for i := range keys {
		d.key(&keys[i], n, seen[keys[i].name], pointer, &r)
	}
	if len(d.faults) == before {
		r.defaults()
		d.whole(n, pointer, &r)
	}
	d.rules = append(d.rules, r)
	return &r, true
}

// key reads the value of one key, or says that it is missing or out of place.
func (d *decoder) key(k *key, rule, v *node, pointer string, r *Rule) {
	at := pointer + "/" + k.name
	known := slices.Contains(Types, r.Type)
	switch {
	case k.name == "type" && v != nil:
	case v == nil && k.required && (k.types == nil || known && k.has(r.Type)):
		d.fault(rule, at, "%s is missing: %s", k.name, k.doc)
	case v == nil:
	case known && !k.has(r.Type):
		d.fault(v, at, "a rule of type %s has no %s; it belongs to %s", r.Type, k.name, strings.Join(names(k.types), ", "))
	default:
		d.value(v, at, k.shape, k.set(r))
	}
}

// fields sorts the keys of an object and tells of those that are unknown or there twice.
func (d *decoder) fields(n *node, pointer string, known []string) map[string]*node {
	seen := map[string]*node{}
	for i, k := range n.keys {
		at := pointer + "/" + escape(k.text)
		switch {
		case k.kind == listNode || k.kind == mapNode:
			d.fault(k, pointer, "a key must be a plain word")
		case !slices.Contains(known, k.text):
			d.fault(k, at, "there is no key %s%s", quote(k.text), words.DidYouMean(k.text, known))
		case seen[k.text] != nil:
			d.fault(k, at, "the key %s stands here twice", k.text)
		default:
			seen[k.text] = n.items[i]
		}
	}
	return seen
}

var nameText = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// whole checks what only the whole rule tells.
func (d *decoder) whole(n *node, pointer string, r *Rule) {
	if !nameText.MatchString(r.Name) {
		d.fault(n, pointer+"/name", "%s is no name: letters, digits, and . _ - make one, and it begins with a letter or digit", quote(r.Name))
	}
	if r.Type == Distinct && math.Abs(*r.Value) >= MaxDistinct {
		d.fault(n, pointer+"/value", "at most %d values are kept apart, so the value must be smaller", MaxDistinct)
	}
	if r.Type == Ratio && (*r.Value < 0 || *r.Value > 1) {
		d.fault(n, pointer+"/value", "a ratio lies between 0 and 1; for 20 percent write 0.2")
	}
	if m, _ := parseMetric(r.Metric); r.Type == Rate && !m.grows {
		d.slope(n, pointer, r, &m)
	}
	if r.Type == Anomaly && r.Baseline < 2*r.Window {
		d.fault(n, pointer+"/baseline", "the baseline must be at least twice the window, which is %s", r.Window)
	}
	if r.Type == Anomaly && r.Baseline+r.Window > Duration(MaxWindow) {
		d.fault(n, pointer+"/baseline", "baseline and window together are at most %s", Duration(MaxWindow))
	}
}

// slope checks a rate of what is no sum: how fast it grows.
func (d *decoder) slope(n *node, pointer string, r *Rule, m *metric) {
	switch {
	case !m.divides():
		d.fault(n, pointer+"/metric", "%s is neither a sum, which has a rate for each second, nor a mean or a share, which grows; use type threshold or anomaly", r.Metric)
	case r.Window < Duration(time.Minute):
		d.fault(n, pointer+"/window", "over less than a minute it is chance whether %s grows; the window is %s", r.Metric, r.Window)
	}
}

// value reads one value of the given shape to where it goes.
func (d *decoder) value(n *node, pointer string, s shape, to any) {
	switch to := to.(type) {
	case *string:
		*to = d.scalar(n, pointer, s)
	case *[]string:
		*to = d.scalars(n, pointer, s)
	case *Duration:
		*to = d.duration(n, pointer, s)
	case *float64:
		*to = d.number(n, pointer, s)
	case **float64:
		v := d.number(n, pointer, s)
		*to = &v
	case *int64:
		*to = int64(d.count(n, pointer, s))
	case *int:
		*to = int(d.count(n, pointer, s))
	case *map[string]string:
		*to = d.texts(n, pointer, s)
	case *[]Action:
		*to = d.actions(n, pointer, s)
	case *[]Test:
		*to = d.tests(n, pointer, s)
	}
}

func (d *decoder) scalar(n *node, pointer string, s shape) string {
	if n.kind != textNode {
		d.fault(n, pointer, "%s stands here, but a text belongs here%s", nodeNames[n.kind], quotes(n.kind))
		return ""
	}
	switch {
	case len(n.text) > maxTextBytes || s.most > 0 && s.kind == "text" && len(n.text) > s.most:
		d.fault(n, pointer, "the text has %d bytes, which is too many", len(n.text))
	case !utf8.ValidString(n.text):
		d.fault(n, pointer, "the text is not UTF-8")
	case s.enum != nil && !slices.Contains(s.enum, n.text):
		d.fault(n, pointer, "%s is none of %s%s", quote(n.text), strings.Join(s.enum, ", "), words.DidYouMean(n.text, s.enum))
	case s.kind == "cel":
		d.compiles(n, pointer, n.text)
	case s.kind == "metric":
		if _, fault := parseMetric(n.text); fault != "" {
			d.fault(n, pointer, "%s", fault)
		}
	}
	return n.text
}

// compiles tells what is wrong with a condition that stands at n.
func (d *decoder) compiles(n *node, pointer, text string) {
	if _, err := expr.Compile(text); err != nil {
		d.fault(n, pointer, "the condition is wrong: %s", err)
	}
}

func quotes(k nodeKind) string {
	if k == numberNode || k == boolNode {
		return "; put it in quotes"
	}
	return ""
}

func (d *decoder) scalars(n *node, pointer string, s shape) []string {
	if n.kind != listNode || len(n.items) == 0 || len(n.items) > s.most {
		d.fault(n, pointer, "a list of 1 to %d belongs here", s.most)
		return nil
	}
	one := shape{kind: strings.TrimSuffix(s.kind, "s"), enum: s.enum}
	out := make([]string, len(n.items))
	for i, item := range n.items {
		at := pointer + "/" + strconv.Itoa(i)
		out[i] = d.scalar(item, at, one)
		if s.enum != nil && slices.Contains(out[:i], out[i]) {
			d.fault(item, at, "%s stands here twice", quote(out[i]))
		}
	}
	return out
}

func (d *decoder) duration(n *node, pointer string, s shape) Duration {
	t, err := time.ParseDuration(n.text)
	switch {
	case n.kind != textNode || err != nil:
		d.fault(n, pointer, "%s is no duration; write it like 60s, 5m or 1h", quote(n.text))
	case t%time.Second != 0:
		d.fault(n, pointer, "%s is not a number of whole seconds", t)
	case t.Seconds() < s.min || t.Seconds() > s.max:
		d.fault(n, pointer, "%s is out of range; it goes from %s to %s", t, Duration(s.min*1e9), Duration(s.max*1e9))
	}
	return Duration(t)
}

func (d *decoder) number(n *node, pointer string, s shape) float64 {
	v, err := strconv.ParseFloat(n.text, 64)
	switch {
	case n.kind != numberNode || err != nil || math.IsNaN(v) || math.IsInf(v, 0):
		d.fault(n, pointer, "%s is no number", quote(n.text))
		return 0
	case v < s.min || v > s.max || s.above && v == s.min:
		d.fault(n, pointer, "%s is out of range; it goes from %v to %v%s", n.text, s.min, s.max, map[bool]string{true: fmt.Sprintf(", without %v", s.min)}[s.above])
	}
	return v
}

func (d *decoder) count(n *node, pointer string, s shape) float64 {
	v := d.number(n, pointer, s)
	if v != math.Trunc(v) {
		d.fault(n, pointer, "%s is no whole number", n.text)
	}
	return min(max(v, 0), s.max)
}

func (d *decoder) texts(n *node, pointer string, s shape) map[string]string {
	if n.kind != mapNode || len(n.items) > s.most {
		d.fault(n, pointer, "an object of at most %d texts belongs here", s.most)
		return nil
	}
	out := map[string]string{}
	for i, item := range n.items {
		k := n.keys[i].text
		at := pointer + "/" + escape(k)
		if _, twice := out[k]; twice {
			d.fault(n.keys[i], at, "the key %s stands here twice", quote(k))
		}
		if k == "" || len(k) > maxNameBytes || !utf8.ValidString(k) {
			d.fault(n.keys[i], at, "a name has 1 to %d bytes", maxNameBytes)
		}
		out[k] = d.scalar(item, at, shape{kind: "text"})
	}
	return out
}

func (d *decoder) actions(n *node, pointer string, s shape) []Action {
	if n.kind != listNode || len(n.items) > s.most {
		d.fault(n, pointer, "a list of at most %d actions belongs here", s.most)
		return nil
	}
	out := make([]Action, len(n.items))
	for i, item := range n.items {
		at := pointer + "/" + strconv.Itoa(i)
		if item.kind != mapNode {
			d.fault(item, at, "an action is an object with the key type")
			continue
		}
		seen := d.fields(item, at, []string{"type", "target", "with"})
		if v := seen["type"]; v != nil {
			out[i].Type = d.scalar(v, at+"/type", shape{kind: "enum", enum: actions})
		} else {
			d.fault(item, at+"/type", "type is missing; it is one of %s", strings.Join(actions, ", "))
		}
		if v := seen["target"]; v != nil {
			out[i].Target = d.scalar(v, at+"/target", shape{kind: "text"})
		}
		if v := seen["with"]; v != nil {
			out[i].With = d.texts(v, at+"/with", texts)
		}
	}
	return out
}

var escaper = strings.NewReplacer("~", "~0", "/", "~1")

func escape(name string) string { return escaper.Replace(cut(name)) }

func quote(s string) string { return strconv.Quote(cut(s)) }

// cut keeps answers shorter than what was asked.
func cut(s string) string {
	if r := []rune(s[:min(len(s), 400)]); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
