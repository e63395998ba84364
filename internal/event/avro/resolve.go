package avro

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Mismatches lists why reader cannot read everything that writer can write, by Avro's rules of schema resolution; empty = it
// can. Each reason begins with where it is.
func Mismatches(reader, writer *Schema) []string {
	work := maxChecks
	r := resolver{seen: map[[2]*Schema]bool{}, work: &work}
	r.check(reader, writer, "")
	return r.found
}

const (
	maxMismatches = 20      // nobody reads on
	maxChecks     = 200_000 // unions in unions in unions can be made to cost any time
)

type resolver struct {
	work  *int                // checks that are left, shared by all attempts
	seen  map[[2]*Schema]bool // pairs that are judged, or being judged: a circle holds when all else does
	found []string
}

func (r *resolver) report(at, format string, args ...any) {
	if at == "" {
		at = "/"
	}
	if len(r.found) < maxMismatches {
		r.found = append(r.found, at+": "+fmt.Sprintf(format, args...))
	}
}

func (r *resolver) check(reader, writer *Schema, at string) {
	pair := [2]*Schema{reader, writer}
	if r.seen[pair] || len(r.found) >= maxMismatches {
		return
	}
	r.seen[pair] = true
	if *r.work--; *r.work < 0 {
		r.report(at, "the schemas are too entangled to be compared")
		return
	}
	switch {
	case writer.Kind == Union:
		for i, w := range writer.Types {
			r.check(reader, w, fmt.Sprintf("%s/%d", at, i))
		}
	case reader.Kind == Union:
		r.anyBranch(reader, writer, at)
	case reader.Kind != writer.Kind:
		if !promotes(writer.Kind, reader.Kind) {
			r.report(at, "%s cannot be read as %s", describe(writer), describe(reader))
		}
	default:
		r.sameKind(reader, writer, at)
	}
}

// anyBranch wants one branch of the reader's union that reads the writer.
func (r *resolver) anyBranch(reader, writer *Schema, at string) {
	for _, b := range reader.Types {
		try := resolver{seen: maps.Clone(r.seen), work: r.work}
		try.check(b, writer, at)
		if len(try.found) == 0 {
			return
		}
	}
	r.report(at, "%s is none of the reader's union", describe(writer))
}

func (r *resolver) sameKind(reader, writer *Schema, at string) {
	switch reader.Kind {
	case Array, Map:
		r.check(reader.Items, writer.Items, at+"/items")
		return
	case Record, Enum, Fixed:
		if !sameName(reader, writer) {
			r.report(at, "the names %s and %s differ", writer.Name, reader.Name)
			return
		}
	}
	switch reader.Kind {
	case Fixed:
		if reader.Size != writer.Size {
			r.report(at, "a fixed of %d bytes cannot be read as one of %d", writer.Size, reader.Size)
		}
	case Enum:
		var lost []string
		for _, s := range writer.Symbols {
			if !slices.Contains(reader.Symbols, s) {
				lost = append(lost, s)
			}
		}
		if len(lost) > 0 && reader.Default == "" {
			r.report(at, "the reader has no symbol %s and no default", strings.Join(lost[:min(len(lost), 5)], ", "))
		}
	case Record:
		r.fields(reader, writer, at)
	}
	if reader.Logical == "decimal" && writer.Logical == "decimal" && reader.Scale != writer.Scale {
		r.report(at, "a decimal of scale %d cannot be read with scale %d", writer.Scale, reader.Scale)
	}
}

func (r *resolver) fields(reader, writer *Schema, at string) {
	for i := range reader.Fields {
		f := &reader.Fields[i]
		w := slices.IndexFunc(writer.Fields, func(w Field) bool { return w.Name == f.Name })
		if w < 0 {
			w = slices.IndexFunc(writer.Fields, func(w Field) bool { return slices.Contains(f.Aliases, w.Name) })
		}
		switch {
		case w >= 0:
			r.check(f.Type, writer.Fields[w].Type, at+"/"+f.Name)
		case !f.HasDefault:
			r.report(at+"/"+f.Name, "the reader's field has no default and the writer does not write it")
		}
	}
}

// sameName compares without the namespace, as the rules do; the reader's aliases count.
func sameName(reader, writer *Schema) bool {
	return base(reader.Name) == base(writer.Name) || slices.Contains(reader.Aliases, writer.Name)
}

func base(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

func promotes(from, to Kind) bool {
	switch to {
	case Long:
		return from == Int
	case Float:
		return from == Int || from == Long
	case Double:
		return from == Int || from == Long || from == Float
	case Bytes:
		return from == String
	case String:
		return from == Bytes
	}
	return false
}

func describe(s *Schema) string {
	if s.Name != "" {
		return s.Kind.String() + " " + s.Name
	}
	return s.Kind.String()
}
