package rule

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The schema takes what the decoder takes, and refuses what it can tell to be wrong.
func TestSchemaAgreesWithTheDecoder(t *testing.T) {
	text, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("rules.json", text); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("rules.json")
	if err != nil {
		t.Fatal(err)
	}
	validate := func(text string) error {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
	pack, err := json.Marshal(Pack())
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(string(pack)); err != nil {
		t.Error(err)
	}
	for _, good := range []string{
		`{"slos":[{"name":"x","indicator":"availability","objective":0.9}]}`,
		`{"slos":[{"name":"x","indicator":"satisfaction","limit":4,"objective":0.9,"when":"data.model == 'a'","group_by":["tenant"]}],"rules":[{"name":"y","type":"absence","window":"60s"}]}`,
		`{"slos":[{"name":"x","good":"data.success","objective":0.9}]}`, `{"rules":[{"name":"y","type":"absence","window":"60s"}]}`,
	} {
		if err := validate(good); err != nil {
			t.Error(err)
		}
		if _, faults := Decode([]byte(good)); len(faults) > 0 {
			t.Error(faults)
		}
	}
	for _, bad := range []string{
		`{"slos":[]}`, `{"slos":{}}`, `{"slos":[{"name":"x","objective":0.9}]}`, `{"slos":[{"name":"x","indicator":"availability"}]}`,
		`{"slos":[{"name":"x","indicator":"availability","objective":0.9,"limit":5}]}`, `{"slos":[{"name":"x","indicator":"ttft","objective":0.9}]}`,
		`{"slos":[{"name":"x","indicator":"satisfaction","limit":7,"objective":0.9}]}`, `{"slos":[{"name":"x","good":"data.success","limit":7,"objective":0.9}]}`,
		`{"slos":[{"name":"x","indicator":"cost","limit":7,"good":"data.success","objective":0.9}]}`, `{"slos":[{"name":"x","indicator":"uptime","objective":0.9}]}`,
		`{"slos":[{"name":"x","indicator":"availability","objective":0.9,"type":"burn_rate"}]}`, `{"slos":[{"name":"x","indicator":"availability","objective":0.9}],"more":1}`,
		`[]`, `5`, `{"name":"x"}`, `{"name":"x","type":"nonsense"}`,
		`{"name":"x","type":"absence"}`,
		`{"name":"x","type":"absence","window":60}`,
		`{"name":"x","type":"absence","window":"60"}`,
		`{"name":"x","type":"absence","window":"60s","metric":"requests"}`,
		`{"name":"x","type":"absence","window":"60s","colour":"red"}`,
		`{"name":"x","type":"absence","window":"60s","group_by":["comment"]}`,
		`{"name":"x","type":"absence","window":"60s","group_by":["model","model"]}`,
		`{"name":"x","type":"absence","window":"60s","labels":{"a":1}}`,
		`{"name":"x","type":"absence","window":"60s","actions":[{"target":"a"}]}`,
		`{"name":"x","type":"absence","window":"60s","tests":[{"name":"t","events":[{"at":"0s"}],"expect":[]}]}`,
		`{"name":"x","type":"threshold","window":"60s","metric":"nothing","op":">","value":1}`,
		`{"name":"x","type":"burn_rate","good":"true","objective":1}`,
		`{"name":"x","type":"sequence","within":"60s","steps":[],"group_by":["model"]}`,
	} {
		if validate(bad) == nil {
			t.Errorf("the schema takes %s", bad)
		}
		if _, faults := Decode([]byte(bad)); len(faults) == 0 {
			t.Errorf("the decoder takes %s", bad)
		}
	}
}
