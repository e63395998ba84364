package app

import (
	"log/slog"
	"net"
	"strconv"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/kit/conf"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// derive gives rooms the values that another room's setting decides.
func (c *Config) derive(t *conf.Tree) {
	c.KafkaAPI.Ingest.Timeout = c.EventProcessing.Limits.Timeout
	c.Batch.Lake.Group = c.Batch.Kafka.ConsumerGroup
	c.Batch.Lake.Future = c.EventProcessing.Stream.Future
	c.EventProcessing.Stream.Events, c.Batch.Lake.Events = c.KafkaAPI.Ingest.Event, c.KafkaAPI.Ingest.Event
	if t.IsSet("kafka.max_poll_records") {
		c.Batch.Lake.MaxPoll = c.Batch.Kafka.MaxPollRecords
	}
	if every := c.Batch.Kafka.AutoCommitEvery; t.IsSet("kafka.auto_commit_interval_ms") && every < c.Batch.Lake.PublishInterval {
		t.Copy("kafka.auto_commit_interval_ms", "lake.publish_interval")
	}
	if c.Batch.Service.Workers > 0 && !t.IsSet("batch_processing.workers") {
		t.Copy("service.workers", "batch_processing.workers")
	}
	if t.IsSet("event_processing.future_tolerance") && !t.IsSet("ingest.max_future") {
		t.Copy("event_processing.future_tolerance", "ingest.max_future")
	}
	if t.IsSet("log_level") {
		return
	}
	best := slog.LevelError + 1
	for i, name := range c.logLevels() {
		if l, err := telemetry.ParseLevel(name); err == nil && l < best && t.IsSet(performancePaths[i]+"log_level") {
			best = l
			t.Copy(performancePaths[i]+"log_level", "log_level")
		}
	}
}

// Bus is what the process knows of the brokers; all four files agree on it.
func (c *Config) Bus() bus.Config { return c.KafkaAPI.Kafka }

// Addr is host:port on which a service or dashboard listens; "" when it is neither.
func (c *Config) Addr(name string) string {
	for _, l := range c.listeners() {
		if l.name == name {
			return net.JoinHostPort(l.host, strconv.Itoa(l.port))
		}
	}
	return ""
}

// Ports are the ports of all services and dashboards by name.
func (c *Config) Ports() map[string]int {
	ports := map[string]int{}
	for _, l := range c.listeners() {
		ports[l.name] = l.port
	}
	return ports
}

// Limits are the soft memory limit in bytes and the cores of a process that runs the named services (nil: all of them): the
// sums over those that have a limit, 0 for none.
func (c *Config) Limits(services []string) (memoryBytes int64, cores int) {
	owners := [][]string{{KafkaAPI, Broker}, {EventProcessingAPI, Stream}, {DataStreamingAPI, Dashboards}, {BatchProcessingAPI, Batch, Lake, Scheduler}}
	memory, cpus := c.memoryGB(), c.cpuCores()
	for i, names := range owners {
		if services != nil && !overlap(services, names) {
			continue
		}
		memoryBytes += int64(memory[i] * (1 << 30))
		cores += cpus[i]
	}
	return memoryBytes, cores
}

func overlap(a, b []string) bool {
	for _, x := range a {
		for _, y := range b {
			if x == y {
				return true
			}
		}
	}
	return false
}
