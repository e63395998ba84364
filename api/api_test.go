package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/event/jsonschema"
)

var update = flag.Bool("update", false, "write the documents of the newest version anew")

// documents are what the catalogue of fields says now, by name.
func documents() map[string][]byte {
	docs := map[string][]byte{"envelope": event.EnvelopeSchema()}
	for _, k := range event.Kinds {
		docs[k.String()] = event.SchemaOf(k)
	}
	return docs
}

// TestNewestIsTheCatalogue fails when the catalogue changed and the documents did not. A version that was released must not
// change: raise event.SchemaVersion and run `make docs`, which writes the next one.
func TestNewestIsTheCatalogue(t *testing.T) {
	for name, want := range documents() {
		file := filepath.Join("schemas", name, strconv.Itoa(event.SchemaVersion)+".json")
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, ok := Schema(name, event.SchemaVersion)
		if !ok || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the catalogue says; a released version never changes: raise event.SchemaVersion and run `make docs`", file)
		}
		if have := Versions(name); have[len(have)-1] != event.SchemaVersion || have[0] != 1 || len(have) != event.SchemaVersion {
			t.Errorf("%s has versions %v, want 1 to %d", name, have, event.SchemaVersion)
		}
	}
}

// TestVersionsFollowEachOther: what a version takes, each later one takes as well, as far as the earlier names it.
func TestVersionsFollowEachOther(t *testing.T) {
	for name := range documents() {
		var before [][]byte
		for _, n := range Versions(name) {
			text, _ := Schema(name, n)
			for i, old := range before {
				for _, why := range breaks(t, old, text) {
					t.Errorf("%s version %d refuses what version %d takes: %s", name, n, i+1, why)
				}
			}
			before = append(before, text)
		}
	}
}

// breaks lists what next refuses of what old takes. A field that old does not name is left out of the comparison: old took
// anything under its name, because it took anything under any name.
func breaks(t *testing.T, old, next []byte) []string {
	t.Helper()
	var was, is map[string]any
	if err := json.Unmarshal(old, &was); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(next, &is); err != nil {
		t.Fatal(err)
	}
	forget(was, is)
	text, err := json.Marshal(is)
	if err != nil {
		t.Fatal(err)
	}
	writer, err := jsonschema.Parse(old)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := jsonschema.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return jsonschema.Mismatches(reader, writer)
}

// forget takes properties out of is that was does not have, wherever both have properties.
func forget(was, is map[string]any) {
	old, _ := was["properties"].(map[string]any)
	if props, ok := is["properties"].(map[string]any); ok && old != nil {
		maps.DeleteFunc(props, func(name string, _ any) bool { _, had := old[name]; return !had })
	}
	for key, v := range is {
		a, okA := was[key].(map[string]any)
		if b, okB := v.(map[string]any); okA && okB {
			forget(a, b)
		}
	}
}

// TestBreaksAreFound keeps the check above honest.
func TestBreaksAreFound(t *testing.T) {
	text, _ := Schema("llm_request", 1)
	change := func(f func(props map[string]any)) []byte {
		var doc map[string]any
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatal(err)
		}
		f(doc["$defs"].(map[string]any)["data"].(map[string]any)["properties"].(map[string]any))
		out, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for name, c := range map[string]struct {
		change func(map[string]any)
		breaks bool
	}{
		"nothing":          {func(map[string]any) {}, false},
		"a new field":      {func(p map[string]any) { p["brand_new"] = map[string]any{"type": "integer"} }, false},
		"another type":     {func(p map[string]any) { p["prompt_tokens"] = map[string]any{"type": "string"} }, true},
		"a narrower range": {func(p map[string]any) { p["prompt_tokens"].(map[string]any)["maximum"] = 10 }, true},
		"a wider range":    {func(p map[string]any) { p["prompt_tokens"].(map[string]any)["maximum"] = 1e12 }, false},
		"a value less":     {func(p map[string]any) { p["usage_source"].(map[string]any)["enum"] = []string{"reported"} }, true},
		"a field less":     {func(p map[string]any) { delete(p, "model") }, false}, // kept, as any unknown field
	} {
		if got := breaks(t, text, change(c.change)); (len(got) > 0) != c.breaks {
			t.Errorf("%s: %q", name, got)
		}
	}
}
