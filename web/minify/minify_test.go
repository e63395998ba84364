package minify

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// write makes a folder of files by name.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestFolder: a page has one script and what it shares with others, vendors' files stay theirs, and nobody gets what nobody uses.
func TestFolder(t *testing.T) {
	files, err := Folder(write(t, map[string]string{
		"one.js":           "// a remark\nimport { both } from \"./part/both.js\";\nimport { alone } from \"./part/alone.js\";\nimport theirs from \"./vendor/theirs.js\";\nboth(alone, theirs);\n",
		"two.js":           "import { both } from \"./part/both.js\";\nboth(`a\n  // kept`);\n",
		"plain.js":         "(() => { document.title = \"x\"; })();\n",
		"part/both.js":     "export function both(first) { document.title = first; }\n",
		"part/alone.js":    "import \"./deeper.js\";\nexport const alone = \"only once\", unused = \"nobody's\";\n",
		"part/deeper.js":   "document.body.id = \"deep\";\n",
		"vendor/theirs.js": "export  default 1 ;\n",
		"a.css":            "/* a */\n.x {\n  color: #ffffff;\n}\n",
		"a.svg":            "  <svg/>\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(files))
	if len(names) != 7 || !strings.HasPrefix(names[2], "chunk-") || !slices.Equal(slices.Delete(names, 2, 3), []string{"a.css", "a.svg", "one.js", "plain.js", "two.js", "vendor/theirs.js"}) {
		t.Fatalf("%q", slices.Sorted(maps.Keys(files)))
	}
	for name, want := range map[string]string{"a.css": ".x{color:#fff}\n", "a.svg": "  <svg/>\n", "vendor/theirs.js": "export  default 1 ;\n", "plain.js": "document.title=\"x\";\n"} {
		if got := string(files[name]); got != want {
			t.Errorf("%s: %q, not %q", name, got, want)
		}
	}
	one, two := string(files["one.js"]), string(files["two.js"])
	for _, part := range []string{`from"./chunk-`, `from"./vendor/theirs.js"`, `only once`, `"deep"`} {
		if !strings.Contains(one, part) {
			t.Errorf("%q is not in %s", part, one)
		}
	}
	if !strings.Contains(two, "`a\n  // kept`") || strings.Contains(two, "only once") || strings.Contains(one, "remark") || strings.Contains(one, "nobody's") {
		t.Errorf("%s\n%s", one, two)
	}
	for name, want := range map[string]string{"b.js": "b.js:2:8: Unexpected \";\"", "b.css": "b.css:"} {
		if _, err := Folder(write(t, map[string]string{name: map[string]string{"b.js": "let a\nlet b = ;\n", "b.css": ".x { color: red }\n.y {{"}[name]})); (err == nil) == (name == "b.js") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
