package batch

import (
	"cmp"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// tally is what one reader folds. It has one owner.
type tally struct {
	w         *work
	countOnly bool // count the events of models instead of folding them

	groups []*group         // of models
	number map[string]int32 // by name, "" = none
	models []joined         // of w.joins, as far as this reader saw

	requests agg.Requests // scratch, as what follows
	keep     []int32
	split    split
	row      event.LakeRow
}

type group struct {
	model  string
	events int64
	cell   *agg.Cell // nil when only counting
}

func newTally(w *work, countOnly bool) *tally {
	t := &tally{w: w, countOnly: countOnly, number: map[string]int32{}}
	if len(w.joins.number) > 0 {
		t.models = make([]joined, len(w.joins.number))
	}
	return t
}

// addRequests folds the requests of a block that count, by columns.
func (t *tally) addRequests(s *source, b *event.LakeBlock) error {
	rows, err := t.choose(s, b)
	if err != nil {
		return err
	}
	if t.models != nil {
		t.w.joins.note(t.models, s, b) // copies too: any row may name the model
	}
	if !t.countOnly {
		t.requests.Prepare(b, t.w.lateness)
	}
	if err := t.split.by(b.Field(event.Model), rows, t.groupOf); err != nil {
		return err
	}
	for n, g := range t.groups {
		rows := t.split.rows(n)
		if g.events += int64(len(rows)); g.cell != nil && len(rows) > 0 {
			g.cell.AddRequests(&t.requests, rows)
		}
	}
	return nil
}

// addOthers folds the events of other kinds, row by row: they are few, and each kind has columns of its own.
func (t *tally) addOthers(s *source, b *event.LakeBlock) error {
	rows, err := t.choose(s, b)
	if err != nil {
		return err
	}
	for _, i := range rows {
		if err := b.Row(int(i), &t.row); err != nil {
			return err
		}
		e := &t.row.Event
		model := e.Text(event.Model)
		if id := e.Text(event.RequestID); model == "" && id != "" && companion(e.Kind) {
			model = t.w.joins.modelOf(id)
		}
		n, err := t.groupOf(model)
		if err != nil {
			return err
		}
		g := t.groups[n]
		if g.events++; g.cell != nil {
			g.cell.Add(e, t.row.IngestedAt-e.Time > t.w.lateness.Microseconds())
		}
	}
	return nil
}

// choose returns the rows of a block that count.
func (t *tally) choose(s *source, b *event.LakeBlock) ([]int32, error) {
	if err := cmp.Or(s.checkOffsets(b), t.w.checkTimes(b)); err != nil {
		return nil, err
	}
	t.keep = t.keep[:0]
	if t.w.losers.touches(s.chain, s.From, s.To) {
		t.keep = t.w.losers.without(s.chain, b.Column(event.LakeOffset), b.Rows, t.keep)
		return t.keep, nil
	}
	for i := range b.Rows {
		t.keep = append(t.keep, int32(i))
	}
	return t.keep, nil
}

// groupOf returns the number of the group that events of a model count in.
func (t *tally) groupOf(model string) (int32, error) {
	switch {
	case model == agg.AllModels: // nobody can put himself in place of the total
		model = ""
	case model != "" && t.w.allowed != nil && !t.w.allowed[model]:
		model = otherModels
	}
	if n, ok := t.number[model]; ok {
		return n, nil
	}
	if !t.countOnly && t.w.allowed == nil && len(t.groups) > t.w.folder.models {
		return 0, errModels
	}
	g := &group{model: strings.Clone(model)}
	if !t.countOnly {
		g.cell = new(agg.Cell)
	}
	n := int32(len(t.groups))
	t.groups, t.number[g.model] = append(t.groups, g), n
	return n, nil
}
