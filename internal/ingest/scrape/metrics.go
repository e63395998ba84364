package scrape

import (
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// collector shows the targets as metrics. It asks them when it is asked, so that a target that was taken out leaves nothing
// behind; the values of the label target come from the configuration.
type collector struct {
	scraper *Scraper

	up, duration, series, success, events, failures, dropped, resets *telemetry.Desc
}

func newCollector(s *Scraper) *collector {
	return &collector{
		scraper:  s,
		up:       telemetry.NewDesc("scrape_up", "1 when the last reading of the target was good.", "target"),
		duration: telemetry.NewDesc("scrape_duration_seconds", "Time of the last reading of the target.", "target"),
		series:   telemetry.NewDesc("scrape_series", "Series of the last reading of the target.", "target"),
		success:  telemetry.NewDesc("scrape_last_success_timestamp_seconds", "When a reading of the target was good last.", "target"),
		events:   telemetry.NewDesc("scrape_events_total", "Events written of the target.", "target"),
		failures: telemetry.NewDesc("scrape_failures_total", "Readings that failed, by reason.", "target", "reason"),
		dropped:  telemetry.NewDesc("scrape_dropped_total", "Numbers of readings that are in no event, by cause.", "target", "cause"),
		resets:   telemetry.NewDesc("scrape_counter_resets_total", "Counters of the target that began again.", "target"),
	}
}

// Describe is part of telemetry.Collector.
func (c *collector) Describe(out chan<- *telemetry.Desc) {
	for _, d := range []*telemetry.Desc{c.up, c.duration, c.series, c.success, c.events, c.failures, c.dropped, c.resets} {
		out <- d
	}
}

// Collect is part of telemetry.Collector.
func (c *collector) Collect(out chan<- telemetry.Metric) {
	for _, t := range c.scraper.list() {
		t.mu.Lock()
		r := t.report
		r.failures, r.dropped = clone(r.failures), clone(r.dropped)
		t.mu.Unlock()
		gauge := func(d *telemetry.Desc, v float64) { out <- telemetry.Const(d, telemetry.GaugeValue, v, t.Name) }
		count := func(d *telemetry.Desc, n uint64, labels ...string) {
			out <- telemetry.Const(d, telemetry.CounterValue, float64(n), append([]string{t.Name}, labels...)...)
		}
		if !r.last.IsZero() {
			up := 0.0
			if r.reason == "" || r.reason == reasonWrite {
				up = 1
			}
			gauge(c.up, up)
			gauge(c.duration, r.duration.Seconds())
			gauge(c.series, float64(r.stats.Samples))
		}
		if !r.success.IsZero() {
			gauge(c.success, float64(r.success.UnixMilli())/1000)
		}
		count(c.events, r.total)
		count(c.resets, r.resets)
		for _, reason := range reasons {
			count(c.failures, r.failures[reason], reason)
		}
		for _, cause := range causes {
			count(c.dropped, r.dropped[cause], cause)
		}
	}
}
