package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// operation is one of a description of an API.
type operation struct {
	method, path string
	query        []string
	bodies       []content
}

type content struct {
	kind string // media type
	form *form
}

// harmful are operations that take away what the test goes on with.
var harmful = map[string]bool{"DELETE /topics/{name}": true, "PATCH /topics/{name}": true, "POST /retention/cleanup": true}

// operations reads descriptions of OpenAPI.
func operations(t *testing.T, pattern string) (out []*operation) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		var doc struct {
			Paths map[string]map[string]struct {
				Parameters  []struct{ Name, In string }
				RequestBody struct {
					Content map[string]struct{ Schema any }
				}
			}
			Components struct{ Schemas map[string]any }
		}
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &doc)
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for path, methods := range doc.Paths {
			for method, m := range methods {
				o := &operation{method: strings.ToUpper(method), path: path}
				for _, p := range m.Parameters {
					if p.In == "query" {
						o.query = append(o.query, p.Name)
					}
				}
				for kind, c := range m.RequestBody.Content {
					o.bodies = append(o.bodies, content{kind, &form{c.Schema, doc.Components.Schemas}})
				}
				if !harmful[o.method+" "+path] {
					out = append(out, o)
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b *operation) int { return strings.Compare(a.path+a.method, b.path+b.method) }) // as the seed wants it
	if len(out) < 20 {
		t.Fatalf("%d operations in %s", len(out), pattern)
	}
	return out
}

// target is the path and the query of a call.
func (o *operation) target(r *rand.Rand) string {
	var b strings.Builder
	for i, part := range strings.Split(o.path, "{") {
		if i > 0 {
			_, rest, _ := strings.Cut(part, "}")
			part = url.PathEscape(word(r)) + rest
		}
		b.WriteString(part)
	}
	separator := "?"
	for _, name := range o.query {
		if r.IntN(3) == 0 {
			fmt.Fprintf(&b, "%s%s=%s", separator, url.QueryEscape(name), url.QueryEscape(word(r)))
			separator = "&"
		}
	}
	return cmp.Or(b.String(), "/")
}

// words are values of parameters and members, of all kinds that are somewhere expected, and some that are not.
var words = []string{
	"m", "availability", "aggregation_hourly", "llm-requests", "llm_request", "user_feedback", "daily_summary", "model", "operator", "count", "p99", "5m", "300", "0", "-1", "1e309", "true", "0 * * * *",
	"2026-03-01T10:00:00Z", "2026-03-01", "9999-12-31T23:59:59.999999999Z", "", " ", "*", "../x", "\x00", "ü", "%", "a=b,c>d", "{{ .x }}", "[1,2", "http://169.254.169.254/", strings.Repeat("a", 3000),
}

func word(r *rand.Rand) string { return words[r.IntN(len(words))] }

// form makes values that a JSON Schema allows, as far as it is looked at here, and now and then one that it does not.
type form struct {
	schema any
	shared map[string]any
}

func (f *form) value(r *rand.Rand, depth int) any {
	s, _ := f.schema.(map[string]any)
	if len(s) == 0 || depth > 8 || r.IntN(24) == 0 {
		return []any{nil, true, -1.5, 1e300, word(r), []any{}, map[string]any{word(r): word(r)}}[r.IntN(7)]
	}
	of := func(schema any) any { return (&form{schema, f.shared}).value(r, depth+1) }
	if name, ok := s["$ref"].(string); ok {
		return of(f.shared[strings.TrimPrefix(name, "#/components/schemas/")])
	}
	for _, key := range []string{"enum", "examples", "oneOf", "anyOf"} {
		if list, _ := s[key].([]any); len(list) > 0 {
			if one := list[r.IntN(len(list))]; key == "oneOf" || key == "anyOf" {
				return of(one)
			} else {
				return one
			}
		}
	}
	if c, ok := s["const"]; ok {
		return c
	}
	kind := s["type"]
	if list, ok := kind.([]any); ok && len(list) > 0 {
		kind = list[r.IntN(len(list))]
	}
	switch kind {
	case "object":
		return f.object(r, s, of)
	case "array":
		list := make([]any, r.IntN(4))
		for i := range list {
			list[i] = of(s["items"])
		}
		return list
	case "integer", "number":
		return []float64{0, 1, 5, 100, 3600, -1, 0.5, 1 << 53}[r.IntN(8)]
	case "boolean":
		return r.IntN(2) == 0
	case "null":
		return nil
	}
	if s["format"] == "date-time" && r.IntN(4) > 0 {
		return time.Now().Add(-time.Duration(r.IntN(7200)) * time.Second).UTC().Format(time.RFC3339Nano)
	}
	return word(r)
}

// object has what is required, most of what is not, and now and then something else.
func (f *form) object(r *rand.Rand, s map[string]any, of func(any) any) any {
	out := map[string]any{}
	properties, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if r.IntN(2) == 0 || slices.Contains(required, any(name)) {
			out[name] = of(properties[name])
		}
	}
	if others, ok := s["additionalProperties"]; ok && r.IntN(2) == 0 {
		out[word(r)] = of(others)
	}
	return out
}
