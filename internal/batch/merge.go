package batch

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// A day is the merge of its hours, a week or month the merge of its days, and nothing else but a base, when hours have left. What makes that safe:
//
//   - Each child is read together with its build, and the period is stored with the builds that it was merged from. Whoever
//     changes a child raises its build, so the period is seen to be behind; there is no flag that could be forgotten.
//   - What lies below is brought up to date first, by the same run. It holds no slot meanwhile, so it never waits for a task
//     that waits for its slot.
//   - Children are merged in the order of time and cut to size by exact counts, so the bytes depend on the children alone.

// made is what making one period did.
type made struct {
	Folded   int64 // hours folded for it
	Children int64 // merged
	Changed  bool
	Skipped  bool // it was up to date, and only what is behind was asked for
	Took     time.Duration
}

// makePeriod brings what lies below a day, week or month up to date, merges it and stores the result; onlyBehind skips a period that
// is up to date.
func (s *Service) makePeriod(ctx context.Context, p period, onlyBehind bool) (m made, err error) {
	done, err := s.busy.take(ctx, p.name, p.start)
	if err != nil {
		return m, err
	}
	defer done()
	began := s.now()
	for {
		hours, err := s.deps.Hours.HourStates(ctx, p.start, p.end)
		if err != nil {
			return m, err
		}
		if onlyBehind {
			behind, err := s.isBehind(ctx, p, hours)
			if err != nil || !behind {
				m.Skipped = !behind
				return m, err
			}
		}
		children, folded, err := s.prepare(ctx, p, hours)
		m.Folded += folded
		if err != nil {
			return m, err
		}
		change, err := s.mergeChildren(ctx, p, children)
		if err != nil {
			return m, err
		}
		if change.Overtaken { // another process was faster with one child and perhaps slower with the next: look again
			continue
		}
		m.Children, m.Changed, m.Took = int64(len(children)), change.Any(), s.now().Sub(began)
		s.book.periodMade(p, s.now())
		s.log.Info(p.name+" aggregation", p.noun, time.Unix(p.start, 0).UTC().Format(time.DateOnly), "children", m.Children,
			"hours_folded", m.Folded, "changed", m.Changed, "took", m.Took)
		return m, nil
	}
}

// prepare brings the children of a period up to date and returns those that have data, oldest first.
func (s *Service) prepare(ctx context.Context, p period, hours []event.HourState) (children []int64, folded int64, err error) {
	if p.below == "hourly" {
		return s.foldHours(ctx, hours)
	}
	below := levels[p.below]
	for len(hours) > 0 {
		child := below.of(hours[0].Hour)
		n := 0
		for n < len(hours) && hours[n].Hour < child.end {
			n++
		}
		hours = hours[n:]
		m, err := s.makePeriod(ctx, child, true)
		if folded += m.Folded; err != nil {
			return nil, folded, err
		}
		children = append(children, child.start)
	}
	return children, folded, nil
}

// foldHours folds those of the hours that are behind, as many at a time as there are slots.
func (s *Service) foldHours(ctx context.Context, hours []event.HourState) (children []int64, folded int64, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.cfg().Processing.Workers)
	for _, h := range hours {
		children = append(children, h.Hour)
		if h.Version == h.Built {
			continue
		}
		folded++
		g.Go(func() error {
			_, err := s.foldHour(ctx, h.Hour, true, 0)
			return err
		})
	}
	return children, folded, g.Wait()
}

// mergeChildren merges the cells of the children as they are stored now and stores the period.
func (s *Service) mergeChildren(ctx context.Context, p period, children []int64) (agg.Change, error) {
	if !take(ctx, s.slots) {
		return agg.Change{}, context.Cause(ctx)
	}
	defer func() { <-s.slots }()
	sum, builds, err := s.merged(ctx, p, children)
	if err != nil {
		return agg.Change{}, err
	}
	return s.deps.Periods.SavePeriod(ctx, p.name, p.start, p.end, builds, sum.aggregate(p, s.columns))
}

