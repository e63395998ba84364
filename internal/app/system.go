package app

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert"
	"github.com/hxp-enterprise/hxp/internal/alert/notify"
	"github.com/hxp-enterprise/hxp/internal/audit"
	"github.com/hxp-enterprise/hxp/internal/batch"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/batch/erasure"
	"github.com/hxp-enterprise/hxp/internal/batch/retention"
	"github.com/hxp-enterprise/hxp/internal/broker"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest"
	"github.com/hxp-enterprise/hxp/internal/ingest/registry"
	"github.com/hxp-enterprise/hxp/internal/ingest/route"
	"github.com/hxp-enterprise/hxp/internal/ingest/scrape"
	"github.com/hxp-enterprise/hxp/internal/kit/auth"
	"github.com/hxp-enterprise/hxp/internal/kit/certs"
	"github.com/hxp-enterprise/hxp/internal/kit/conf"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/internal/lake"
	"github.com/hxp-enterprise/hxp/internal/serve/dashboard"
	"github.com/hxp-enterprise/hxp/internal/serve/live"
	"github.com/hxp-enterprise/hxp/internal/serve/past"
	"github.com/hxp-enterprise/hxp/internal/store"
	"github.com/hxp-enterprise/hxp/internal/stream"
	"github.com/hxp-enterprise/hxp/internal/stream/alerts"
	"github.com/hxp-enterprise/hxp/internal/stream/ruleset"
)

// system is what runs. Each field is set by the part that builds it, before the parts that need it are built.
type system struct {
	set settings
	log *slog.Logger
	reg *telemetry.Registry

	broker    *broker.Broker
	bus       *bus.Bus
	control   *bus.ControlLog
	schemas   *registry.State
	routes    *route.Table
	rules     *ruleset.Set
	prices    *cost.Book
	store     *store.Store
	lake      *lake.Lake
	writer    *lake.Writer
	stream    *stream.Service
	alert     *alert.Service // nil where it does not run
	alerts    *alerts.Book
	tail      *bus.Tail // of the alerts
	account   *alert.Account
	auditTail *bus.Tail // of the audit log, for the account
	batch     *batch.Service
	retention *retention.Service
	erasure   *erasure.Service
	ingest    *ingest.API
	scraper   *scrape.Scraper
	hub       *live.Hub
	notify    *notify.Service

	past *past.Service

	certs   *certs.Keeper   // nil without TLS
	via     *http.Transport // to services, see openReach
	keys    *auth.Keyring   // nil where nobody is asked who he is
	voucher *auth.Voucher   // likewise

	sessions *auth.Sessions // of browsers at the boards; likewise
	tickets  *auth.Tickets  // for streams; likewise
	audit    *audit.Log

	mu      sync.Mutex
	regs    map[string]*telemetry.Registry // by service
	urls    map[string]string              // service → base URL; "kafka" → host:port
	servers map[string]*httpx.Server       // of this process
	// healths are those of the services that run here.
	healths []*httpx.Health

	demo Options
}

type builder = func(ctx context.Context) (run.Service, error)

// parts says how each part is built.
func (s *system) parts() map[string]builder {
	p := map[string]builder{
		"broker": s.buildBroker, "bus": s.buildBus, "control": s.buildControl, "store": s.buildStore, "lake": s.buildLake, "stream": s.buildStream, "alert": s.buildAlert,
		"alert-book": s.buildAlerts, "action-book": s.buildActions,
		"batch": s.buildBatch, "retention": s.buildRetention, "erasure": s.buildErasure, "live": s.buildLive, "notify": s.buildNotify, "demo": s.buildDemo, "scrape": s.buildScrape, "host": s.buildHost, "reload": s.buildReload, "systemd": s.buildSystemd, "tokens": s.buildTokens, "sessions": s.buildSessions, "audit": s.buildAudit,
		KafkaAPI: s.buildKafkaAPI, EventProcessingAPI: s.buildEventProcessingAPI, BatchProcessingAPI: s.buildBatchProcessingAPI,
		DataStreamingAPI: s.buildDataStreamingAPI, Scheduler: s.buildScheduler,
	}
	for _, b := range boards {
		p[b] = func(ctx context.Context) (run.Service, error) { return s.buildBoard(b) }
	}
	return p
}

