package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/kit/conf"
)

var update = flag.Bool("update", false, "write golden files and the reference page anew")

const referencePage = "../../docs/configuration.md"

// specEnv are all variables that the specification names, with its values (addresses made local, no sample password).
const specEnv = `KAFKA_API_PORT=9099 EVENT_PROCESSING_API_PORT=9100 BATCH_PROCESSING_API_PORT=9101 DATA_STREAMING_API_PORT=9102
KAFKA_BOOTSTRAP_SERVERS=localhost:9092 KAFKA_TOPIC_PARTITIONS=3 KAFKA_TOPIC_REPLICATION_FACTOR=1
EVENT_PROCESSING_TIMEOUT=30 REAL_TIME_ANALYTICS_WINDOW_SIZE=300 EVENT_CORRELATION_WINDOW_SIZE=60 AIRFLOW_WEBSERVER_PORT=8080
LIVE_DASHBOARD_UPDATE_INTERVAL=5 WEBSOCKET_MAX_CONNECTIONS=200 SSE_MAX_CONNECTIONS=100
BATCH_PROCESSING_API_MEMORY_GB=3 BATCH_PROCESSING_API_CPU_CORES=4 BATCH_PROCESSING_TIMEOUT=3600
AIRFLOW_HOME=/opt/citadel/airflow AIRFLOW_DB_CONNECTION=postgresql://citadel_admin:pl4nted@127.0.0.1:5432/airflow AIRFLOW_EXECUTOR=LocalExecutor
AIRFLOW_LOAD_EXAMPLES=False AIRFLOW_WEBSERVER_HOST=127.0.0.1
DATA_AGGREGATION_ENABLED=true DATA_AGGREGATION_INTERVAL_HOURLY=true DATA_AGGREGATION_INTERVAL_DAILY=true DATA_AGGREGATION_INTERVAL_WEEKLY=true DATA_AGGREGATION_INTERVAL_MONTHLY=true
BATCH_PROCESSING_HOURLY_CRON=0_*_*_*_* BATCH_PROCESSING_DAILY_CRON=0_0_*_*_* BATCH_PROCESSING_WEEKLY_CRON=0_0_*_*_0 BATCH_PROCESSING_MONTHLY_CRON=0_0_1_*_*
DATA_RETENTION_DAYS_RAW=30 DATA_RETENTION_DAYS_AGGREGATED=365 DATA_RETENTION_DAYS_REPORTS=730 DATA_ARCHIVAL_ENABLED=true DATA_ARCHIVAL_PATH=/opt/citadel/archive
REPORT_GENERATION_ENABLED=true REPORT_GENERATION_FORMATS=json,csv,pdf REPORT_GENERATION_TEMPLATES_ENABLED=true REPORT_DISTRIBUTION_ENABLED=true REPORT_DISTRIBUTION_EMAIL_ENABLED=true
BUSINESS_INTELLIGENCE_ENABLED=true BUSINESS_INTELLIGENCE_METRICS_ENABLED=true BUSINESS_INTELLIGENCE_TRENDS_ENABLED=true BUSINESS_INTELLIGENCE_FORECASTING_ENABLED=true BUSINESS_INTELLIGENCE_DASHBOARDS_ENABLED=true
CAPACITY_ANALYSIS_ENABLED=true CAPACITY_ANALYSIS_MODELS_ENABLED=true CAPACITY_ANALYSIS_PREDICTIONS_ENABLED=true CAPACITY_ANALYSIS_ALERTS_ENABLED=true CAPACITY_ANALYSIS_REPORTING_ENABLED=true
KAFKA_CONSUMER_GROUP=hxp-batch-processing KAFKA_CONSUMER_AUTO_COMMIT=true KAFKA_CONSUMER_AUTO_COMMIT_INTERVAL_MS=5000 KAFKA_CONSUMER_SESSION_TIMEOUT_MS=60000
SQL_DATABASE_ENDPOINT=127.0.0.1:5432 SQL_DATABASE_PASSWORD=pl4nted METRICS_SERVER_ENDPOINT=http://127.0.0.1:9090 CUSTOM_METRICS_ENDPOINT=http://127.0.0.1:9091 API_GATEWAY_ENDPOINT=http://127.0.0.1:8000`

