package jsonschema

import (
	"encoding/json"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strings"
)

func constraints(o map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range o {
		if !slices.Contains(notes, k) && !strings.HasPrefix(k, "x-") {
			out[k] = v
		}
	}
	return out
}

// leaf compares two schemas without references and combinations.
func (c *comparer) leaf(w, r map[string]any, at string, depth int) {
	if values := allowed(w); values != nil {
		if accepted := allowed(r); accepted != nil {
			for _, v := range values {
				if !slices.ContainsFunc(accepted, func(x any) bool { return equal(v, x) }) {
					c.report(at, "the value %s is not accepted any more", show(v))
				}
			}
			return
		}
		w = withTypes(w, values)
	} else if allowed(r) != nil {
		c.report(at, "only a list of values is accepted now")
		return
	}
	have, want := typesOf(w), typesOf(r)
	for _, t := range have {
		if !slices.Contains(want, t) && (t != "integer" || !slices.Contains(want, "number")) {
			c.report(at, "the type %s is not accepted any more", t)
			return
		}
	}
	may := func(t string) bool { return slices.Contains(have, t) }
	if may("number") || may("integer") {
		c.numbers(w, r, at)
	}
	if may("string") {
		c.bounds(w, r, at, "minLength", "maxLength")
		c.same(w, r, at, "pattern")
	}
	if may("array") {
		c.arrays(w, r, at, depth)
	}
	if may("object") {
		c.objects(w, r, at, depth)
	}
	c.conditions(w, r, at, depth)
}

// allowed are the values of enum or const, nil when any is allowed.
func allowed(o map[string]any) []any {
	if v, ok := o["const"]; ok {
		return []any{v}
	}
	list, _ := o["enum"].([]any)
	return list
}

// withTypes gives a schema that lists values the types of these.
func withTypes(o map[string]any, values []any) map[string]any {
	set := []any{}
	for _, v := range values {
		t := "null"
		switch v := v.(type) {
		case bool:
			t = "boolean"
		case string:
			t = "string"
		case []any:
			t = "array"
		case map[string]any:
			t = "object"
		case json.Number:
			t = "number"
			if f, ok := rat(v); ok && f.IsInt() {
				t = "integer"
			}
		}
		set = append(set, t)
	}
	out := maps.Clone(o)
	out["type"] = set
	return out
}

func typesOf(o map[string]any) []string {
	switch t := o["type"].(type) {
	case string:
		return []string{t}
	case []any:
		out := make([]string, len(t))
		for i, x := range t {
			out[i], _ = x.(string)
		}
		return out
	}
	return []string{"null", "boolean", "object", "array", "number", "string"}
}

func rat(v any) (*big.Rat, bool) {
	n, ok := v.(json.Number)
	if !ok || len(n) > 64 || strings.ContainsAny(n.String(), "eE") && len(n) > 12 {
		return nil, false
	}
	if _, exponent, has := strings.Cut(strings.ToLower(n.String()), "e"); has && len(strings.TrimLeft(exponent, "+-")) > 3 {
		return nil, false
	}
	return new(big.Rat).SetString(n.String())
}

func equal(a, b any) bool {
	x, ok := rat(a)
	y, also := rat(b)
	if ok && also {
		return x.Cmp(y) == 0
	}
	return reflect.DeepEqual(a, b)
}

func show(v any) string {
	b, _ := json.Marshal(v)
	return clip(string(b))
}

func (c *comparer) numbers(w, r map[string]any, at string) {
	c.bounds(w, r, at, "minimum", "maximum")
	c.bounds(w, r, at, "exclusiveMinimum", "exclusiveMaximum")
	if want, ok := r["multipleOf"]; ok {
		a, okA := rat(w["multipleOf"])
		b, okB := rat(want)
		if whole, isInt := w["type"].(string); !okA && isInt && whole == "integer" {
			a, okA = big.NewRat(1, 1), true
		}
		if !okA || !okB || b.Sign() == 0 || !new(big.Rat).Quo(a, b).IsInt() {
			c.report(at, "only multiples of %s are accepted now", show(want))
		}
	}
}

// bounds wants the reader's bounds to be no narrower.
func (c *comparer) bounds(w, r map[string]any, at, low, high string) {
	for i, name := range []string{low, high} {
		want, ok := r[name]
		if !ok || equal(w[name], want) {
			continue
		}
		a, okA := rat(w[name])
		b, okB := rat(want)
		if !okA || !okB || i == 0 && a.Cmp(b) < 0 || i == 1 && a.Cmp(b) > 0 {
			c.report(at, "%s is narrower: %s instead of %s", name, show(want), show(w[name]))
		}
	}
}

// same wants a keyword of the reader to stand in the writer as well.
func (c *comparer) same(w, r map[string]any, at string, names ...string) {
	for _, name := range names {
		if want, ok := r[name]; ok && !equal(w[name], want) {
			c.report(at, "%s is another: %s instead of %s", name, show(want), show(w[name]))
		}
	}
}
