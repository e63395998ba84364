package batch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Costs from stored cells.

// dimension is the dimension of cells that keeps apart what is asked for; ok is false when none does.
func (q *costQuery) dimension() (name string, ok bool) {
	name = agg.ByModel
	stored := 0
	for _, part := range q.by {
		switch part {
		case agg.ByModel, agg.ByTenant, agg.ByEndpoint, agg.ByUser:
			name, stored = part, stored+1
		case "hour", "day", "month":
		default:
			return "", false
		}
	}
	return name, stored <= 1
}

// whole tells whether an hour lies within what is asked for.
func (q *costQuery) whole(hour int64) bool { return hour >= q.from.Unix() && hour+3600 <= q.to.Unix() }

// costOfCells adds an hour from its cells; done is false when they do not say it.
func (s *Service) costOfCells(ctx context.Context, q *costQuery, h event.HourState, cells map[agg.Group][]byte, table *cost.Table) (done bool, err error) {
	dimension, ok := q.dimension()
	if !ok || h.Version != h.Built || !q.whole(h.Hour) {
		return false, nil
	}
	if len(cells) == 0 {
		build := int64(0)
		if cells, build, err = s.deps.Periods.Cells(ctx, "hourly", h.Hour); err != nil || build == 0 {
			return false, err
		}
	}
	if _, cut := cells[agg.Group{Dimension: dimension, Value: agg.Others}]; cut && slices.Contains(q.by, dimension) {
		known := q.only != nil && !slices.ContainsFunc(q.only, func(v string) bool { return cells[agg.Group{Dimension: dimension, Value: v}] == nil })
		files, _, _, err := s.deps.Hours.HourSnapshot(ctx, h.Hour)
		if n := rowsOf(requestFiles(files)); err != nil || !known && n > 0 && q.rows.fits(n) {
			return false, err
		}
	}
	return true, addCells(q, h.Hour, dimension, cells, table)
}

// addCells adds the cells of one dimension. What they do not hold of the total are the requests that name no value.
func addCells(q *costQuery, hour int64, dimension string, cells map[agg.Group][]byte, table *cost.Table) error {
	rest, named := agg.Usage{}, []agg.Usage{}
	key, hidden := q.timesOf(hour), q.hides(dimension, cells)
	for g, text := range cells {
		total := g == agg.Group{Dimension: agg.ByModel, Value: agg.AllModels}
		if g.Dimension != dimension && !total {
			continue
		}
		var c agg.Cell
		if _, err := c.Decode(text); err != nil {
			return fmt.Errorf("the stored cell of %s %q of hour %s is damaged: %w; aggregate its period again", g.Dimension, g.Value, hourName(hour), err)
		}
		u := usageOf(&c)
		if total {
			rest = u
			continue
		}
		named = append(named, u)
		if hidden && g.Value == agg.Others {
			table.Untold += u.Requests
		}
		if u.Requests > 0 {
			q.add(table, q.named(key, dimension, g.Value), &u)
		}
	}
	for i := range named {
		rest.Take(&named[i])
	}
	if rest.Requests > 0 {
		q.add(table, q.named(key, dimension, ""), &rest)
	}
	return nil
}

// hides tells whether the one value that a question is narrowed to may be among those that count together in an hour.
func (q *costQuery) hides(dimension string, cells map[agg.Group][]byte) bool {
	return len(q.only) == 1 && q.by[len(q.by)-1] == dimension && slices.Contains(q.narrow, dimension) && cells[agg.Group{Dimension: dimension, Value: q.only[0]}] == nil
}

// addBase adds what is known of the events of an hour that have left: cells of one dimension.
func (q *costQuery) addBase(hour int64, base map[agg.Group][]byte, table *cost.Table) error {
	nearest := q.nearest()
	if slices.ContainsFunc(q.narrow, func(part string) bool { return part != nearest }) {
		var total agg.Cell
		if _, err := total.Decode(base[agg.Group{Dimension: agg.ByModel, Value: agg.AllModels}]); err != nil {
			return fmt.Errorf("the stored total of hour %s is damaged: %w; aggregate its period again", hourName(hour), err)
		}
		table.Untold += total.Requests
	}
	return addCells(q, hour, nearest, base, table)
}

func usageOf(c *agg.Cell) agg.Usage {
	return agg.Usage{Requests: c.Requests, Errors: c.Errors, Unknown: c.Unknown, Tokens: c.Tokens, Cost: c.Cost, Priced: c.Priced} // late is of all events
}

// timesOf is a key with its parts of time.
func (q *costQuery) timesOf(hour int64) []string {
	key := make([]string, len(q.by))
	at := timeOf(hour)
	for i, part := range q.by {
		switch part {
		case "hour":
			key[i] = at.Format("2006-01-02T15:00:00Z")
		case "day":
			key[i] = at.Format(time.DateOnly)
		case "month":
			key[i] = at.Format("2006-01")
		}
	}
	return key
}

// named is a key with the value of a dimension in its place.
func (q *costQuery) named(key []string, dimension, value string) []string {
	key = slices.Clone(key)
	if i := slices.Index(q.by, dimension); i >= 0 {
		key[i] = value
	}
	return key
}

// nearest is the dimension that tells most of what is asked for.
func (q *costQuery) nearest() string {
	for _, part := range slices.Concat(q.narrow, q.by) {
		if slices.Contains(agg.Dimensions, part) {
			return part
		}
	}
	return agg.ByModel
}
