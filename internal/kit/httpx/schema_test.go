package httpx

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

type leaf struct {
	Name string  `json:"name"`
	Next *leaf   `json:"next,omitempty"`
	At   *string `json:"at"`
}

type sheet[T any] struct {
	Items []T       `json:"items"`
	Since time.Time `json:"since"`
	Drop  int       `json:"-"`
	ProblemBody
}

// Bodies are described as encoding/json writes them.
func TestBodiesAreDescribed(t *testing.T) {
	m := testMux(nil)
	m.HandleFunc("PUT /pages/{id}", func(http.ResponseWriter, *http.Request) {}, InPath("id", "a number", Whole(1, 9)), Paging(), NoBodyNeeded(), BodyOf(leaf{}),
		Answer("200", "a page", sheet[leaf]{}), Answer("404", "not there"))
	m.HandleFunc("GET /other", func(http.ResponseWriter, *http.Request) {}, Faults("text/x-fault", Schema{"type": "string"}), Answer("409", "taken"), Query("at", "a time, RFC 3339"))
	m.Describe("GET /wide/{x}", Doc("served by another"))
	text, err := json.Marshal(openapi(Service{Name: "s"}, m.Routes()))
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"paths|/pages/{id}|put|parameters|0|schema":                                   `{"maximum":9,"minimum":1,"type":"integer"}`,
		"paths|/pages/{id}|put|parameters|1|schema|anyOf|0":                           `{"maximum":1000,"minimum":1,"type":"integer"}`,
		"paths|/pages/{id}|put|requestBody|required":                                  `false`,
		"paths|/pages/{id}|put|requestBody|content|application/json|schema":           `{"$ref":"#/components/schemas/Leaf"}`,
		"paths|/pages/{id}|put|responses|200|content|application/json|schema":         `{"$ref":"#/components/schemas/SheetOfleaf"}`,
		"paths|/pages/{id}|put|responses|404|content|application/problem+json|schema": `{"$ref":"#/components/schemas/ProblemBody"}`,
		"components|schemas|Leaf|properties|at":                                       `{"type":["string","null"]}`,
		"components|schemas|Leaf|properties|next":                                     `{"anyOf":[{"$ref":"#/components/schemas/Leaf"},{"type":"null"}]}`,
		"components|schemas|Leaf|required":                                            `["name","at"]`,
		"components|schemas|SheetOfleaf|properties|items":                             `{"items":{"$ref":"#/components/schemas/Leaf"},"type":"array"}`,
		"components|schemas|SheetOfleaf|properties|since":                             `{"format":"date-time","type":"string"}`,
		"components|schemas|SheetOfleaf|properties|detail":                            `{"type":"string"}`,
		"components|schemas|SheetOfleaf|properties|Drop":                              `null`,
		"paths|/other|get|responses|409|content|text/x-fault":                         `{}`,
		"paths|/other|get|responses|200|description":                                  `"done"`,
		"paths|/other|get|parameters|0|schema|anyOf|0|format":                         `"date-time"`,
		"paths|/wide/{x}|get|summary":                                                 `"served by another"`,
		"paths|/other|get|responses|default|content|application/problem+json|schema":  `{"$ref":"#/components/schemas/ProblemBody"}`,
	} {
		if got := at(doc, path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// at is what lies at a path of names and numbers, as JSON.
func at(v any, path string) string {
	for step := range strings.SplitSeq(path, "|") {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			v = x[step[0]-'0']
		default:
			v = nil
		}
	}
	b, _ := json.Marshal(v) // of what was read from JSON
	return string(b)
}
