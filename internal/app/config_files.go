package app

import (
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert"
	"github.com/hxp-enterprise/hxp/internal/alert/notify"
	"github.com/hxp-enterprise/hxp/internal/batch"
	"github.com/hxp-enterprise/hxp/internal/batch/retention"
	"github.com/hxp-enterprise/hxp/internal/broker"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/ingest"
	"github.com/hxp-enterprise/hxp/internal/ingest/host"
	"github.com/hxp-enterprise/hxp/internal/ingest/prom"
	"github.com/hxp-enterprise/hxp/internal/ingest/scrape"
	"github.com/hxp-enterprise/hxp/internal/lake"
	"github.com/hxp-enterprise/hxp/internal/serve"
	"github.com/hxp-enterprise/hxp/internal/stream"
)

// KafkaAPIFile is services/kafka-api.yaml.
type KafkaAPIFile struct {
	Service     KafkaAPIService     `yaml:"service" doc:"Where kafka-api listens."`
	Kafka       bus.Config          `yaml:"kafka" doc:"The brokers. All four files share what is set in one of them; files that contradict each other are refused."`
	Broker      broker.Config       `yaml:"embedded_broker" doc:"The broker that hxp up embeds where no other one is named."`
	Ingest      ingest.Config       `yaml:"ingest" doc:"Limits of the way in."`
	Scrape      []scrape.Target     `yaml:"scrape" doc:"Prometheus endpoints that are read as system metrics. SIGHUP reads this list anew."`
	MetricNames []prom.Name         `yaml:"metric_names" doc:"What the numbers of scrape targets and of remote write are called; before the built-in tables. SIGHUP reads this list anew."`
	Host        host.Config         `yaml:"host_metrics" doc:"System metrics of the machine that kafka-api runs on."`
	Metrics     scrape.Config       `yaml:"metrics" doc:"Limits of scrape targets and of remote write."`
	Performance KafkaAPIPerformance `yaml:"performance" doc:"Resources of the process."`
	Monitoring  Monitoring          `yaml:"monitoring" doc:"Systems around hxp. All four files share what is set in one of them."`
}

// KafkaAPIService says where kafka-api listens.
type KafkaAPIService struct {
	Name string `yaml:"name" default:"kafka-api" enum:"kafka-api" doc:"Name of the service."`
	Port int    `yaml:"port" env:"KAFKA_API_PORT" default:"9099" min:"0" max:"65535" doc:"Port of the API; 0 takes a free one."`
	ServiceCommon
}

// KafkaAPIPerformance are the resources that kafka-api may use.
type KafkaAPIPerformance struct {
	MemoryGB float64 `yaml:"memory_limit_gb" env:"KAFKA_API_MEMORY_GB" default:"0" min:"0" max:"65536" doc:"Soft memory limit in GiB; a process has the sum over the services that it runs. 0 = none."`
	CPUCores int     `yaml:"cpu_cores" env:"KAFKA_API_CPU_CORES" default:"0" min:"0" max:"4096" doc:"GOMAXPROCS; a process has the sum over the services that it runs, never more than the machine. 0 = all."`
	PerformanceCommon
}

// ServiceCommon is what the section service has in all files.
type ServiceCommon struct {
	Host    string `yaml:"host" env:"HXP_BIND" flag:"bind" default:"127.0.0.1" doc:"Address to listen on. Anything but loopback needs authentication or insecure."`
	Workers int    `yaml:"workers" default:"0" min:"0" max:"64" doc:"Tasks at the same time; 0 leaves it to the service. For batch-processing-api it sets batch_processing.workers where that is not set."`
}

// PerformanceCommon is what the section performance has in all files.
type PerformanceCommon struct {
	LogLevel string `yaml:"log_level" default:"INFO" enum:"DEBUG,INFO,WARN,WARNING,ERROR,CRITICAL" doc:"Least level that is logged; the most talkative of the files counts, and log_level wins."`
}

// Monitoring names the systems around hxp.
type Monitoring struct {
	SQLEndpoint     string `yaml:"sql_database_endpoint" env:"SQL_DATABASE_ENDPOINT" doc:"host:port of PostgreSQL, where aggregates and runs are kept unless SQL_DATABASE_URL is set. It needs SQL_DATABASE_PASSWORD; named in a file without one, it is not used, with a warning."`
	MetricsEndpoint string `yaml:"metrics_server_endpoint" env:"METRICS_SERVER_ENDPOINT" secret:"url" doc:"URL of a Prometheus, such as http://prometheus:9090. The analysis of capacity and its report ask it how machines were used of which hxp has no system metrics."`
	CustomEndpoint  string `yaml:"custom_metrics_endpoint" env:"CUSTOM_METRICS_ENDPOINT" secret:"url" doc:"URL that is scraped for system metrics by kafka-api, every 15 s, as the target custom_metrics; without a path /metrics is read."`
	GatewayEndpoint string `yaml:"api_gateway_endpoint" env:"API_GATEWAY_ENDPOINT" secret:"url" doc:"URL of the LLM gateway, scraped for its metrics in the same way as the target api_gateway."`
}

