package arch

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/licences.md and docs/licences.txt anew")

// linked is a module of which something is in the binary.
type linked struct {
	Path, Version, Dir string
}

// TestLicences holds docs/licences.md and the texts beside it to the modules of which something is in the binary, as they lie in the module
// cache. A licence that is not known here fails: somebody has to read it. `make docs` writes both files.
func TestLicences(t *testing.T) {
	var table, texts bytes.Buffer
	table.WriteString("# Licences\n\nWhat is in the binary beside code of ours, and under which licence. Made by `make docs` from the modules themselves; their whole texts are in\n[licences.txt](licences.txt). `hxp version --sbom` tells the same modules of a binary.\n\n| part | version | licence |\n|---|---|---|\n")
	texts.WriteString("The licences of what is in hxp beside code of ours. Made by `make docs`.\n")
	said := map[string]int{} // text → its number
	for _, m := range slices.Concat(linkedModules(t), []linked{standardLibrary(t)}, vendored(t)) {
		var names, numbers []string
		for _, file := range licenceFiles(t, m.Dir) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			text = bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
			name := licenceOf(string(text))
			if strings.Contains(strings.ToUpper(file), "3RD-PARTY") { // what the module itself was made from
				name = "notice"
			}
			if name == "" {
				t.Errorf("%s: the licence in %s is not known to this test; read it and teach the test its name", m.Path, filepath.Base(file))
				continue
			}
			n, ok := said[string(text)]
			if !ok {
				n = len(said) + 1
				said[string(text)] = n
				fmt.Fprintf(&texts, "\n%s\n[%d] %s\n\n%s\n", strings.Repeat("=", 100), n, name, text)
			}
			if name != "notice" {
				names = append(names, name)
			}
			numbers = append(numbers, fmt.Sprintf("[%d]", n))
		}
		if len(names) == 0 {
			t.Errorf("%s has no licence in its folder", m.Path)
		}
		slices.Sort(names)
		fmt.Fprintf(&table, "| %s | %s | %s %s |\n", m.Path, m.Version, strings.Join(slices.Compact(names), ", "), strings.Join(numbers, ""))
	}
	for name, want := range map[string][]byte{"../../docs/licences.md": table.Bytes(), "../../docs/licences.txt": texts.Bytes()} {
		if *update {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Error(err)
			}
			continue
		}
		if have, err := os.ReadFile(name); err != nil || !bytes.Equal(have, want) {
			t.Errorf("%s is not what the modules say; run `make docs` (%v)", name, err)
		}
	}
}

// linkedModules asks the go tool.
func linkedModules(t *testing.T) (out []linked) {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=Module", module+"cmd/hxp")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for dec := json.NewDecoder(bytes.NewReader(text)); ; {
		var p struct {
			Module *struct {
				Path, Version, Dir string
				Main               bool
			}
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if m := p.Module; m != nil && !m.Main && !seen[m.Path] {
			seen[m.Path] = true
			out = append(out, linked{m.Path, m.Version, m.Dir})
		}
	}
	slices.SortFunc(out, func(a, b linked) int { return cmp.Compare(a.Path, b.Path) })
	return out
}

// standardLibrary is Go's, whose version is that of whoever builds.
func standardLibrary(t *testing.T) linked {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return linked{"the standard library of Go", "of the toolchain", strings.TrimSpace(string(root))}
}

// vendored are works of others that lie in the repository and are built into the binary.
func vendored(t *testing.T) []linked {
	t.Helper()
	return []linked{
		{"Liberation Sans, cut down (fonts of reports)", firstVersion(t, "../../go.mod", `codeberg\.org/go-fonts/liberation v(\d\S+)`), "../../internal/batch/report/fonts"},
		{"uPlot (charts of the boards)", firstVersion(t, "../../web/static/vendor/uplot/README.md", `uPlot (\d\S+\d)`), "../../web/static/vendor/uplot"},
	}
}

func firstVersion(t *testing.T, path, pattern string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v := regexp.MustCompile(pattern).FindSubmatch(text)
	if v == nil {
		t.Fatalf("%s does not say the version", path)
	}
	return string(v[1])
}

// TestVendoredAreListed: whatever lies beside a licence of its own in the repository is in the list, and what is built into the binary is written by us
// or lies beside one.
func TestVendoredAreListed(t *testing.T) {
	listed := map[string]bool{}
	for _, v := range vendored(t) {
		listed[v.Dir] = true
	}
	out, err := exec.Command("git", "-C", "../..", "ls-files").Output()
	if err != nil {
		t.Skipf("this is no clone of the repository: %v", err)
	}
	for file := range strings.Lines(string(out)) {
		file = strings.TrimSpace(file)
		if dir, name := filepath.Split(file); dir != "" && licenceName.MatchString(name) && filepath.Ext(name) != ".go" && !strings.HasPrefix(dir, "docs/") && !listed["../../"+filepath.Clean(dir)] {
			t.Errorf("%s is the licence of something that is not in the list of this test", file)
		}
	}
	for _, file := range embeddedFiles(t) {
		own := map[string]bool{".js": true, ".css": true, ".html": true, ".svg": true, ".json": true, ".sql": true, ".yaml": true}[filepath.Ext(file)] && !strings.Contains(file, "/vendor/")
		if dir := "../../" + filepath.Dir(file); !own && !listed[dir] {
			t.Errorf("%s is built in, and nobody says whose it is", file)
		}
	}
}

// embeddedFiles are what go:embed puts into the binary, from the root of the repository.
func embeddedFiles(t *testing.T) (files []string) {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", "-f", `{{$dir := .ImportPath}}{{range .EmbedFiles}}{{$dir}}/{{.}}{{"\n"}}{{end}}`, module+"cmd/hxp").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if file, ours := strings.CutPrefix(strings.TrimSpace(line), module); ours {
			files = append(files, file)
		}
	}
	if len(files) < 50 {
		t.Fatalf("%d files are built in", len(files))
	}
	return files
}

var licenceName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|unlicense)([-.].*)?$`)

// notOfCode are files of such a name that speak of no code of the module: a picture, a list of what its tests use.
var notOfCode = regexp.MustCompile(`(?i)(\.go|\.csv|-logo)$`)

func licenceFiles(t *testing.T, dir string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() && licenceName.MatchString(e.Name()) && !notOfCode.MatchString(e.Name()) {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out
}

// licenceOf names a text, "" when it is none that may be in the binary without somebody's thought.
func licenceOf(text string) string {
	flat := strings.Join(strings.Fields(text), " ")
	has := func(s string) bool { return strings.Contains(strings.ToLower(flat), strings.ToLower(s)) }
	switch {
	case has("GNU GENERAL PUBLIC"), has("GNU AFFERO"), has("GNU LESSER"):
		return ""
	case has("Apache License") && has("Version 2.0"):
		return "Apache-2.0"
	case has("Mozilla Public License") && has("2.0"):
		return "MPL-2.0"
	case has("SIL OPEN FONT LICENSE"):
		return "OFL-1.1"
	case has("Permission is hereby granted, free of charge"):
		return "MIT"
	case has("Redistribution and use in source and binary forms") && has("Neither the name"):
		return "BSD-3-Clause"
	case has("Redistribution and use in source and binary forms"):
		return "BSD-2-Clause"
	case has("Permission to use, copy, modify, and/or distribute this software"), has("Permission to use, copy, modify, and distribute this software"):
		return "ISC"
	case has("dedicated to the public domain"):
		return "public domain"
	case len(flat) < 2000 && has("copyright"):
		return "notice"
	}
	return ""
}