func specEnviron() []string {
	var out []string
	for _, kv := range strings.Fields(specEnv) {
		if strings.Contains(kv, "_CRON=") {
			kv = strings.Replace(strings.ReplaceAll(kv, "_", " "), strings.ReplaceAll(kv[:strings.Index(kv, "=")], "_", " "), kv[:strings.Index(kv, "=")], 1)
		}
		out = append(out, kv)
	}
	return out
}

// configDir writes service files and returns the folder to name with --config.
func configDir(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "services"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, "services", name+".yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func golden(t *testing.T, name, dir, got string) {
	t.Helper()
	got = strings.ReplaceAll(got, dir, "DIR")
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update writes it anew)\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

// none is a config folder without files, so that this machine's own is not read.
func none(t *testing.T) string { return configDir(t, nil) }

func TestEveryVariableOfTheSpecification(t *testing.T) {
	env := specEnviron()
	if len(env) < 55 {
		t.Fatalf("only %d variables", len(env))
	}
	c, tree, err := LoadConfig(LoadOptions{ConfigDir: none(t), Environ: env})
	if err != nil {
		t.Fatal(err)
	}
	var text, js bytes.Buffer
	if err := errors.Join(tree.WriteText(&text), tree.WriteJSON(&js)); err != nil {
		t.Fatal(err)
	}
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if !strings.Contains(text.String(), "env:"+name+"\n") || !strings.Contains(js.String(), `"env:`+name+`"`) {
			t.Errorf("%s is no origin", name)
		}
	}
	if strings.Contains(text.String()+js.String(), "pl4nted") {
		t.Error("a password is shown")
	}
	want := map[string]any{"batch_processing.timeout": 3600.0, "data_retention.raw_data_days": 30.0, "data_retention.aggregated_data_days": 365.0, "data_retention.reports_days": 730.0,
		"report_generation.formats": []any{"json", "csv", "pdf"}, "batch_processing.weekly_cron": "0 0 * * 0", "kafka.session_timeout_ms": 60000.0, "event_processing.timeout": 30.0}
	got := shownValues(t, js.Bytes())
	for path, v := range want {
		if !reflect.DeepEqual(got[path], v) {
			t.Errorf("%s is %v, want %v", path, got[path], v)
		}
	}
	if c.KafkaAPI.Ingest.Timeout != 30*time.Second || c.DataStreaming.Serve.UpdateInterval != 5 || c.Batch.Lake.Group != "hxp-batch-processing" {
		t.Error("values do not reach the rooms")
	}
	if memory, cores := c.Limits(nil); memory != 3<<30 || cores != 4 {
		t.Errorf("limits %d, %d", memory, cores)
	}
	if memory, cores := c.Limits([]string{Stream}); memory != 0 || cores != 0 {
		t.Errorf("limits of another service %d, %d", memory, cores)
	}
	for _, w := range tree.Warnings {
		if w.Path != "kafka.auto_commit" {
			t.Errorf("warning: %s", w)
		}
	}
}

func shownValues(t *testing.T, js []byte) map[string]any {
	t.Helper()
	var doc struct {
		Values []struct {
			Path   string
			Value  any
			Origin string
		}
	}
	if err := json.Unmarshal(js, &doc); err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	for _, v := range doc.Values {
		if _, twice := out[v.Path]; twice {
			t.Errorf("the path %s stands there twice", v.Path)
		}
		out[v.Path] = v.Value
	}
	return out
}