// registry is the part of the metrics that a service shows on its own port, so that nothing is scraped twice.
func (s *system) registry(service string) *telemetry.Registry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.regs[service] == nil {
		s.regs[service] = s.reg.Service()
	}
	return s.regs[service]
}

func (s *system) setURL(name, url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.urls[name] = url
}

func (s *system) allURLs() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	urls := maps.Clone(s.urls)
	if s.broker != nil { // also where nothing else needs the bus
		urls["kafka"] = s.broker.Addr()
	}
	return urls
}

func (s *system) buildBroker(context.Context) (run.Service, error) {
	b, err := broker.New(s.brokerConfig(), s.log, s.registry(KafkaAPI))
	if err != nil {
		return nil, err
	}
	b.Floor = s.floor
	s.broker = b
	return b, nil
}

// brokerConfig lets the embedded broker speak what clients are told that brokers speak.
func (s *system) brokerConfig() broker.Config {
	cfg, clients := s.set.broker, s.set.bus.Security
	if clients.TLS() {
		cfg.TLS = s.certs.Server(false)
	}
	if cfg.Login = clients.SASL(); cfg.Login {
		cfg.Own = func() (string, string, error) {
			password, err := clients.ReadPassword()
			return clients.Username, password, err
		}
	}
	return cfg
}

// floor is the lowest offset of a topic that a reader still needs. Parts that do not run here need everything.
func (s *system) floor(topic string, partition int32) (int64, bool) {
	if _, input := event.KindOfTopic(topic); !input {
		t, own := event.TopicNamed(topic)
		return math.MaxInt64, !own || t.Retention > 0 // what is kept for ever is shortened by its writer or not at all
	}
	s.mu.Lock()
	st, w := s.stream, s.writer
	s.mu.Unlock()
	if st == nil || w == nil {
		return 0, false
	}
	windows, ok := st.Floor(topic, partition)
	if !ok {
		return 0, false
	}
	raw, ok := w.Floor(topic, partition)
	return min(windows, raw), ok
}

func (s *system) buildBus(ctx context.Context) (run.Service, error) {
	cfg := s.set.bus
	if s.broker != nil {
		cfg.Bootstrap, cfg.Security = []string{s.broker.Addr()}, bus.Security{} // plain, for this process
		if s.broker.Secured() {
			cfg.Dial = s.broker.Dial
		}
		cfg.MostPartitions, cfg.MostReplicas = broker.MaxPartitions, 1
	}
	b, err := bus.Connect(ctx, cfg, s.log)
	if err != nil {
		return nil, err
	}
	if err := s.prepareTopics(ctx, b); err != nil {
		b.Close()
		return nil, err
	}
	s.bus = b
	s.setURL("kafka", cfg.Bootstrap[0])
	return held{func() error { b.Close(); return nil }}, nil
}

// prepareTopics makes the topics that are missing. On a broker of somebody else the rights are looked at before, for topics
// that are hidden from this user, and after, for those that are new.
func (s *system) prepareTopics(ctx context.Context, b *bus.Bus) error {
	if s.broker != nil {
		return b.EnsureTopics(ctx, event.Topics)
	}
	if err := b.CheckRights(ctx, event.Topics); err != nil {
		return err
	}
	if err := b.EnsureTopics(ctx, event.Topics); err != nil {
		return err
	}
	s.prepareGroups(ctx, b)
	return b.CheckRights(ctx, event.Topics)
}

// prepareGroups is a courtesy, as the positions of hxp's groups are: nothing waits long for it, or fails with it.
func (s *system) prepareGroups(ctx context.Context, b *bus.Bus) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := b.PrepareGroups(ctx, stream.Group, s.set.lake.Group); err != nil {
		s.log.Warn("the brokers do not keep positions of consumer groups yet", "error", err)
	}
}

