package batch

import (
	"cmp"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// tally is what one reader folds. It has one owner.
type tally struct {
	w         *work
	countOnly bool // count the events of each value instead of folding them

	events int64
	groups [len(cellFields)]*grouping // of models, tenants and endpoints
	users  *grouping
	usage  []agg.Usage  // of the requests of users, by number
	others agg.Distinct // users whose requests count under agg.Others
	models []joined     // of w.joins, as far as this reader saw
	joined agg.Joined

	requests agg.Requests // scratch, as what follows
	keep     []int32
	split    split
	row      event.LakeRow
}

// cellFields are the fields that rows are grouped by into whole cells. Users are too many for that: their requests are counted
// without sketches.
var cellFields = [...]event.Field{event.Model, event.Tenant, event.Endpoint}

const byModel = 0 // number of the model among them

// modelsOf are the models of requests that the readers saw.
func modelsOf(all []*tally) (found [][]joined) {
	for _, t := range all {
		found = append(found, t.models)
		t.models = nil
	}
	return found
}

func newTally(w *work, countOnly bool) *tally {
	t := &tally{w: w, countOnly: countOnly, users: w.newGrouping(event.UserID, countOnly)}
	for i, f := range cellFields {
		t.groups[i] = w.newGrouping(f, countOnly)
	}
	if n := len(w.joins.models); n > 0 {
		t.models = make([]joined, n)
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
	t.events += int64(len(rows))
	t.joined.Add(agg.Joined{Requests: int64(len(rows)), Complete: t.w.joins.complete(b, rows)})
	if !t.countOnly {
		t.requests.Prepare(b, t.w.lateness)
	}
	for i, field := range cellFields {
		if err := t.addTo(t.groups[i], b.Field(field), rows); err != nil {
			return err
		}
	}
	return t.addUsers(b.Field(event.UserID), rows)
}

// addTo folds rows by the values of one column.
func (t *tally) addTo(g *grouping, column *event.LakeVector, rows []int32) error {
	if column.None && !g.always {
		return nil
	}
	if err := t.split.by(column, rows, g.number); err != nil {
		return err
	}
	for n := range g.values {
		v := &g.values[n]
		rows := t.split.rows(n)
		if len(rows) == 0 {
			continue
		}
		if v.events += int64(len(rows)); v.cell != nil {
			v.cell.AddRequests(&t.requests, rows)
		}
	}
	return nil
}

// addUsers counts what the users of some rows did.
func (t *tally) addUsers(column *event.LakeVector, rows []int32) error {
	if column.None {
		return nil
	}
	if err := t.split.number(column, rows, t.users.number); err != nil {
		return err
	}
	others, some := t.users.numbers[agg.Others]
	for i, n := range t.split.groups {
		t.users.values[n].events++
		if some && n == others {
			t.others.Add(column.Text(int(rows[i])))
		}
	}
	if t.countOnly {
		return nil
	}
	for len(t.usage) < len(t.users.values) {
		t.usage = append(t.usage, agg.Usage{})
	}
	t.requests.AddUsage(t.usage, t.split.groups, rows)
	return nil
}

// addOthers folds the events of other kinds, row by row: they are few, and each kind has columns of its own.
func (t *tally) addOthers(s *source, b *event.LakeBlock) error {
	rows, err := t.choose(s, b)
	if err != nil {
		return err
	}
	t.events += int64(len(rows))
	for _, i := range rows {
		if err := b.Row(int(i), &t.row); err != nil {
			return err
		}
		e := &t.row.Event
		late := t.row.IngestedAt-e.Time > t.w.lateness.Microseconds()
		for i, field := range cellFields {
			value := e.Text(field)
			if id := e.Text(event.RequestID); i == byModel && value == "" && id != "" && companion(e.Kind) {
				value = t.w.joins.modelOf(id)
			}
			if err := t.addEvent(t.groups[i], value, e, late); err != nil {
				return err
			}
		}
		if err := t.addEvent(t.users, e.Text(event.UserID), e, late); err != nil {
			return err
		}
	}
	return nil
}

// addEvent folds one event into the cell of a value.
func (t *tally) addEvent(g *grouping, value string, e *event.Event, late bool) error {
	if value == "" && !g.always {
		return nil
	}
	n, err := g.number(value)
	if err != nil {
		return err
	}
	v := &g.values[n]
	v.events++
	if t.countOnly || v.name == "" && !g.always {
		return nil
	}
	if v.cell == nil {
		v.cell = new(agg.Cell)
	}
	v.cell.Add(e, late)
	return nil
}

// choose returns the rows of a block that count.
func (t *tally) choose(s *source, b *event.LakeBlock) (rows []int32, err error) {
	t.keep, err = t.w.choose(s, b, t.keep[:0])
	return t.keep, err
}

// choose appends the rows of a block that count to keep.
func (w *work) choose(s *source, b *event.LakeBlock, keep []int32) ([]int32, error) {
	if err := cmp.Or(s.checkOffsets(b), w.checkTimes(b)); err != nil {
		return keep, err
	}
	if w.losers.touches(s.chain, s.From, s.To) {
		return w.losers.without(s.chain, b.Column(event.LakeOffset), b.Rows, keep), nil
	}
	for i := range b.Rows {
		keep = append(keep, int32(i))
	}
	return keep, nil
}
