package app

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/conf"
	"github.com/hxp-enterprise/hxp/internal/serve/dashboard"
)

// share lets all files have what one of them says of the brokers and of the systems around, since one process talks to one of
// each; files that contradict each other are at fault.
func (c *Config) share(t *conf.Tree) []conf.Fault {
	var faults []conf.Fault
	shared := t.Shared()
	for _, key := range slices.Sorted(maps.Keys(shared)) {
		paths := shared[key]
		if section, _, _ := strings.Cut(key, "."); section != "kafka" && section != "monitoring" {
			continue
		}
		source := ""
		for _, p := range paths {
			switch {
			case !t.IsSet(p):
			case source == "":
				source = p
			case !t.Equal(source, p):
				faults = append(faults, t.NewFault(p, "differs from %s; the services of one process share it, so write it in one file", t.Where(source)))
			}
		}
		if source == "" {
			continue
		}
		for _, p := range paths {
			if !t.IsSet(p) {
				t.Copy(source, p)
			}
		}
	}
	return faults
}

// listener is one place where strangers may knock.
type listener struct {
	name           string
	host, hostPath string
	port           int
	portPath       string
	hostFollows    string // path of the host it shares; "" = its own
}

// listeners lists every HTTP service and dashboard.
func (c *Config) listeners() []listener {
	d, boards := c.DataStreaming.Service.Host, c.DataStreaming.Dashboards
	const at = "data-streaming-api.service.host"
	return []listener{
		{KafkaAPI, c.KafkaAPI.Service.Host, "kafka-api.service.host", c.KafkaAPI.Service.Port, "kafka-api.service.port", ""},
		{EventProcessingAPI, c.EventProcessing.Service.Host, "event-processing-api.service.host", c.EventProcessing.Service.Port, "event-processing-api.service.port", ""},
		{BatchProcessingAPI, c.Batch.Service.Host, "service.host", c.Batch.Service.Port, "service.port", ""},
		{DataStreamingAPI, d, at, c.DataStreaming.Service.Port, "data-streaming-api.service.port", ""},
		{Scheduler, c.Batch.Airflow.WebserverHost, "airflow.webserver_host", c.Batch.Airflow.WebserverPort, "airflow.webserver_port", ""},
		{"operations", d, at, boards.OperationsPort, "dashboards.operations_port", at},
		{"business", d, at, boards.BusinessPort, "dashboards.business_port", at},
		{"performance", d, at, boards.PerformancePort, "dashboards.performance_port", at},
		{"system", d, at, boards.SystemPort, "dashboards.system_port", at},
	}
}

// check finds what is wrong between settings of different rooms.
func (c *Config) check(t *conf.Tree) []conf.Fault {
	faults := c.checkDoors(t)
	faults = append(faults, c.checkPorts(t)...)
	faults = append(faults, c.checkDatabase(t)...)
	faults = append(faults, c.checkKafka(t)...)
	faults = append(faults, c.checkMetrics(t)...)
	faults = append(faults, c.checkOTLP(t)...)
	faults = append(faults, c.checkTelemetry(t)...)
	if _, err := c.Batch.Lake.LocalDir(c.DataDir); err != nil {
		faults = append(faults, t.NewFault("lake.url", "%v", err))
	}
	for _, name := range c.Hosts {
		if name == "" || strings.ContainsAny(name, ":/* ") {
			faults = append(faults, t.NewFault("allowed_hosts", "%q is not the name of a host; write it without scheme and port, as in hxp.example", name))
		}
	}
	if _, err := c.webhookNets(); err != nil {
		faults = append(faults, t.NewFault("webhook_allow", "%v", err))
	}
	if u := c.DataStreaming.Dashboards.TraceURL; u != "" {
		if err := dashboard.CheckTraceURL(u); err != nil {
			faults = append(faults, t.NewFault("dashboards.trace_url", "%v", err))
		}
	}
	if c.DataDir == "" {
		faults = append(faults, t.NewFault("data_dir", "name a folder"))
	}
	return faults
}

