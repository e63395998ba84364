package app

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"time"
)

// settle turns the configuration into what the parts are built from; note says in one line which broker was chosen and why,
// "" when there is nothing to say.
func (c *Config) settle(ctx context.Context, services []string) (set settings, note string, err error) {
	lakeDir, err := c.Batch.Lake.LocalDir(c.DataDir)
	if err == nil {
		err = c.readPrivacy()
	}
	if err != nil {
		return set, "", err
	}
	set = settings{
		dataDir: c.DataDir, addr: c.Addr, tls: c.TLS, tokensFile: c.TokensFile, sessionLife: c.SessionLife, most: c.maxConnections(), each: c.Each, hosts: c.Hosts, bus: c.Bus(), storeURL: c.StoreURL(), lakeDir: lakeDir, lake: c.Batch.Lake,
		stream: c.EventProcessing.Stream, alert: c.EventProcessing.Responses, batch: c.Batch.Config, retention: c.Batch.Retention, ingest: c.KafkaAPI.Ingest, serve: c.DataStreaming.Serve, findings: c.Batch.Business.Dashboards, notify: c.DataStreaming.Notify, traceURL: c.DataStreaming.Dashboards.TraceURL, broker: c.KafkaAPI.Broker,
		scheduler: c.scheduler(), metrics: c.metricSources(), rules: c.rules, prices: c.prices, timeout: c.EventProcessing.Limits.Timeout,
	}
	set.webhookNets, _ = c.webhookNets() // checked
	set.metricServer, _ = c.metricServer()
	if set.reports = c.Batch.ReportsDir; set.reports == "" {
		set.reports = filepath.Join(c.DataDir, "reports")
	}
	if set.retention.ArchivalPath == "" {
		set.retention.ArchivalPath = filepath.Join(c.DataDir, "archive")
	}
	set.embedded, note = c.embeds(ctx, services)
	set.broker.Dir = filepath.Join(c.DataDir, "broker")
	if set.embedded {
		set.broker.Addr = brokerAddr(set.bus.Bootstrap)
		if key, text := c.unfitForEmbedded(); text != "" {
			return set, "", fmt.Errorf("kafka.%s: %s", key, text)
		}
	}
	return set, note, nil
}

// brokerAddr is where an embedded broker listens: the one address that clients are told, on loopback.
func brokerAddr(bootstrap []string) string {
	host, port := "127.0.0.1", "9092"
	if len(bootstrap) > 0 {
		if h, p, err := net.SplitHostPort(bootstrap[0]); err == nil {
			host, port = h, p
		}
	}
	if host == "localhost" || host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// embeds decides between the embedded broker and an external one.
func (c *Config) embeds(ctx context.Context, services []string) (embedded bool, note string) {
	named := slices.Contains(services, Broker)
	switch c.Broker {
	case "embedded":
		return services == nil || named, ""
	case "external":
		return false, ""
	}
	if services != nil { // hxp run never embeds unless the broker is named
		return named, ""
	}
	servers := c.Bus().Bootstrap
	if len(servers) != 1 {
		return false, ""
	}
	host, port, err := net.SplitHostPort(servers[0])
	switch {
	case err != nil || !loopback(host):
		return false, ""
	case port == "0":
		return true, ""
	case c.Bus().Protocol != "PLAINTEXT": // somebody set a broker up with care; it is not replaced because it is late
		return false, ""
	}
	d := net.Dialer{Timeout: 300 * time.Millisecond}
	conn, err := d.DialContext(ctx, "tcp", servers[0])
	if err != nil {
		return true, "nobody answers at " + servers[0] + ": the broker is embedded (name one with KAFKA_BOOTSTRAP_SERVERS, or say HXP_BROKER=external)"
	}
	_ = conn.Close()
	return false, "using the Kafka broker that answers at " + servers[0] + " (HXP_BROKER=embedded would start one here)"
}

// maxConnections leaves a quarter of the file handles to the broker, the lake and the database.
func (c *Config) maxConnections() int {
	var handles syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &handles); err != nil {
		return c.Connections
	}
	return int(min(uint64(c.Connections), handles.Cur/4*3))
}

// roomyGC is GOGC where the memory is limited: then the heap may grow to three times of what is in use, which halves the collector's work, a
// fifteenth of all, and the limit still holds.
const roomyGC = 200

// limitProcess carries out the memory and core settings of the services that run here.
func limitProcess(c *Config, services []string) {
	memory, cores := c.Limits(services)
	limitMemory(memory)
	if cores > 0 {
		runtime.GOMAXPROCS(min(cores, runtime.NumCPU()))
	}
}

// limitMemory sets a soft limit in bytes; 0 is none.
func limitMemory(bytes int64) {
	if bytes <= 0 {
		return
	}
	debug.SetMemoryLimit(bytes)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(roomyGC)
	}
}
