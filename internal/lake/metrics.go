package lake

import "github.com/hxp-enterprise/hxp/internal/kit/telemetry"

type metrics struct {
	rows      *telemetry.CounterVec // topic
	skipped   *telemetry.CounterVec // topic, code
	files     *telemetry.CounterVec // topic
	bytes     *telemetry.CounterVec // topic
	lost      *telemetry.CounterVec // topic
	races     telemetry.Counter
	failures  telemetry.Counter
	swept     telemetry.Counter
	publishes telemetry.Histogram
	buffered  telemetry.Gauge

	loose       telemetry.Gauge
	compactions *telemetry.CounterVec // outcome
	compactRows telemetry.Counter
	copies      telemetry.Counter
	compactTime telemetry.Histogram
	dropped     telemetry.Counter
}

// newMetrics shows the topics from the start, so that their first events are growth for who looks at it: rules do not ring over a lake that takes them.
func newMetrics(reg *telemetry.Registry, topics ...string) *metrics {
	m := &metrics{
		rows:      reg.CounterVec("lake_rows_total", "Events published in the lake.", "topic"),
		skipped:   reg.CounterVec("lake_skipped_total", "Records that are no valid event, by the code of the fault; the dead letters hold them.", "topic", "code"),
		files:     reg.CounterVec("lake_files_total", "Parquet files published.", "topic"),
		bytes:     reg.CounterVec("lake_bytes_total", "Bytes of Parquet files published.", "topic"),
		lost:      reg.CounterVec("lake_gap_offsets_total", "Offsets that the log no longer held when the lake came to read them.", "topic"),
		races:     reg.Counter("lake_publish_races_total", "Ranges that another owner published first."),
		failures:  reg.Counter("lake_failures_total", "Times that the lake had to begin again from the manifest."),
		swept:     reg.Counter("lake_orphans_removed_total", "Files removed that the manifest did not name."),
		publishes: reg.Histogram("lake_publish_seconds", "Time to write, verify and publish what was buffered.", nil),
		buffered:  reg.Gauge("lake_buffered_bytes", "Memory in use by events that are not published yet."),

		loose:       reg.Gauge("lake_loose_folders", "Hours that have ended and have changed since they were compacted."),
		compactions: reg.CounterVec("lake_compactions_total", "Hours compacted, by outcome: done, lost to another, failed.", "outcome"),
		compactRows: reg.Counter("lake_compacted_rows_total", "Rows that compactions read."),
		copies:      reg.Counter("lake_compacted_copies_total", "Rows that compactions dropped because the same event was there already."),
		compactTime: reg.Histogram("lake_compact_seconds", "Time to compact an hour.", nil),
		dropped:     reg.Counter("lake_superseded_removed_total", "Files removed after they had been compacted and the grace was over."),
	}
	for _, topic := range topics {
		for _, of := range []*telemetry.CounterVec{m.rows, m.files, m.bytes, m.lost} {
			of.WithLabelValues(topic)
		}
	}
	return m
}

func (m *metrics) published(c *claim) {
	topic := c.tp.Topic
	for i := range c.files {
		m.rows.WithLabelValues(topic).Add(float64(c.files[i].Rows))
		m.bytes.WithLabelValues(topic).Add(float64(c.files[i].Bytes))
	}
	m.files.WithLabelValues(topic).Add(float64(len(c.files)))
}

func (m *metrics) compacted(c Compacted, err error) {
	switch {
	case err != nil:
		m.compactions.WithLabelValues("failed").Inc()
	case c.Lost:
		m.compactions.WithLabelValues("lost").Inc()
	default:
		m.compactions.WithLabelValues("done").Inc()
		m.compactRows.Add(float64(c.RowsBefore))
		m.copies.Add(float64(c.RowsBefore - c.RowsAfter))
		m.compactTime.Observe(c.Took.Seconds())
	}
}
