package batch

import (
	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// reportMetrics shows how the last report of each type went, in the numbers that all states of the batch have.
type reportMetrics struct {
	p      *reporter
	status *telemetry.Desc
}

func (p *reporter) register(r *telemetry.Registry) {
	r.Register(&reportMetrics{p, telemetry.NewDesc("report_generation_status", "the last report of a type: 1 completed, 2 running, 0 scheduled, -1 failed, -2 disabled", "report_type")})
}

// Describe implements telemetry.Collector.
func (m *reportMetrics) Describe(out chan<- *telemetry.Desc) { out <- m.status }

// Collect implements telemetry.Collector. It reads memory only.
func (m *reportMetrics) Collect(out chan<- telemetry.Metric) {
	for _, k := range report.Kinds {
		out <- telemetry.Const(m.status, telemetry.GaugeValue, statusNumber[m.p.state(k)], string(k))
	}
}