// batchYAML is the file of the specification, with local addresses and another password.
const batchYAML = `service: {name: batch-processing-api, port: 9101, host: "127.0.0.1", workers: 4}
airflow: {home: /opt/citadel/airflow, db_connection: "postgresql://citadel_admin:pl4nted@127.0.0.1:5432/airflow", executor: LocalExecutor, load_examples: false, webserver_port: 8080, webserver_host: 127.0.0.1}
data_aggregation:
  enabled: true
  intervals: {hourly: true, daily: true, weekly: true, monthly: true}
  metrics: [throughput, latency, error_rate, user_satisfaction, business_value, cost_analysis, capacity_utilization]
batch_processing: {hourly_cron: "0 * * * *", daily_cron: "0 0 * * *", weekly_cron: "0 0 * * 0", monthly_cron: "0 0 1 * *", timeout: 3600, retries: 3, retry_delay: 300}
data_retention: {raw_data_days: 30, aggregated_data_days: 365, reports_days: 730, archival_enabled: true, archival_path: /opt/citadel/archive}
report_generation:
  enabled: true
  formats: [json, csv, pdf]
  templates_enabled: true
  distribution_enabled: true
  email_enabled: true
  reports: [hourly_summary, daily_summary, weekly_summary, monthly_summary, business_intelligence, capacity_analysis]
business_intelligence: {enabled: true, metrics_enabled: true, trends_enabled: true, forecasting_enabled: true, dashboards_enabled: true, analysis_types: [user_behavior, performance_trends, cost_optimization, capacity_planning]}
capacity_analysis: {enabled: true, models_enabled: true, predictions_enabled: true, alerts_enabled: true, reporting_enabled: true, analysis_metrics: [resource_utilization, growth_trends, capacity_forecasts, scaling_recommendations]}
kafka: {bootstrap_servers: localhost:9092, consumer_group: hxp-batch-processing, auto_commit: true, auto_commit_interval_ms: 5000, session_timeout_ms: 60000, max_poll_records: 1000}
performance: {memory_limit_gb: 3, cpu_cores: 4, log_level: WARNING}
monitoring: {sql_database_endpoint: "127.0.0.1:5432", metrics_server_endpoint: "http://127.0.0.1:9090", custom_metrics_endpoint: "http://127.0.0.1:9091", api_gateway_endpoint: "http://127.0.0.1:8000"}
`

