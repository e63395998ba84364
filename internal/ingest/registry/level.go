package registry

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event/avro"
	"github.com/hxp-enterprise/hxp/internal/event/jsonschema"
)

// Level says what a new version of a subject must be able to do.
type Level string

// The levels.
const (
	None               Level = "NONE"
	Backward           Level = "BACKWARD" // the new version reads what the last one wrote
	BackwardTransitive Level = "BACKWARD_TRANSITIVE"
	Forward            Level = "FORWARD" // the last version reads what the new one writes
	ForwardTransitive  Level = "FORWARD_TRANSITIVE"
	Full               Level = "FULL" // both
	FullTransitive     Level = "FULL_TRANSITIVE"
)

// Levels lists them all.
var Levels = []Level{None, Backward, BackwardTransitive, Forward, ForwardTransitive, Full, FullTransitive}

func (l Level) known() bool { return slices.Contains(Levels, l) }

// check lists why next may not follow the versions before it, oldest first, at a level; empty = it may.
func (l Level) check(next *Schema, before []*Schema) []string {
	if l == None || len(before) == 0 {
		return nil
	}
	base, transitive := strings.CutSuffix(string(l), "_TRANSITIVE")
	if !transitive {
		before = before[len(before)-1:]
	}
	var found []string
	for _, old := range slices.Backward(before) {
		if base != string(Forward) {
			found = append(found, mismatches("the new schema cannot read what the old one wrote", next, old)...)
		}
		if base != string(Backward) {
			found = append(found, mismatches("the old schema cannot read what the new one writes", old, next)...)
		}
	}
	return found
}

func mismatches(what string, reader, writer *Schema) []string {
	var found []string
	switch {
	case reader.Type != writer.Type:
		found = []string{fmt.Sprintf("/: one is %s, the other %s", reader.Type, writer.Type)}
	case reader.compile() != nil || writer.compile() != nil:
		found = []string{"/: a schema that was registered earlier cannot be read any more"}
	case reader.Type == Avro:
		found = avro.Mismatches(reader.avro, writer.avro)
	default:
		found = jsonschema.Mismatches(reader.json, writer.json)
	}
	for i := range found {
		found[i] = what + ": " + found[i]
	}
	return found
}
