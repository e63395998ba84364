// Package api holds the documents that hxp gives away: JSON Schemas of its events by name and version, and descriptions of its
// services (OpenAPI) and topics (AsyncAPI).
//
// They are generated (`make docs`) and committed, so that a change of what others rely on is seen when it is made. A schema
// that was released never changes; the next one has the next number. Tests hold the newest of each to the catalogue of fields,
// each to the one before it, and the descriptions to what is served.
package api

import (
	"embed"
	"slices"
	"strconv"
	"strings"
)

//go:embed schemas
var files embed.FS

// Schema returns a released JSON Schema: the name is an event type or "envelope".
func Schema(name string, version int) ([]byte, bool) {
	b, err := files.ReadFile("schemas/" + name + "/" + strconv.Itoa(version) + ".json")
	return b, err == nil
}

// Versions lists the released versions of a schema, oldest first; none when there is no such schema.
func Versions(name string) []int {
	if strings.Contains(name, "/") {
		return nil
	}
	entries, err := files.ReadDir("schemas/" + name)
	if err != nil {
		return nil
	}
	var out []int
	for _, e := range entries {
		if n, err := strconv.Atoi(strings.TrimSuffix(e.Name(), ".json")); err == nil {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}
