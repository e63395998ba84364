package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/ingest"
	"github.com/hxp-enterprise/hxp/internal/ingest/registry"
	"github.com/hxp-enterprise/hxp/internal/kit/conns"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/stream"
	"github.com/hxp-enterprise/hxp/internal/stream/ruleset"
)

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
	health.Add("clock", s.checkClock)
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
	srv.Bound(s.places, conns.NewMetrics(s.registry(shownBy(name))))
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
	if s.keys != nil {
		api.KnowTenants(s.keys.HasTenant)
	}
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
	rules := &ruleset.API{Set: s.rules, Vet: vetRule(s.set.alert), Commands: s.control, Runner: s.stream, Timeout: s.set.timeout, Log: s.log.With("service", EventProcessingAPI), Past: &ruleset.Past{
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

// shownBy is the service that shows the metrics of a listener: a board and a port for OTLP alone have no page of their own.
func shownBy(listener string) string {
	switch {
	case slices.Contains(boards, listener):
		return DataStreamingAPI
	case strings.HasPrefix(listener, "otlp-"):
		return KafkaAPI
	}
	return listener
}
