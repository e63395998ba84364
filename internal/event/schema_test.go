package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

func compiled(t *testing.T, doc []byte) *jsonschema.Schema {
	t.Helper()
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("event.json", tree); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("event.json") // holds it to the meta-schema
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSchemasSayWhatTheParserDoes: documents and parser are made from one catalogue, and this holds them to one verdict.
func TestSchemasSayWhatTheParserDoes(t *testing.T) {
	envelope := compiled(t, EnvelopeSchema())
	schemas := map[Kind]*jsonschema.Schema{}
	for _, k := range Kinds {
		schemas[k] = compiled(t, SchemaOf(k))
	}
	var p Parser
	judge := func(text string) (parser, schema *Invalid) {
		var e Event
		parser = p.Parse([]byte(text), &e)
		tree, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if e.Kind == NoKind {
			return parser, parser
		}
		if err := schemas[e.Kind].Validate(tree); err != nil {
			return parser, &Invalid{Detail: err.Error()}
		}
		if err := envelope.Validate(tree); err != nil {
			return parser, &Invalid{Detail: "envelope: " + err.Error()}
		}
		return parser, nil
	}
	accepted, refused := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		text := drawForSchema(r)
		parser, schema := judge(text)
		if (parser == nil) != (schema == nil) {
			r.Fatalf("%s\nparser: %v\nschema: %v", text, parser, schema)
		}
		if parser == nil {
			accepted++
		} else {
			refused++
		}
	})
	if accepted == 0 || refused == 0 {
		t.Errorf("%d accepted and %d refused: one side was not tried", accepted, refused)
	}
}

// drawForSchema makes an object with each key once, which is all that JSON Schema speaks of.
func drawForSchema(r *rapid.T) string {
	k := rapid.SampledFrom(Kinds[:]).Draw(r, "kind")
	var names []string
	for f := range numFields {
		if s := &Catalogue[f]; s.of(k) || rapid.IntRange(0, 9).Draw(r, "stranger") == 0 {
			names = append(names, s.allNames()...)
		}
	}
	names = append(names, "fan_rpm", "colour", strings.Repeat("n", maxMetricName), strings.Repeat("n", maxMetricName+1))
	values := func(name string) string {
		own := []string{`null`, `"x"`, `true`, `{}`, `[1]`, `0`, `-1`, `1`, `1.0`, `2.5`, `5`, `5.5`, `1e3`, `999`, `1000`, `1e6`, `1000001`, `1e9`, `1.5e12`, `1e20`, `1e308`, `1e309`, `-1e309`, `""`,
			fmt.Sprintf("%q", strings.Repeat("a", 256)), fmt.Sprintf("%q", strings.Repeat("a", 257)), fmt.Sprintf("%q", strings.Repeat("a", 512)), fmt.Sprintf("%q", strings.Repeat("a", 513)), fmt.Sprintf("%q", strings.Repeat("a", 1025))}
		for f := range numFields {
			if s := &Catalogue[f]; s.called(name) {
				for _, v := range s.Enum {
					own = append(own, `"`+v+`"`, `"`+v+`"`)
				}
				if f >= firstNumeric && s.Type != Boolean {
					own = append(own, fmt.Sprint(s.Min), fmt.Sprint(s.Max), fmt.Sprint(s.Max/1000), fmt.Sprint(s.Max+1), fmt.Sprint(s.Min-1))
				}
			}
		}
		return rapid.SampledFrom(own).Draw(r, name)
	}
	members := func(most int) []string {
		var out []string
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, most, rapid.ID).Draw(r, "names") {
			out = append(out, fmt.Sprintf("%q:%s", name, values(name)))
		}
		return out
	}
	top := []string{fmt.Sprintf(`"event_type":%q`, rapid.SampledFrom(spellings(k)).Draw(r, "spelling"))}
	for _, c := range []struct {
		name string
		from []string
	}{
		{"event_id", []string{`"a"`, `null`, `7`, fmt.Sprintf("%q", strings.Repeat("a", 513))}}, {"source", []string{`"a"`, `[]`, `null`}}, {"schema_version", []string{`"1"`, `1`}},
		{"correlation_id", []string{`"c"`, `true`}}, {"metadata", []string{`{}`, `{"a":null}`, `[]`, `null`}},
		{"timestamp", []string{`"2026-05-01T12:00:00Z"`, `"2026-05-01t12:00:00.25+02:00"`, `"2026-02-30T12:00:00Z"`, `"2024-02-29T00:00:00Z"`, `"2026-13-01T12:00:00Z"`, `"2026-05-01T24:00:00Z"`, `"2026-05-01T23:59:60Z"`, `"2026-05-01 12:00:00Z"`, `"2026-05-01T12:00:00"`,
			`"1969-12-31T00:00:00Z"`, `0`, `-1`, `1748772000`, `1748772000.5`, `1748772000123`, `253402300800000`, `253402300799999`, `null`, `{}`, `"x"`}},
	} {
		if rapid.IntRange(0, 3).Draw(r, c.name) == 0 {
			top = append(top, fmt.Sprintf("%q:%s", c.name, rapid.SampledFrom(c.from).Draw(r, c.name)))
		}
	}
	switch rapid.IntRange(0, 3).Draw(r, "form") {
	case 0:
		top = append(top, members(6)...)
	case 1:
		top = append(append(top, `"data":null`), members(4)...)
	default:
		top = append(top, `"data":{`+strings.Join(members(6), ",")+`}`)
		top = append(top, members(2)...)
	}
	return "{" + strings.Join(top, ",") + "}"
}

func TestSchemaDocumentsAreJSON(t *testing.T) {
	for _, k := range Kinds {
		if !json.Valid(SchemaOf(k)) || !bytes.Equal(SchemaOf(k), SchemaOf(k)) {
			t.Errorf("%s: not JSON, or not the same twice", k)
		}
	}
}
