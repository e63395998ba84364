package batch

import (
	"cmp"

	"context"
	"encoding/json"
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
func (p *reporter) document(ctx context.Context, r *agg.Report) (document, error) {
	k, period := report.Kind(r.Type), report.Period{Start: r.Start, End: r.End}
	t, err := p.template(r)
	if err != nil {
		return nil, err
	}
	switch {
	case k == report.Test:
		return p.testPage(ctx, period, t)
	case k == report.CapacityReport:
		return p.capacityReport(ctx, period, t)
	}
	s, err := p.summary(ctx, k, period)
	if err != nil {
		return nil, err
	}
	return dressed(s, t), nil
}

// dressed puts a template on numbers.
func dressed(s *report.Summary, t *report.Template) document {
	out := *s
	out.Template = t
	if s.Kind.Summary() {
		return &out
	}
	return report.Insight{Summary: &out}
}

// template is the one that the id of a report names.
func (p *reporter) template(r *agg.Report) (*report.Template, error) {
	return p.templates(report.Kind(r.Type), templateOf(r.ID))
}

// templates finds a template of the folder; "" is the one for the kind.
func (p *reporter) templates(k report.Kind, name string) (*report.Template, error) {
	dir := p.s.cfg().Reports.TemplatesDir
	if !p.s.cfg().Reports.Templates {
		dir = ""
	}
	return report.FindTemplate(dir, name, k)
}

func (p *reporter) testPage(ctx context.Context, period report.Period, t *report.Template) (document, error) {
	rows, missing, err := p.settled(ctx, levels["hourly"], period, agg.AllModels, true)
	return &report.TestPage{Period: period, Template: t, Hours: rows, Missing: missing}, err
}

// capacityReport shows what is known of capacity at the end of a period.
func (p *reporter) capacityReport(ctx context.Context, period report.Period, t *report.Template) (document, error) {
	rows, missing, err := p.settled(ctx, levels["hourly"], period, agg.AllModels, true)
	if err != nil {
		return nil, err
	}
	a, err := p.s.analysis(ctx, period.End)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("capacity analysis: %w", err)
	}
	return &report.Capacity{Period: period, Template: t, Hours: report.Summary{Kind: report.Hourly, Period: period, Rows: rows, Missing: missing}, Analysis: text}, nil
}

