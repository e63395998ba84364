package jsonschema

import (
	"strings"
	"testing"
)

func parse(t testing.TB, text string) *Schema {
	t.Helper()
	s, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

func TestComparison(t *testing.T) {
	object := func(props, more string) string { return `{"type":"object","properties":{` + props + `}` + more + `}` }
	a, closed := `"a":{"type":"string"}`, `,"additionalProperties":false`
	for _, c := range []struct {
		name, reader, writer string
		accepts              bool
	}{
		{"the same", object(a, closed), object(a, closed), true},
		{"anything instead", `{}`, object(a, closed), true}, {"true", `true`, `{"type":"string"}`, true}, {"something instead of anything", `{"type":"object"}`, `{}`, false},
		{"an optional property in a closed object", object(a+`,"b":{"type":"string"}`, closed), object(a, closed), true},
		{"an optional property in an open object", object(a+`,"b":{"type":"string"}`, ""), object(a, ""), false},
		{"any optional property in an open object", object(a+`,"b":{}`, ""), object(a, ""), true},
		{"a property less in a closed object", object("", closed), object(a, closed), false},
		{"a property less in an open object", object("", ""), object(a, ""), true},
		{"closing an object", object(a, closed), object(a, ""), false}, {"opening one", object(a, ""), object(a, closed), true},
		{"another type", object(`"a":{"type":"integer"}`, closed), object(a, closed), false},
		{"a wider type", `{"type":["string","null"]}`, `{"type":"string"}`, true}, {"a narrower one", `{"type":"string"}`, `{"type":["string","null"]}`, false},
		{"integer as number", `{"type":"number"}`, `{"type":"integer"}`, true}, {"number as integer", `{"type":"integer"}`, `{"type":"number"}`, false},
		{"required now", object(a, `,"required":["a"]`), object(a, ""), false}, {"required before", object(a, ""), object(a, `,"required":["a"]`), true},
		{"required with a default", object(`"a":{"type":"string","default":"x"}`, `,"required":["a"]`), object(a, ""), true},
		{"a wider range", `{"type":"number","maximum":10}`, `{"type":"number","maximum":5}`, true}, {"a narrower range", `{"type":"number","maximum":5}`, `{"type":"number","maximum":10}`, false},
		{"a range now", `{"type":"number","minimum":0}`, `{"type":"number"}`, false}, {"the same range in other digits", `{"type":"number","minimum":1.0}`, `{"type":"number","minimum":1}`, true},
		{"longer", `{"type":"string","maxLength":9}`, `{"type":"string","maxLength":5}`, true}, {"a pattern now", `{"type":"string","pattern":"x"}`, `{"type":"string"}`, false},
		{"a value more", `{"enum":["a","b"]}`, `{"enum":["a"]}`, true}, {"a value less", `{"enum":["a"]}`, `{"enum":["a","b"]}`, false}, {"a const of them", `{"enum":["a","b"]}`, `{"const":"b"}`, true},
		{"values as their type", `{"type":"string"}`, `{"enum":["a"]}`, true}, {"values as another type", `{"type":"integer"}`, `{"enum":["a"]}`, false},
		{"coarser multiples", `{"type":"integer","multipleOf":2}`, `{"type":"integer","multipleOf":4}`, true}, {"finer multiples", `{"type":"integer","multipleOf":4}`, `{"type":"integer","multipleOf":2}`, false},
		{"items", `{"type":"array","items":{"type":"number"}}`, `{"type":"array","items":{"type":"integer"}}`, true}, {"other items", `{"type":"array","items":{"type":"string"}}`, `{"type":"array","items":{"type":"integer"}}`, false},
		{"a tuple", `{"type":"array","prefixItems":[{"type":"number"}],"items":false}`, `{"type":"array","prefixItems":[{"type":"integer"}],"items":false}`, true},
		{"a shorter tuple", `{"type":"array","items":false}`, `{"type":"array","prefixItems":[{"type":"integer"}],"items":false}`, false},
		{"a branch more", `{"oneOf":[{"type":"string"},{"type":"null"}]}`, `{"type":"string"}`, true}, {"a branch less", `{"type":"string"}`, `{"oneOf":[{"type":"string"},{"type":"null"}]}`, false},
		{"branches in another order", `{"anyOf":[{"type":"null"},{"type":"string"}]}`, `{"anyOf":[{"type":"string"},{"type":"null"}]}`, true},
		{"the same branches beside a type", `{"type":"object","anyOf":[{"required":["a"]},{"required":["b"]}]}`, `{"type":"object","anyOf":[{"required":["a"]},{"required":["b"]}]}`, true},
		{"all of", `{"allOf":[{"type":"string"},{"maxLength":9}]}`, `{"type":"string","maxLength":5}`, true}, {"one of all of", `{"type":"string"}`, `{"allOf":[{"type":"string"},{"maxLength":9}]}`, true},
		{"a reference", `{"$ref":"#/$defs/x","$defs":{"x":{"type":"number"}}}`, `{"$ref":"#/definitions/y","definitions":{"y":{"type":"integer"}}}`, true},
		{"a reference to another type", `{"$ref":"#/$defs/x","$defs":{"x":{"type":"string"}}}`, `{"type":"integer"}`, false},
		{"a circle", `{"type":"object","properties":{"n":{"$ref":"#"}}}`, `{"type":"object","properties":{"n":{"$ref":"#"}}}`, true},
		{"a fault in a circle", `{"type":"object","properties":{"n":{"$ref":"#"},"v":{"type":"string"}}}`, `{"type":"object","properties":{"n":{"$ref":"#"},"v":{"type":"integer"}}}`, false},
		{"patterns", `{"type":"object","patternProperties":{"^x":{"type":"number"}}}`, `{"type":"object","patternProperties":{"^x":{"type":"integer"}}}`, true},
		{"a pattern for open properties", `{"type":"object","patternProperties":{"^x":{"type":"number"}}}`, `{"type":"object"}`, false},
		{"a property by pattern", `{"type":"object","patternProperties":{"^x":{"type":"number"}},"additionalProperties":false}`, `{"type":"object","properties":{"xy":{"type":"integer"}},"additionalProperties":false}`, true},
		{"not, now", `{"not":{"type":"string"}}`, `{}`, false}, {"not, less than before", `{"not":{"type":"integer"}}`, `{"not":{"type":"number"}}`, true}, {"not, more than before", `{"not":{"type":"number"}}`, `{"not":{"type":"integer"}}`, false},
		{"the same condition", `{"if":{"type":"string"},"then":{"maxLength":9}}`, `{"if":{"type":"string"},"then":{"maxLength":5}}`, true}, {"another condition", `{"if":{"type":"string"},"then":{"maxLength":9}}`, `{"if":{"type":"number"},"then":{"maxLength":5}}`, false},
		{"nothing", `false`, `{}`, false}, {"from nothing", `{"type":"string"}`, `false`, true},
		{"notes", `{"type":"string","title":"b","format":"email"}`, `{"type":"string","title":"a","x-y":1}`, true},
	} {
		if got := Mismatches(parse(t, c.reader), parse(t, c.writer)); (len(got) == 0) != c.accepts {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

func TestReasonsSayWhere(t *testing.T) {
	got := Mismatches(parse(t, `{"type":"object","properties":{"a/b":{"type":"object","properties":{"c":{"type":"integer"}}}}}`),
		parse(t, `{"type":"object","properties":{"a/b":{"type":"object","properties":{"c":{"type":"string"}}}}}`))
	if len(got) != 1 || got[0] != "/a~1b/c: the type string is not accepted any more" {
		t.Fatalf("%q", got)
	}
}

func TestBrokenSchemas(t *testing.T) {
	for text, want := range map[string]string{
		`{"type":`: "not JSON", `{} {}`: "not JSON", `7`: "a schema is", `{"type":"text"}`: "/type", `{"type":[]}`: "/type", `{"properties":[]}`: "/properties",
		`{"properties":{"a":7}}`: "/properties/a", `{"required":"a"}`: "/required", `{"anyOf":[]}`: "/anyOf", `{"minimum":"1"}`: "/minimum", `{"$ref":"#/$defs/x"}`: "nowhere",
		`{"$ref":"http://example.com/x"}`: "another document", `{"$ref":"#x"}`: "anchor", strings.Repeat(`{"not":`, 70) + "{}" + strings.Repeat("}", 70): "deeper",
		`{"items":[7]}`: "/items/0", `{"uniqueItems":1}`: "/uniqueItems", `{"dependentRequired":{"a":"b"}}`: "/dependentRequired",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// Comparing ends, whatever is compared, and what is accepted is at least accepted by itself.
func FuzzComparison(f *testing.F) {
	f.Add(`{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}`, `{"anyOf":[{"type":"string"},{"$ref":"#"}]}`)
	f.Add(`{"allOf":[{"$ref":"#"},{"$ref":"#"}]}`, `{"oneOf":[{"$ref":"#/oneOf/1"},{"$ref":"#/oneOf/0"}]}`)
	f.Add(`{"not":{"enum":[1,"a",null]}}`, `{"if":{"minimum":1e9},"then":{"multipleOf":0.1}}`)
	f.Add(`{"items":[true,{"const":1}],"additionalItems":false}`, `{"patternProperties":{"^a":{"type":"integer"}},"propertyNames":{"maxLength":3}}`)
	f.Fuzz(func(t *testing.T, a, b string) {
		x, errA := Parse([]byte(a))
		y, errB := Parse([]byte(b))
		if errA != nil || errB != nil {
			return
		}
		Mismatches(x, y)
		Mismatches(y, x)
		if got := Mismatches(parse(t, `true`), x); len(got) > 0 && !strings.Contains(got[0], "entangled") {
			t.Fatalf("true refuses what %s accepts: %q", a, got)
		}
	})
}