func TestTheFileOfTheSpecification(t *testing.T) {
	dir := configDir(t, map[string]string{"batch-processing-api": batchYAML})
	o := LoadOptions{ConfigDir: dir, Environ: []string{"BATCH_PROCESSING_TIMEOUT=1234"}}
	c, tree, err := LoadConfig(o)
	if err != nil {
		t.Fatal(err)
	}
	if c.Batch.Processing.Timeout != 1234 || tree.Origin("batch_processing.timeout") != "env:BATCH_PROCESSING_TIMEOUT" {
		t.Error("the environment does not win over the file")
	}
	if c.Batch.Processing.Workers != 4 || c.LogLevel != "WARNING" {
		t.Errorf("workers %d, level %s", c.Batch.Processing.Workers, c.LogLevel)
	}
	if got, want := tree.Origin("kafka-api.kafka.bootstrap_servers"), "file:"+filepath.Join(dir, "services/batch-processing-api.yaml")+":18"; got != want {
		t.Errorf("what one file says of the brokers does not hold for all: %s, want %s", got, want)
	}
	var text bytes.Buffer
	if err := ConfigShow(&text, o, false); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), "pl4nted") {
		t.Error("a password is shown")
	}
	golden(t, "show.txt", dir, text.String())
	text.Reset()
	if err := ConfigCheck(&text, o); err != nil {
		t.Errorf("%v\n%s", err, text.String())
	}
	golden(t, "check.txt", dir, text.String())
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		env   []string
		flags map[string]string
	}{
		{name: "first", files: map[string]string{
			"batch-processing-api": "service:\n  prot: 9101\nbatch_procesing:\n  timeout: 1\nbatch_processing:\n  timeout: soon\n  daily_cron: 61 * * * *\n  retries: three\nkafka: {}\nkafka: {auto_commit: false}\n",
			"kafka-api":            "scrape:\n  - {name: dcgm, url: 'http://h:9400/metrics', interval: 1s}\n  - {name: x, url: h}\ningest: {max_items: 0}\nwebsocket_max_connections: 3\n",
		}, env: []string{"DATA_AGGREGATION_ENABLED=perhaps", "KAFKA_TOPIC_PARTITIONS=-1", "DATA_RETENTION_DAYS_RAW=many", "WEBSOCKET_MAX_CONNECTIONS=1.5", "KAFKA_API_PORT=99999", "HXP_DATADIR=x"}},
		{name: "doors", files: map[string]string{"batch-processing-api": "service:\n  host: \"0.0.0.0\"\nairflow:\n  webserver_host: 0.0.0.0\n"}, env: []string{"SQL_DATABASE_URL=postgres://u:pl4nted@h:port/db", "HXP_LAKE_URL=s3://key:pl4nted@bucket"}},
		{name: "bind", env: []string{"HXP_BIND=::"}},
		{name: "embedded", env: []string{"KAFKA_BOOTSTRAP_SERVERS=10.0.0.1:9092,nonsense", "KAFKA_TOPIC_PARTITIONS=9"}, flags: map[string]string{"broker": "embedded"}},
		{name: "ports", files: map[string]string{"data-streaming-api": "service: {port: 9101}\ndashboards: {operations_port: 9099, system_port: 0, business_port: 0}\n"}},
		{name: "shared", files: map[string]string{"kafka-api": "kafka: {bootstrap_servers: a:1}\n", "batch-processing-api": "kafka: {bootstrap_servers: [b:1]}\n", "data-streaming-api": "kafka: {bootstrap_servers: [a:1]}\n"}},
		{name: "kafka", env: []string{"KAFKA_SECURITY_PROTOCOL=sasl_ssl", "KAFKA_SSL_KEY_FILE=/etc/hxp/kafka.key", "KAFKA_SASL_PASSWORD_FILE=/run/secrets/kafka", "HXP_BROKER=embedded"},
			files: map[string]string{"data-streaming-api": "kafka: {sasl_password: pl4nted}\n"}},
		{name: "tls", env: []string{"HXP_TLS_KEY_FILE=/etc/hxp/hxp.key", "HXP_TLS_CLIENT_CA_FILE=/etc/hxp/ca.pem", "HXP_TLS_CLIENT_CERT_FILE=/etc/hxp/me.pem"}},
		{name: "otlp", env: []string{"HXP_OTLP_GRPC_LISTEN=:4317", "HXP_OTLP_HTTP_LISTEN=4318"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := configDir(t, c.files)
			var out bytes.Buffer
			err := ConfigCheck(&out, LoadOptions{ConfigDir: dir, Environ: c.env, Flags: c.flags})
			if err == nil {
				t.Error("no fault was found")
			}
			got := out.String() + fmt.Sprintln(err)
			if strings.Contains(got, "pl4nted") {
				t.Error("a password is shown")
			}
			golden(t, "fault-"+c.name+".txt", dir, got)
		})
	}
}

func TestInsecureOpensDoors(t *testing.T) {
	for _, o := range []LoadOptions{
		{Environ: []string{"HXP_BIND=0.0.0.0", "HXP_INSECURE=true"}},
		{Environ: []string{"HXP_BIND=0.0.0.0"}, Flags: map[string]string{"insecure": "true"}},
	} {
		o.ConfigDir = none(t)
		c, tree, err := LoadConfig(o)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{KafkaAPI, EventProcessingAPI, BatchProcessingAPI, DataStreamingAPI, Scheduler, "operations", "business", "performance", "system"} {
			if addr := c.Addr(name); !strings.HasPrefix(addr, "0.0.0.0:") || strings.HasSuffix(addr, ":0") {
				t.Errorf("%s listens on %s", name, addr)
			}
		}
		if len(tree.Warnings) != 1 || !strings.Contains(tree.Warnings[0].String(), "everybody on the network") {
			t.Errorf("warnings: %v", tree.Warnings)
		}
	}
}

