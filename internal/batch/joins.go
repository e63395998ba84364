package batch

import (
	"context"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// companion tells whether the events of a kind take the model of their request.
func companion(k event.Kind) bool { return k == event.UserFeedback || k == event.BusinessEvent }

// joins are the requests whose model events of other kinds ask for.
type joins struct {
	number map[string]int32 // by request id
	models []joined         // by number: what was found
	seed   maphash.Seed
	order  order
	filter []uint64 // bits of the hashes of the ids: most requests are asked for by nobody and look no further
}

// joined is the model of a request, and where it was named.
type joined struct {
	place place
	model string // "" = not found yet
}

// findJoins collects the request ids whose model is asked for. It reads two columns of the few files that ask.
func (w *work) findJoins(ctx context.Context) error {
	var asking []*source
	for _, s := range w.sources {
		if companion(s.kind) {
			asking = append(asking, s)
		}
	}
	parts, err := forEach(ctx, w, w.units(asking, true), func(event.Kind) event.LakeColumns { return event.FieldsOf(event.Model, event.RequestID) },
		func() map[string]struct{} { return map[string]struct{}{} },
		func(ids map[string]struct{}, _ *source, b *event.LakeBlock) error {
			models, requests := b.Field(event.Model), b.Field(event.RequestID)
			for i := range b.Rows {
				if id := requests.Text(i); id != "" && models.Text(i) == "" {
					if _, ok := ids[id]; !ok {
						ids[strings.Clone(id)] = struct{}{}
					}
				}
			}
			return nil
		})
	if err != nil {
		return err
	}
	w.joins = newJoins(parts)
	w.joins.order = w.order
	if len(w.joins.number) == 0 || w.own == whole {
		return nil
	}
	return w.joinElsewhere(ctx)
}

// joinElsewhere looks for the models that are asked for among the requests of other shares. Those of the own share come with folding.
func (w *work) joinElsewhere(ctx context.Context) error {
	closed := slices.DeleteFunc(slices.Clone(w.sources), func(s *source) bool { return s.blocks != nil })
	if err := w.open(ctx, closed, 0); err != nil {
		return err
	}
	requests, _ := w.byKind()
	found, err := forEach(ctx, w, w.units(requests, false), func(event.Kind) event.LakeColumns {
		return event.ColumnsOf(event.LakeOffset) | event.FieldsOf(event.RequestID, event.Model)
	}, func() *[]joined { return new(make([]joined, len(w.joins.number))) }, func(found *[]joined, s *source, b *event.LakeBlock) error {
		w.joins.note(*found, s, b)
		return s.checkOffsets(b)
	})
	for _, f := range found {
		w.joins.learn([][]joined{*f})
	}
	return err
}

func newJoins(parts []map[string]struct{}) joins {
	j := joins{number: map[string]int32{}, seed: maphash.MakeSeed()}
	for _, ids := range parts {
		for id := range ids {
			if _, ok := j.number[id]; !ok {
				j.number[id] = int32(len(j.number))
			}
		}
	}
	size := 1
	for size*64 < 16*len(j.number) { // one in sixteen of the others looks further
		size *= 2
	}
	j.models, j.filter = make([]joined, len(j.number)), make([]uint64, size)
	for id := range j.number {
		h := maphash.String(j.seed, id)
		j.filter[h>>6%uint64(size)] |= 1 << (h & 63)
	}
	return j
}

// asked returns the number of a request whose model is asked for.
func (j *joins) asked(id string) (int32, bool) {
	h := maphash.String(j.seed, id)
	if j.filter[h>>6%uint64(len(j.filter))]>>(h&63)&1 == 0 {
		return 0, false
	}
	n, ok := j.number[id]
	return n, ok
}

// note keeps in found, which has an entry for each number, the models of the requests of a block that are asked for.
func (j *joins) note(found []joined, s *source, b *event.LakeBlock) {
	ids, models, offsets := b.Field(event.RequestID), b.Field(event.Model), b.Column(event.LakeOffset)
	for i := range b.Rows {
		n, ok := j.asked(ids.Text(i))
		if !ok {
			continue
		}
		p, model := placeOf(s.chain, offsets.Ints[i]), models.Text(i)
		if f := &found[n]; model != "" && (f.model == "" || j.order.before(p, f.place)) {
			*f = joined{p, strings.Clone(model)}
		}
	}
}

// learn takes over what readers found.
func (j *joins) learn(found [][]joined) {
	for _, models := range found {
		for i, f := range models {
			if f.model != "" && (j.models[i].model == "" || j.order.before(f.place, j.models[i].place)) {
				j.models[i] = f
			}
		}
	}
}

// modelOf returns the model of a request, "" when the hour has none.
func (j *joins) modelOf(id string) string {
	if n, ok := j.asked(id); ok {
		return j.models[n].model
	}
	return ""
}
