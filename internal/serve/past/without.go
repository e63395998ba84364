package past

import (
	"context"
	"fmt"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Bounds of what is merged from the store where values are left out.
const (
	mostStored = 1000   // values of a dimension
	cellsOnce  = 50_000 // cells that are read at a time, each of some KB
)

// period is a stored hour or day of a question that leaves something out.
type period struct {
	total, named agg.Cell    // everything, and what names a value
	rows         []*agg.Cell // what counts, then that of each value of the answer
	together     bool        // values count together, and one that is left out may be among them
}

// periodsWithout merges stored periods without what a question leaves out: all other values of the dimension, and what names none. Those that do
// not tell it exactly are taken from have, so that the panes answer for them.
func (s *Service) periodsWithout(ctx context.Context, a *answer, have stored, dimension string) (map[string]map[int64]*period, error) {
	all := map[string]map[int64]*period{}
	for level, starts := range map[string]map[int64]bool{FromHours: have.hours, FromDays: have.days} {
		if len(starts) == 0 || a.step%hour != 0 {
			continue
		}
		values, err := s.Stored.Busiest(ctx, level, dimension, a.from, a.to, mostStored)
		if err != nil {
			return nil, fmt.Errorf("stored values: %w", err)
		}
		if len(values) == mostStored {
			clear(starts)
			continue
		}
		if all[level], err = s.periods(ctx, a, level, starts, dimension, values); err != nil {
			return nil, fmt.Errorf("stored cells: %w", err)
		}
		for start, p := range all[level] {
			if !p.settle(!a.without.Has(dimension, "")) {
				delete(starts, start)
			}
		}
	}
	return all, nil
}

// periods merges those of a level that start where it is said.
func (s *Service) periods(ctx context.Context, a *answer, level string, starts map[int64]bool, dimension string, values []string) (map[int64]*period, error) {
	periods := map[int64]*period{}
	into := func(merge func(p *period, value string, c *agg.Cell)) func(int64, string, *agg.Cell) {
		return func(start int64, value string, c *agg.Cell) {
			if !starts[start] {
				return
			}
			p := periods[start]
			if p == nil {
				p = &period{rows: make([]*agg.Cell, 1+len(a.values))}
				for i := range p.rows {
					p.rows[i] = new(agg.Cell)
				}
				periods[start] = p
			}
			merge(p, value, c)
		}
	}
	named := into(func(p *period, value string, c *agg.Cell) {
		p.named.Merge(c)
		if a.without.Has(dimension, value) {
			return
		}
		p.together = p.together || value == agg.Others
		p.rows[0].Merge(c)
		if i := slices.Index(a.values, value); i >= 0 {
			p.rows[i+1].Merge(c)
		}
	})
	length := map[string]int64{FromHours: hour, FromDays: day}[level]
	once := length * int64(max(1, cellsOnce/max(1, len(values))))
	for from := a.from; from < a.to; from += once {
		if err := s.Stored.Cells(ctx, level, dimension, values, from, min(from+once, a.to), named); err != nil {
			return nil, err
		}
	}
	return periods, s.Stored.Cells(ctx, level, agg.ByModel, []string{agg.AllModels}, a.from, a.to, into(func(p *period, _ string, c *agg.Cell) { p.total.Merge(c) }))
}

// settle adds what names no value, where that counts, and tells whether the period is exact.
func (p *period) settle(nameless bool) bool {
	if p.together || !nameless {
		return !p.together
	}
	rest, known := p.total.Rest(&p.named)
	if known {
		p.rows[0].Merge(rest)
	}
	return known
}

// merge adds some periods to their steps.
func (a *answer) merge(periods map[int64]*period, starts map[int64]bool) {
	for start := range starts {
		if p := periods[start]; p != nil { // else nothing happened in it
			for i, c := range p.rows {
				a.cells[i][(start-a.from)/a.step].Merge(c)
			}
		}
	}
}
