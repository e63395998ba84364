package jsonschema

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Mismatches lists why reader might refuse what writer accepts; empty = it never does. Each reason begins with where it is.
func Mismatches(reader, writer *Schema) []string {
	work := maxChecks
	c := comparer{reader: reader, writer: writer, work: &work, seen: map[string]bool{}}
	c.subset(writer.root, reader.root, "", 0)
	return c.found
}

const (
	maxMismatches = 20
	maxChecks     = 100_000
	maxRefs       = 256 // nested comparisons: references may go in circles that the seen pairs do not close
)

type comparer struct {
	reader, writer *Schema
	work           *int
	seen           map[string]bool // pairs of references under comparison: a circle holds when all else does
	found          []string
}

func (c *comparer) report(at, format string, args ...any) {
	if at == "" {
		at = "/"
	}
	if len(c.found) < maxMismatches {
		c.found = append(c.found, at+": "+fmt.Sprintf(format, args...))
	}
}

// holds tells whether w is a subset of r, without a report.
func (c *comparer) holds(w, r any, at string, depth int) bool {
	try := comparer{reader: c.reader, writer: c.writer, work: c.work, seen: maps.Clone(c.seen)}
	try.subset(w, r, at, depth)
	return len(try.found) == 0
}

// subset reports why not every instance that w accepts is accepted by r.
func (c *comparer) subset(w, r any, at string, depth int) {
	if *c.work--; *c.work < 0 || depth > maxRefs {
		c.report(at, "the schemas are too entangled to be compared")
		return
	}
	if len(c.found) >= maxMismatches {
		return
	}
	wo, ro := asObject(w), asObject(r)
	if ro == nil { // r accepts nothing
		if wo != nil {
			c.report(at, "nothing is accepted here any more")
		}
		return
	}
	if wo == nil || len(constraints(ro)) == 0 {
		return
	}
	if c.reader == c.writer && reflect.DeepEqual(wo, ro) {
		return
	}
	if c.references(wo, ro, at, depth) || c.combined(wo, ro, at, depth) {
		return
	}
	c.leaf(wo, ro, at, depth)
}

// asObject is nil for false and empty for true.
func asObject(v any) map[string]any {
	switch v := v.(type) {
	case map[string]any:
		return v
	case bool:
		if !v {
			return nil
		}
	}
	return map[string]any{}
}

// references follows $ref on both sides. It is false when there is none.
func (c *comparer) references(w, r map[string]any, at string, depth int) bool {
	wRef, wHas := w["$ref"].(string)
	rRef, rHas := r["$ref"].(string)
	if !wHas && !rHas {
		return false
	}
	if wHas && rHas {
		pair := wRef + "\x00" + rRef
		if c.seen[pair] {
			return true
		}
		c.seen[pair] = true
	}
	wParts, rParts := c.parts(c.writer, w, wRef, wHas), c.parts(c.reader, r, rRef, rHas)
	c.all(wParts, rParts, at, depth)
	return true
}

// parts are a schema with its reference followed: the target and what stands beside it, all of which must hold.
func (c *comparer) parts(s *Schema, o map[string]any, ref string, has bool) []any {
	if !has {
		return []any{o}
	}
	target, err := s.resolve(ref)
	if err != nil {
		target = true // judged by Parse
	}
	beside := without(o, "$ref", "$defs", "definitions", "$id", "$schema", "title", "description")
	if len(beside) == 0 {
		return []any{target}
	}
	return []any{target, beside}
}

func without(o map[string]any, names ...string) map[string]any {
	out := maps.Clone(o)
	for _, n := range names {
		delete(out, n)
	}
	return out
}

// all wants each part of r to follow from some part of w: each of them holds, so one that suffices is enough.
func (c *comparer) all(w, r []any, at string, depth int) {
	for _, part := range r {
		if len(w) == 1 {
			c.subset(w[0], part, at, depth+1)
			continue
		}
		if !slices.ContainsFunc(w, func(x any) bool { return c.holds(x, part, at, depth+1) }) {
			c.report(at, "no part of the combined schema ensures what is asked here")
		}
	}
}

