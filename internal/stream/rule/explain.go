package rule

import (
	"cmp"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Explain finds examples of what a model was asked between two times, in microseconds, among the samples that the rules keep by model: ids of
// requests, the newest first, and what stands out among them. With failed those that state an error come first, and alone when there are some.
func (g *Engine) Explain(model string, from, to int64, failed bool) (ids []string, top []Share) {
	samples := g.samplesOf(model, from, to)
	if errors := slices.DeleteFunc(slices.Clone(samples), func(s *sample) bool { return s.text(toldError) == "" }); failed && len(errors) > 0 {
		samples = errors
	}
	for _, s := range samples {
		ids = example(ids, s.text(0), maxExamples)
	}
	return ids, sharesOf(samples, func(field string) bool { return field != event.Catalogue[event.Model].Name })
}

// samplesOf are the samples of a model, each request once, the newest first.
func (g *Engine) samplesOf(model string, from, to int64) (out []*sample) {
	seen := map[string]bool{}
	for _, r := range g.rules {
		if len(r.GroupBy) != 1 || r.fields[0] != event.Model {
			continue
		}
		group := r.groups[keyOf([]string{model})]
		if group == nil {
			continue
		}
		for _, s := range group.samples {
			if id := s.text(0); s.at >= from && s.at < to && id != "" && !seen[id] {
				seen[id] = true
				out = append(out, s)
			}
		}
	}
	slices.SortFunc(out, func(a, b *sample) int { return cmp.Or(cmp.Compare(b.at, a.at), cmp.Compare(a.all, b.all)) })
	return out
}
