package batch

import (
	"context"
	"fmt"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Aggregation is the health check of the folds: not ok, with the reason, while hours cannot be folded.
func (s *Service) Aggregation(context.Context) (ok bool, detail string) {
	hours, why := s.book.failures()
	if len(hours) > 0 {
		return false, fmt.Sprintf("%d hours cannot be aggregated, the first is %s: %s", len(hours), hourName(hours[0]), why)
	}
	dirty, _ := s.book.levels()
	return true, fmt.Sprintf("hourly aggregation is %s, %d hours wait", s.state("hourly"), dirty)
}

// Tables is the health check of the database: not ok when it does not answer.
func (s *Service) Tables(ctx context.Context) (ok bool, detail string) {
	if _, err := s.deps.Hours.HourBuild(ctx, 0); err != nil {
		return false, err.Error()
	}
	return true, "the database answers"
}

// completeness is how much of what is published in an hour its row counts: 1 unless the hour is dirty.
func completeness(h event.HourState) float64 {
	if h.Version <= 0 {
		return 1
	}
	return min(1, float64(h.Built)/float64(h.Version))
}
