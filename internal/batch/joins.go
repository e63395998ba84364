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

// joins are the requests of which events of other kinds speak: those that ask for their model, and all that make them complete.
type joins struct {
	number map[string]int32 // by request id; first those whose model is asked for
	models []joined         // of those, by number: what was found
	kinds  []uint8          // by number: of which kinds there are events
	whole  bool             // there are events of all kinds of some request
	seed   maphash.Seed
	order  order
	filter []uint64 // bits of the hashes of the ids: most requests are spoken of by nobody and look no further
}

// joined is the model of a request, and where it was named.
type joined struct {
	place place
	model string // "" = not found yet
}

// mention is what events of other kinds say of a request.
type mention struct {
	asks  bool // for its model
	kinds uint8
}

const (
	hasFeedback = 1 << event.UserFeedback
	hasBusiness = 1 << event.BusinessEvent
)

// findJoins collects the request ids that are spoken of. It reads two columns of the few files that do.
func (w *work) findJoins(ctx context.Context) error {
	mentions, err := w.mentions(ctx, true)
	if err != nil {
		return err
	}
	asked := slices.ContainsFunc(mentions, func(of map[string]mention) bool {
		for _, c := range of {
			if c.asks {
				return true
			}
		}
		return false
	})
	requests, _ := w.byKind()
	counts := len(w.units(requests, true)) > 0
	if w.own != whole && (asked || counts) {
		closed := slices.DeleteFunc(slices.Clone(w.sources), func(s *source) bool { return s.blocks != nil })
		if err := w.open(ctx, closed, 0); err != nil {
			return err
		}
	}
	if w.own != whole && counts {
		more, err := w.mentions(ctx, false)
		if err != nil {
			return err
		}
		mentions = append(mentions, more...)
	}
	w.joins = newJoins(mentions)
	w.joins.order = w.order
	if !asked || w.own == whole {
		return nil
	}
	return w.joinElsewhere(ctx)
}

// mentions are what the companions of the own share say of requests, or those of other shares, whose models are asked for by others. Copies
// count: any row may name a request.
func (w *work) mentions(ctx context.Context, own bool) ([]map[string]mention, error) {
	var companions []*source
	for _, s := range w.sources {
		if companion(s.kind) {
			companions = append(companions, s)
		}
	}
	columns := event.FieldsOf(event.RequestID)
	if own {
		columns |= event.FieldsOf(event.Model)
	}
	return forEach(ctx, w, w.units(companions, own), func(event.Kind) event.LakeColumns { return columns },
		func() map[string]mention { return map[string]mention{} },
		func(mentions map[string]mention, s *source, b *event.LakeBlock) error {
			models, requests := b.Field(event.Model), b.Field(event.RequestID)
			for i := range b.Rows {
				id := requests.Text(i)
				if id == "" {
					continue
				}
				have := mentions[id]
				c := mention{have.asks || own && models.Text(i) == "", have.kinds | 1<<s.kind}
				if c != have { // also of a known id the key becomes the one that is assigned, which a block only lends
					mentions[strings.Clone(id)] = c
				}
			}
			return nil
		})
}

// joinElsewhere looks for the models that are asked for among the requests of other shares. Those of the own share come with folding.
func (w *work) joinElsewhere(ctx context.Context) error {
	requests, _ := w.byKind()
	found, err := forEach(ctx, w, w.units(requests, false), func(event.Kind) event.LakeColumns {
		return event.ColumnsOf(event.LakeOffset) | event.FieldsOf(event.RequestID, event.Model)
	}, func() *[]joined { return new(make([]joined, len(w.joins.models))) }, func(found *[]joined, s *source, b *event.LakeBlock) error {
		w.joins.note(*found, s, b)
		return s.checkOffsets(b)
	})
	for _, f := range found {
		w.joins.learn([][]joined{*f})
	}
	return err
}

func newJoins(mentions []map[string]mention) joins {
	all := map[string]mention{}
	for _, some := range mentions {
		for id, c := range some {
			have := all[id]
			all[id] = mention{have.asks || c.asks, have.kinds | c.kinds}
		}
	}
	j := joins{number: make(map[string]int32, len(all)), kinds: make([]uint8, 0, len(all)), seed: maphash.MakeSeed()}
	for _, asks := range [...]bool{true, false} {
		for id, c := range all {
			if c.asks == asks {
				j.number[id] = int32(len(j.number))
				j.kinds = append(j.kinds, c.kinds)
				j.whole = j.whole || c.kinds == hasFeedback|hasBusiness
			}
		}
		if asks {
			j.models = make([]joined, len(j.number))
		}
	}
	size := 1
	for size*64 < 16*len(j.number) { // one in sixteen of the others looks further
		size *= 2
	}
	j.filter = make([]uint64, size)
	for id := range j.number {
		h := maphash.String(j.seed, id)
		j.filter[h>>6%uint64(size)] |= 1 << (h & 63)
	}
	return j
}

// reads tells whether requests must say which they are.
func (j *joins) reads() bool { return len(j.models) > 0 || j.whole }

// complete counts, of some rows with requests, those of which there are events of all kinds.
func (j *joins) complete(b *event.LakeBlock, rows []int32) (n int64) {
	if !j.whole {
		return 0
	}
	ids := b.Field(event.RequestID)
	for _, row := range rows {
		if i, ok := j.asked(ids.Text(int(row))); ok && j.kinds[i] == hasFeedback|hasBusiness {
			n++
		}
	}
	return n
}

// asked returns the number of a request that is spoken of.
func (j *joins) asked(id string) (int32, bool) {
	h := maphash.String(j.seed, id)
	if j.filter[h>>6%uint64(len(j.filter))]>>(h&63)&1 == 0 {
		return 0, false
	}
	n, ok := j.number[id]
	return n, ok
}

// note keeps in found, which has an entry for each that is asked for, the models of the requests of a block that are asked for.
func (j *joins) note(found []joined, s *source, b *event.LakeBlock) {
	ids, models, offsets := b.Field(event.RequestID), b.Field(event.Model), b.Column(event.LakeOffset)
	for i := range b.Rows {
		n, ok := j.asked(ids.Text(i))
		if !ok || int(n) >= len(found) {
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
	if n, ok := j.asked(id); ok && int(n) < len(j.models) {
		return j.models[n].model
	}
	return ""
}
