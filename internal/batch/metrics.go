package batch

import "github.com/hxp-enterprise/hxp/internal/kit/telemetry"

// metrics shows the book to Prometheus. The names are those that operators' rules and dashboards ask for.
type metrics struct {
	s                                    *Service
	success, completion, accuracy, dirty *telemetry.Desc
	duration                             *telemetry.Desc
	status                               map[string]*telemetry.Desc
}

var periods = [...]string{"hourly", "daily", "weekly", "monthly"}

func (s *Service) register(r *telemetry.Registry) {
	m := &metrics{
		s:          s,
		success:    telemetry.NewDesc("batch_processing_success_rate", "share of the batch work that ended in the last 24 h and succeeded; 1 when nothing ended"),
		completion: telemetry.NewDesc("batch_processing_completion_rate", "share of the batch work due in the last 24 h that is done; 1 when nothing was due"),
		duration:   telemetry.NewDesc("batch_processing_duration_seconds", "seconds that the last run of a DAG took", "dag_id"),
		accuracy:   telemetry.NewDesc("data_aggregation_accuracy_ratio", "share of the hourly rows recounted from raw events in the last 24 h that were found as stored; 1 when none was"),
		dirty:      telemetry.NewDesc("data_aggregation_dirty_periods", "ended hours with data that their aggregate does not count yet"),
		status:     map[string]*telemetry.Desc{},
	}
	for _, p := range periods {
		m.status[p] = telemetry.NewDesc("data_aggregation_"+p+"_status", "1 completed, 2 running, 0 scheduled, -1 failed, -2 disabled")
	}
	r.Register(m)
}

// Describe implements telemetry.Collector.
func (m *metrics) Describe(out chan<- *telemetry.Desc) {
	for _, d := range []*telemetry.Desc{m.success, m.completion, m.duration, m.accuracy, m.dirty} {
		out <- d
	}
	for _, d := range m.status {
		out <- d
	}
}

// Collect implements telemetry.Collector. It reads memory alone.
func (m *metrics) Collect(out chan<- telemetry.Metric) {
	gauge := func(d *telemetry.Desc, v float64, labels ...string) {
		out <- telemetry.Const(d, telemetry.GaugeValue, v, labels...)
	}
	success, completion := m.s.book.rates(m.s.now())
	accuracy, _ := m.s.book.accuracy(m.s.now())
	gauge(m.success, success)
	gauge(m.completion, completion)
	gauge(m.accuracy, accuracy)
	dirty, last := m.s.book.levels()
	gauge(m.dirty, float64(dirty))
	for _, d := range m.s.dags() {
		gauge(m.duration, last[d.id], d.id)
	}
	for _, p := range periods {
		gauge(m.status[p], statusNumber[m.s.state(p)])
	}
}

var statusNumber = map[string]float64{"completed": 1, "running": 2, "scheduled": 0, "failed": -1, "disabled": -2}

// state is the word for the aggregation of a period: completed, running, failed, scheduled or disabled.
func (s *Service) state(period string) string {
	if !s.cfg().Aggregation.enabled(period) {
		return "disabled"
	}
	return s.book.state(period)
}

// levels returns the number of dirty hours and the seconds of the last runs by DAG.
func (b *book) levels() (dirty int, last map[string]float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	last = make(map[string]float64, len(b.lastRun))
	for id, s := range b.lastRun {
		last[id] = s
	}
	return b.dirty, last
}
