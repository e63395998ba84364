package app

import (
	"context"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert"
	"github.com/hxp-enterprise/hxp/internal/batch"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/lake"
	"github.com/hxp-enterprise/hxp/internal/store"
	"github.com/hxp-enterprise/hxp/internal/stream"
	"github.com/hxp-enterprise/hxp/internal/stream/alerts"
)

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
	l.Clock = &s.clock
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
	tail := s.bus.NewTail(event.TopicResponses, account, s.log.With("service", Alert))
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