// EventProcessingFile is services/event-processing-api.yaml.
type EventProcessingFile struct {
	Service     EventProcessingService     `yaml:"service" doc:"Where event-processing-api listens."`
	Kafka       bus.Config                 `yaml:"kafka" doc:"The brokers, as in kafka-api.yaml."`
	Stream      stream.Config              `yaml:"event_processing" doc:"Windows and their limits."`
	Limits      EventProcessing            `yaml:"event_processing"`
	Responses   alert.Config               `yaml:"responses" doc:"Automatic answers to alerts, and the rails that bound them."`
	Performance EventProcessingPerformance `yaml:"performance" doc:"Resources of the process."`
	Monitoring  Monitoring                 `yaml:"monitoring" doc:"Systems around hxp, as in kafka-api.yaml."`
}

// EventProcessingService says where event-processing-api listens.
type EventProcessingService struct {
	Name string `yaml:"name" default:"event-processing-api" enum:"event-processing-api" doc:"Name of the service."`
	Port int    `yaml:"port" env:"EVENT_PROCESSING_API_PORT" default:"9100" min:"0" max:"65535" doc:"Port of the API; 0 takes a free one."`
	ServiceCommon
}

// EventProcessing are settings of the fast path that more than the stream uses.
type EventProcessing struct {
	Timeout time.Duration `yaml:"timeout" env:"EVENT_PROCESSING_TIMEOUT" default:"30" unit:"s" min:"1" max:"3600" doc:"Limit of one write to the brokers and of one query."`
}

// EventProcessingPerformance are the resources that event-processing-api may use.
type EventProcessingPerformance struct {
	MemoryGB float64 `yaml:"memory_limit_gb" env:"EVENT_PROCESSING_API_MEMORY_GB" default:"0" min:"0" max:"65536" doc:"As in kafka-api.yaml."`
	CPUCores int     `yaml:"cpu_cores" env:"EVENT_PROCESSING_API_CPU_CORES" default:"0" min:"0" max:"4096" doc:"As in kafka-api.yaml."`
	PerformanceCommon
}

// DataStreamingFile is services/data-streaming-api.yaml.
type DataStreamingFile struct {
	Service     DataStreamingService     `yaml:"service" doc:"Where data-streaming-api listens."`
	Kafka       bus.Config               `yaml:"kafka" doc:"The brokers, as in kafka-api.yaml."`
	Serve       serve.Config             `yaml:"data_streaming" doc:"Streams to screens."`
	Notify      notify.Config            `yaml:"notifications" doc:"The way out to people. Who hears of what is configured over the API, see docs/notifications.md."`
	Dashboards  Dashboard                `yaml:"dashboards" doc:"The four dashboards."`
	Performance DataStreamingPerformance `yaml:"performance" doc:"Resources of the process."`
	Monitoring  Monitoring               `yaml:"monitoring" doc:"Systems around hxp, as in kafka-api.yaml."`
}

// DataStreamingService says where data-streaming-api listens.
type DataStreamingService struct {
	Name string `yaml:"name" default:"data-streaming-api" enum:"data-streaming-api" doc:"Name of the service."`
	Port int    `yaml:"port" env:"DATA_STREAMING_API_PORT" default:"9102" min:"0" max:"65535" doc:"Port of the API; 0 takes a free one."`
	ServiceCommon
}

// Dashboard are the ports of the dashboards and what they lead to. They listen where data-streaming-api does.
type Dashboard struct {
	OperationsPort  int    `yaml:"operations_port" env:"OPERATIONS_DASHBOARD_PORT" default:"8501" min:"0" max:"65535" doc:"Port of the operational overview; 0 takes a free one."`
	BusinessPort    int    `yaml:"business_port" env:"BUSINESS_DASHBOARD_PORT" default:"8502" min:"0" max:"65535" doc:"Port of business intelligence; 0 takes a free one."`
	PerformancePort int    `yaml:"performance_port" env:"PERFORMANCE_DASHBOARD_PORT" default:"8503" min:"0" max:"65535" doc:"Port of performance metrics; 0 takes a free one."`
	SystemPort      int    `yaml:"system_port" env:"SYSTEM_DASHBOARD_PORT" default:"8504" min:"0" max:"65535" doc:"Port of system health; 0 takes a free one."`
	TraceURL        string `yaml:"trace_url" env:"DASHBOARD_TRACE_URL" doc:"address at which a viewer of traces shows one request, as in https://jaeger.example/trace/{trace_id}; {trace_id}, {span_id} and {request_id} are filled in. Requests that have what it asks for lead there; the ids of a trace are known of requests that came over OpenTelemetry"`
}

