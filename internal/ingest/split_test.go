package ingest

import (
	"bytes"
	"encoding/json"
	"testing"
)

func texts(body []byte, items []span) (out []string) {
	for _, s := range items {
		out = append(out, string(body[s.from:s.to]))
	}
	return out
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       []string
		bad        bool
	}{
		{"object", ` {"a":1} `, []string{`{"a":1}`}, false},
		{"empty array", " [ ] ", nil, false},
		{"array", `[{"a":[1,{"b":"]},\"["}]} , 1 ,"x",null]`, []string{`{"a":[1,{"b":"]},\"["}]}`, "1", `"x"`, "null"}, false},
		{"backslash at the end", `["a\\","b"]`, []string{`"a\\"`, `"b"`}, false},
		{"item with an error inside", `[{"a":NaN},{"a":1}]`, []string{`{"a":NaN}`, `{"a":1}`}, false},
		{"nothing", "  ", nil, true},
		{"not closed", `[{"a":1}`, nil, true},
		{"torn item", `[{"a":1},{"a":`, nil, true},
		{"torn string", `["a`, nil, true},
		{"no comma", `[{} {}]`, nil, true},
		{"two commas", `[{},,{}]`, nil, true},
		{"comma at the end", `[{},]`, nil, true},
		{"comma first", `[,{}]`, nil, true},
		{"something behind", `[{}] {}`, nil, true},
	} {
		items, err := splitJSON([]byte(c.body), nil, 10)
		if (err != nil) != c.bad {
			t.Errorf("%s: error %v", c.name, err)
			continue
		}
		if got := texts([]byte(c.body), items); !c.bad && !equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	body := []byte("\n {\"a\":1} \r\n\r\n  \nx\n{}")
	if items, err := splitLines(body, nil, 3); err != nil || !equal(texts(body, items), []string{`{"a":1}`, "x", "{}"}) {
		t.Error(texts(body, items), err)
	}
	if _, err := splitLines(body, nil, 2); err == nil || !err.tooMany {
		t.Error("three lines passed a limit of two")
	}
	if _, err := splitJSON([]byte("[1,2,3]"), nil, 2); err == nil || !err.tooMany {
		t.Error("three items passed a limit of two")
	}
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// A valid array is split into exactly its elements; of anything else the splitter either refuses or returns items that lie
// in order inside of the body.
func FuzzSplitJSON(f *testing.F) {
	for _, s := range []string{`[]`, `[{"a":"]"},1]`, `[{]}`, `{"a":1}`, `["\\\""]`, `[[],[[]]]`, `[1 ,2]`, ` [ "x" , {} ] `, `[`, `[}`, `]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := splitJSON(body, nil, 1000)
		last := 0
		for _, s := range items {
			if s.from < last || s.to <= s.from || s.to > len(body) {
				t.Fatalf("item %v after %d of %d", s, last, len(body))
			}
			last = s.to
		}
		var want []json.RawMessage
		if json.Unmarshal(body, &want) != nil || want == nil {
			return
		}
		if err != nil && !err.tooMany {
			t.Fatalf("%q is an array, but: %v", body, err)
		}
		if err == nil && len(items) != len(want) {
			t.Fatalf("%d items of %d", len(items), len(want))
		}
		for i, s := range items {
			if !bytes.Equal(body[s.from:s.to], want[i]) {
				t.Fatalf("item %d is %q, want %q", i, body[s.from:s.to], want[i])
			}
		}
	})
}