// buildControl makes the states that the control log feeds and their log. The rooms that read the states are built after it.
func (s *system) buildControl(context.Context) (run.Service, error) {
	c, err := bus.NewControlLog(s.bus, s.log, s.registry(KafkaAPI))
	if err != nil {
		return nil, err
	}
	s.control, s.routes, s.schemas, s.prices = c, route.NewTable(), registry.NewState(), cost.NewBook()
	s.mu.Lock()
	s.rules = ruleset.New(s.set.rules)
	s.mu.Unlock()
	c.Handle(route.Prefix, s.routes)
	c.Handle(registry.Prefix, s.schemas)
	c.Handle(ruleset.Prefix, s.rules)
	c.Handle(cost.Prefix, s.prices)
	return c, nil
}

// records reads records of topics that were written with a schema.
func (s *system) records() *registry.Records { return registry.NewRecords(s.schemas, s.control) }

func (s *system) buildStore(ctx context.Context) (run.Service, error) {
	st, err := store.Open(ctx, s.set.storeURL, s.log)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.store = st // a board may be asked before it is there
	s.mu.Unlock()
	return held{st.Close}, nil
}

func (s *system) buildLake(ctx context.Context) (run.Service, error) {
	l, err := lake.OpenURL(ctx, s.set.lake, s.set.dataDir)
	if err != nil {
		return nil, err
	}
	if err := l.CheckManifest(ctx, s.store); err != nil {
		return nil, err
	}
	cfg := s.set.lake
	cfg.Future = s.set.stream.Future
	w := lake.NewWriter(cfg, l, s.bus, s.store, s.log.With("service", "lake"), s.registry(BatchProcessingAPI))
	w.Schemas, w.Prices = s.records(), s.prices
	s.mu.Lock()
	s.lake, s.writer = l, w
	s.mu.Unlock()
	return w, nil
}

func (s *system) buildStream(context.Context) (run.Service, error) {
	st := stream.New(s.set.stream, s.bus, stream.Options{StateDir: s.set.lakeDir, Log: s.log, Registry: s.registry(EventProcessingAPI), Schemas: s.records(), Rules: s.rules, Prices: s.prices, History: atRest{s}})
	s.mu.Lock()
	s.stream = st
	s.mu.Unlock()
	return st, nil
}

// buildAlerts makes the book of the alerts and what reads their topic into it.
func (s *system) buildAlerts(context.Context) (run.Service, error) {
	log := s.log.With("service", EventProcessingAPI)
	book := alerts.NewBook(alerts.Budget, log, s.registry(EventProcessingAPI))
	tail := s.bus.NewTail(event.TopicAlerts, book, log)
	s.mu.Lock()
	s.alerts, s.tail = book, tail
	s.mu.Unlock()
	return tail, nil
}

// buildActions makes the account of what was done about alerts, and what reads the audit log into it.
func (s *system) buildActions(context.Context) (run.Service, error) {
	account := alert.NewAccount()
	tail := s.bus.NewTail(event.TopicResponses, account, s.log.With("service", BatchProcessingAPI))
	s.mu.Lock()
	s.account, s.auditTail = account, tail
	s.mu.Unlock()
	return tail, nil
}

func (s *system) buildBatch(context.Context) (run.Service, error) {
	out, err := s.bus.NewProducer(bus.ProducerOptions{DeliveryTimeout: 5 * time.Second})
	if err != nil {
		return nil, err
	}
	b, err := batch.New(s.set.batch, batch.Deps{
		Hours: s.store, Periods: s.store, Rows: s.store, Runs: s.store, Parts: s.store, Scanner: s.lake, Lake: s.writer, Ends: s.ends,
		Reports: s.store, Deliveries: s.store, WebhookAllow: s.set.webhookNets, Incidents: s.incidents, ReportsDir: s.set.reports, Prices: s.prices, Commands: s.control, Parquet: lake.WriteTable, Metrics: s.set.metricServer,
		NotFound: store.ErrNotFound, BadCursor: store.ErrBadCursor, Lateness: s.set.stream.Lateness,
		Alerts: raised{out}, Registry: s.registry(BatchProcessingAPI), Log: s.log.With("service", "batch"), Erased: s.erased,
	})
	if err != nil {
		return nil, err
	}
	if s.set.prices != nil {
		b.SetPrices(s.set.prices)
	}
	s.batch = b
	return b, nil
}

