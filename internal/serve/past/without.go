package past

import (
	"context"
	"fmt"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// mostStored is how many values of a dimension are merged from the store where some are left out.
const mostStored = 1000

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
		if all[level], err = s.periods(ctx, a, level, dimension, values); err != nil {
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

func (s *Service) periods(ctx context.Context, a *answer, level, dimension string, values []string) (map[int64]*period, error) {
	periods := map[int64]*period{}
	at := func(start int64) *period {
		p := periods[start]
		if p == nil {
			p = &period{rows: make([]*agg.Cell, 1+len(a.values))}
			for i := range p.rows {
				p.rows[i] = new(agg.Cell)
			}
			periods[start] = p
		}
		return p
	}
	err := s.Stored.Cells(ctx, level, dimension, values, a.from, a.to, func(start int64, value string, c *agg.Cell) {
		p := at(start)
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
	if err != nil {
		return nil, err
	}
	return periods, s.Stored.Cells(ctx, level, agg.ByModel, []string{agg.AllModels}, a.from, a.to, func(start int64, _ string, c *agg.Cell) { at(start).total.Merge(c) })
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
