package watch

import (
	"cmp"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// welcome gives models that are new a place, those that are asked most first. When all places are taken, one in a step goes to the
// newcomer that is asked most, if that is clearly more than the model that is asked least: names that somebody invents keep nobody
// unwatched, and a flood of them drives out hardly anybody.
func (w *Watcher) welcome(cells map[string]*agg.Cell) {
	var fresh []string
	for model := range cells {
		if model != "" && w.models[model] == nil {
			fresh = append(fresh, model)
		}
	}
	slices.SortFunc(fresh, func(a, b string) int {
		return cmp.Or(cmp.Compare(cells[b].Requests, cells[a].Requests), cmp.Compare(a, b))
	})
	for _, model := range fresh {
		if len(w.models) == MaxModels {
			least, requests, ok := w.least(cells)
			if !ok || float64(cells[model].Requests) <= 2*requests+1 {
				return
			}
			delete(w.models, least)
			w.add(model)
			return
		}
		w.add(model)
	}
}

func (w *Watcher) add(model string) {
	m := new([len(metrics)]series)
	for i := range m {
		m[i].metric, m[i].surprise.Lean = &metrics[i], true
	}
	w.models[model] = m
}

// least is the model that is asked least, of those the one that is known the shortest, and the requests that it usually has in a
// step, or in this one. It is none that has an open anomaly.
func (w *Watcher) least(cells map[string]*agg.Cell) (model string, requests float64, ok bool) {
	steps := 0
	for name, m := range w.models {
		if open(m) {
			continue
		}
		n := m[0].usual // of a step
		if c := cells[name]; c != nil {
			n = max(n, float64(c.Requests))
		}
		if !ok || cmp.Or(cmp.Compare(n, requests), cmp.Compare(m[0].steps, steps), cmp.Compare(name, model)) < 0 {
			model, requests, steps, ok = name, n, m[0].steps, true
		}
	}
	return model, requests, ok
}

func open(m *[len(metrics)]series) bool {
	for i := range m {
		if m[i].open != nil {
			return true
		}
	}
	return false
}
