package rule

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// The same rule is read from YAML and from the JSON that it becomes.
func TestYAMLAndJSONSayTheSame(t *testing.T) {
	for _, r := range Pack() {
		text, err := json.Marshal([]Rule{r})
		if err != nil {
			t.Fatal(err)
		}
		again, faults := Decode(text)
		if len(faults) > 0 {
			t.Fatalf("%s\n%v", text, faults)
		}
		for _, r := range []*Rule{&r, &again[0]} { // the lines are those of the file
			r.Line = 0
			for _, test := range r.Tests {
				for i := range test.Expect {
					test.Expect[i].line = 0
				}
			}
		}
		r.SLO = nil // of an objective it is the rule that is written
		if !reflect.DeepEqual(again[0], r) || again[0].Version() != r.Version() {
			t.Errorf("got %+v, want %+v", again[0], r)
		}
	}
}

const plain = "name: x\ntype: threshold\nmetric: requests\nop: '>'\nvalue: 1\nwindow: 60s\n"

func TestFaults(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "the file is empty"},
		{"a: b: c", "neither YAML nor JSON"},
		{"[]", "the list is empty"},
		{"- 5", "line 1: /0: a number stands here"},
		{"a: &x 1\nb: *x", "line 2: aliases"},
		{plain + "---\nname: y", "a second document"},
		{strings.Repeat("[", 40) + strings.Repeat("]", 40), "nested deeper than 16 levels"},
		{plain + "\nvalue: 2", "line 8: /value: the key value stands here twice"},
		{"name: x", "line 1: /type: type is missing"},
		{strings.Replace(plain, "name: x", "name: x y", 1), `line 1: /name: "x y" is no name`},
		{strings.Replace(plain, "threshold", "treshold", 1), "line 2: /type: \"treshold\" is none of"},
		{strings.Replace(plain, "threshold", "treshold", 1), `did you mean "threshold"?`},
		{strings.Replace(plain, "metric:", "metrik:", 1), `line 3: /metrik: there is no key "metrik"; did you mean "metric"?`},
		{strings.Replace(plain, ": requests", ": latency_ms.p96", 1), `did you mean "latency_ms.p95"?`},
		{strings.Replace(plain, ": requests", ": unique_users", 1), "rules of type distinct, with field: user_id"},
		{strings.Replace(plain, "value: 1", "value: '1'", 1), `line 5: /value: "1" is no number`},
		{strings.Replace(plain, "value: 1", "value: .nan", 1), "is no number"},
		{strings.Replace(plain, "60s", "60", 1), `line 6: /window: "60" is no duration`},
		{strings.Replace(plain, "60s", "25h", 1), "25h0m0s is out of range; it goes from 1s to 24h"},
		{strings.Replace(plain, "60s", "1500ms", 1), "not a number of whole seconds"},
		{plain + "objective: 0.9", "line 7: /objective: a rule of type threshold has no objective; it belongs to burn_rate"},
		{plain + "when: 'data.model =='", "line 7: /when: the condition is wrong: line 1, column 14"},
		{plain + "when: '1 + 1'", "a condition gives bool"},
		{plain + "group_by: [modell]", "line 7: /group_by/0: \"modell\" is none of"},
		{plain + "group_by: [model, model]", "/group_by/1: \"model\" stands here twice"},
		{plain + "group_by: [model, tenant, user_id, host, endpoint]", "a list of 1 to 4 belongs here"},
		{plain + "labels: {team: 7}", "/labels/team: a number stands here, but a text belongs here; put it in quotes"},
		{plain + "severity: fatal", "\"fatal\" is none of info, warning, critical"},
		{plain + "max_groups: 1.5", "no whole number"},
		{plain + "actions: [{type: drain, wiht: {}}]", "/actions/0/wiht: there is no key \"wiht\"; did you mean \"with\"?"},
		{strings.Replace(plain, "threshold", "rate", 1) + "\nmetric: error_rate", "twice"},
		{strings.Replace(strings.Replace(plain, "threshold", "rate", 1), ": requests", ": latency_ms.p95", 1), "is neither a sum, which has a rate for each second"},
		{"name: x\ntype: ratio\nof: 'true'\nop: '>'\nvalue: 20\nwindow: 60s", "for 20 percent write 0.2"},
		{"name: x\ntype: sequence\nwithin: 60s\nsteps: ['true','true','true','true','true','true','true','true','true']", "a list of 1 to 8"},
		{"name: x\ntype: sequence\nwithin: 60s\nsteps: ['true']\nfor: 5s", "a rule of type sequence has no for"},
		{"name: x\ntype: burn_rate\ngood: 'true'\nobjective: 1", "/objective: 1 is out of range"},
		{plain + "tests: [{name: t, events: [{at: 0s, event_type: llm_request, data: {model: 5}}], expect: []}]", "/tests/0/events/0/data/model: this is no event"},
		{plain + "tests: [{name: t, events: [{at: 0s, count: 100001, event_type: llm_request}], expect: []}]", "out of range"},
		{plain + "tests: [{name: t, events: []}]", "/tests/0/expect: expect is missing"},
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

