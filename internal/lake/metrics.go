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
}

func newMetrics(reg *telemetry.Registry) *metrics {
	return &metrics{
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
	}
}

func (m *metrics) published(c *claim) {
	topic := c.tp.Topic
	for i := range c.files {
		m.rows.WithLabelValues(topic).Add(float64(c.files[i].Rows))
		m.bytes.WithLabelValues(topic).Add(float64(c.files[i].Bytes))
	}
	m.files.WithLabelValues(topic).Add(float64(len(c.files)))
}
