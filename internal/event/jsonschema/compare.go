package jsonschema

import (
	"fmt"
	"maps"
	"reflect"
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

// notes say nothing about instances.
var notes = []string{"$id", "$schema", "$comment", "$defs", "definitions", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "format", "$anchor", "contentMediaType", "contentEncoding", "contentSchema", "id"}
