package rule

import (
	"embed"
	"fmt"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// packFiles are the rules that come with hxp, one in each file.
//
//go:embed pack/*.yaml
var packFiles embed.FS

// Pack returns the rules that come with hxp, by name.
func Pack() []Rule {
	entries, err := packFiles.ReadDir("pack")
	if err != nil {
		panic("rule: " + err.Error()) // it is part of the program
	}
	var out []Rule
	for _, entry := range entries {
		text, err := packFiles.ReadFile("pack/" + entry.Name())
		if err != nil {
			panic("rule: " + err.Error())
		}
		rules, faults := Decode(text)
		if len(faults) > 0 {
			panic(fmt.Sprintf("rule: pack/%s: %v", entry.Name(), faults[0])) // a test reads them all
		}
		out = append(out, rules...)
	}
	sorting.By(out, func(a, b Rule) int { return slices.Compare([]string{a.Name}, []string{b.Name}) })
	return out
}