// DataStreamingPerformance are the resources that data-streaming-api may use.
type DataStreamingPerformance struct {
	MemoryGB float64 `yaml:"memory_limit_gb" env:"DATA_STREAMING_API_MEMORY_GB" default:"0" min:"0" max:"65536" doc:"As in kafka-api.yaml."`
	CPUCores int     `yaml:"cpu_cores" env:"DATA_STREAMING_API_CPU_CORES" default:"0" min:"0" max:"4096" doc:"As in kafka-api.yaml."`
	PerformanceCommon
}

// BatchFile is services/batch-processing-api.yaml.
type BatchFile struct {
	Service      BatchService `yaml:"service" doc:"Where batch-processing-api listens."`
	Airflow      Airflow      `yaml:"airflow" doc:"The scheduler's page and API, and what the commands under the name airflow use."`
	batch.Config `yaml:",inline"`
	Retention    retention.Config `yaml:"data_retention" doc:"How long data stays, and where it goes."`
	Business     Business         `yaml:"business_intelligence"`
	Kafka        BatchKafka       `yaml:"kafka" doc:"The brokers, as in kafka-api.yaml, and the consumer group of the lake."`
	Lake         lake.Config      `yaml:"lake" doc:"Raw events at rest."`
	Database     Database         `yaml:"database" doc:"Where aggregates and runs are kept."`
	Performance  BatchPerformance `yaml:"performance" doc:"Resources of the process."`
	Monitoring   Monitoring       `yaml:"monitoring" doc:"Systems around hxp, as in kafka-api.yaml."`
}

// BatchService says where batch-processing-api listens.
type BatchService struct {
	Name string `yaml:"name" default:"batch-processing-api" enum:"batch-processing-api" doc:"Name of the service."`
	Port int    `yaml:"port" env:"BATCH_PROCESSING_API_PORT" default:"9101" min:"0" max:"65535" doc:"Port of the API; 0 takes a free one."`
	ServiceCommon
}

// BatchKafka adds the consumer of the lake to the brokers.
type BatchKafka struct {
	bus.Config      `yaml:",inline"`
	ConsumerGroup   string        `yaml:"consumer_group" env:"KAFKA_CONSUMER_GROUP" default:"hxp-batch-processing" doc:"Consumer group under which the lake shows its positions."`
	AutoCommit      bool          `yaml:"auto_commit" env:"KAFKA_CONSUMER_AUTO_COMMIT" default:"true" doc:"Positions are committed by themselves, after what they cover is durable; false is taken and changes nothing."`
	AutoCommitEvery time.Duration `yaml:"auto_commit_interval_ms" env:"KAFKA_CONSUMER_AUTO_COMMIT_INTERVAL_MS" default:"5000" unit:"ms" min:"100" max:"3600000" doc:"Longest time between two commits of positions. They are committed with each publish of the lake, which then comes at least so often."`
	SessionTimeout  time.Duration `yaml:"session_timeout_ms" env:"KAFKA_CONSUMER_SESSION_TIMEOUT_MS" default:"60000" unit:"ms" min:"1000" max:"1800000" doc:"Taken and changes nothing: the lake joins no group, so no member has to be replaced; whichever instance publishes first counts."`
	MaxPollRecords  int           `yaml:"max_poll_records" default:"1000" min:"1" max:"1000000" doc:"Most records that the lake takes from one poll, where it is set; everything that has arrived when it is not."`
}

// Business is what the boards take of the section business_intelligence.
type Business struct {
	Dashboards bool `yaml:"dashboards_enabled" env:"BUSINESS_INTELLIGENCE_DASHBOARDS_ENABLED" default:"true" doc:"show findings and funnels on the business board; false answers 409 there, and not on the API"`
}

// BatchPerformance are the resources that batch-processing-api may use.
type BatchPerformance struct {
	MemoryGB float64 `yaml:"memory_limit_gb" env:"BATCH_PROCESSING_API_MEMORY_GB" default:"0" min:"0" max:"65536" doc:"As in kafka-api.yaml."`
	CPUCores int     `yaml:"cpu_cores" env:"BATCH_PROCESSING_API_CPU_CORES" default:"0" min:"0" max:"4096" doc:"As in kafka-api.yaml."`
	PerformanceCommon
}
