package batch

import (
	"context"
	"fmt"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
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

// check is degraded while the last report of a type has failed: what was made before can still be read.
func (p *reporter) check(context.Context) httpx.Check {
	var failed []string
	for _, k := range report.Kinds {
		if p.state(k) == "failed" {
			failed = append(failed, string(k))
		}
	}
	if len(failed) > 0 {
		return httpx.Check{Status: httpx.Degraded, Detail: fmt.Sprintf("the last report failed of %s; GET /reports/list says why", strings.Join(failed, ", "))}
	}
	return httpx.Check{Status: httpx.Healthy, Detail: "the last report of each type is done, or there is none"}
}