// raised writes alert events to their topic.
type raised struct{ out *bus.Producer }

// Raise implements batch.Alerts.
func (a raised) Raise(ctx context.Context, key, value []byte) error {
	return a.out.Send(ctx, []*bus.Message{{Topic: event.TopicAlerts, Key: key, Value: value}})
}

// ends are the offsets before which everything acknowledged by now lies.
func (s *system) ends(ctx context.Context) (map[string]map[int32]int64, error) {
	logs, err := s.bus.Offsets(ctx, inputTopics()...)
	if err != nil {
		return nil, err
	}
	out := map[string]map[int32]int64{}
	for topic, parts := range logs {
		out[topic] = map[int32]int64{}
		for p, r := range parts {
			out[topic][p] = r.End
		}
	}
	return out, nil
}

// server opens a service on its port, with the endpoints that all have.
func (s *system) server(name, about string, checks map[string]func(context.Context) httpx.Check, mount func(*httpx.Mux), more ...func(*httpx.Health)) (*httpx.Server, error) {
	reg := s.registry(name)
	mux := httpx.NewMux(s.log.With("service", name), reg)
	health := httpx.NewHealth(name, Version)
	for check, f := range checks {
		health.Add(check, f)
	}
	if s.certs != nil {
		health.Add("certificate", s.checkCertificate)
	}
	if s.keys != nil {
		health.Add("tokens", s.checkTokens)
	}
	mux.Protect(s.guard(name))
	mux.Watch(s.noting(name))
	health.Add("disk", s.checkDisk)
	for _, add := range more {
		add(health)
	}
	s.mu.Lock()
	s.healths = append(s.healths, health)
	s.mu.Unlock()
	httpx.Mount(mux, httpx.Service{Name: name, Version: Version, Description: about}, health, reg)
	mount(mux)
	return s.listen(name, mux)
}

func (s *system) listen(name string, h http.Handler) (*httpx.Server, error) {
	return s.listenAt(name, s.set.addr(name), h, s.log.With("service", name))
}