// summary reads rows and cells one after the other. Who finds that they do not tell the same, since they were made again in between,
// reads them again, so that a report never contradicts itself.
func (p *reporter) summary(ctx context.Context, k report.Kind, period report.Period) (*report.Summary, error) {
	for range 3 {
		s, err := p.look(ctx, k, period)
		if err != nil {
			return nil, err
		}
		if agree(s.Rows, s.Total) {
			return s, p.study(ctx, s)
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
	now, unpriced, err := p.totals(ctx, l, period, s.Rows)
	if err != nil {
		return nil, err
	}
	s.Total = now.of(agg.ByModel)[agg.AllModels]
	s.Models, s.Tenants, s.Endpoints, s.Users = now.ranked(agg.ByModel), now.ranked(agg.ByTenant), now.ranked(agg.ByEndpoint), now.ranked(agg.ByUser)
	before, unpricedBefore, err := p.past(ctx, l, period.Previous(l.name))
	if err != nil {
		return nil, err
	}
	s.Previous, s.ModelsBefore, s.TenantsBefore = before.of(agg.ByModel)[agg.AllModels], before.rows(agg.ByModel), before.rows(agg.ByTenant)
	earlier, unpricedEarlier := before, unpricedBefore
	if period.Earlier(l.name) != period.Previous(l.name) {
		if earlier, unpricedEarlier, err = p.past(ctx, l, period.Earlier(l.name)); err != nil {
			return nil, err
		}
	}
	s.Unpriced, s.UnpricedBefore, s.UnpricedEarlier = unpriced, unpricedBefore, unpricedEarlier
	s.Earlier = earlier.of(agg.ByModel)[agg.AllModels]
	if s.Previous != nil {
		if s.Thin, err = p.thin(ctx, l, period); err != nil {
			return nil, err
		}
	}
	if p.s.deps.Incidents != nil {
		if s.Incidents, err = p.s.deps.Incidents(ctx, period); err != nil {
			return nil, err
		}
	}
	s.TrendLevel, s.TrendPeriod = trend(l.name, period)
	s.Trend, err = p.rows(ctx, levels[s.TrendLevel], s.TrendPeriod, agg.AllModels)
	return s, err
}

// past are the totals of a period that reports compare with; what has no row is aggregated before.
func (p *reporter) past(ctx context.Context, l *level, period report.Period) (grouped, report.Unpriced, error) {
	rows, _, err := p.settled(ctx, l, period, "*", false)
	if err != nil || len(rows) == 0 {
		return nil, nil, err
	}
	return p.totals(ctx, l, period, rows)
}

// thin tells how much of the period before has data, where that is less than nine tenths of what the period itself has: the ten hours of
// the day on which hxp began are no day.
func (p *reporter) thin(ctx context.Context, l *level, period report.Period) (*report.Parts, error) {
	if l.below == "" {
		return nil, nil
	}
	before := period.Previous(l.name)
	all, err := before.Count(l.below)
	if err != nil { // too many parts to be told apart
		return nil, nil
	}
	now, err := p.rows(ctx, levels[l.below], period, agg.AllModels)
	if err != nil {
		return nil, err
	}
	was, err := p.rows(ctx, levels[l.below], before, agg.AllModels)
	if err != nil || len(was) == 0 || 10*len(was) >= 9*len(now) { // none: they have left by age
		return nil, err
	}
	return &report.Parts{Level: l.below, WithData: len(was), All: all}, nil
}

// grouped are the rows of a whole period by group.
type grouped map[agg.Group]*agg.Row

func (t grouped) of(dimension string) map[string]*agg.Row {
	out := map[string]*agg.Row{}
	for g, r := range t {
		if g.Dimension == dimension {
			out[g.Value] = r
		}
	}
	return out
}

func (t grouped) rows(dimension string) map[string]agg.Row {
	out := map[string]agg.Row{}
	for name, r := range t.of(dimension) {
		out[name] = *r
	}
	return out
}

// mostGroups bounds how many values of a dimension beside the models a report names.
const mostGroups = 100

// ranked are the rows of a dimension without the total, the busiest first.
func (t grouped) ranked(dimension string) []agg.Row {
	var out []agg.Row
	for name, r := range t.of(dimension) {
		if name != agg.AllModels || dimension != agg.ByModel {
			out = append(out, *r)
		}
	}
	sorting.By(out, func(a, b agg.Row) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(b.Events, a.Events), cmp.Compare(a.Model, b.Model))
	})
	if dimension != agg.ByModel && len(out) > mostGroups {
		out = out[:mostGroups]
	}
	return out
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
	if len(todo) > 0 && p.s.cfg().Aggregation.enabled(l.name) {
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

// totals returns the rows of a whole period. The models of one period of the level are its rows; everything else is merged from cells,
// since percentiles and users cannot be told from rows.
func (p *reporter) totals(ctx context.Context, l *level, period report.Period, rows []agg.Row) (grouped, report.Unpriced, error) {
	n, err := period.Count(l.name)
	if err != nil {
		return nil, nil, err
	}
	wanted, sum := map[string]bool{}, cells{}
	for i := range rows {
		wanted[rows[i].Model] = true
		if i > 0 && rows[i].Timestamp.Equal(rows[i-1].Timestamp) {
			continue
		}
		encoded, _, err := p.s.deps.Periods.Cells(ctx, l.name, rows[i].Timestamp.Unix())
		if err != nil {
			return nil, nil, err
		}
		if err := sum.merge(encoded); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", l.of(rows[i].Timestamp.Unix()), err)
		}
	}
	out, unpriced := grouped{}, report.Unpriced{}
	for g, cell := range sum {
		if g.Dimension == agg.ByModel {
			unpriced[g.Value] = int64(cell.Unpriced())
		}
		if g.Dimension != agg.ByModel || n > 1 && wanted[g.Value] {
			out[g] = new(p.s.columns.row(period.Start, g, period.End.Sub(period.Start), cell))
		}
	}
	for i := range rows {
		if n == 1 {
			out[agg.Group{Dimension: agg.ByModel, Value: rows[i].Model}] = &rows[i]
		}
	}
	return out, unpriced, nil
}
