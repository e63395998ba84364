package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// API is the kafka-api.
type API struct {
	cfg     Config
	bus     *bus.Bus
	out     sender
	close   func()
	log     *slog.Logger
	now     func() time.Time
	gate    gate
	filter  *filter // nil when switched off
	metrics *metrics
	rates   rates
	ready   chan struct{}

	// Overfull, when set, tells whether the broker is too full to write to, and why. Set it before the first request.
	Overfull func() (bool, string)
}

// sender is what the API needs of a bus.Producer.
type sender interface {
	Send(ctx context.Context, msgs []*bus.Message) error
}

// New opens the producer of the API on b, which stays the caller's. Run it and serve its Handler.
func New(cfg Config, b *bus.Bus, log *slog.Logger, reg *telemetry.Registry) (*API, error) {
	p, err := b.NewProducer(bus.ProducerOptions{DeliveryTimeout: cfg.Timeout})
	if err != nil {
		return nil, fmt.Errorf("kafka-api: %w", err)
	}
	a := newAPI(cfg, p, log, reg)
	a.bus, a.close = b, p.Close
	return a, nil
}

func newAPI(cfg Config, out sender, log *slog.Logger, reg *telemetry.Registry) *API {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	a := &API{cfg: cfg, out: out, close: func() {}, log: log, now: time.Now, gate: gate{limit: cfg.MaxInFlightBytes}, ready: make(chan struct{})}
	if cfg.FilterBytes > 0 {
		a.filter = newFilter(cfg.FilterBytes)
	}
	a.metrics = newMetrics(reg, a)
	return a
}

// Mount adds the paths of the kafka-api to a mux.
func (a *API) Mount(m *httpx.Mux) {
	m.HandleFunc("POST /events", a.postEvents,
		httpx.Doc("Takes events and answers when the brokers have acknowledged them."),
		httpx.Body("application/json", "application/x-ndjson"),
		httpx.Header("Content-Encoding", "gzip, zstd or none"),
		httpx.Header("Idempotency-Key", "makes the ids of events without one from this key and their index"),
		httpx.Query("results", "all = name the place of every event, not only for bodies of up to 100"),
		httpx.Answer("202", "all taken; duplicates count as taken"), httpx.Answer("207", "some rejected, each kept in the dead letters"),
		httpx.Answer("400", "not readable as a whole, nothing taken"), httpx.Answer("413", "too large, nothing taken"),
		httpx.Answer("415", "another content type or encoding"), httpx.Answer("422", "none taken"),
		httpx.Answer("429", "too much under way, see Retry-After"), httpx.Answer("503", "the brokers cannot write now, see Retry-After"))
	limit, cursor := httpx.Query("limit", "items of a page, 1 to 1000, 100 by default"), httpx.Query("cursor", "next_cursor of the page before")
	m.HandleFunc("GET /topics", a.getTopics, httpx.Doc("Lists the topics."), limit, cursor)
	m.HandleFunc("GET /topics/{name}", a.getTopic, httpx.Doc("Describes one topic."))
	m.HandleFunc("GET /dead-letters", a.getDeadLetters, httpx.Doc("Lists what was refused, with the reason."), limit, cursor,
		httpx.Query("topic", "where it was read or would have gone"), httpx.Query("reason", "reason code"), httpx.Query("since", "RFC 3339"))
	m.HandleFunc("GET /dead-letters/summary", a.getDeadLetterSummary, httpx.Doc("Counts the dead letters by reason code."))
	m.HandleFunc("GET /dead-letters/{id}", a.getDeadLetter, httpx.Doc("Shows one dead letter."))
}

// Handler serves the paths of the kafka-api and nothing else.
func (a *API) Handler() http.Handler {
	m := httpx.NewMux(a.log, nil)
	a.Mount(m)
	return m
}

// Ready is closed when the duplicate filter knows what was written before the start.
func (a *API) Ready() <-chan struct{} { return a.ready }

// Run fills the duplicate filter from the ends of the topics, then watches the rates of the topics until ctx ends, and
// closes the producer. Stop the server before: requests under way need the producer.
func (a *API) Run(ctx context.Context) error {
	defer a.close()
	a.warm(ctx)
	close(a.ready)
	tick := time.NewTicker(rateEvery)
	defer tick.Stop()
	for {
		a.sampleRates(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// postEvents answers POST /events.
func (a *API) postEvents(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	defer func() { a.metrics.duration.Observe(time.Since(began).Seconds()) }()
	kind := mediaTypeOf(r.Header.Get("Content-Type"))
	if kind == unsupported {
		a.refuse(w, r, &refusal{status: http.StatusUnsupportedMediaType, detail: fmt.Sprintf("Content-Type %q is not supported; use application/json or application/x-ndjson", r.Header.Get("Content-Type"))})
		return
	}
	if a.Overfull != nil {
		if full, why := a.Overfull(); full {
			a.refuse(w, r, &refusal{status: http.StatusServiceUnavailable, detail: "nothing can be written now: " + why, retry: 5})
			return
		}
	}
	in, no := a.read(r)
	if no != nil {
		a.refuse(w, r, no)
		return
	}
	defer in.release()
	b := batches.Get().(*batch)
	defer a.finish(b)
	if no := b.split(kind, in.bytes, a.cfg.MaxItems); no != nil {
		a.refuse(w, r, no)
		return
	}
	b.key = r.Header.Get("Idempotency-Key")
	b.results = len(b.spans) <= maxListed || r.URL.RawQuery != "" && r.URL.Query().Get("results") == "all"
	b.contentType = r.Header.Get("Content-Type")
	if no := a.prepare(b); no != nil {
		a.refuse(w, r, no)
		return
	}
	// A sender that goes away does not take back what is half written; the filter wants to know the outcome.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), a.cfg.Timeout+time.Second)
	defer cancel()
	if err := a.write(ctx, b); err != nil {
		a.refuse(w, r, a.writeFailed(err))
		return
	}
	a.answer(w, b)
}

// finish ends a request: what it claimed and did not settle, because it was refused or panicked, is anybody's again.
func (a *API) finish(b *batch) {
	if !b.settled {
		for i := range b.items {
			if it := &b.items[i]; it.claim {
				a.filter.settle(it.ident, false, place{})
			}
		}
	}
	b.recycle()
}

// writeFailed is the one place that turns errors of the bus into answers.
func (a *API) writeFailed(err error) *refusal {
	switch {
	case bus.Retryable(err), errors.Is(err, bus.ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, errOther):
		a.log.Warn("events were not written", "error", err)
		return &refusal{status: http.StatusServiceUnavailable, detail: "the brokers did not acknowledge everything; send it again, what is known by its id is not taken twice", retry: 1}
	}
	a.log.Error("events were not written", "error", err)
	return &refusal{status: http.StatusInternalServerError, detail: "the brokers refused the events: " + err.Error()}
}

// refuse answers without taking anything.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, no *refusal) {
	if no.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(no.retry))
	}
	unread := r.ContentLength < 0 || r.ContentLength > 256<<10 // what the server itself would read to the end is not ours to care for
	if unread && r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
		_ = http.NewResponseController(w).EnableFullDuplex() // answer before the body is read
	}
	httpx.Problem(w, r, no.status, no.detail)
	if unread && r.ProtoMajor == 1 {
		linger(w, r)
	}
}
