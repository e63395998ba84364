package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/app/doctor"
	"github.com/hxp-enterprise/hxp/internal/broker"
	"github.com/hxp-enterprise/hxp/internal/kit/auth"
	"github.com/hxp-enterprise/hxp/internal/kit/certs"
	"github.com/hxp-enterprise/hxp/internal/kit/conf"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
	"github.com/hxp-enterprise/hxp/internal/kit/secret"
)

// Finding is what one check of the doctor found.
type Finding = doctor.Finding

// Doctor looks for what is wrong with a configuration, with what the named services (nil: all of them) need, and with those that run.
// failed tells whether a check has. No finding shows a secret.
func Doctor(ctx context.Context, o LoadOptions, services []string) (found []Finding, failed bool) {
	cfg, tree, err := LoadConfig(o)
	var faults []string
	if list, ok := errors.AsType[conf.Faults](err); ok {
		for _, f := range list {
			faults = append(faults, f.String())
		}
	} else if err != nil {
		faults = []string{err.Error()}
	}
	sources := map[string]bool{} // one of them may serve several settings
	for _, v := range tree.Values() {
		sources[v.Origin] = true
	}
	delete(sources, "default")
	found = doctor.Settings(faults, tree.Notices(), len(sources))
	if err == nil {
		found = append(found, cfg.examine(ctx, tree, services)...)
	}
	for i := range found {
		f := &found[i]
		f.Detail, f.Cure = tree.Conceal(f.Detail), tree.Conceal(f.Cure)
		failed = failed || f.Status == doctor.Fail
	}
	return found, failed
}

func (c *Config) examine(ctx context.Context, tree *conf.Tree, services []string) []Finding {
	plan, err := c.plan(ctx, tree, services)
	if err != nil {
		return []Finding{{Name: "services", Status: doctor.Fail, Detail: err.Error(), Cure: "name services that run together with this configuration (hxp run --help)"}}
	}
	return doctor.Examine(ctx, plan)
}

// plan is what services need, as the configuration says.
func (c *Config) plan(ctx context.Context, tree *conf.Tree, services []string) (*doctor.Plan, error) {
	set, _, err := c.settle(ctx, services)
	if err != nil {
		return nil, err
	}
	names := services
	if names == nil {
		names = all(set.embedded)
	}
	parts, err := (&system{set: set}).choose(names)
	if err != nil {
		return nil, err
	}
	need := parts.chosen
	p := &doctor.Plan{
		DataDir: set.dataDir, CrashLog: crashLog(set.dataDir), Reserve: set.broker.DiskReserve, Embedded: set.embedded, Broker: set.bus, NoBus: !need["bus"] && !need["broker"],
		Log: slog.New(slog.DiscardHandler),
	}
	p.Services = c.doors(tree, need, &set)
	p.Memory, p.OpenFiles = c.memoryNeed(services, need), c.filesNeed(need)
	if need["store"] {
		p.Database = set.storeURL
	}
	if need["lake"] {
		p.Lake = &set.lake
	}
	p.Folders = outside(set.dataDir, []doctor.Folder{
		{Name: "lake folder", Path: set.lakeDir, Setting: "HXP_LAKE_URL"},
		{Name: "reports folder", Path: set.reports, Setting: "reports"},
		{Name: "archive folder", Path: set.retention.ArchivalPath, Setting: "DATA_ARCHIVAL_PATH"},
	}, need)
	if need["batch"] {
		p.MetricServer = set.metricServer
		p.Mail, p.MailError = c.mailServer()
		p.MailFrom = c.Batch.Mail.From
	}
	p.Hooks = c.hooks(need, set.webhookNets)
	p.Keys = set.keys(need)
	return p, nil
}

// keys are the files that let others in, and let this process in elsewhere.
func (s *settings) keys(need map[string]bool) (list []doctor.Keys) {
	if s.tls.On() {
		list = append(list, doctor.Keys{Name: "certificate", Setting: "HXP_TLS_CERT_FILE, HXP_TLS_KEY_FILE", Read: func() (doctor.KeysRead, error) {
			k, err := certs.Keep(s.tls, slog.New(slog.DiscardHandler))
			if err != nil {
				return doctor.KeysRead{}, err
			}
			return doctor.KeysRead{Detail: "it holds, with its key", Ends: k.Certificate().NotAfter}, nil
		}})
	}
	if s.tls.CAFile != "" || s.tls.ClientCertFile != "" {
		list = append(list, doctor.Keys{Name: "certificates towards services", Setting: "HXP_TLS_CA_FILE, HXP_TLS_CLIENT_CERT_FILE", Read: func() (doctor.KeysRead, error) {
			_, err := s.tls.Client()
			return doctor.KeysRead{Detail: "they can be read"}, err
		}})
	}
	if s.tokensFile != "" {
		list = append(list, doctor.Keys{Name: "tokens", Setting: "HXP_AUTH_TOKENS_FILE", Read: func() (doctor.KeysRead, error) {
			tokens, err := auth.File{Path: s.tokensFile}.List()
			tokens = slices.DeleteFunc(tokens, func(t auth.Token) bool { return t.Expires != nil && !time.Now().Before(*t.Expires) })
			if err == nil && len(tokens) == 0 {
				return doctor.KeysRead{Lacks: "there is none that counts, so nobody gets in", Cure: "hxp auth token create --name admin --scope ingest,read,admin,act,approve"}, nil
			}
			return doctor.KeysRead{Detail: fmt.Sprintf("%d may come in", len(tokens))}, err
		}})
	}
	if need["broker"] && s.bus.Security.SASL() && s.broker.UsersFile != "" {
		list = append(list, doctor.Keys{Name: "users of the broker", Setting: "HXP_BROKER_USERS_FILE", Read: func() (doctor.KeysRead, error) {
			return doctor.KeysRead{Detail: "they can be read"}, broker.CheckUsers(s.broker)
		}})
	}
	return list
}