func TestTooManyRules(t *testing.T) {
	text := strings.Repeat(`{"name":"x"},`, MaxRules)
	_, faults := Decode([]byte("[" + text + `{"name":"x"}]`))
	if len(faults) != 1 || !strings.Contains(faults[0].Detail, "1001 rules are too many") {
		t.Errorf("got %v", faults)
	}
}

// JSON has escapes that YAML reads otherwise.
func TestJSONEscapes(t *testing.T) {
	r := one(t, `{"name":"x","type":"absence","window":"5s","annotations":{"summary":"\ud83d\ude00 a\/b"}}`)
	if got := r.Annotations["summary"]; got != "😀 a/b" {
		t.Errorf("got %q", got)
	}
}

// Each key of the language is in the schema, and no other.
func TestSchemaHasTheKeys(t *testing.T) {
	var schema struct {
		Defs struct {
			Rule struct {
				Properties map[string]struct{ Description string }
			}
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	properties := schema.Defs.Rule.Properties
	fields := reflect.TypeFor[Rule]()
	written := 0
	for i := range fields.NumField() {
		name, _, _ := strings.Cut(fields.Field(i).Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		if written++; properties[name].Description == "" {
			t.Errorf("%s is not described", name)
		}
	}
	if len(properties) != written {
		t.Errorf("%d keys, %d fields", len(properties), written)
	}
}

// Whatever comes, Decode answers, and what it takes can be run.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(plain))
	f.Add([]byte(`[{"name":"x","type":"sequence","within":"5s","steps":["true","data.success"],"group_by":["model"]}]`))
	f.Add([]byte("- name: x\n  type: burn_rate\n  good: 'true'\n  objective: 0.9\n  tests: [{name: t, events: [{at: 0s, event_type: llm_request}], expect: [{key: {model: a}}]}]"))
	f.Add([]byte("name: x\ntype: anomaly\nmetric: system.x\nop: <\nfactor: 2\nwindow: 1m\nbaseline: 1h\nactions: [{type: drain, with: {a: b}}]"))
	f.Add([]byte("slos:\n  - {name: x, indicator: ttft, limit: 500, objective: 0.95, when: data.model == 'a', group_by: [tenant]}\nrules:\n  - {name: y, type: absence, window: 5s}"))
	f.Add([]byte(`{"slos":[{"name":"x","good":"data.success","objective":0.9,"labels":{"slo":"x"},"tests":[]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rules, faults := Decode(data)
		if (len(rules) == 0) == (len(faults) == 0) {
			t.Fatalf("%d rules, faults %v", len(rules), faults)
		}
		engine, err := New(rules, Options{})
		if err != nil {
			t.Fatal(err)
		}
		e := call(1, "a", false)
		engine.Event(&e, Position{})
		for _, d := range append(engine.Advance(testBegin), engine.Advance(testBegin+20*second)...) {
			if _, err := json.Marshal(d); err != nil {
				t.Fatal(err)
			}
		}
		for i := range rules {
			if fmt.Sprint(rules[i].Version()) == "" {
				t.Fatal("no version")
			}
			if s := rules[i].SLO; s != nil {
				again, faults := Decode(s.YAML())
				if len(faults) > 0 || len(again) != 1 || again[0].Version() != rules[i].Version() {
					t.Fatalf("%s\n%v", s.YAML(), faults)
				}
			}
		}
		text := Prometheus(rules).YAML()
		if _, fault := parse(text); fault != nil {
			t.Fatalf("%s\n%v", text, fault)
		}
	})
}
