package jsonschema

import (
	"maps"
	"regexp"
	"slices"
)

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
