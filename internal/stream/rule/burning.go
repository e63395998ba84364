package rule

import (
	"cmp"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// Burning is an objective whose budget is spent too fast now.
type Burning struct {
	Name      string
	Indicator string // "" when the rule says itself what is good
	Model     string // "" = of all models
	Page      bool   // so fast that people are called
}

// Burning lists the objectives whose budget is spent too fast as of the last Advance, for each key, those that call people first.
func (g *Engine) Burning() (out []Burning) {
	for _, r := range g.rules {
		if r.Type != BurnRate {
			continue
		}
		model := slices.Index(r.fields, event.Model)
		for _, group := range r.all {
			page, ticket := group.episodes[0].state != none, group.episodes[1].state != none
			if !page && !ticket {
				continue
			}
			b := Burning{Name: r.Promise(), Page: page}
			if r.SLO != nil {
				b.Indicator = r.SLO.Indicator
			}
			if model >= 0 {
				b.Model = group.values[model]
			}
			out = append(out, b)
		}
	}
	sorting.By(out, func(a, b Burning) int {
		if a.Page != b.Page {
			if a.Page {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Model, b.Model))
	})
	return out
}
