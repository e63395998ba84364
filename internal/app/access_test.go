package app

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const securityPage = "../../docs/security.md"

// operation is what an OpenAPI document says of who may call it.
type operation struct {
	Security []struct {
		Token []string `json:"token"`
	} `json:"security"`
	Tenants string `json:"x-tenants"`
}

func (o *operation) scopes() (out []string) {
	for _, s := range o.Security {
		out = append(out, s.Token...)
	}
	return out
}

// operations reads the documents that TestDocuments holds to what is served; the scheduler's paths have Airflow's own login.
func operations(t *testing.T, see func(call, service string, o *operation)) {
	t.Helper()
	for _, service := range []string{KafkaAPI, EventProcessingAPI, BatchProcessingAPI, DataStreamingAPI} {
		text, err := os.ReadFile(filepath.Join(documents, "openapi", service+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			Paths map[string]map[string]operation
		}
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatal(err)
		}
		for path, methods := range d.Paths {
			for method, o := range methods {
				see(strings.ToUpper(method)+" "+path, service, &o)
			}
		}
	}
}

// TestAccess holds the two lists of docs/security.md, of endpoints that need another scope than their method says and of endpoints that tell
// tenants apart, to what the services serve: a new entry is seen by who reads the change.
func TestAccess(t *testing.T) {
	scopes, tenants := map[string]bool{}, map[string]bool{}
	operations(t, func(call, service string, o *operation) {
		usual := "admin"
		if strings.HasPrefix(call, "GET ") {
			usual = "read"
		}
		have := strings.Join(o.scopes(), " or ")
		switch path := strings.TrimPrefix(call, "GET "); {
		case path == "/health" || strings.HasPrefix(path, "/health/"):
			if have != "" {
				t.Errorf("%s of %s needs %s", call, service, have)
			}
		case have == "":
			t.Errorf("%s of %s is open to everybody", call, service)
		case have != usual:
			scopes[fmt.Sprintf("| `%s` | %s | %s |", call, service, have)] = true
		}
		if o.Tenants != "" && !common[call] {
			tenants[fmt.Sprintf("| `%s` | %s |", call, service)] = true
		}
	})
	if len(scopes) == 0 || len(tenants) == 0 {
		t.Fatalf("%d and %d entries", len(scopes), len(tenants))
	}
	page, err := os.ReadFile(securityPage)
	if err != nil {
		t.Fatal(err)
	}
	want := fill(fill(string(page), "scopes", "| endpoint | service | needs |\n|---|---|---|", scopes), "tenants", "| endpoint | service |\n|---|---|", tenants)
	if *update {
		if err := os.WriteFile(securityPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(page) {
		t.Errorf("%s does not list who may call what; run `make docs`", securityPage)
	}
}

// common are the endpoints of all services that say nothing of anybody.
var common = map[string]bool{"GET /docs": true, "GET /openapi.json": true, "GET /asyncapi.json": true}

// fill puts a table between the marks of a page.
func fill(page, mark, head string, rows map[string]bool) string {
	begin, end := "<!-- "+mark+" -->\n", "<!-- end of "+mark+" -->\n"
	before, rest, found := strings.Cut(page, begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return page + "\nthe marks of " + mark + " are gone\n"
	}
	list := make([]string, 0, len(rows))
	for row := range rows {
		list = append(list, row)
	}
	slices.Sort(list)
	return before + begin + head + "\n" + strings.Join(list, "\n") + "\n" + end + after
}
