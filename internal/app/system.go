package app

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/hxp-enterprise/hxp/internal/alert"
	"github.com/hxp-enterprise/hxp/internal/alert/notify"
	"github.com/hxp-enterprise/hxp/internal/audit"
	"github.com/hxp-enterprise/hxp/internal/batch"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/batch/erasure"
	"github.com/hxp-enterprise/hxp/internal/batch/retention"
	"github.com/hxp-enterprise/hxp/internal/broker"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/ingest"
	"github.com/hxp-enterprise/hxp/internal/ingest/registry"
	"github.com/hxp-enterprise/hxp/internal/ingest/route"
	"github.com/hxp-enterprise/hxp/internal/ingest/scrape"
	"github.com/hxp-enterprise/hxp/internal/kit/auth"
	"github.com/hxp-enterprise/hxp/internal/kit/certs"
	"github.com/hxp-enterprise/hxp/internal/kit/clock"
	"github.com/hxp-enterprise/hxp/internal/kit/conf"
	"github.com/hxp-enterprise/hxp/internal/kit/conns"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/internal/lake"
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

	clock  clock.Watch  // over that of this machine
	steady clock.Steady // follows it

	reloaded atomic.Pointer[conf.Tree] // the configuration that was taken over last, see inForce; nil = none since the start

	certs   *certs.Keeper   // nil without TLS
	places  *conns.Limit    // of all listeners but the broker's
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
		"batch": s.buildBatch, "retention": s.buildRetention, "erasure": s.buildErasure, "live": s.buildLive, "notify": s.buildNotify, "clock": s.buildClock, "demo": s.buildDemo, "scrape": s.buildScrape, "host": s.buildHost, "reload": s.buildReload, "systemd": s.buildSystemd, "tokens": s.buildTokens, "sessions": s.buildSessions, "users": s.buildUsers, "audit": s.buildAudit,
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
