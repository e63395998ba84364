package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// document gathers what a report of a kind says about a period.
func (p *reporter) document(ctx context.Context, k report.Kind, period report.Period) (document, error) {
	switch {
	case k == report.Test:
		return p.testPage(ctx, period)
	case k.Level() != "":
		return p.summary(ctx, k, period)
	}
	return nil, fmt.Errorf("the report %s is not available in this version", k)
}

func (p *reporter) testPage(ctx context.Context, period report.Period) (document, error) {
	rows, missing, err := p.settled(ctx, levels["hourly"], period, agg.AllModels, true)
	return &report.TestPage{Period: period, Hours: rows, Missing: missing}, err
}

// summary reads rows and cells one after the other. Who finds that they do not tell the same, since they were made again in between,
// reads them again, so that a report never contradicts itself.
func (p *reporter) summary(ctx context.Context, k report.Kind, period report.Period) (*report.Summary, error) {
	for range 3 {
		s, err := p.look(ctx, k, period)
		if err != nil || agree(s.Rows, s.Total) {
			return s, err
		}
	}
	return nil, errors.New("the rows change while they are read; try again when fewer events of this time arrive")
}

// agree tells whether a total counts the events of the rows.
func agree(rows []agg.Row, total *agg.Row) bool {
	var events, requests int64
	for i := range rows {
		if rows[i].Model == agg.AllModels {
			events, requests = events+rows[i].Events, requests+rows[i].Requests
		}
	}
	return total == nil && events == 0 || total != nil && total.Events == events && total.Requests == requests
}

// look gathers a summary once.
func (p *reporter) look(ctx context.Context, k report.Kind, period report.Period) (*report.Summary, error) {
	l := levels[k.Level()]
	s := &report.Summary{Kind: k, Period: period}
	var err error
	if s.Rows, s.Missing, err = p.settled(ctx, l, period, "*", true); err != nil {
		return nil, err
	}
	whole, err := p.whole(ctx, l, period, s.Rows)
	if err != nil {
		return nil, err
	}
	s.Total = whole[agg.AllModels]
	for model, r := range whole {
		if model != agg.AllModels {
			s.Models = append(s.Models, *r)
		}
	}
	sorting.By(s.Models, func(a, b agg.Row) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Model, b.Model))
	})
	before := period.Previous(l.name)
	rows, _, err := p.settled(ctx, l, before, agg.AllModels, false)
	if err != nil {
		return nil, err
	}
	if len(rows) > 0 {
		if whole, err = p.whole(ctx, l, before, rows); err != nil {
			return nil, err
		}
		s.Previous = whole[agg.AllModels]
	}
	s.TrendLevel, s.TrendPeriod = trend(l.name, period)
	s.Trend, err = p.rows(ctx, levels[s.TrendLevel], s.TrendPeriod, agg.AllModels)
	return s, err
}

// trend chooses what the charts of a summary show: parts of the period, so many that they have a shape and so few that one can
// tell them apart. A few hours are shown with those before them.
func trend(level string, p report.Period) (string, report.Period) {
	n, _ := p.Count(level)
	switch {
	case level == "hourly" && n < 12:
		return level, report.Period{Start: p.End.Add(-24 * time.Hour), End: p.End}
	case level == "daily" && n <= 7:
		return "hourly", p
	case level == "weekly" && n <= 8, level == "monthly" && n <= 3:
		return "daily", p
	}
	return level, p
}

// maxReportRows bounds what one report is made from.
const maxReportRows = 250_000

func (p *reporter) rows(ctx context.Context, l *level, period report.Period, model string) ([]agg.Row, error) {
	q := rowQuery{s: p.s, level: l, from: period.Start, to: period.End, dimension: agg.ByModel, value: model}
	rows, next, err := q.page(ctx, maxReportRows, "")
	if err == nil && next != "" {
		err = fmt.Errorf("the period has more than %d rows; choose a shorter one, or take GET /aggregations/%s as CSV", maxReportRows, l.name)
	}
	return rows, err
}

// settled returns the rows of a level in a period, and the periods that have data but no row. What has no row is aggregated before,
// with refresh also what is behind its data; a level that is switched off stays as it is.
func (p *reporter) settled(ctx context.Context, l *level, period report.Period, model string, refresh bool) (rows []agg.Row, missing []time.Time, err error) {
	if rows, err = p.rows(ctx, l, period, model); err != nil {
		return nil, nil, err
	}
	behind, err := p.s.behind(ctx, l, period.Start, period.End)
	if err != nil {
		return nil, nil, err
	}
	todo := slices.Sorted(maps.Keys(behind))
	if !refresh {
		todo = without(rows, todo)
	}
	if len(todo) > 0 && p.s.cfg.Aggregation.enabled(l.name) {
		for _, start := range todo {
			if err := p.s.bring(ctx, l.of(start)); err != nil {
				return nil, nil, err
			}
		}
		if rows, err = p.rows(ctx, l, period, model); err != nil {
			return nil, nil, err
		}
	}
	for _, start := range without(rows, todo) {
		missing = append(missing, timeOf(start))
	}
	return rows, missing, nil
}

// without returns the starts that no row has.
func without(rows []agg.Row, starts []int64) (out []int64) {
	have := make(map[int64]bool, len(rows))
	for i := range rows {
		have[rows[i].Timestamp.Unix()] = true
	}
	for _, start := range starts {
		if !have[start] {
			out = append(out, start)
		}
	}
	return out
}

// bring brings one period up to date.
func (s *Service) bring(ctx context.Context, p period) error {
	if p.below == "" {
		_, err := s.foldHour(ctx, p.start, true, 0)
		return err
	}
	_, err := s.makePeriod(ctx, p, true)
	return err
}

// whole returns the totals of a period by model. One period of the level has them as its rows; several are merged from their cells,
// since percentiles and users cannot be told from rows.
func (p *reporter) whole(ctx context.Context, l *level, period report.Period, rows []agg.Row) (map[string]*agg.Row, error) {
	out := map[string]*agg.Row{}
	n, err := period.Count(l.name)
	if err != nil {
		return nil, err
	}
	if n == 1 {
		for i := range rows {
			out[rows[i].Model] = &rows[i]
		}
		return out, nil
	}
	wanted, sum := map[agg.Group]bool{}, cells{}
	for i := range rows {
		wanted[agg.Group{Dimension: agg.ByModel, Value: rows[i].Model}] = true
		if i > 0 && rows[i].Timestamp.Equal(rows[i-1].Timestamp) {
			continue
		}
		encoded, _, err := p.s.deps.Periods.Cells(ctx, l.name, rows[i].Timestamp.Unix())
		if err != nil {
			return nil, err
		}
		maps.DeleteFunc(encoded, func(g agg.Group, _ []byte) bool { return g.Dimension != agg.ByModel })
		if err := sum.merge(encoded); err != nil {
			return nil, fmt.Errorf("%s: %w", l.of(rows[i].Timestamp.Unix()), err)
		}
	}
	for g, cell := range sum {
		if wanted[g] {
			out[g.Value] = new(p.s.columns.row(period.Start, g, period.End.Sub(period.Start), cell))
		}
	}
	return out, nil
}
