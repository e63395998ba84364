package replay

import (
	"os"
	"strings"
	"testing"
)

// TestForeignFiles: files of other systems are told by their content and give what the same body gives over HTTP.
func TestForeignFiles(t *testing.T) {
	for _, c := range []struct {
		file, format  string
		read, refused int64
		says          string
	}{
		{"traces.json", "otlp", 13, 3, ":1: left out: 2 spans wrap LLM calls"},
		{"metrics.json", "otlp", 7, 0, "2 data points carry no value"},
		{"logs.json", "otlp", 4, 1, ":1: wrong_type at /data/satisfaction_score"},
		{"litellm.json", "litellm", 8, 4, ":14: wrong_format at /event_group"},
		{"openai.json", "openai-usage", 11, 3, ":11: the body is not JSON"},
		{"langfuse.json", "langfuse", 4, 0, "left out: 2 observations"},
	} {
		body, err := os.ReadFile("../format/testdata/" + c.file)
		if err != nil {
			t.Fatal(err)
		}
		f := file(t, c.file, string(body))
		for _, name := range []string{"", c.format} {
			code, s, g, stderr := run(t, Options{Files: []string{f}, Format: name})
			if s.Read != c.read || s.Refused != c.refused || s.Sent != c.read-c.refused || (code == 0) != (c.refused == 0) {
				t.Errorf("%s as %q: exit %d, %+v: %s", c.file, name, code, s, stderr)
			}
			if !strings.Contains(stderr, f+":") || !strings.Contains(stderr, c.says) {
				t.Errorf("%s as %q: stderr has no %q: %s", c.file, name, c.says, stderr)
			}
			ids := map[string]bool{}
			for _, it := range g.items {
				e := parsed(t, it)
				if e.ID == "" || ids[e.Source+" "+e.ID] || strings.Contains(string(it.Value), "SECRET") {
					t.Errorf("%s: %s", c.file, it.Value)
				}
				ids[e.Source+" "+e.ID] = true
			}
		}
	}
}

func TestForeignFilesThatAreTorn(t *testing.T) {
	f := file(t, "x.jsonl", `{"resourceSpans":[]}`+"\n"+`{"resourceSpans":[}`+"\n"+`{"somethingElse":1}`+"\n")
	code, s, _, stderr := run(t, Options{Files: []string{f}})
	if code != 1 || s.Refused != 2 || !strings.Contains(stderr, f+":2: the body is not JSON") || !strings.Contains(stderr, f+":3: holds none of") {
		t.Errorf("exit %d, %+v: %s", code, s, stderr)
	}
}
