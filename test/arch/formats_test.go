package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// Each row of the table of docs/formats.md that names a constant says its value.
func TestFormatsAreAsTheDocumentSays(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "formats.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| ([^|]+) \\| `?(\\w+)`? \\|.*\\| `([\\w/.]+\\.go)` `(\\w+)` \\|$").FindAllStringSubmatch(string(page), -1)
	if len(rows) < 10 {
		t.Fatalf("only %d rows name a constant", len(rows))
	}
	for _, row := range rows {
		code, err := os.ReadFile(filepath.Join("..", "..", row[3]))
		if err != nil {
			t.Error(err)
			continue
		}
		if !regexp.MustCompile(`\b` + row[4] + `\s*=\s*"?` + row[2] + `\b`).Match(code) {
			t.Errorf("%s: %s of %s is not %s", row[1], row[4], row[3], row[2])
		}
	}
}
