package retention

import (
	"context"
	"sync/atomic"

	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// metrics shows how retention goes.
type metrics struct {
	s                  *Service
	plans              *telemetry.CounterVec
	refused            *telemetry.CounterVec
	removed, bytes     *telemetry.CounterVec
	usage              *telemetry.Desc
	lakeBytes, archive atomic.Int64 // as of the last look
	measured           atomic.Bool
}

func newMetrics(s *Service, r *telemetry.Registry) *metrics {
	m := &metrics{s: s,
		plans:   r.CounterVec("data_retention_plans_total", "plans of retention that ended, by how: done, failed, refused", "outcome"),
		refused: r.CounterVec("data_retention_refused_total", "periods and plans that were not let go, by why", "code"),
		removed: r.CounterVec("data_retention_objects_total", "objects that left, by class", "class"),
		bytes:   r.CounterVec("data_retention_bytes_total", "bytes of the objects that left, by class", "class"),
		usage:   telemetry.NewDesc("data_retention_storage_usage", "used share of the storage of lake and archive: of the fuller file system, or of data_retention.storage_budget_bytes"),
	}
	for _, outcome := range []string{Done, Failed, "refused"} {
		m.plans.WithLabelValues(outcome)
	}
	r.Register(m)
	return m
}

// ended counts a plan.
func (m *metrics) ended(p *Plan) {
	outcome := p.State
	if p.stopped() != "" {
		outcome = "refused"
	}
	m.plans.WithLabelValues(outcome).Inc()
	for i := range p.Refused {
		m.refused.WithLabelValues(p.Refused[i].Code).Inc()
	}
	for i := range p.Items {
		if it := &p.Items[i]; it.Action != Keep {
			m.removed.WithLabelValues(it.Class).Inc()
			m.bytes.WithLabelValues(it.Class).Add(float64(it.Bytes))
		}
	}
}

// measure looks how much is stored, when that is held to a budget.
func (m *metrics) measure(ctx context.Context) error {
	if m.s.settings().BudgetBytes == 0 {
		return nil
	}
	lake, archive, err := m.s.deps.Retired.StoredBytes(ctx)
	if err == nil {
		m.lakeBytes.Store(lake)
		m.archive.Store(archive)
		m.measured.Store(true)
	}
	return err
}

// used is the share in use; known is false where nobody can tell.
func (m *metrics) used() (share float64, known bool) {
	if budget := m.s.settings().BudgetBytes; budget > 0 {
		return min(1, float64(m.lakeBytes.Load()+m.archive.Load())/float64(budget)), m.measured.Load()
	}
	if m.s.deps.Usage == nil {
		return 0, false
	}
	return m.s.deps.Usage()
}

// Describe implements telemetry.Collector.
func (m *metrics) Describe(out chan<- *telemetry.Desc) { out <- m.usage }

// Collect implements telemetry.Collector.
func (m *metrics) Collect(out chan<- telemetry.Metric) {
	if used, known := m.used(); known {
		out <- telemetry.Const(m.usage, telemetry.GaugeValue, used)
	}
}