// listenAt opens a port for a handler, with TLS where it is on.
func (s *system) listenAt(name, addr string, h http.Handler, log *slog.Logger) (*httpx.Server, error) {
	srv, err := httpx.Listen(name, addr, h, log)
	if err != nil {
		return nil, err
	}
	srv.AlsoNamed(s.set.hosts...)
	if s.certs != nil {
		srv.Encrypt(s.certs.Server(true), s.certs.Asks())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.urls[name], s.servers[name] = srv.URL(), srv
	return srv, nil
}

func (s *system) buildKafkaAPI(context.Context) (run.Service, error) {
	cfg := s.set.ingest
	cfg.SpillDir = filepath.Join(s.set.dataDir, "spill", KafkaAPI)
	cfg.QuotaFile, cfg.TenantFile = filepath.Join(s.set.dataDir, "quota", KafkaAPI+".json"), filepath.Join(s.set.dataDir, "quota", "tenants.json")
	api, err := ingest.New(cfg, s.bus, s.log.With("service", KafkaAPI), s.registry(KafkaAPI))
	if err != nil {
		return nil, err
	}
	if s.broker != nil {
		api.Overfull = s.broker.Overfull
	}
	api.Schemas, api.Version = s.records(), Version
	api.Principal = senderID
	schemas := registry.New(s.schemas, s.control, cfg.Timeout, s.log.With("service", KafkaAPI))
	api.OwnGroups = []string{stream.Group, s.set.lake.Group}
	api.Routing = ingest.Routing{Routes: s.routes, Commands: s.control}
	s.ingest = api
	scraper, checks := s.openMetrics(), s.busChecks()
	checks["scrapes"], checks["topics"] = scraper.Check, s.checkTopics
	if cfg.SpillBytes > 0 {
		checks["broker"] = spilling(checks["broker"], api.Held)
	}
	srv, err := s.server(KafkaAPI, "Events in, topics and dead letters.", checks, func(m *httpx.Mux) {
		api.Mount(m)
		s.audit.Mount(m)
		scraper.Mount(m)
		schemas.Mount(m)
	})
	if err != nil {
		return nil, err
	}
	others, err := s.otlpListeners()
	if err != nil {
		return nil, errors.Join(err, srv.Close())
	}
	return pair{api, append(doors{srv}, others...)}, nil
}

func (s *system) buildEventProcessingAPI(context.Context) (run.Service, error) {
	checks := s.busChecks()
	checks["windows"], checks["alerts"] = s.checkWindows, s.checkAlerts
	rules := &ruleset.API{Set: s.rules, Vet: vetRule(s.set.alert), Commands: s.control, Timeout: s.set.timeout, Log: s.log.With("service", EventProcessingAPI), Past: &ruleset.Past{
		Bus: s.bus, Schemas: s.records(), Prices: s.prices, Limits: s.set.ingest.Event, Lateness: s.set.stream.Lateness, Disorder: s.set.stream.Disorder, Future: s.set.stream.Future,
	}}
	if s.alert != nil {
		checks["responses"] = s.alert.Check
	}
	return s.server(EventProcessingAPI, "Live windows of what is going on, the rules on them, their alerts, and what is done about these.", checks, func(m *httpx.Mux) {
		s.stream.Mount(m, stream.Beside{Alerts: s.alerts, Stored: atRest{s}})
		rules.Mount(m)
		s.alerts.Mount(m, s.rules.Anomaly)
		s.anyRange().Mount(m)
		if s.alert != nil {
			s.alert.Mount(m)
		}
	})
}

func (s *system) buildBatchProcessingAPI(context.Context) (run.Service, error) {
	checks := s.busChecks()
	checks["store"], checks["lake"] = s.checkStore, s.checkLake
	return s.server(BatchProcessingAPI, "Hours at rest: aggregates, the runs that make them, and what becomes of old data.", checks, func(m *httpx.Mux) {
		s.batch.Mount(m)
		s.retention.Mount(m)
		s.erasure.Mount(m)
	}, s.batch.AddChecks)
}

func (s *system) buildDataStreamingAPI(context.Context) (run.Service, error) {
	checks := s.busChecks()
	checks["notifications"] = s.notify.Check
	return s.server(DataStreamingAPI, "Live states and happenings for screens, over WebSocket and server-sent events, and notifications of people.", checks, func(m *httpx.Mux) {
		s.hub.Mount(m)
		s.hub.MountTickets(m, s.tickets)
		s.notify.Mount(m)
	})
}

func (s *system) buildBoard(name string) (run.Service, error) {
	log := s.log.With("service", name)
	services := map[string]http.Handler{dashboard.Self: s.self()}
	for _, service := range []string{KafkaAPI, EventProcessingAPI, BatchProcessingAPI, DataStreamingAPI, Scheduler} {
		services[service] = s.passTo(service)
	}
	h, err := dashboard.New(name, s.hub, dashboard.Config{Environment: s.set.serve.Environment, Version: Version, Links: s.allURLs, Services: services,
		Dimensions: s.set.stream.DimensionNames(), Range: s.anyRange(), Gate: s.boardGate(), Sessions: s.sessions, Log: log})
	if err != nil {
		return nil, err
	}
	return s.listen(name, h)
}

// anyRange answers for any span of time. There is one in a process, so that its bounds hold for all who ask it.
func (s *system) anyRange() *past.Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.past == nil {
		s.past = past.New(livePanes{s.stream}, storedHours{s}, rawEvents{s, make(chan struct{}, 1)}, s.log.With("part", "range"))
	}
	return s.past
}

// self answers what the boards ask of the process that serves them.
func (s *system) self() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /configuration", func(w http.ResponseWriter, _ *http.Request) {
		values := []conf.Value{}
		if tree := s.demo.Reload.Tree; tree != nil {
			values = tree.Values()
		}
		httpx.JSON(w, http.StatusOK, map[string]any{"version": Version, "values": values})
	})
	mux.Handle("POST /self-test", newSelfTest(s.reach, s.via, s.speakFor))
	return mux
}
