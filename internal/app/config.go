package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/kit/certs"
	"github.com/hxp-enterprise/hxp/internal/kit/conf"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
	"github.com/hxp-enterprise/hxp/internal/stream/ruleset"
)

// DefaultConfigDir is read when it exists and no other folder is named.
const DefaultConfigDir = "/opt/citadel/config"

// Config is the whole tree of settings: those of the process, and four files. Each room owns the part that it uses.
type Config struct {
	DataDir     string   `yaml:"data_dir" env:"HXP_DATA_DIR" flag:"data-dir" default:"./data" doc:"Folder of everything that hxp keeps: broker, lake, database, reports, archive."`
	Broker      string   `yaml:"broker" env:"HXP_BROKER" flag:"broker" default:"auto" enum:"auto,embedded,external" doc:"Which broker carries the topics. auto: hxp up embeds one when KAFKA_BOOTSTRAP_SERVERS is not set, has port 0, or is one loopback address at which nobody answers; hxp run never embeds by itself."`
	Bind        string   `yaml:"bind" env:"HXP_BIND" flag:"bind" default:"127.0.0.1" doc:"Address on which every service listens that has no host of its own. Anything but loopback needs authentication (auth_tokens_file) or insecure."`
	Insecure    bool     `yaml:"insecure" env:"HXP_INSECURE" flag:"insecure" default:"false" doc:"Serve strangers on the network without authentication."`
	TokensFile  string   `yaml:"auth_tokens_file" env:"HXP_AUTH_TOKENS_FILE" doc:"File of access tokens, which hxp auth token create makes and changes; when it is named, every service asks who sends a request. A running hxp sees a change within seconds."`
	Token       string   `yaml:"token" env:"HXP_TOKEN" secret:"true" doc:"Token with which commands speak to a running hxp."`
	TokenFile   string   `yaml:"token_file" env:"HXP_TOKEN_FILE" flag:"token-file" doc:"File that holds this token alone; token wins."`
	Hosts       []string `yaml:"allowed_hosts" env:"HXP_ALLOWED_HOSTS" doc:"Further names (Host headers, without a port) under which services that listen on loopback may be asked, such as the name that a proxy on this machine passes on. Other names are refused with 403, because a page of a stranger could lead its own name here."`
	WebhookNets []string `yaml:"webhook_allow" env:"HXP_WEBHOOK_ALLOW" doc:"Private networks (CIDR) that webhooks of reports, and all receivers of notifications, may reach, this machine too (127.0.0.0/8). The mail server of reports is named by smtp_host and reached wherever it is; targets of responses are named in the configuration and reached too."`
	Connections int      `yaml:"max_connections" env:"HXP_MAX_CONNECTIONS" default:"20000" min:"100" max:"1000000" doc:"Connections that all HTTP and gRPC listeners of a process have from the network at once; further ones are answered 503 and closed, over TLS closed. Never more than three quarters of the file handles that the process may have."`
	Each        int      `yaml:"max_connections_per_address" env:"HXP_MAX_CONNECTIONS_PER_ADDRESS" default:"2000" min:"10" max:"1000000" doc:"Of these, connections from one address, of IPv6 from one network (/64). This machine has no such limit, because a proxy on it brings everybody. Raise it where everybody comes through a proxy on another machine."`
	LogFormat   string   `yaml:"log_format" env:"HXP_LOG_FORMAT" flag:"log-format" default:"text" enum:"text,json" doc:"Form of log lines."`
	LogLevel    string   `yaml:"log_level" env:"HXP_LOG_LEVEL" flag:"log-level" default:"info" enum:"debug,info,warn,warning,error,critical" doc:"Least level that is logged; wins over the performance.log_level of the files. SIGHUP changes it."`

	SessionLife time.Duration `yaml:"session_lifetime" env:"HXP_SESSION_LIFETIME" default:"12h" min:"1m" max:"720h" doc:"How long a browser that logged in to a board may stay there, where tokens are asked for. A session ends earlier with its token, and with the logout."`

	TLS certs.Config `yaml:"tls" doc:"Certificates of the listeners, and of those who ask them."`

	OTelEndpoint string   `yaml:"otel_endpoint" env:"OTEL_EXPORTER_OTLP_ENDPOINT" doc:"OpenTelemetry collector (OTLP over HTTP, such as http://127.0.0.1:4318) that gets the traces and log lines of hxp itself. None when empty."`
	OTelHeaders  string   `yaml:"otel_headers" env:"OTEL_EXPORTER_OTLP_HEADERS" secret:"true" doc:"Headers of what is sent there, as name=value,name=value."`
	OTelService  string   `yaml:"otel_service_name" env:"OTEL_SERVICE_NAME" default:"hxp" doc:"What hxp calls itself there."`
	OTelResource []string `yaml:"otel_resource_attributes" env:"OTEL_RESOURCE_ATTRIBUTES" doc:"Further attributes of itself, as name=value."`
	OTelTraces   string   `yaml:"otel_traces" env:"OTEL_TRACES_EXPORTER" default:"otlp" enum:"otlp,none" doc:"Whether traces are sent there."`
	OTelLogs     string   `yaml:"otel_logs" env:"OTEL_LOGS_EXPORTER" default:"otlp" enum:"otlp,none" doc:"Whether log lines are sent there."`
	OTelRatio    float64  `yaml:"otel_traces_ratio" env:"OTEL_TRACES_SAMPLER_ARG" default:"0.01" min:"0" max:"1" doc:"Share of the requests that come without a trace for which one is begun. Whoever sends a traceparent decides for himself. Decisions of rules are always traced."`

	KafkaAPI        KafkaAPIFile        `file:"kafka-api" doc:"The way in: events, topics and the embedded broker."`
	EventProcessing EventProcessingFile `file:"event-processing-api" doc:"The fast path: windows and what is made of them."`
	DataStreaming   DataStreamingFile   `file:"data-streaming-api" doc:"The way out to screens: streams and dashboards."`
	Batch           BatchFile           `file:"batch-processing-api" doc:"The slow path: lake, aggregates, reports, retention."`

	rules  []ruleset.FileRule // of the folder rules beside services
	prices *cost.Document     // of costs.price_file; nil when none is named
}

