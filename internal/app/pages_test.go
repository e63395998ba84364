package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// cell is text for a cell of a Markdown table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(strings.TrimSpace(text))
}

// endpointsPage lists every endpoint of the documents in Markdown.
func endpointsPage(t *testing.T, documents map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("# Endpoints\n\n<!-- Made by `make docs` from what the services say at /openapi.json; change it there. -->\n\nEvery service also serves `/docs`, a page with parameters and answers. " +
		"Errors are `application/problem+json`. Lists take `limit` and `cursor`.\n")
	methods := []string{"get", "put", "post", "patch", "delete"}
	for _, service := range withAPI {
		var d struct {
			Paths map[string]map[string]json.RawMessage
		}
		if err := json.Unmarshal(documents["openapi/"+service+".json"], &d); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "\n## %s\n\n| endpoint | what | parameters |\n|---|---|---|\n", service)
		n := 0
		for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
			for _, method := range methods {
				raw, ok := d.Paths[path][method]
				if !ok {
					continue
				}
				var op struct {
					Summary    string
					Parameters []struct{ Name, In string }
				}
				if err := json.Unmarshal(raw, &op); err != nil {
					t.Fatal(err)
				}
				if op.Summary == "" {
					t.Errorf("%s: %s %s has no summary", service, method, path)
				}
				var names []string
				for _, p := range op.Parameters {
					if p.In == "query" {
						names = append(names, "`"+p.Name+"`")
					}
				}
				fmt.Fprintf(&b, "| `%s %s` | %s | %s |\n", strings.ToUpper(method), path, cell(op.Summary), strings.Join(names, " "))
				n++
			}
		}
		if n < 10 {
			t.Errorf("%s has %d endpoints", service, n)
		}
	}
	return b.Bytes()
}
