package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/prom"
	"github.com/hxp-enterprise/hxp/internal/ingest/quota"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/sdk/spill"
)

// API is the kafka-api.
type API struct {
	cfg     atomic.Pointer[Config] // replaced whole, see Reconfigure
	bus     *bus.Bus
	out     sender
	close   func()
	log     *slog.Logger
	now     func() time.Time
	gate    gate
	filter  *filter // nil when switched off
	metrics *metrics
	rates   rates
	logs    logs
	quotas  *quota.Book // of senders
	tenants *quota.Book
	slips   slips
	tales   chan tale // what people are to be told of quotas
	held    *holding  // nil when nothing is kept on disk

	unfinished *unfinished
	ready      chan struct{}
	warmed     chan struct{} // closed when the filter has learned what lay on the topics

	pulse     *bus.Pulse // nil when there are no brokers to ask
	letters   *letters
	browsing  chan struct{} // as many as pages of messages may be read at a time
	redriving chan struct{} // one

	// OwnGroups are the consumer groups that cannot be reset. Set them before the first request.
	OwnGroups []string
	// Principal, when set, names who sends a request; "" leaves it to the address. Set it before the first request.
	Principal func(*http.Request) string
	// Routing, when set, sends events to further topics. Set it before the first request.
	Routing Routing
	// RemoteWrite reads what Prometheus writes, by the names of the configuration. Set another before the first request.
	RemoteWrite *prom.Receiver
	// Schemas, when set, reads records that were written with a schema of the registry. Set it before Run.
	Schemas event.Schemas
	// Version of the program, for the description of the topics.
	Version string
	// Overfull, when set, tells whether the broker is too full to write to, and why. Set it before the first request.
	Overfull func() (bool, string)
}

// sender is what the API needs of a bus.Producer.
type sender interface {
	Send(ctx context.Context, msgs []*bus.Message) error
}

// guarded gives up on what is not written yet when the brokers go away: its sender hears so at once and not when the time for a
// write is over.
type guarded struct {
	sender
	pulse *bus.Pulse
}

func (g guarded) Send(ctx context.Context, msgs []*bus.Message) error {
	ctx, cancel := g.pulse.Guard(ctx)
	defer cancel()
	err := g.sender.Send(ctx, msgs)
	some, ok := errors.AsType[*bus.SendError](err)
	if away := context.Cause(ctx); ok && errors.Is(away, bus.ErrAway) { // say why it was given up, which is a reason to try again
		for i, e := range some.Errs {
			if errors.Is(e, context.Canceled) {
				some.Errs[i] = away
			}
		}
	}
	return err
}

// New opens the producer of the API on b, which stays the caller's. Run it and serve its Handler.
func New(cfg Config, b *bus.Bus, log *slog.Logger, reg *telemetry.Registry) (*API, error) {
	p, err := b.NewProducer(bus.ProducerOptions{DeliveryTimeout: cfg.Timeout})
	if err != nil {
		return nil, fmt.Errorf("kafka-api: %w", err)
	}
	pulse := b.NewPulse()
	out := guarded{p, pulse}
	a := newAPI(cfg, out, log, reg)
	a.bus, a.close, a.pulse = b, p.Close, pulse
	answers := reg.Histogram("kafka_answer_seconds", "Time in which the brokers answer the question that they are asked each second.", nil)
	pulse.Took = func(d time.Duration) { answers.Observe(d.Seconds()) }
	if err := a.recallQuotas(nil); err != nil {
		a.log.Error("what senders brought today is counted anew", "error", err)
	}
	if cfg.SpillBytes > 0 {
		disk, err := spill.Open(cfg.SpillDir, spill.Options{MaxBytes: cfg.SpillBytes})
		if err != nil {
			p.Close()
			return nil, fmt.Errorf("kafka-api: %w", err)
		}
		a.held = newHolding(out, disk, a.log, reg)
		a.out = a.held
	}
	return a, nil
}

