package app

import (
	"cmp"
	"context"
	"os"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch"
	"github.com/hxp-enterprise/hxp/internal/ingest"
	"github.com/hxp-enterprise/hxp/internal/ingest/host"
	"github.com/hxp-enterprise/hxp/internal/ingest/prom"
	"github.com/hxp-enterprise/hxp/internal/ingest/scrape"
	"github.com/hxp-enterprise/hxp/internal/kit/conf"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
)

// metricSources says what the way in of system metrics reads.
type metricSources struct {
	targets []scrape.Target
	names   []prom.Name
	limits  scrape.Config
	host    host.Config
}

func (c *Config) metricSources() metricSources {
	return metricSources{c.scrapeTargets(), c.KafkaAPI.MetricNames, c.KafkaAPI.Metrics, c.KafkaAPI.Host}
}

// scrapeTargets are those of the list, and the two systems around hxp that have settings of their own. They may serve no
// metrics at all, so they stand aside.
func (c *Config) scrapeTargets() []scrape.Target {
	list := slices.Clone(c.KafkaAPI.Scrape)
	for _, e := range c.scrapeEndpoints() {
		if e.url != "" && !slices.ContainsFunc(list, func(t scrape.Target) bool { return t.URL == e.url || t.Name == e.name }) {
			list = append(list, scrape.Target{Name: e.name, URL: e.url, Interval: 15 * time.Second, Timeout: 10 * time.Second, Aside: true})
		}
	}
	return list
}

type endpoint struct{ name, path, url string }

func (c *Config) scrapeEndpoints() []endpoint {
	m := c.KafkaAPI.Monitoring
	return []endpoint{
		{"custom_metrics", "kafka-api.monitoring.custom_metrics_endpoint", m.CustomEndpoint},
		{"api_gateway", "kafka-api.monitoring.api_gateway_endpoint", m.GatewayEndpoint},
	}
}

// checkMetrics finds what is wrong between scrape targets, and with the Prometheus that is asked.
func (c *Config) checkMetrics(t *conf.Tree) []conf.Fault {
	var faults []conf.Fault
	if err := scrape.CheckTargets(c.KafkaAPI.Scrape); err != nil {
		faults = append(faults, t.NewFault("scrape", "%v", err))
	}
	for _, e := range c.scrapeEndpoints() {
		if err := (scrape.Target{Name: e.name, URL: e.url}).Validate(); e.url != "" && err != nil {
			faults = append(faults, t.NewFault(e.path, "%v", err))
		}
	}
	if _, err := c.metricServer(); err != nil {
		faults = append(faults, t.NewFault("monitoring.metrics_server_endpoint", "%v", err))
	}
	return faults
}

// metricServer is the Prometheus that the batch service asks, nil where none is named.
func (c *Config) metricServer() (*batch.MetricServer, error) {
	if c.Batch.Monitoring.MetricsEndpoint == "" {
		return nil, nil
	}
	return batch.NewMetricServer(c.Batch.Monitoring.MetricsEndpoint)
}

// openMetrics makes the scraper, which begins to read when its own part starts, and what receives remote writes.
func (s *system) openMetrics() *scrape.Scraper {
	m := s.set.metrics
	sc := scrape.New(m.limits, m.targets, m.names, scrape.Options{
		Intake: s.ingest, Hostname: hostname(), Version: Version, Log: s.log.With("service", KafkaAPI), Registry: s.registry(KafkaAPI),
	})
	s.ingest.RemoteWrite = prom.NewReceiver(prom.NewNames(m.names), 10*m.limits.MaxSeries, prom.Limits{Events: ingest.MaxWriteEvents, Metrics: m.limits.MaxMetrics})
	s.mu.Lock()
	s.scraper = sc
	s.mu.Unlock()
	return sc
}

// hostname is what this machine is called in events.
func hostname() string {
	name, _ := os.Hostname()
	return cmp.Or(name, "localhost")
}

// buildHost measures this machine: the file systems are that of the system and that of the data.
func (s *system) buildHost(context.Context) (run.Service, error) {
	return host.New(s.set.metrics.host, host.Options{
		Intake: s.ingest, Hostname: hostname(), Folders: []string{"/", s.set.dataDir}, Log: s.log.With("service", KafkaAPI), Registry: s.registry(KafkaAPI),
	}), nil
}

func (s *system) buildScrape(context.Context) (run.Service, error) { return s.scraper, nil }
