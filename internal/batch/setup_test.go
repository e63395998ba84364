package batch

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/cost"
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

// What was worked out under one configuration is not told under another.
func TestReconfigureForgetsAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.publish(hour0, request("1", "a", 0))
		rented := func(usd float64) []cost.Pool {
			return []cost.Pool{{Name: "p", Models: []string{"a"}, GPUs: 1, GPUHourUSD: usd, PUE: 1, OutputWeight: 4}}
		}
		s, _ := newService(t, w, func(c *Config) { c.Costs.SelfHosted = rented(2) })
		from := time.Unix(hour0, 0).UTC()
		s.now = func() time.Time { return from.Add(time.Hour) }
		for _, usd := range []float64{2, 3} {
			cfg := *s.cfg()
			cfg.Costs.SelfHosted = rented(usd)
			if err := s.Reconfigure(cfg); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				got, err := s.costTable(t.Context(), &costQuery{from: from, to: from.Add(time.Hour), own: true})
				if err != nil {
					t.Fatal(err)
				}
				if spent := got.Pools[0].CapitalUSD; spent.Float() != usd {
					t.Errorf("the hour of the pool costs %v, want %v", spent.Float(), usd)
				}
			}
		}
	})
}
