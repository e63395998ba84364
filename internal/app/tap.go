package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/ingest/tap"
	"github.com/hxp-enterprise/hxp/internal/kit/certs"
	"github.com/hxp-enterprise/hxp/internal/kit/conns"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// TapFlags are the flags of `hxp tap` as typed.
type TapFlags struct {
	Listen, Upstream, Admin string
	UpstreamTimeout, Drain  time.Duration
	Queue, MaxOpen          int
	SpillBytes              int64

	upstream *url.URL
}

// Check reads the flags and tells what is wrong with them.
func (f *TapFlags) Check() (err error) {
	if f.upstream, err = tap.ParseUpstream(f.Upstream); err != nil {
		return err
	}
	return f.config("").Check()
}

func (f *TapFlags) config(dataDir string) tap.Config {
	c := tap.Config{Listen: f.Listen, Admin: f.Admin, Upstream: f.upstream, HeaderTimeout: f.UpstreamTimeout, Drain: f.Drain, MaxOpen: f.MaxOpen, QueueEvents: f.Queue,
		SpillBytes: f.SpillBytes, Version: Version}
	if _, port, err := net.SplitHostPort(f.Listen); err == nil { // several taps on one machine have one data folder
		c.Spill = filepath.Join(dataDir, "tap", port)
	}
	return c
}

// fewCollections lets the heap of a tap grow further between two collections, each of which holds streams up. It is small: what a
// thousand streams hold is some tens of megabytes.
func fewCollections() { debug.SetGCPercent(400) }

// Tap proxies until ctx ends. The flags have been checked.
func Tap(ctx context.Context, cfg *Config, f TapFlags, out io.Writer, log *slog.Logger) error {
	fewCollections()
	brokers := &lateBus{cfg: cfg.Bus()}
	defer brokers.close()
	if err := cfg.readPrivacy(); err != nil {
		return err
	}
	set := f.config(cfg.DataDir)
	set.Privacy = cfg.KafkaAPI.Ingest.Event.Privacy
	set.Places = conns.New(cfg.maxConnections(), cfg.Each, log)
	if cfg.TLS.On() {
		keeper, err := certs.Keep(cfg.TLS, log)
		if err != nil {
			return err
		}
		set.Certs = keeper
	}
	t, err := tap.New(set, brokers.writer, telemetry.NewRegistry(), log)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "hxp tap listens on %s, before %s", t.Addr(), f.upstream)
	if url := t.AdminURL(); url != "" {
		fmt.Fprintf(out, "; health and metrics on %s", url)
	}
	fmt.Fprintln(out, "; stop with Ctrl-C")
	return t.Run(ctx)
}

// lateBus connects to the brokers when somebody has something to write. Not for concurrent use.
type lateBus struct {
	cfg bus.Config
	bus *bus.Bus
}

func (l *lateBus) writer(ctx context.Context) (tap.Writer, error) {
	if l.bus == nil {
		ctx, cancel := context.WithTimeoutCause(ctx, 3*time.Second, errors.New("no answer within 3 s"))
		defer cancel()
		b, err := bus.Connect(ctx, l.cfg, nil) // the producer of events tells once that they wait, and why
		if err != nil {
			return nil, err
		}
		l.bus = b
	}
	return l.bus.NewProducer(bus.ProducerOptions{DeliveryTimeout: 10 * time.Second})
}

func (l *lateBus) close() {
	if l.bus != nil {
		l.bus.Close()
	}
}
