package tap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/hxp-enterprise/hxp/internal/kit/certs"
	"github.com/hxp-enterprise/hxp/internal/kit/conns"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/sdk"
)

// flushTimeout is how long events may take to reach the brokers after the last stream ended; then they wait on disk.
const flushTimeout = 5 * time.Second

// Tap is one proxy with what belongs to it.
type Tap struct {
	cfg      Config
	log      *slog.Logger
	producer *sdk.Producer
	metrics  *metrics
	via      *http.Transport
	listener net.Listener
	server   *http.Server
	admin    *httpx.Server // nil without an address
	idle     chan struct{} // holds a signal when the last open request ended
}

// New opens ports and spill, and gives them back when one of them fails. connect finds the brokers; it may fail and is asked
// again.
func New(cfg Config, connect func(ctx context.Context) (Writer, error), reg *telemetry.Registry, log *slog.Logger) (_ *Tap, err error) {
	t := &Tap{cfg: cfg, log: log, via: newTransport(cfg.HeaderTimeout), idle: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			t.giveBack()
		}
	}()
	if t.listener, err = net.Listen("tcp", cfg.Listen); err != nil {
		return nil, fmt.Errorf("hxp tap cannot listen on %s: %w", cfg.Listen, err)
	}
	t.listener = quickListener{t.listener}
	t.producer, err = sdk.NewProducer(sdk.Options{Sender: &sender{connect: connect, privacy: cfg.Privacy}, Source: "tap", Spill: cfg.Spill, MaxEvents: cfg.QueueEvents,
		SpillBytes: cfg.SpillBytes, Log: log})
	if err != nil {
		return nil, fmt.Errorf("%w (choose another folder with --data-dir)", err)
	}
	t.metrics = newMetrics(reg, t.producer.Stats)
	if cfg.Admin != "" {
		if t.admin, err = httpx.Listen("the admin port of hxp tap", cfg.Admin, t.adminHandler(reg), log); err != nil {
			return nil, err
		}
	}
	t.server = newServer(t.handler(), log)
	if cfg.Places != nil {
		t.bound(conns.NewMetrics(reg))
	}
	if cfg.Certs != nil {
		t.encrypt(cfg.Certs)
	}
	return t, nil
}

func (t *Tap) giveBack() {
	if t.listener != nil {
		_ = t.listener.Close()
	}
	if t.producer != nil {
		_ = t.producer.Close(context.Background())
	}
}

// newServer speaks HTTP/1.1 and HTTP/2, with TLS or without, and sets no limit of time on a body or an answer: streams may be long.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true) // with TLS
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{Handler: h, Protocols: &protocols, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 1000}, ReadHeaderTimeout: 30 * time.Second,
		IdleTimeout: 5 * time.Minute, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
}

// handler watches what passes and counts what is open.
func (t *Tap) handler() http.Handler {
	observer := sdk.Observer{To: discreet{t.producer, t.cfg.Privacy}, Decoders: map[string]sdk.Decoder{
		"br":   func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
		"zstd": openZstd,
	}}
	proxy := newProxy(t.cfg.Upstream, t.via, t.metrics, t.log)
	watched := observer.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if t.metrics.open.Load() > t.cfg.maxOpen() {
			t.metrics.turnedAway.Inc()
			w.Header().Set("Retry-After", "1")
			answer(w, r, http.StatusServiceUnavailable, "tap_overloaded", "hxp tap has as many requests open as it may (--max-open); try again")
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.metrics.open.Add(1)
		defer t.done()
		watched.ServeHTTP(w, r)
	})
}

func (t *Tap) done() {
	if t.metrics.open.Add(-1) == 0 {
		select {
		case t.idle <- struct{}{}:
		default:
		}
	}
}

func openZstd(r io.Reader) (io.Reader, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(8<<20))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

// Addr is where clients find the tap.
func (t *Tap) Addr() string { return t.listener.Addr().String() }

// AdminURL is the base of /health and /metrics, "" without them.
func (t *Tap) AdminURL() string {
	if t.admin == nil {
		return ""
	}
	return t.admin.URL()
}

// Stats tells what became of the events.
func (t *Tap) Stats() sdk.Stats { return t.producer.Stats() }

// Run proxies until ctx ends, drains and returns nil.
func (t *Tap) Run(ctx context.Context) error {
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	t.server.BaseContext = func(net.Listener) context.Context { return base }
	var parts sync.WaitGroup
	failed := make(chan error, 2)
	adminCtx, stopAdmin := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAdmin()
	if t.admin != nil {
		parts.Go(func() { failed <- t.admin.Run(adminCtx) })
	}
	served := make(chan error, 1)
	parts.Go(func() { served <- t.serve(t.listener) })
	var err error
	select {
	case <-ctx.Done():
		t.drain()
	case err = <-served:
		err = fmt.Errorf("serving %s: %w", t.Addr(), err)
	case err = <-failed:
	}
	_ = t.server.Close()
	cut() // upgraded connections end with it
	for t.metrics.open.Load() > 0 {
		<-t.idle
	}
	t.via.CloseIdleConnections()
	err = errors.Join(err, t.flush(ctx))
	stopAdmin()
	parts.Wait()
	return err
}

// bound has both ports share places.
func (t *Tap) bound(count *conns.Metrics) {
	t.listener = t.cfg.Places.Listener(t.listener, count, nil)
	if t.admin != nil {
		t.admin.Bound(t.cfg.Places, count)
	}
}

// encrypt lets both ports speak TLS alone.
func (t *Tap) encrypt(with *certs.Keeper) {
	t.server.TLSConfig = with.Server(false)
	if t.admin != nil {
		t.admin.Encrypt(with.Server(true), with.Asks())
	}
}

func (t *Tap) serve(l net.Listener) error {
	if t.server.TLSConfig != nil {
		return t.server.ServeTLS(l, "", "")
	}
	return t.server.Serve(l)
}

// drain lets what is open end.
func (t *Tap) drain() {
	limit, cancel := context.WithTimeout(context.Background(), t.cfg.Drain)
	defer cancel()
	if n := t.metrics.open.Load(); n > 0 {
		t.log.Info("waiting for open requests", "requests", n, "at_most", t.cfg.Drain)
	}
	if t.server.Shutdown(limit) != nil {
		t.log.Warn("requests cut off", "requests", t.metrics.open.Load(), "after", t.cfg.Drain)
	}
}

// flush brings the events away, or leaves them on disk.
func (t *Tap) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	err := t.producer.Close(ctx)
	if s := t.producer.Stats().Spill; s.Records > 0 {
		t.log.Warn("events wait on disk for the next start", "events", s.Records, "folder", t.cfg.Spill)
	}
	return err
}
