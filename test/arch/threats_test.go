package arch

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each line of the threat model of docs/security.md names tests that there are, or says that there is none, and why.
func TestThreatsHaveTests(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, model, _ := strings.Cut(string(page), "\n## Threat model\n")
	known, named := testNames(t), regexp.MustCompile("`(\\w+\\.\\w+)`")
	rows := regexp.MustCompile(`(?m)^\| ([^|]+) \| (.+) \| (.+) \|$`).FindAllStringSubmatch(model, -1)
	for _, row := range rows[min(1, len(rows)):] { // below the head
		tests := named.FindAllStringSubmatch(row[3], -1)
		if len(tests) == 0 && !strings.HasPrefix(row[3], "no test: ") {
			t.Errorf("%s: it names no test: %s", row[1], row[3])
		}
		for _, m := range tests {
			if !known[m[1]] {
				t.Errorf("%s: there is no test %s", row[1], m[1])
			}
		}
	}
	if len(rows) < 40 {
		t.Errorf("only %d lines are read", len(rows))
	}
}

// testNames are all tests and fuzz tests of the rooms and of test, as package.TestName.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names, pkg, fn := map[string]bool{}, regexp.MustCompile(`(?m)^package (\w+?)(?:_test)?$`), regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	for _, root := range []string{"..", filepath.Join("..", "..", "internal")} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			code, err := os.ReadFile(path)
			in := pkg.FindSubmatch(code)
			for _, m := range fn.FindAllSubmatch(code, -1) {
				names[string(in[1])+"."+string(m[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}
