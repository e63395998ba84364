package batch

import (
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// tally is what one reader folds in one pass. It has one owner; only the set and the merged models are shared.
type tally struct {
	w            *work
	pass, passes uint64
	set          *idSet
	enter        func([2]uint64, place) saw // insert or claim
	findModels   bool                       // note the models of requests that joins ask for
	known        bool                       // the models of all joins are known

	groups map[string]*group // by model, "" = none
	group  *group            // of the row before: neighbours often have the same model
	counts map[string]int64  // not nil: count events of models instead of folding them
	models []joined          // of w.joins, as far as this reader saw
	events int64
}

type group struct {
	model string
	cell  agg.Cell
}

func (w *work) newTally() *tally {
	t := &tally{w: w, groups: map[string]*group{}}
	if len(w.joins) > 0 {
		t.models = make([]joined, len(w.joins))
	}
	return t
}

// add takes one row: it folds it, unless another copy of it is the one that counts or another pass has it.
func (t *tally) add(r *event.LakeRow, p place) error {
	e := &r.Event
	if t.findModels {
		t.noteModel(e, p)
	}
	id := e.Identity()
	if t.passes > 1 && id[1]%t.passes != t.pass {
		return nil
	}
	switch t.enter(id, p) {
	case again:
		return nil
	case smaller:
		t.w.wrong.Store(true)
		return nil
	}
	if t.w.wrong.Load() { // folded again later; the rest is read for the places only
		return nil
	}
	model, err := t.modelOf(e)
	if err != nil {
		return err
	}
	t.events++
	if t.counts != nil {
		t.count(model)
		return nil
	}
	if t.group == nil || model != t.group.model {
		if err := t.turnTo(model); err != nil {
			return err
		}
	}
	t.group.cell.Add(e, r.IngestedAt-e.Time > t.w.lateness.Microseconds())
	return nil
}

// modelOf returns the model that e counts under, "" for none.
func (t *tally) modelOf(e *event.Event) (string, error) {
	model := e.Text(event.Model)
	if needsJoin(e) {
		i, ok := t.w.joins[e.Text(event.RequestID)]
		if !ok || !t.known {
			return "", errPlan
		}
		model = t.w.models[i].model
	}
	switch {
	case model == agg.AllModels: // nobody can put himself in place of the total
		return "", nil
	case model != "" && t.w.allowed != nil && !t.w.allowed[model]:
		return otherModels, nil
	}
	return model, nil
}

// turnTo makes model's group the current one.
func (t *tally) turnTo(model string) error {
	g := t.groups[model]
	if g == nil {
		if t.w.allowed == nil && len(t.groups) > t.w.folder.models {
			return errModels
		}
		g = &group{model: strings.Clone(model)}
		t.groups[g.model] = g
	}
	t.group = g
	return nil
}

func (t *tally) count(model string) {
	if model == "" {
		return
	}
	if _, ok := t.counts[model]; !ok {
		model = strings.Clone(model)
	}
	t.counts[model]++
}

// noteModel keeps the model of a request that a join asks for, from the smallest place.
func (t *tally) noteModel(e *event.Event, p place) {
	if e.Kind != event.LLMRequest {
		return
	}
	i, ok := t.w.joins[e.Text(event.RequestID)]
	if !ok {
		return
	}
	model := e.Text(event.Model)
	if j := &t.models[i]; model != "" && (j.model == "" || p < j.place) {
		*j = joined{p, strings.Clone(model)}
	}
}

func addClone(set map[string]struct{}, s string) {
	if _, ok := set[s]; !ok {
		set[strings.Clone(s)] = struct{}{}
	}
}