// merged merges the base of a period and the cells of its children. A base that changes meanwhile took cells from children, or gave
// them back: then all is read again. What changes later changes the builds of the children, which the period is stored with.
func (s *Service) merged(ctx context.Context, p period, children []int64) (cells, map[int64]int64, error) {
	base, err := s.deps.Periods.PeriodBase(ctx, p.name, p.start)
	if err != nil {
		return nil, nil, err
	}
	for {
		sum, builds := cells{}, map[int64]int64{}
		if err := sum.merge(base); err != nil {
			return nil, nil, fmt.Errorf("base of %s: %w", p, err)
		}
		for _, child := range children {
			encoded, build, err := s.deps.Periods.Cells(ctx, p.below, child)
			if err != nil {
				return nil, nil, err
			}
			builds[child] = build
			if err := sum.merge(encoded); err != nil {
				return nil, nil, fmt.Errorf("merge %s: %s: %w", p, levels[p.below].of(child), err)
			}
		}
		again, err := s.deps.Periods.PeriodBase(ctx, p.name, p.start)
		if err != nil {
			return nil, nil, err
		}
		if maps.EqualFunc(base, again, bytes.Equal) {
			return sum, builds, nil
		}
		base = again
	}
}

// cells are the cells of a period under way.
type cells map[agg.Group]*agg.Cell

// merge adds encoded cells.
func (c cells) merge(encoded map[agg.Group][]byte) error {
	for g, src := range encoded {
		part := new(agg.Cell)
		if rest, err := part.Decode(src); err != nil {
			return fmt.Errorf("the stored cell of %s %q is damaged: %w; aggregate its period again", g.Dimension, g.Value, err)
		} else if len(rest) > 0 {
			return fmt.Errorf("the stored cell of %s %q is damaged: %d bytes too many; aggregate its period again", g.Dimension, g.Value, len(rest))
		}
		c.add(g, part)
	}
	return nil
}

// add merges a cell, which belongs to c from then on.
func (c cells) add(g agg.Group, part *agg.Cell) {
	if have := c[g]; have != nil {
		have.Merge(part)
	} else {
		c[g] = part
	}
}

// limits are how many values of each dimension keep a cell of their own; the others are merged into agg.Others. Counts decide, and
// names where counts are equal, so that the choice depends on the data alone.
var limits = map[string]int{agg.ByModel: 5000, agg.ByTenant: 1000, agg.ByEndpoint: 100, agg.ByUser: 200}

// trim holds each dimension to its limit.
func (c cells) trim(limits map[string]int) {
	type entry struct {
		agg.Group
		events uint64
	}
	values := map[string][]entry{}
	for g, cell := range c {
		if g.Value != agg.Others && g.Value != agg.AllModels {
			values[g.Dimension] = append(values[g.Dimension], entry{g, cell.Events})
		}
	}
	for dimension, all := range values {
		if len(all) <= limits[dimension] {
			continue
		}
		sorting.By(all, func(a, b entry) int {
			return cmp.Or(cmp.Compare(b.events, a.events), cmp.Compare(a.Value, b.Value))
		})
		for _, e := range all[limits[dimension]:] {
			c.add(agg.Group{Dimension: dimension, Value: agg.Others}, c[e.Group])
			delete(c, e.Group)
		}
	}
}

// aggregate makes what is stored of a period.
func (c cells) aggregate(p period, show columns) agg.Aggregate {
	c.trim(limits)
	a := agg.Aggregate{Rows: map[string][]agg.Row{}, Cells: make(map[agg.Group][]byte, len(c))}
	start := time.Unix(p.start, 0).UTC()
	for g, cell := range c {
		a.Rows[g.Dimension] = append(a.Rows[g.Dimension], show.row(start, g, p.length(), cell))
		a.Cells[g] = cell.Append(nil)
	}
	for _, rows := range a.Rows {
		sorting.By(rows, func(a, b agg.Row) int { return cmp.Compare(a.Model, b.Model) })
	}
	return a
}