// Where tokens are asked for, services may be reached from anywhere; the embedded broker, which asks for none, may not.
func TestTokensOpenDoors(t *testing.T) {
	tokens := "HXP_AUTH_TOKENS_FILE=/etc/hxp/tokens.json"
	c, tree, err := LoadConfig(LoadOptions{ConfigDir: none(t), Environ: []string{"HXP_BIND=0.0.0.0", "HXP_OTLP_GRPC_LISTEN=:4317", tokens}})
	if err != nil || len(tree.Warnings) != 0 {
		t.Fatal(err, tree.Warnings)
	}
	if c.scheduler().Open {
		t.Error("the scheduler's page needs no login")
	}
	if _, _, err := LoadConfig(LoadOptions{ConfigDir: none(t), Environ: []string{"HXP_BROKER=embedded", "KAFKA_BOOTSTRAP_SERVERS=0.0.0.0:9092", tokens}}); err == nil || !strings.Contains(err.Error(), "the embedded broker asks nobody") {
		t.Error(err)
	}
}

func TestTokenOfCommands(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("hxp_a_b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		env   []string
		flags map[string]string
		want  string
	}{
		{nil, nil, ""},
		{[]string{"HXP_TOKEN=hxp_c_d"}, nil, "Bearer hxp_c_d"},
		{[]string{"HXP_TOKEN_FILE=" + file}, nil, "Bearer hxp_a_b"},
		{nil, map[string]string{"token-file": file}, "Bearer hxp_a_b"},
		{[]string{"HXP_TOKEN=hxp_c_d"}, map[string]string{"token-file": file}, "Bearer hxp_c_d"},
	} {
		cfg, tree, err := LoadConfig(LoadOptions{ConfigDir: none(t), Environ: c.env, Flags: c.flags})
		if err != nil {
			t.Fatal(err)
		}
		h, err := cfg.bearer()
		if err != nil || h.Get("Authorization") != c.want {
			t.Errorf("%v %v: %q %v", c.env, c.flags, h.Get("Authorization"), err)
		}
		for _, v := range tree.Values() {
			if v.Path == "token" && strings.Contains(fmt.Sprint(v.Value), "hxp_") {
				t.Error("the token is shown")
			}
		}
	}
	cfg, _, err := LoadConfig(LoadOptions{ConfigDir: none(t), Environ: []string{"HXP_TOKEN_FILE=/no/such/file"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Ask(cfg, KafkaAPI, "http://127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "/no/such/file") {
		t.Error(err)
	}
}

// One file names the user and another the listener: together they are one way to the brokers.
func TestKafkaSettingsOfSeveralFiles(t *testing.T) {
	dir := configDir(t, map[string]string{"kafka-api": "kafka: {security_protocol: SASL_SSL, sasl_mechanism: SCRAM-SHA-512}\n", "batch-processing-api": "kafka: {sasl_username: hxp}\n"})
	c, tree, err := LoadConfig(LoadOptions{ConfigDir: dir, Environ: []string{"KAFKA_SASL_PASSWORD=pl4nted", "KAFKA_SSL_CA_FILE=/etc/hxp/ca.pem"}})
	if err != nil || len(tree.Warnings) != 0 {
		t.Fatal(err, tree.Warnings)
	}
	want := bus.Security{Protocol: "SASL_SSL", Mechanism: "SCRAM-SHA-512", Username: "hxp", Password: "pl4nted", CAFile: "/etc/hxp/ca.pem"}
	if got := c.Bus().Security; got != want {
		t.Errorf("%+v", got)
	}
	if embedded, _ := c.embeds(t.Context(), nil); embedded {
		t.Error("a broker that speaks no TLS is embedded")
	}
}

func TestConfigFolder(t *testing.T) {
	if _, _, err := LoadConfig(LoadOptions{ConfigDir: "/no/such/folder"}); err == nil || !strings.Contains(err.Error(), "/no/such/folder: no such file") {
		t.Errorf("got %v", err)
	}
	dir := t.TempDir()
	_, tree, err := LoadConfig(LoadOptions{ConfigDir: dir})
	if err != nil || len(tree.Warnings) != 1 || !strings.Contains(tree.Warnings[0].String(), "no such folder") {
		t.Errorf("%v %v", err, tree.Warnings)
	}
}

func TestEnvFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "citadel.env")
	if err := os.WriteFile(file, []byte("# ports\nKAFKA_API_PORT=1\nDATA_STREAMING_API_PORT=\"2\"\nBATCH_PROCESSING_DAILY_CRON=30 1 * * *\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, tree, err := LoadConfig(LoadOptions{ConfigDir: none(t), EnvFile: file, Environ: []string{"KAFKA_API_PORT=3"}})
	if err != nil {
		t.Fatal(err)
	}
	if c.KafkaAPI.Service.Port != 3 || c.DataStreaming.Service.Port != 2 || c.Batch.Processing.DailyCron != "30 1 * * *" || tree.Origin("data-streaming-api.service.port") != "env:DATA_STREAMING_API_PORT" {
		t.Errorf("%+v", c.Ports())
	}
}

// TestDefaultsOfRooms: what the tree gives without any source is what a room takes for granted.
func TestDefaultsOfRooms(t *testing.T) {
	c, tree, err := LoadConfig(LoadOptions{ConfigDir: none(t)})
	if err != nil || len(tree.Warnings) != 0 {
		t.Fatal(err, tree.Warnings)
	}
	if c.DataDir != "./data" || c.StoreURL() != "sqlite:data/hxp.db" || c.LogLevel != "info" || c.Broker != "auto" {
		t.Errorf("%+v", c)
	}
	want := map[string]int{KafkaAPI: 9099, EventProcessingAPI: 9100, BatchProcessingAPI: 9101, DataStreamingAPI: 9102, Scheduler: 8080, "operations": 8501, "business": 8502, "performance": 8503, "system": 8504}
	if got := c.Ports(); !reflect.DeepEqual(got, want) {
		t.Errorf("ports %v", got)
	}
	for name, port := range want {
		if addr := c.Addr(name); addr != fmt.Sprintf("127.0.0.1:%d", port) {
			t.Errorf("%s listens on %s", name, addr)
		}
	}
}

func TestStoreURL(t *testing.T) {
	named := map[string]string{"batch-processing-api": "monitoring: {sql_database_endpoint: 'h:5432'}\n"}
	for _, c := range []struct {
		name     string
		files    map[string]string
		env      []string
		want     string // a URL, or what the fault says
		warnings int
	}{
		{name: "nothing", want: "sqlite:d/hxp.db"},
		{name: "endpoint", env: []string{"SQL_DATABASE_ENDPOINT=h:5432", "SQL_DATABASE_PASSWORD=pl4nted/@"}, want: "postgres://citadel_admin:pl4nted%2F%40@h:5432/citadel_ai"},
		{name: "all of it", env: []string{"SQL_DATABASE_ENDPOINT=[::1]:5433", "SQL_DATABASE_PASSWORD=p", "SQL_DATABASE_USER=u", "SQL_DATABASE_NAME=a b"}, want: "postgres://u:p@[::1]:5433/a%20b"},
		{name: "URL wins", env: []string{"SQL_DATABASE_URL=sqlite:x", "SQL_DATABASE_ENDPOINT=h:5432"}, want: "sqlite:x"},
		{name: "no password", env: []string{"SQL_DATABASE_ENDPOINT=h:5432"}, want: "SQL_DATABASE_ENDPOINT: monitoring.sql_database_endpoint: PostgreSQL at h:5432 needs a password"},
		{name: "no port", env: []string{"SQL_DATABASE_ENDPOINT=h", "SQL_DATABASE_PASSWORD=p"}, want: "write host:port"},
		{name: "file without password", files: named, want: "sqlite:d/hxp.db", warnings: 1},
		{name: "file", files: named, env: []string{"SQL_DATABASE_PASSWORD=p"}, want: "postgres://citadel_admin:p@h:5432/citadel_ai"},
		{name: "unknown kind", env: []string{"SQL_DATABASE_URL=mysql://u:pl4nted@h/x"}, want: `SQL_DATABASE_URL: database.url: "mysql" is no known kind of database`},
		{name: "no path", env: []string{"SQL_DATABASE_URL=sqlite:"}, want: "no path"},
		{name: "wrong escape", env: []string{"SQL_DATABASE_URL=postgres://u:pl4nted%zz@h/x"}, want: "special characters of the password as %XX"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, tree, err := LoadConfig(LoadOptions{ConfigDir: configDir(t, c.files), Environ: append(c.env, "HXP_DATA_DIR=d")})
			if err != nil {
				if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "pl4nted") {
					t.Errorf("%v\nwant %s", err, c.want)
				}
				return
			}
			if got := cfg.StoreURL(); got != c.want || len(tree.Warnings) != c.warnings {
				t.Errorf("%s, want %s; warnings %v", got, c.want, tree.Warnings)
			}
		})
	}
}

func TestReferenceIsFresh(t *testing.T) {
	var page bytes.Buffer
	if err := ConfigReference(&page); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(referencePage, page.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(referencePage)
	if err != nil || !bytes.Equal(have, page.Bytes()) {
		t.Errorf("docs/configuration.md is stale (%v); run `go generate ./internal/app`", err)
	}
	for _, kv := range specEnviron() {
		name, _, _ := strings.Cut(kv, "=")
		if !bytes.Contains(page.Bytes(), []byte("`"+name+"`")) {
			t.Errorf("%s is not in the reference", name)
		}
	}
}

// TestEverySettingIsDescribed: each setting has its effect on the reference page.
func TestEverySettingIsDescribed(t *testing.T) {
	for line := range strings.SplitSeq(string(conf.Reference(&Config{}, "", takesEffect)), "\n") {
		cells := strings.Split(line, " | ")
		if strings.HasPrefix(line, "| `") && len(cells) == 7 && strings.TrimSpace(cells[4]) == "" {
			t.Errorf("no effect: %s", line)
		}
	}
}

// A variable that is nearly the name of a setting is a typing error, unless a program that starts hxp is told by it where hxp lies.
func TestNearlyNames(t *testing.T) {
	_, tree, err := LoadConfig(LoadOptions{ConfigDir: none(t), Environ: []string{"HXP_BIN=/usr/bin/hxp", "HXP_BNID=::1", "KAFKA_API_PROT=9098", "PGPORT=5432"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(tree.Notices()); !strings.Contains(got, "no setting has this name; did you mean HXP_BIND? (HXP_BNID)") || !strings.Contains(got, "did you mean KAFKA_API_PORT? (KAFKA_API_PROT)") || strings.Contains(got, "PGPORT") || strings.Contains(got, "HXP_BIN)") {
		t.Error(got)
	}
}

// Faults of somebody who begins name what was typed, and say what to write.
func TestFaultsOfTheFirstHour(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "none")
	for want, o := range map[string]LoadOptions{
		"--config: stat " + nowhere: {ConfigDir: nowhere},
		"mail.smtp_from: smtp_host is set, so the address of a sender is needed too, such as hxp@example.org (SMTP_FROM)": {Environ: []string{"SMTP_HOST=mail.example.org"}},
		"indented with spaces": {ConfigDir: configDir(t, map[string]string{"kafka-api": "performance:\n\tlog_level: INFO\n"})},
	} {
		if _, _, err := LoadConfig(o); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "default:") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