// combined compares where allOf, anyOf or oneOf stand. It is false when there is none.
func (c *comparer) combined(w, r map[string]any, at string, depth int) bool {
	for _, name := range []string{"anyOf", "oneOf"} { // of the writer: each branch must be accepted
		if branches, ok := w[name].([]any); ok {
			rest := without(w, name)
			if same, ok := r[name].([]any); ok && c.pairwise(branches, same, at+"/"+name, depth) {
				c.subset(rest, without(r, name), at, depth+1)
				return true
			}
			if len(constraints(rest)) > 0 && c.holds(rest, r, at, depth+1) {
				return true
			}
			for i, b := range branches {
				c.subset(b, r, fmt.Sprintf("%s/%s/%d", at, name, i), depth+1)
			}
			return true
		}
	}
	if list, ok := r["allOf"].([]any); ok {
		c.all([]any{w}, append(slices.Clone(list), without(r, "allOf")), at, depth)
		return true
	}
	for _, name := range []string{"anyOf", "oneOf"} {
		if branches, ok := r[name].([]any); ok {
			c.subset(w, without(r, name), at, depth+1)
			if !slices.ContainsFunc(branches, func(b any) bool { return c.holds(w, b, at, depth+1) }) {
				c.report(at, "none of the branches of %s accepts what was accepted", name)
			}
			return true
		}
	}
	if list, ok := w["allOf"].([]any); ok {
		c.all(append(slices.Clone(list), without(w, "allOf")), []any{r}, at, depth)
		return true
	}
	return false
}

// pairwise tells whether each branch is accepted by the one in its place.
func (c *comparer) pairwise(w, r []any, at string, depth int) bool {
	for i := range w {
		if i >= len(r) || !c.holds(w[i], r[i], at, depth+1) {
			return false
		}
	}
	return true
}

// notes say nothing about instances.
var notes = []string{"$id", "$schema", "$comment", "$defs", "definitions", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "format", "$anchor", "contentMediaType", "contentEncoding", "contentSchema", "id"}

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

func (c *comparer) arrays(w, r map[string]any, at string, depth int) {
	c.bounds(w, r, at, "minItems", "maxItems")
	c.same(w, r, at, "contains", "minContains", "maxContains", "unevaluatedItems")
	if unique, _ := r["uniqueItems"].(bool); unique && w["uniqueItems"] != true {
		c.report(at, "items must be unique now")
	}
	wFirst, wRest := items(w)
	rFirst, rRest := items(r)
	pick := func(first []any, rest any, i int) any {
		if i < len(first) {
			return first[i]
		}
		return rest
	}
	n := max(len(wFirst), len(rFirst))
	for i := range n {
		c.subset(pick(wFirst, wRest, i), pick(rFirst, rRest, i), fmt.Sprintf("%s/items/%d", at, i), depth+1)
	}
	c.subset(wRest, rRest, at+"/items", depth+1)
}

// items are the schemas of the first items and that of all others, in the words of any draft.
func items(o map[string]any) (first []any, rest any) {
	rest = true
	if list, ok := o["prefixItems"].([]any); ok {
		first = list
	}
	switch v := o["items"].(type) {
	case []any:
		first = v
		if more, ok := o["additionalItems"]; ok {
			rest = more
		}
	case nil:
	default:
		rest = v
	}
	return first, rest
}

