package jsonschema

import (
	"fmt"
	"slices"
)

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
