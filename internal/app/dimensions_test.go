package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDimensionsOfBoards: the address of a board knows every dimension that the services filter by, and the services know each other's. One that the
// address did not know would be lost with the next look at it.
func TestDimensionsOfBoards(t *testing.T) {
	text, err := os.ReadFile("../../web/static/view.js")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`(?m)^export const dimensions = \[(.*)\];$`).FindSubmatch(text)
	if list == nil {
		t.Fatal("view.js names no dimensions")
	}
	boards := strings.Split(strings.ReplaceAll(string(list[1]), `"`, ""), ", ")
	slices.Sort(boards)
	for _, c := range [][2]string{{"event-processing-api", "/analytics"}, {"event-processing-api", "/analytics/series"}, {"event-processing-api", "/range"}} {
		var doc struct {
			Paths map[string]struct {
				Get struct {
					Parameters []struct{ Name, Description string }
				}
			}
		}
		text, err := os.ReadFile(filepath.Join(documents, "openapi", c[0]+".json"))
		if err == nil {
			err = json.Unmarshal(text, &doc)
		}
		if err != nil {
			t.Fatal(err)
		}
		var known []string
		for _, p := range doc.Paths[c[1]].Get.Parameters {
			if p.Description == "only this "+p.Name {
				known = append(known, p.Name)
			}
		}
		if slices.Sort(known); !slices.Equal(known, boards) {
			t.Errorf("%s filters by %v, the boards by %v", c[1], known, boards)
		}
	}
}