// doors are the listeners of what was chosen.
func (c *Config) doors(tree *conf.Tree, need map[string]bool, set *settings) (list []doctor.Service) {
	for _, l := range c.listeners() {
		if !need[l.name] {
			continue
		}
		s := doctor.Service{Name: l.name, Addr: c.Addr(l.name), Setting: tree.Variable(l.portPath)}
		if !slices.Contains(boards, l.name) { // those tell nothing of themselves
			s.Ask = c.asker(l.name)
		}
		list = append(list, s)
	}
	if need["broker"] {
		list = append(list, doctor.Service{Name: "broker", Addr: set.broker.Addr, Setting: "KAFKA_BOOTSTRAP_SERVERS"})
	}
	if need[KafkaAPI] {
		for _, l := range [][2]string{{"ingest.otlp_grpc_listen", set.ingest.OTLPGRPC}, {"ingest.otlp_http_listen", set.ingest.OTLPHTTP}} {
			if l[1] != "" {
				list = append(list, doctor.Service{Name: strings.TrimSuffix(strings.TrimPrefix(l[0], "ingest."), "_listen"), Addr: l[1], Setting: tree.Variable(l[0])})
			}
		}
	}
	return list
}

// asker asks a service, nil when its port is not fixed.
func (c *Config) asker(name string) func(context.Context, string, any) error {
	a, err := Ask(c, name, "")
	switch {
	case c.Ports()[name] == 0:
		return nil
	case err != nil: // such as a token that cannot be read
		return func(context.Context, string, any) error { return err }
	}
	return func(ctx context.Context, path string, to any) error {
		if strings.HasPrefix(path, "/health") { // it tells most when it is unwell, with 503
			return a.report(ctx, path, to)
		}
		return a.Into(ctx, http.MethodGet, path, nil, to)
	}
}

// outside leaves those folders that lie elsewhere than in the data folder.
func outside(dataDir string, folders []doctor.Folder, need map[string]bool) (list []doctor.Folder) {
	if !need["lake"] && !need["batch"] {
		return nil
	}
	for _, f := range folders {
		if strings.Contains(f.Path, "://") {
			continue // object storage
		}
		if rel, err := filepath.Rel(dataDir, f.Path); err != nil || !filepath.IsLocal(rel) {
			list = append(list, f)
		}
	}
	return list
}

// base is what an hxp takes that does nothing.
const base = 160 << 20

// memoryNeed is what the caches and passes of the chosen parts may take together.
func (c *Config) memoryNeed(services []string, need map[string]bool) (m doctor.Memory) {
	m.Limit, _ = c.Limits(services)
	m.Setting = "…_MEMORY_GB"
	m.Need = base
	if need[KafkaAPI] {
		m.Need += c.KafkaAPI.Ingest.FilterBytes + c.KafkaAPI.Ingest.MaxInFlightBytes
	}
	if need["stream"] {
		s := c.EventProcessing.Stream
		m.Need += s.FilterBytes*int64(c.Bus().TopicPartitions*len(inputTopics())) + s.CorrelationBytes
	}
	if need["lake"] {
		m.Need += c.Batch.Lake.MaxBytes
		if c.Batch.Lake.CompactEnabled {
			m.Need += c.Batch.Lake.CompactBytes
		}
	}
	if need["batch"] {
		m.Need += int64(c.Batch.Processing.MemoryMB) << 20
	}
	return m
}

// filesNeed is how many files and connections the chosen parts have open when all that the settings allow are there.
func (c *Config) filesNeed(need map[string]bool) uint64 {
	n := 512 // database, lake, HTTP clients
	if need["live"] {
		n += c.DataStreaming.Serve.WebSocketMax + c.DataStreaming.Serve.SSEMax
	}
	if need["broker"] {
		n += c.KafkaAPI.Broker.MaxConnections
	}
	return uint64(n)
}

// mailServer is the one of reports, nil when none is set up. The error says why it cannot be used as it is.
func (c *Config) mailServer() (*deliver.Server, error) {
	m := c.Batch.Mail
	if m.Host == "" {
		return nil, nil
	}
	password, err := secret.Read(m.Password)
	return &deliver.Server{Host: m.Host, Port: m.Port, TLS: m.TLS, Username: m.Username, Password: password, Name: hostname()}, err
}

// everywhere are the networks of what the operator alone names: Alertmanagers, and targets of responses.
var everywhere = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}

// hooks are the addresses to which something is posted.
func (c *Config) hooks(need map[string]bool, allow []netip.Prefix) (list []doctor.Hook) {
	guarded, free := deliver.NewHooks(allow), deliver.NewHooks(everywhere)
	if need["batch"] {
		for _, r := range c.Batch.Routes.Routes {
			if r.Webhook != "" {
				list = append(list, doctor.Hook{Name: "webhook of reports", URL: r.Webhook, Way: guarded})
			}
		}
	}
	if need["notify"] {
		for _, a := range c.DataStreaming.Notify.Alertmanagers {
			list = append(list, doctor.Hook{Name: "Alertmanager", URL: a, Way: free})
		}
	}
	if need["alert"] {
		for _, t := range c.EventProcessing.Responses.Targets {
			if t.URL != "" {
				list = append(list, doctor.Hook{Name: "target " + t.Name, URL: t.URL, Way: free})
			}
		}
	}
	return list
}
