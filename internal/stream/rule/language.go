package rule

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Severities, modes, operators and actions, in the order in which they are listed.
var (
	severities = []string{"info", "warning", "critical"}
	modes      = []string{"observe", "propose", "auto"}
	operators  = []string{">", ">=", "<", "<=", "==", "!="}
	actions    = []string{"notify", "webhook", "incident", "cool_down", "drain", "shift_weights", "fallback_model", "cap", "pause_batch", "scale", "restart"}
)

// ActionTypes lists what rules can ask for.
func ActionTypes() []string { return slices.Clone(actions) }

// key is one key of the language: the decoder and the JSON Schema are both made from this table.
type key struct {
	name     string
	doc      string
	types    []Type // that have it; nil = all
	required bool   // by those
	shape    shape
	set      func(r *Rule) any // where the decoded value goes; its Go type goes with the shape
}

// shape says what a value looks like.
type shape struct {
	kind     string // text, cel, cels, enum, enums, duration, number, count, texts, actions, tests
	enum     []string
	min, max float64
	above    bool // min itself is too small
	most     int  // entries of a list
}

var (
	cel      = shape{kind: "cel"}
	duration = shape{kind: "duration", min: 1, max: MaxWindow.Seconds()}
	pause    = shape{kind: "duration", min: 0, max: MaxWindow.Seconds()}
	texts    = shape{kind: "texts", most: MaxTexts}
	compared = []Type{Threshold, Rate, Ratio, Distinct}
	windowed = []Type{Threshold, Rate, Ratio, Absence, Distinct, Anomaly}
	counted  = []Type{Threshold, Rate, Ratio, Anomaly, BurnRate}
)

const huge = 1e18

// keys is the language.
var keys = []key{
	{"name", "how people call the rule; letters, digits, and . _ -", nil, true, shape{kind: "text", most: maxNameBytes}, func(r *Rule) any { return &r.Name }},
	{"type", "what the rule looks for", nil, true, shape{kind: "enum", enum: names(Types)}, func(r *Rule) any { return (*string)(&r.Type) }},
	{"when", "CEL: the events that the rule is about; without it, all of them", nil, false, cel, func(r *Rule) any { return &r.When }},
	{"group_by", "fields whose values are judged apart; events without one of them are passed over", nil, false, shape{kind: "enums", enum: groupFields(), most: MaxGroupBy}, func(r *Rule) any { return &r.GroupBy }},
	{"window", "span of time that is looked at; it slides", windowed, true, duration, func(r *Rule) any { return &r.Window }},
	{"for", "how long it must hold before the alert fires", except(Sequence), false, pause, func(r *Rule) any { return &r.For }},
	{"keep_firing_for", "how long the alert stays after it holds no more", nil, false, pause, func(r *Rule) any { return &r.KeepFiringFor }},
	{"severity", "how bad it is; warning without it", nil, false, shape{kind: "enum", enum: severities}, func(r *Rule) any { return &r.Severity }},
	{"labels", "texts for routing alerts", nil, false, texts, func(r *Rule) any { return &r.Labels }},
	{"annotations", "texts for people: summary, description, runbook_url", nil, false, texts, func(r *Rule) any { return &r.Annotations }},
	{"mode", "observe only tells, propose asks before it acts, auto acts", nil, false, shape{kind: "enum", enum: modes}, func(r *Rule) any { return &r.Mode }},
	{"actions", "what to do when the alert fires", nil, false, shape{kind: "actions", most: MaxActions}, func(r *Rule) any { return &r.Actions }},
	{"metric", "a number of the window by its name in /analytics, such as requests or latency_ms.p95", []Type{Threshold, Rate, Anomaly}, true, shape{kind: "metric"}, func(r *Rule) any { return &r.Metric }},
	{"op", "how the number is compared", append(slices.Clone(compared), Anomaly), true, shape{kind: "enum", enum: operators}, func(r *Rule) any { return &r.Op }},
	{"value", "with what the number is compared", compared, true, shape{kind: "number", min: -huge, max: huge}, func(r *Rule) any { return &r.Value }},
	{"of", "CEL: those of the events whose share is compared", []Type{Ratio}, true, cel, func(r *Rule) any { return &r.Of }},
	{"min_count", "fewer events than this mean nothing", counted, false, shape{kind: "count", min: 1, max: 1e12}, func(r *Rule) any { return &r.MinCount }},
	{"steps", "CEL for each event, in the order in which they follow one another", []Type{Sequence}, true, shape{kind: "cels", most: MaxSteps}, func(r *Rule) any { return &r.Steps }},
	{"within", "longest time from the first to the last step", []Type{Sequence}, true, duration, func(r *Rule) any { return &r.Within }},
	{"good", "CEL: the events that the objective wants", []Type{BurnRate}, true, cel, func(r *Rule) any { return &r.Good }},
	{"objective", "share of good events that is promised, such as 0.99", []Type{BurnRate}, true, shape{kind: "number", above: true, min: 0, max: 0.9999999}, func(r *Rule) any { return &r.Objective }},
	{"period", "time over which the budget of the objective is counted; 720h, which is 30 days, without it", []Type{BurnRate}, false, shape{kind: "duration", min: longest, max: longestPeriod}, func(r *Rule) any { return &r.Period }},
	{"field", "field of data whose values are counted", []Type{Distinct}, true, shape{kind: "enum", enum: groupFields()}, func(r *Rule) any { return &r.Field }},
	{"baseline", "span before the window that is the measure", []Type{Anomaly}, true, duration, func(r *Rule) any { return &r.Baseline }},
	{"factor", "times the baseline with which the window is compared", []Type{Anomaly}, true, shape{kind: "number", above: true, min: 0, max: 1e6}, func(r *Rule) any { return &r.Factor }},
	{"max_groups", "most groups that are kept apart; 10000 without it, 1000 for burn_rate and anomaly", nil, false, shape{kind: "count", min: 1, max: MaxGroups}, func(r *Rule) any { return &r.MaxGroups }},
	{"tests", "events and the alerts that they must cause", nil, false, shape{kind: "tests", most: MaxTests}, func(r *Rule) any { return &r.Tests }},
}

