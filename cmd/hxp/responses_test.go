package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/app"
)

// A target that cannot be looked at or taken back has no state before and after: nothing is said of it.
func TestShownResponse(t *testing.T) {
	show := func(text string) string {
		t.Helper()
		var r app.Response
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		cmd := responsesShow()
		cmd.SetOut(&out)
		if err := showResponse(cmd, &r); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	bare := show(`{"id":"1","state":"approved","action":"scale","target":"receiver","before":null,"after":null,"in_place":false}`)
	for _, word := range []string{"null", "before", "after", "in place"} {
		if strings.Contains(bare, word) {
			t.Errorf("%q is said of a response without it:\n%s", word, bare)
		}
	}
	whole := show(`{"id":"1","state":"verified","action":"drain","target":"gateway","before":{"drained":false},"after":{"drained":true},"in_place":true}`)
	for _, line := range []string{`before    {"drained":false}`, `after     {"drained":true}`, "in place  yes"} {
		if !strings.Contains(whole, line) {
			t.Errorf("%q is not said:\n%s", line, whole)
		}
	}
}