func newAPI(cfg Config, out sender, log *slog.Logger, reg *telemetry.Registry) *API {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	a := &API{out: out, close: func() {}, log: log, now: time.Now, unfinished: newUnfinished(), tales: make(chan tale, maxTales), ready: make(chan struct{}), warmed: make(chan struct{}), RemoteWrite: defaultWrites(),
		letters: newLetters(maxLetters), browsing: make(chan struct{}, browsers), redriving: make(chan struct{}, 1)}
	if cfg.FilterBytes > 0 {
		a.filter = newFilter(cfg.FilterBytes)
	}
	a.quotas, a.tenants = quota.New(quota.Policy{}), quota.New(quota.Policy{})
	a.set(&cfg)
	a.metrics = newMetrics(reg, a)
	return a
}

// Mount adds the paths of the kafka-api to a mux.
func (a *API) Mount(m *httpx.Mux) {
	m.HandleFunc("POST /events", a.receiver(eventBodies{}), taking(
		httpx.Doc("Takes events and answers when the brokers have acknowledged them. A CloudEvent in binary mode has its attributes in headers ce-*."),
		httpx.Body("application/json", "application/x-ndjson"), httpx.BodyOf(oneOrMany(eventDoc)),
		httpx.BodyAs("application/cloudevents+json", cloudEventDoc), httpx.BodyAs("application/cloudevents-batch+json", cloudEventsDoc))...)
	a.mountPrometheus(m)
	m.HandleFunc("POST /api/v1/events", a.receiver(openMeter{}), refusing(
		httpx.Doc("Takes CloudEvents as OpenMeter does: all of a body or nothing, and answers without a body."),
		httpx.BodyAs("application/cloudevents+json", cloudEventDoc), httpx.BodyAs("application/cloudevents-batch+json", cloudEventsDoc), httpx.BodyAs("application/json", oneOrMany(eventDoc)),
		httpx.Answer("204", "all taken; duplicates count as taken"))...)
	a.mountForeign(m)
	a.mountSchemas(m)
	a.mountAsyncAPI(m)
	a.mountTopics(m)
	a.mountGroups(m)
	if a.Routing.Routes != nil {
		a.mountRoutes(m)
	}
	a.mountDeadLetters(m)
}

// Held tells how many messages wait on disk for the brokers, and how much of it they take.
func (a *API) Held() (messages uint64, bytes int64) {
	if a.held == nil {
		return 0, 0
	}
	return a.held.state()
}

// Handler serves the paths of the kafka-api and nothing else.
func (a *API) Handler() http.Handler {
	m := httpx.NewMux(a.log, nil)
	a.Mount(m)
	return m
}

// Ready is closed when events are taken: when the duplicate filter knows what was written before the start or, with a disk to keep
// them on, when it is clear that the brokers are away.
func (a *API) Ready() <-chan struct{} { return a.ready }

// Run fills the duplicate filter from the ends of the topics, then watches the rates of the topics, the dead letters and whether
// the brokers answer until ctx ends, and closes the producer. Stop the server before: requests under way need the producer.
func (a *API) Run(ctx context.Context) error {
	defer a.close()
	defer a.keepQuotas()
	var watching sync.WaitGroup
	defer watching.Wait()
	a.pulse.Back = func(ctx context.Context) error { return a.checkLogs(ctx, true) }
	watching.Go(func() { a.pulse.Run(ctx) })
	watching.Go(func() { a.followLetters(ctx) })
	watching.Go(func() { a.tellTales(ctx) })
	late := make(<-chan struct{}) // when the brokers are back that were away at the start
	if a.held != nil {
		var drain sync.WaitGroup
		drain.Go(func() { a.held.drain(ctx) })
		defer a.held.close()
		defer drain.Wait()
		select { // what an earlier process kept is on the topics before their ends are read
		case <-a.held.drained:
			a.warm(ctx)
		case <-a.held.stuck:
			late = a.held.drained
		case <-ctx.Done():
			return nil
		}
	} else {
		a.warm(ctx)
	}
	close(a.ready)
	tick := time.NewTicker(rateEvery)
	defer tick.Stop()
	for {
		a.sampleRates(ctx)
		a.keepQuotas()
		if err := a.checkLogs(ctx, false); err != nil && ctx.Err() == nil {
			a.log.Debug("the topics could not be looked at", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-late:
			a.warm(ctx)
			late = nil
		case <-tick.C:
		}
	}
}