// has tells whether rules of type t have the key.
func (k *key) has(t Type) bool { return k.types == nil || slices.Contains(k.types, t) }

func keyNames(of []key) []string {
	out := make([]string, len(of))
	for i := range of {
		out[i] = of[i].name
	}
	return out
}

func names(types []Type) []string {
	out := make([]string, len(types))
	for i, t := range types {
		out[i] = string(t)
	}
	return out
}

func except(not Type) []Type {
	return slices.DeleteFunc(slices.Clone(Types), func(t Type) bool { return t == not })
}

// keyField is what no field of events is: the name of the key that a request was made with, which gateways send as key_alias or key.
const keyField = event.Field(255)

// textOf is the text of a field by which events are grouped.
func textOf(e *event.Event, f event.Field) string {
	if f != keyField {
		return e.Text(f)
	}
	for _, object := range [...][]byte{e.Extra, e.Metadata} {
		if !bytes.Contains(object, []byte(`"key`)) { // most often
			continue
		}
		for _, name := range [...]string{"key_alias", "key"} {
			if text := event.TextMember(object, name); text != "" && len(text) <= maxKeyBytes {
				return text
			}
		}
	}
	return ""
}

// maxKeyBytes bounds the name of a key.
const maxKeyBytes = 256

// fieldOf finds the fields by which events can be grouped: short texts.
var fieldOf = func() map[string]event.Field {
	m := map[string]event.Field{}
	for f := range event.Catalogue {
		if field := event.Field(f); event.Catalogue[f].Type == event.Text && field != event.Comment {
			m[event.Catalogue[f].Name] = field
		}
	}
	m["key"] = keyField
	return m
}()

func groupFields() []string { return slices.Sorted(maps.Keys(fieldOf)) }

// defaults fills in what was left out.
func (r *Rule) defaults() {
	if r.Severity == "" {
		r.Severity = "warning"
	}
	if r.Mode == "" {
		r.Mode = "observe"
	}
	if r.MinCount == 0 {
		r.MinCount = map[Type]int64{BurnRate: 100, Anomaly: 20}[r.Type]
	}
	if r.MaxGroups == 0 {
		r.MaxGroups = 10_000
		if r.Type == BurnRate || r.Type == Anomaly { // each group keeps hours or days
			r.MaxGroups = 1000
		}
	}
	if r.Type == Sequence && r.KeepFiringFor == 0 {
		r.KeepFiringFor = max(r.Within, Duration(time.Second))
	}
}
