package rule

import (
	"os"
	"strings"
	"testing"
)

// Every rule that comes with hxp has tests, passes them, and has a page for those whom it wakes.
func TestPack(t *testing.T) {
	for _, r := range Pack() {
		t.Run(r.Name, func(t *testing.T) {
			if len(r.Tests) == 0 {
				t.Error("no tests")
			}
			results, err := Check(t.Context(), &r)
			if err != nil {
				t.Fatal(err)
			}
			for _, result := range results {
				for _, fault := range result.Failed {
					t.Errorf("%s: %s", result.Test, fault)
				}
			}
			page, err := os.ReadFile("../../../" + r.Annotations["runbook_url"])
			if err != nil || !strings.HasPrefix(string(page), "# "+r.Name+"\n") {
				t.Errorf("runbook %q: %v", r.Annotations["runbook_url"], err)
			}
		})
	}
}

// The example of the page passes its test, and the page names each rule that comes with hxp.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("no example")
	}
	r := one(t, example)
	results, err := Check(t.Context(), &r)
	if err != nil || len(results) != 1 || len(results[0].Failed) > 0 {
		t.Errorf("got %+v, %v", results, err)
	}
	for _, r := range Pack() {
		if !strings.Contains(string(page), "["+r.Name+"]("+strings.TrimPrefix(r.Annotations["runbook_url"], "docs/")+")") {
			t.Errorf("%s is not on the page", r.Name)
		}
	}
}
