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
			results, err := Check(&r)
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
