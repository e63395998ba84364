package telemetry

import (
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
)

// The types of metrics, so that rooms need not import the Prometheus client.
type (
	Counter      = prometheus.Counter
	CounterVec   = prometheus.CounterVec
	Gauge        = prometheus.Gauge
	GaugeVec     = prometheus.GaugeVec
	Histogram    = prometheus.Histogram
	HistogramVec = prometheus.HistogramVec
	Observer     = prometheus.Observer
	Collector    = prometheus.Collector
	Desc         = prometheus.Desc
	Metric       = prometheus.Metric
	Labels       = prometheus.Labels
)

// Kinds of values for Const.
const (
	CounterValue = prometheus.CounterValue
	GaugeValue   = prometheus.GaugeValue
)

// NewDesc describes a metric of a Collector.
func NewDesc(name, help string, labels ...string) *Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// Const is one sample of a Collector.
func Const(d *Desc, kind prometheus.ValueType, v float64, labels ...string) Metric {
	return prometheus.MustNewConstMetric(d, kind, v, labels...)
}

// Registry holds metrics. A nil Registry is allowed everywhere: its metrics work and nobody reads them.
type Registry struct {
	own     *prometheus.Registry
	process *prometheus.Registry // that of the root, with Go and process collectors: every view shows it
	all     prometheus.Gatherers // root: own and that of every view
	root    *Registry
	tracer  *Tracer // of the root
}

// UseTracer has the process trace what it does. Call it while wiring, before services are built.
func (r *Registry) UseTracer(t *Tracer) { r.root.tracer = t }

// Tracer makes spans; nil, which makes none, where nothing is traced.
func (r *Registry) Tracer() *Tracer {
	if r == nil {
		return nil
	}
	return r.root.tracer
}

// NewRegistry makes the registry of a process, with Go and process metrics.
func NewRegistry() *Registry {
	r := &Registry{own: prometheus.NewRegistry()}
	r.process = r.own
	r.process.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.all = prometheus.Gatherers{r.own}
	r.root = r
	return r
}

// Service makes the part of the registry that belongs to one service: Handler of it shows what was registered through
// the root, which is of the whole process, and through it; Handler of the root shows everything. Call it while wiring, before anyone scrapes.
func (r *Registry) Service() *Registry {
	if r == nil {
		return nil
	}
	v := &Registry{own: prometheus.NewRegistry(), process: r.process, root: r.root}
	v.all = prometheus.Gatherers{r.process, v.own}
	r.root.all = append(r.root.all, v.own)
	return v
}

// Handler serves the metrics in the formats of Prometheus.
func (r *Registry) Handler() http.Handler {
	if r == nil {
		return http.NotFoundHandler()
	}
	// The gatherers are read at each scrape, so that services made later are seen.
	g := prometheus.GathererFunc(r.gather)
	return promhttp.HandlerFor(g, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 8})
}

// Sum adds up the samples of a counter or gauge over all its labels; false when there is none. For tests and status pages.
func (r *Registry) Sum(name string) (float64, bool) {
	if r == nil {
		return 0, false
	}
	families, _ := r.gather()
	sum, found := 0.0, false
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum, found = sum+m.GetCounter().GetValue()+m.GetGauge().GetValue(), true
		}
	}
	return sum, found
}

// Describe tells of all metrics that were registered, also of those without samples. The root tells of all its services.
func (r *Registry) Describe(out chan<- *Desc) {
	for _, g := range r.all {
		if own, ok := g.(Collector); ok && (own != Collector(r.process) || r == r.root) {
			own.Describe(out)
		}
	}
}

// Register adds a collector of one's own. The same collector twice is no mistake.
func (r *Registry) Register(c Collector) { register(r, c) }

// register returns what is registered under that name: c, or the equal one that came before it.
func register[C Collector](r *Registry, c C) C {
	if r == nil {
		return c
	}
	err := r.own.Register(c)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if old, ok := already.ExistingCollector.(C); ok {
			return old
		}
	}
	if err != nil {
		panic(err) // two metrics of one name and different shape: a mistake of the program
	}
	return c
}

// Counter makes a number that only grows. Its name ends in _total.
func (r *Registry) Counter(name, help string) Counter {
	return register(r, prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help}))
}

// CounterVec is Counter with labels, whose values must come from closed lists.
func (r *Registry) CounterVec(name, help string, labels ...string) *CounterVec {
	return register(r, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels))
}

// CounterFunc asks for its value at each scrape; f must be quick and safe for concurrent use.
func (r *Registry) CounterFunc(name, help string, f func() float64) {
	register(r, prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, f))
}

// Gauge makes a number that rises and falls.
func (r *Registry) Gauge(name, help string) Gauge {
	return register(r, prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help}))
}

// GaugeVec is Gauge with labels, whose values must come from closed lists.
func (r *Registry) GaugeVec(name, help string, labels ...string) *GaugeVec {
	return register(r, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels))
}

// GaugeFunc asks for its value at each scrape; f must be quick and safe for concurrent use.
func (r *Registry) GaugeFunc(name, help string, f func() float64) {
	register(r, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f))
}

// Histogram counts values by size. nil buckets are Seconds.
func (r *Registry) Histogram(name, help string, buckets []float64) Histogram {
	return register(r, prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: orSeconds(buckets)}))
}

// HistogramVec is Histogram with labels, whose values must come from closed lists.
func (r *Registry) HistogramVec(name, help string, buckets []float64, labels ...string) *HistogramVec {
	return register(r, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: orSeconds(buckets)}, labels))
}

// Seconds are bucket bounds for durations in seconds from 0.1 ms to 10 s.
var Seconds = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

func orSeconds(b []float64) []float64 {
	if b == nil {
		return Seconds
	}
	return b
}

func (r *Registry) gather() ([]*dto.MetricFamily, error) { return r.all.Gather() }
