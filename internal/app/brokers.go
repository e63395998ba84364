package app

import (
	"context"
	"math"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/broker"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/registry"
	"github.com/hxp-enterprise/hxp/internal/ingest/route"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/stream"
	"github.com/hxp-enterprise/hxp/internal/stream/ruleset"
)

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