func (c *comparer) objects(w, r map[string]any, at string, depth int) {
	c.bounds(w, r, at, "minProperties", "maxProperties")
	c.same(w, r, at, "dependentRequired", "dependentSchemas", "dependencies", "unevaluatedProperties")
	if want, ok := r["propertyNames"]; ok {
		have, given := w["propertyNames"]
		if !given {
			have = true
		}
		c.subset(have, want, at+"/propertyNames", depth+1)
	}
	rProps, wProps := properties(r), properties(w)
	for _, name := range required(r) {
		byDefault := false
		if p, ok := rProps[name].(map[string]any); ok {
			_, byDefault = p["default"] // as registries see it: who reads fills it in
		}
		if !slices.Contains(required(w), name) && !byDefault {
			c.report(at+"/"+escape(name), "must be there now and has no default")
		}
	}
	for _, name := range sorted(union(wProps, rProps)) {
		c.subset(property(w, name), property(r, name), at+"/"+escape(name), depth+1)
	}
	c.patterns(w, r, at, depth)
}

func union(a, b map[string]any) map[string]any {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

func properties(o map[string]any) map[string]any {
	m, _ := o["properties"].(map[string]any)
	if m == nil {
		m = map[string]any{}
	}
	return m
}

func required(o map[string]any) []string {
	list, _ := o["required"].([]any)
	out := make([]string, 0, len(list))
	for _, v := range list {
		s, _ := v.(string)
		out = append(out, s)
	}
	return out
}

// property is what a schema asks of the property of a name: its own schema and those of all patterns that it matches, or
// else that of additional ones.
func property(o map[string]any, name string) any {
	var parts []any
	if p, ok := properties(o)[name]; ok {
		parts = append(parts, p)
	}
	byPattern, _ := o["patternProperties"].(map[string]any)
	for _, pattern := range sorted(byPattern) {
		if re, err := regexp.Compile(pattern); err == nil && re.MatchString(name) {
			parts = append(parts, byPattern[pattern])
		}
	}
	switch len(parts) {
	case 0:
		return additional(o)
	case 1:
		return parts[0]
	}
	return map[string]any{"allOf": parts}
}

func additional(o map[string]any) any {
	if v, ok := o["additionalProperties"]; ok {
		return v
	}
	return true
}

// patterns compares what is asked of properties without a name.
func (c *comparer) patterns(w, r map[string]any, at string, depth int) {
	wp, _ := w["patternProperties"].(map[string]any)
	rp, _ := r["patternProperties"].(map[string]any)
	for _, p := range sorted(wp) {
		target, ok := rp[p]
		if !ok {
			target = additional(r)
		}
		c.subset(wp[p], target, at+"/"+escape(p), depth+1)
	}
	for _, p := range sorted(rp) {
		if _, ok := wp[p]; !ok {
			c.subset(additional(w), rp[p], at+"/"+escape(p), depth+1)
		}
	}
	c.subset(additional(w), additional(r), at+"/additionalProperties", depth+1)
}

// conditions compares what structure alone does not decide.
func (c *comparer) conditions(w, r map[string]any, at string, depth int) {
	if not, ok := r["not"]; ok {
		have, given := w["not"]
		switch { // what the reader forbids must be forbidden by the writer already
		case !given:
			c.report(at, "\"not\" forbids what was accepted")
		case c.flipped().holds(not, have, at, depth+1):
		default:
			c.report(at, "\"not\" forbids more than before")
		}
	}
	if _, ok := r["if"]; ok {
		c.branches(w, r, at, depth)
	}
}

// flipped compares in the other direction.
func (c *comparer) flipped() *comparer {
	return &comparer{reader: c.writer, writer: c.reader, work: c.work, seen: map[string]bool{}}
}

// branches compares conditions: the same question, and no narrower answers.
func (c *comparer) branches(w, r map[string]any, at string, depth int) {
	if !equal(w["if"], r["if"]) {
		c.report(at, "\"if\" is another")
		return
	}
	for _, name := range []string{"then", "else"} {
		if want, ok := r[name]; ok {
			have, given := w[name]
			if !given {
				have = true
			}
			c.subset(have, want, at+"/"+name, depth+1)
		}
	}
}
