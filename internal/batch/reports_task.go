package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/report"
)

// reportTotals is the summary of report_generation.
type reportTotals struct {
	Reports     int      `json:"reports"`                // that stand now, in all formats
	Changed     int      `json:"changed"`                // of them, those whose bytes are new
	WithoutData []string `json:"without_data,omitempty"` // due, but there is nothing to tell
	Skipped     string   `json:"skipped,omitempty"`      // why nothing was made
}

// reportGeneration makes every report that the days of the interval call for and that the schedules name, in every configured format. Making them again gives
// the same bytes under the same ids. A report that fails holds up no other; the task fails at the end and is tried again.
func (s *Service) reportGeneration(ctx context.Context, r *agg.Run, progress func(done, total int64, unit string)) (any, error) {
	cfg := &s.cfg().Reports
	if !cfg.Enabled {
		return reportTotals{Skipped: "report generation is switched off"}, nil
	}
	var t reportTotals
	plan, err := s.reports.schedules(ctx)
	if err != nil {
		return nil, err
	}
	items := slices.DeleteFunc(report.Due(report.Period{Start: r.Start, End: r.End}), func(i report.Item) bool { return !plan.of(i.Kind).Made })
	var errs []error
	for n, item := range items {
		progress(int64(n), int64(len(items)), "reports")
		if err := s.reports.due(ctx, item, s.news(r, item.Period), &t); err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			errs = append(errs, err)
		}
	}
	progress(int64(len(items)), int64(len(items)), "reports")
	return t, errors.Join(errs...)
}

// news tells whether a report that a run makes is one that people wait for. A backfill makes the reports of the past again; to mail them
// all would be years of mail at once.
func (s *Service) news(r *agg.Run, p report.Period) bool {
	return r.Trigger == agg.RunScheduled || s.now().Sub(p.End) < giveUp
}

// due makes one report in every format from one look at the rows, and with send has it taken to those who get it.
func (p *reporter) due(ctx context.Context, item report.Item, send bool, t *reportTotals) error {
	probe := newReport(item.Kind, report.JSON, "", item.Period)
	doc, err := p.document(ctx, &probe)
	if err != nil {
		return fmt.Errorf("report %s of %s: %w", item.Kind, item.Period, err)
	}
	if empty(doc) {
		t.WithoutData = append(t.WithoutData, fmt.Sprintf("%s of %s", item.Kind, item.Period))
		return nil
	}
	var errs []error
	done := map[string]string{}
	for _, format := range p.s.cfg().Reports.Formats {
		began := p.s.now()
		made, err := p.produce(ctx, newReport(item.Kind, format, "", item.Period), func(context.Context, *agg.Report) (document, error) { return doc, nil })
		if err != nil {
			errs = append(errs, fmt.Errorf("report %s: %w", made.ID, err))
			continue
		}
		t.Reports++
		done[format] = made.ID
		if made.CompletedAt != nil && !made.CompletedAt.Before(began) {
			t.Changed++
		}
	}
	if send {
		errs = append(errs, p.courier.send(ctx, item.Kind, done))
	}
	if send && len(done) > 0 && errors.Join(errs...) == nil {
		errs = append(errs, p.s.tellReady(ctx, item, done))
	}
	return errors.Join(errs...)
}

// empty tells whether a document has nothing to tell.
func empty(d document) bool {
	switch d := d.(type) {
	case *report.Summary:
		return len(d.Rows) == 0
	case report.Insight:
		return len(d.Rows) == 0
	case *report.Capacity:
		return len(d.Hours.Rows) == 0
	}
	return false
}
