package sdk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// diary wants everything and writes it down.
type diary struct{ lines []string }

func (d *diary) wants([]byte) bool { return true }
func (d *diary) value(path, text []byte, quoted bool) {
	d.lines = append(d.lines, fmt.Sprintf("%s=%s %v", path, text, quoted))
}

func scan(text []byte, piece int) []string {
	var d diary
	s := newScanner(&d)
	for len(text) > 0 {
		n := min(piece, len(text))
		s.feed(text[:n])
		text = text[n:]
	}
	s.feed([]byte("\n")) // a number at the top has no end of its own
	return d.lines
}

// oracle walks a text with encoding/json; false when the scanner's limits do not let it see the same.
func oracle(text []byte) (lines []string, fits bool) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	fits = true
	var walk func(path string, depth int)
	walk = func(path string, depth int) {
		if len(path) > scanPath-4 || depth > scanDepth {
			fits = false
		}
		token, err := dec.Token()
		if err != nil {
			fits = false
			return
		}
		switch v := token.(type) {
		case json.Delim:
			for dec.More() {
				inside := path + "[]"
				if v == '{' {
					key, err := dec.Token()
					if err != nil {
						fits = false
						return
					}
					k := key.(string)
					if len(k) > scanText || k == "" {
						fits = false
					}
					if inside = k; path != "" {
						inside = path + "." + k
					}
				}
				walk(inside, depth+1)
			}
			_, _ = dec.Token()
		case string:
			if len(v) > scanText/6 {
				fits = false
			}
			lines = append(lines, fmt.Sprintf("%s=%s true", path, v))
		case json.Number:
			if len(v) > scanText {
				fits = false
			}
			lines = append(lines, fmt.Sprintf("%s=%s false", path, v))
		case bool:
			lines = append(lines, fmt.Sprintf("%s=%v false", path, v))
		}
	}
	walk("", 0)
	return lines, fits
}

func TestScanner(t *testing.T) {
	text := []byte(`{"model":"m\u00fc \"x\"","choices":[{"index":0,"finish_reason":"stop"},{"finish_reason":null}],"usage":{"prompt_tokens":17,
 "d":{"e":[1,[2,{"f":true}],"g"]},"x":-1.5e3} , "":"empty","last":false}`)
	want := []string{"model=mü \"x\" true", "choices[].index=0 false", "choices[].finish_reason=stop true", "usage.prompt_tokens=17 false", "usage.d.e[]=1 false",
		"usage.d.e[][]=2 false", "usage.d.e[][].f=true false", "usage.d.e[]=g true", "usage.x=-1.5e3 false", "=empty true", "last=false false"}
	for piece := 1; piece <= len(text); piece++ {
		if got := scan(text, piece); !slices.Equal(got, want) {
			t.Fatalf("in pieces of %d:\n%s\nwant\n%s", piece, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	deep := strings.Repeat(`{"a":[`, 50) + `1` + strings.Repeat(`]}`, 50)
	if got := scan([]byte(`[`+deep+`,{"b":2}]`), 3); !slices.Equal(got, []string{"[].b=2 false"}) {
		t.Errorf("below and beside the depth that is told apart: %q", got)
	}
	long := `{"` + strings.Repeat("k", 300) + `":1,"v":"` + strings.Repeat("v", scanText+1) + `","n":3}`
	if got := scan([]byte(long), 7); len(got) != 2 || !strings.HasSuffix(got[0], "!=1 false") || got[1] != "n=3 false" {
		t.Errorf("texts over the limits: %q", got)
	}
}

// Any text: no panic, and pieces change nothing. Valid JSON: what encoding/json says.
func FuzzScanner(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":"c\n"},null,1.5,true],"d":{"e":""}}`), 3)
	f.Add([]byte(`]]}}{"a":{"`), 1)
	f.Add([]byte(`{"a" 1 2 "b":}`), 2)
	f.Add(bytes.Repeat([]byte("9"), scanText+1), 79)
	f.Fuzz(func(t *testing.T, text []byte, piece int) {
		whole := scan(text, max(len(text), 1))
		if pieces := scan(text, max(piece%64, 1)); !slices.Equal(whole, pieces) {
			t.Fatalf("%q in pieces of %d: %q, whole: %q", text, piece, pieces, whole)
		}
		if !json.Valid(text) || !utf8.Valid(text) {
			return
		}
		if want, fits := oracle(text); fits && !slices.Equal(whole, want) {
			t.Fatalf("%q: %q, want %q", text, whole, want)
		}
	})
}

func TestScannerAllocatesNothing(t *testing.T) {
	var told told
	s := newScanner(&told)
	line := []byte(`{"id":"x","choices":[{"index":0,"delta":{"content":"word"},"finish_reason":null}],"usage":{"prompt_tokens":17,"completion_tokens":3}}`)
	if n := testing.AllocsPerRun(100, func() { s.reset(); s.feed(line) }); n != 0 {
		t.Errorf("%v allocations for a line", n)
	}
}

// Cached tokens are a part of the prompt. Who speaks as OpenAI has them in it already, whatever he tells beside it.
func TestCachedTokensCountOnce(t *testing.T) {
	for _, tt := range []struct {
		name, text     string
		prompt, cached int64
	}{
		{"Anthropic", `{"usage":{"input_tokens":100,"cache_read_input_tokens":900,"cache_creation_input_tokens":50,"output_tokens":1}}`, 1050, 900},
		{"OpenAI", `{"usage":{"prompt_tokens":1000,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":900}}}`, 1000, 900},
		{"LiteLLM before Anthropic", `{"usage":{"completion_tokens":1,"prompt_tokens":1050,"prompt_tokens_details":{"cached_tokens":900},"cache_creation_input_tokens":50,"cache_read_input_tokens":900}}`, 1050, 900},
		{"the same without details", `{"usage":{"cache_read_input_tokens":900,"prompt_tokens":1050,"completion_tokens":1}}`, 1050, 900},
		{"its responses", `{"usage":{"input_tokens":1050,"input_tokens_details":{"cached_tokens":900},"cache_read_input_tokens":900,"output_tokens":1}}`, 1050, 900},
	} {
		told := newTold()
		newScanner(&told).feed([]byte(tt.text))
		if told.settle(); told.prompt != tt.prompt || told.cached != tt.cached {
			t.Errorf("%s: prompt %d, cached %d; want %d, %d", tt.name, told.prompt, told.cached, tt.prompt, tt.cached)
		}
	}
}
