package conf

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadJSON(t *testing.T) {
	read := func(text string) (string, error) {
		path := filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := ReadJSON(path, 1000)
		return string(b), err
	}
	for text, want := range map[string]string{
		`{"a": 1.50}`: `{"a": 1.50}`,
		"prices:\n- model: small\n  effective_from: 2026-01-01\n  input_cost_per_token: 1.5e-7\n  output_cost_per_token: 0.00000060\n  x: ~\n  y: .5\n  z: \"1\"\n": `{"prices":[{"model":"small","effective_from":"2026-01-01","input_cost_per_token":1.5e-7,"output_cost_per_token":0.00000060,"x":null,"y":".5","z":"1"}]}`,
		"a: &x {b: true}\nc: *x\n": `{"a":{"b":true},"c":{"b":true}}`,
	} {
		if got, err := read(text); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"": "it is empty", "a: [": "no YAML", "a: 1\na: 2\n": `line 2: the key "a" stands in line 1 already`, strings.Repeat("[", 40) + strings.Repeat("]", 40) + " # yaml": "deeper than 32",
		strings.Repeat("x", 1001): "larger than 1000 bytes", "a: &a [" + strings.Repeat("xxxxxxxxx, ", 60) + "]\nb: [*a, *a, *a]\n": "more than 1000 bytes", "? [a]\n: b\n": "a key must be a plain word",
	} {
		if got, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %s, %v; want %s", text, got, err, want)
		}
	}
	if _, err := ReadJSON(t.TempDir(), 10); err == nil {
		t.Error("a folder is read")
	}
}

func FuzzYAMLToJSON(f *testing.F) {
	for _, seed := range []string{"a: 1", "- ~\n- .5", "a: &x [1]\nb: *x", "? a", "\x00", "2026-01-01: {b: 'c'}", "!!float a: !!int b"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if out, err := yamlToJSON(data, 1<<16); err == nil && !json.Valid(out) {
			t.Errorf("%q: %q is no JSON", data, out)
		}
	})
}
