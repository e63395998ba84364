package batch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/batch/report"
)

// tellReady says once to whoever is told of reports by the routes of notifications that one is ready. It is no alert: as what has lapsed it is
// shown nowhere else. Its id follows from the report, so that one that is made again is not told again.
func (s *Service) tellReady(ctx context.Context, item report.Item, made map[string]string) error {
	now := s.now().UTC()
	formats := slices.Sorted(maps.Keys(made))
	ids := make([]string, len(formats))
	for i, f := range formats {
		ids[i] = made[f]
	}
	a := alert{
		ID: "report-ready-" + report.ID(item.Kind, item.Period, ""), Rule: "ReportReady", State: "lapsed", Severity: "info", Key: string(item.Kind), Once: true, At: &now, StartsAt: now, EndsAt: &now,
		Labels: map[string]string{"kind": "report", "report": string(item.Kind), "period": item.Period.String()}, Window: interval{item.Period.Start.UTC(), item.Period.End.UTC()},
		Texts: map[string]string{"summary": fmt.Sprintf("The report %s of %s is ready (%s)", item.Kind, item.Period, strings.Join(formats, ", ")), "reports": strings.Join(ids, " ")}, Top: []string{}, RequestIDs: []string{},
	}
	if !s.raise(ctx, a) {
		return errors.New("nobody could be told that a report is ready")
	}
	return nil
}
