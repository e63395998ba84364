package ingest

import (
	"encoding/json"
	"strings"
	"testing"
)

// The examples of RFC 7396, appendix A, and what is ours.
func TestMergePatch(t *testing.T) {
	for _, c := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`}, {`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`}, {`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`}, {`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`}, {`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`}, {`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`}, {`{"a":"b"}`, `["c"]`, `["c"]`}, {`{"a":"foo"}`, `null`, `null`}, {`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`}, {`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`}, {`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{`{"n":12345678901234567890.10}`, `{"x":1e-7}`, `{"n":12345678901234567890.10,"x":1e-7}`}, {`{"t":"<&>"}`, `{}`, `{"t":"<&>"}`},
	} {
		got, err := mergePatch([]byte(c[0]), []byte(c[1]))
		if err != nil || string(got) != c[2] {
			t.Errorf("%s patched with %s: %s, %v, want %s", c[0], c[1], got, err, c[2])
		}
	}
	for doc, says := range map[string]string{"{": "not JSON", "{} x": "not JSON", "\xff": "not UTF-8", `"` + "\xfe" + `"`: "not UTF-8", "": "not JSON"} {
		if _, err := mergePatch([]byte(doc), []byte(`{"a":1}`)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", doc, err)
		}
	}
}

func FuzzMergePatch(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1}}`), []byte(`{"a":{"b":null}}`))
	f.Add([]byte(`[`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, doc, patch []byte) {
		out, err := mergePatch(doc, patch)
		if err != nil {
			return
		}
		if !json.Valid(out) {
			t.Fatalf("%q patched with %q is no JSON: %q", doc, patch, out)
		}
		twice, err := mergePatch(out, patch) // a patch says what shall be, so once more changes nothing
		if err != nil || string(twice) != string(out) {
			t.Fatalf("%q patched with %q: %q, again %q, %v", doc, patch, out, twice, err)
		}
	})
}
