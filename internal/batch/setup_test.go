package batch

import (
	"testing"
	"time"
)

// Another configuration holds at once: crons, switches and limits; what memory and columns were shared out by stays. A faulty one changes
// nothing.
func TestReconfigure(t *testing.T) {
	s, _ := newService(t, newWorld(), nil)
	cfg := Defaults()
	cfg.Processing.DailyCron, cfg.Processing.Timezone, cfg.Processing.Retries = "7 3 * * *", "Europe/Berlin", 9
	cfg.Aggregation.Intervals.Weekly, cfg.Aggregation.Metrics, cfg.Processing.Workers = false, nil, 5
	if err := s.Reconfigure(cfg); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if got, want := s.dag("hxp_daily_aggregation").next(now), time.Date(2026, 3, 2, 2, 7, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("next run %s, want %s", got, want)
	}
	if s.cfg().Aggregation.enabled("weekly") || !s.cfg().Aggregation.enabled("daily") || s.cfg().Processing.Retries != 9 {
		t.Errorf("settings: %+v", s.cfg())
	}
	if was := Defaults(); s.cfg().Processing.Workers != was.Processing.Workers || len(s.cfg().Aggregation.Metrics) != len(was.Aggregation.Metrics) {
		t.Errorf("what is fixed: %d workers, metrics %v", s.cfg().Processing.Workers, s.cfg().Aggregation.Metrics)
	}
	cfg.Processing.HourlyCron, cfg.Processing.Retries = "whenever", 1
	if err := s.Reconfigure(cfg); err == nil || s.cfg().Processing.Retries != 9 {
		t.Errorf("a faulty one: %v, retries %d", err, s.cfg().Processing.Retries)
	}
}
