package batch

import (
	"context"
	"fmt"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// AddChecks adds the checks of the batch to the health of its service.
func (s *Service) AddChecks(h *httpx.Health) {
	h.Add("database", s.checkTables)
	h.Add("aggregation", s.checkAggregation)
	h.Add("reports", s.reports.check)
}

// checkAggregation is degraded while hours cannot be folded: what is stored can still be read.
func (s *Service) checkAggregation(context.Context) httpx.Check {
	hours, why := s.book.failures()
	if len(hours) > 0 {
		return httpx.Check{Status: httpx.Degraded, Detail: fmt.Sprintf("%d hours cannot be aggregated and are tried again, the first is %s: %s",
			len(hours), hourName(hours[0]), why)}
	}
	dirty, _ := s.book.levels()
	return httpx.Check{Status: httpx.Healthy, Detail: fmt.Sprintf("hourly aggregation is %s, %d hours wait", s.state("hourly"), dirty)}
}

// checkTables is unhealthy when the database does not answer.
func (s *Service) checkTables(ctx context.Context) httpx.Check {
	if _, err := s.deps.Hours.HourBuild(ctx, 0); err != nil {
		return httpx.Check{Status: httpx.Unhealthy, Detail: "the database with the aggregation tables does not answer: " + err.Error()}
	}
	return httpx.Check{Status: httpx.Healthy, Detail: "the database answers"}
}

// completeness is how much of what is published in an hour its row counts: 1 unless the hour is dirty.
func completeness(h event.HourState) float64 {
	if h.Version <= 0 {
		return 1
	}
	return min(1, float64(h.Built)/float64(h.Version))
}