// LoadOptions say where the configuration comes from.
type LoadOptions struct {
	ConfigDir string            // --config; "" = DefaultConfigDir where it exists
	EnvFile   string            // --env-file
	Environ   []string          // os.Environ()
	Flags     map[string]string // the flags of the tree that were given: data-dir, broker, bind, insecure, token-file, log-format, log-level
}

// toolNames are variables of programs that start hxp: where its binary lies.
var toolNames = []string{"HXP_BIN"}

// LoadConfig reads all sources and checks them. The error has one line for each fault; the Tree knows the origin of each value
// and the warnings, and is there also when the error is not nil.
func LoadConfig(o LoadOptions) (*Config, *conf.Tree, error) {
	c := &Config{}
	dir, noDir := servicesDir(o.ConfigDir)
	tree, err := conf.Load(c, conf.Options{Dir: dir, EnvFile: o.EnvFile, Environ: o.Environ, Flags: o.Flags, Others: toolNames})
	tree.Effect = takesEffect
	if noDir != nil {
		err = conf.Join(err, tree.NewFault("--config", "%v", noDir))
	}
	err = conf.Join(err, c.share(tree)...)
	err = conf.Join(err, c.check(tree)...)
	err = conf.Join(err, c.readRules(dir)...)
	err = conf.Join(err, c.readPrices(tree)...)
	if err != nil {
		return nil, tree, err
	}
	c.derive(tree)
	c.doubt(tree)
	return c, tree, nil
}

// readRules reads the rules and objectives of the folders beside that of the services, "" for none.
func (c *Config) readRules(services string) (faults []conf.Fault) {
	if services == "" {
		return nil
	}
	base := filepath.Dir(services)
	rules, bad := ruleset.ReadFolders(filepath.Join(base, "rules"), filepath.Join(base, "slos"))
	for _, f := range bad {
		where, what := f.In(f.File)
		faults = append(faults, conf.Fault{Where: where, Message: what})
	}
	vet := vetRule(c.EventProcessing.Responses)
	for i := range rules {
		for _, f := range vet(&rules[i].Rule) {
			where, what := f.In(rules[i].File)
			faults = append(faults, conf.Fault{Where: where, Message: what})
		}
	}
	c.rules = rules
	return faults
}

// vetRule tells which actions of a rule the targets of the configuration must not take.
func vetRule(responses alert.Config) func(*rule.Rule) []rule.Fault {
	return func(r *rule.Rule) (faults []rule.Fault) {
		for i, a := range r.Actions {
			if err := responses.CheckAction(r.Mode, a.Type, a.Target); err != nil {
				faults = append(faults, rule.Fault{Pointer: fmt.Sprintf("/actions/%d", i), Line: r.Line, Detail: fmt.Sprintf("rule %s: %v", r.Name, err)})
			}
		}
		return faults
	}
}

// readPrices reads the price file.
func (c *Config) readPrices(t *conf.Tree) (faults []conf.Fault) {
	doc, err := c.Batch.Costs.ReadPrices()
	if list, ok := errors.AsType[cost.Faults](err); ok {
		for _, f := range list {
			faults = append(faults, conf.Fault{Where: strings.TrimSpace(c.Batch.Costs.PriceFile + " " + f.Pointer), Message: f.Detail})
		}
	} else if err != nil {
		faults = append(faults, t.NewFault("costs.price_file", "%v", err))
	}
	c.prices = doc
	return faults
}

// servicesDir is the folder that holds the four files, "" for none.
func servicesDir(configDir string) (string, error) {
	if configDir == "" {
		if _, err := os.Stat(filepath.Join(DefaultConfigDir, "services")); err != nil {
			return "", nil
		}
		configDir = DefaultConfigDir
	}
	info, err := os.Stat(configDir)
	switch {
	case err != nil:
		return "", err
	case !info.IsDir():
		return "", errors.New(configDir + " is no folder; name the one that has services/*.yaml in it")
	}
	return filepath.Join(configDir, "services"), nil
}