// webhookNets are the private networks that webhooks of reports may reach.
func (c *Config) webhookNets() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range c.WebhookNets {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%q is no network such as 10.0.0.0/8", text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// checkDoors refuses addresses that strangers reach while nobody has to say who he is.
func (c *Config) checkDoors(t *conf.Tree) []conf.Fault {
	if c.Insecure {
		return nil
	}
	var faults []conf.Fault
	refuse := func(path, addr string) {
		faults = append(faults, t.NewFault(path, openDoor, addr))
	}
	if c.TokensFile != "" { // whoever comes is asked who he is
		return c.checkBrokerDoor(t)
	}
	if !loopback(c.Bind) {
		refuse("bind", c.Bind) // the services follow it, and one line is enough
	}
	for _, l := range c.listeners() {
		if l.hostFollows == "" && !loopback(l.host) {
			refuse(l.hostPath, l.host)
		}
	}
	return append(faults, c.checkBrokerDoor(t)...)
}

// openDoor is what is wrong with an address that strangers reach.
const openDoor = "%s lets the whole network in, and authentication is off; use 127.0.0.1, name a file of tokens (HXP_AUTH_TOKENS_FILE), or say --insecure (HXP_INSECURE=true) to serve everybody"

// checkBrokerDoor is checkDoors for the embedded broker, which has users of its own.
func (c *Config) checkBrokerDoor(t *conf.Tree) (faults []conf.Fault) {
	if c.Broker != "embedded" || !t.IsSet("kafka.bootstrap_servers") || c.knowsClients() {
		return nil
	}
	for _, addr := range c.KafkaAPI.Kafka.Bootstrap {
		if host, _, err := net.SplitHostPort(addr); err == nil && !loopback(host) {
			faults = append(faults, t.NewFault("kafka.bootstrap_servers", "%s lets the whole network in, and the embedded broker asks nobody who he is; use 127.0.0.1, let it ask its clients (embedded_broker), or say --insecure (HXP_INSECURE=true) to serve everybody", addr))
		}
	}
	return faults
}

// loopback tells whether only this machine reaches an address.
func loopback(host string) bool {
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// checkPorts refuses one port for two services.
func (c *Config) checkPorts(t *conf.Tree) []conf.Fault {
	var faults []conf.Fault
	taken := map[int]listener{}
	for _, l := range c.listeners() {
		first, ok := taken[l.port]
		switch {
		case l.port == 0:
		case !ok:
			taken[l.port] = l
		case t.IsSet(l.portPath) || !t.IsSet(first.portPath):
			faults = append(faults, t.NewFault(l.portPath, "port %d is already that of %s", l.port, first.name))
		default:
			faults = append(faults, t.NewFault(first.portPath, "port %d is already that of %s", l.port, l.name))
		}
	}
	return faults
}

// doubt warns of what is allowed and probably not meant.
func (c *Config) doubt(t *conf.Tree) {
	c.doubtDatabase(t)
	c.doubtKafka(t)
	if t.IsSet("kafka.auto_commit") && c.Batch.Kafka.AutoCommit {
		t.Warn("kafka.auto_commit", "positions are committed only after what they cover is durable, never by time alone")
	}
	if r := c.Batch.Retention; r.RawDays > r.AggregatedDays {
		t.Warn("data_retention.raw_data_days", "raw events would stay %d days, longer than the %d days of their aggregates", r.RawDays, r.AggregatedDays)
	}
	if c.Insecure && c.TokensFile == "" && (!loopback(c.Bind) || slices.ContainsFunc(c.listeners(), func(l listener) bool { return !loopback(l.host) })) {
		t.Warn("insecure", "everybody on the network can read and write")
	}
	for i, gb := range c.memoryGB() {
		if gb > 0 && gb < 0.1 {
			t.Warn(performancePaths[i]+"memory_limit_gb", "%v GiB is less than an idle hxp takes; the limit is in GiB", gb)
		}
	}
}

// performancePaths are the sections performance in the order of memoryGB and cpuCores.
var performancePaths = []string{"kafka-api.performance.", "event-processing-api.performance.", "data-streaming-api.performance.", "performance."}

func (c *Config) memoryGB() []float64 {
	return []float64{c.KafkaAPI.Performance.MemoryGB, c.EventProcessing.Performance.MemoryGB, c.DataStreaming.Performance.MemoryGB, c.Batch.Performance.MemoryGB}
}

func (c *Config) cpuCores() []int {
	return []int{c.KafkaAPI.Performance.CPUCores, c.EventProcessing.Performance.CPUCores, c.DataStreaming.Performance.CPUCores, c.Batch.Performance.CPUCores}
}

func (c *Config) logLevels() []string {
	return []string{c.KafkaAPI.Performance.LogLevel, c.EventProcessing.Performance.LogLevel, c.DataStreaming.Performance.LogLevel, c.Batch.Performance.LogLevel}
}
