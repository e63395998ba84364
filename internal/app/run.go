package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert"
	"github.com/hxp-enterprise/hxp/internal/alert/notify"
	"github.com/hxp-enterprise/hxp/internal/batch"
	"github.com/hxp-enterprise/hxp/internal/batch/airflow"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
	"github.com/hxp-enterprise/hxp/internal/batch/retention"
	"github.com/hxp-enterprise/hxp/internal/broker"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/ingest"
	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
	"github.com/hxp-enterprise/hxp/internal/kit/certs"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/kit/sdnotify"
	"github.com/hxp-enterprise/hxp/internal/lake"
	"github.com/hxp-enterprise/hxp/internal/serve"
	"github.com/hxp-enterprise/hxp/internal/stream"
	"github.com/hxp-enterprise/hxp/internal/stream/ruleset"
)

// Version is the version of the binary, set by the linker.
var Version = "dev"

// settings are what the parts are built from: the configuration with every default and path settled.
type settings struct {
	dataDir     string
	addr        func(name string) string // host:port of a service or board
	tls         certs.Config
	tokensFile  string        // "" = nobody is asked who he is
	sessionLife time.Duration // of browsers at the boards
	most, each  int           // connections of the network, in all and of an address
	hosts       []string      // further names of this machine, see httpx.Server.AlsoNamed
	embedded    bool
	broker      broker.Config
	bus         bus.Config
	storeURL    string
	lakeDir     string
	reports     string // folder
	// webhookNets are the private networks that webhooks may reach.
	webhookNets  []netip.Prefix
	lake         lake.Config
	stream       stream.Config
	alert        alert.Config
	batch        batch.Config
	retention    retention.Config
	ingest       ingest.Config
	metrics      metricSources
	metricServer *batch.MetricServer
	serve        serve.Config
	findings     bool // are shown on the business board
	notify       notify.Config
	traceURL     string // of a viewer of traces, see dashboard.CheckTraceURL
	scheduler    airflow.Config
	rules        []ruleset.FileRule
	prices       *cost.Document // of the price file; nil when none is named
	timeout      time.Duration  // of one write to the brokers and of one query
}

// Options say what to run beside the configuration.
type Options struct {
	Services  []string // names of services; nil = all of them
	Demo      bool     // generated traffic
	Rate      float64  // of it, requests a second
	Seed      int64
	Scenario  string
	Past      time.Duration // for how long there was traffic already
	ReadyFile string
	Reload    Reload
	Systemd   Systemd
	Out       io.Writer // where the URLs are printed
	Log       *slog.Logger
}

// all is what `hxp up` runs.
func all(embedded bool) []string {
	names := slices.Clone(Names)
	if !embedded {
		names = slices.DeleteFunc(names, func(n string) bool { return n == Broker })
	}
	return names
}

// Run runs services until ctx ends, drains them and returns nil; or returns the first cause when one fails.
func Run(ctx context.Context, cfg *Config, o Options) (err error) {
	set, note, err := cfg.settle(ctx, o.Services)
	if err != nil {
		return err
	}
	if note != "" {
		o.Log.Info(note)
	}
	limitProcess(cfg, o.Services)
	defer paceCollections()()
	unlock, err := claimDataDir(set.dataDir)
	if err != nil {
		return err
	}
	defer func() { _ = unlock() }()
	names := o.Services
	if names == nil {
		names = all(set.embedded)
	}
	if err := set.noteTopics(o.Log); err != nil {
		return err
	}
	if err := cfg.freePorts(&set, names); err != nil {
		return err
	}
	ended := noteCrashes(set.dataDir, o.Log)
	defer func() { ended(err) }()
	s, err := newSystem(set, o.Log, o)
	if err != nil {
		return err
	}
	if err := s.openTokens(); err != nil {
		return err
	}
	defer export(s.exporter(cfg))()
	units, err := s.units(names, o.Demo)
	if err != nil {
		return err
	}
	var announceErr error
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err = run.Supervise(ctx, s.log, units, func() {
		if announceErr = s.announce(o); announceErr != nil {
			cancel(announceErr)
			return
		}
		s.tell(sdnotify.Ready, sdnotify.Status("ready: "+strings.Join(names, ", ")))
	})
	return errors.Join(announceErr, err)
}

// claimDataDir makes the data folder and keeps other processes of ours out of it.
func claimDataDir(dir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("data folder: %w (choose another with --data-dir)", err)
	}
	unlock, err = atomicfile.Lock(dir + "/hxp.lock")
	if err != nil {
		return nil, fmt.Errorf("data folder %s is in use: %w (choose another with --data-dir)", dir, err)
	}
	if err = unfinished(dir); err == nil {
		err = claimFormat(dir)
	}
	if err != nil {
		_ = unlock() // nothing was begun
		return nil, err
	}
	return unlock, nil
}

// announce writes the ready file and prints where to look.
func (s *system) announce(o Options) error {
	urls := s.allURLs()
	if o.ReadyFile != "" {
		ready := map[string]any{"pid": os.Getpid()}
		for name, url := range urls {
			ready[name] = url
		}
		data, err := json.MarshalIndent(ready, "", "  ")
		if err != nil {
			return err
		}
		if err := atomicfile.Write(o.ReadyFile, append(data, '\n')); err != nil {
			return fmt.Errorf("ready file: %w", err)
		}
	}
	if o.Out == nil {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\nhxp %s is ready\n\n", Version)
	for _, line := range [][2]string{
		{"operations", "dashboard"}, {KafkaAPI, "send events"}, {EventProcessingAPI, "live windows"}, {BatchProcessingAPI, "hours and runs"}, {Scheduler, "scheduler"},
		{DataStreamingAPI, "live streams"}, {"kafka", "Kafka protocol"}, {"business", "business board"}, {"performance", "performance board"}, {"system", "system board"},
	} {
		if url, ok := urls[line[0]]; ok {
			fmt.Fprintf(&b, "  %-18s %s%s\n", line[1], url, tryPath[line[0]])
		}
	}
	if s.set.tokensFile != "" {
		b.WriteString("\n  everybody is asked for a token; `hxp auth token create --scope read --name NAME` makes one for the boards\n")
	}
	fmt.Fprintf(&b, "\n  data in %s · stop with Ctrl-C\n\n", s.set.dataDir)
	_, err := io.WriteString(o.Out, b.String())
	return err
}

// tryPath is the first thing to open of a service.
var tryPath = map[string]string{
	"operations": "/", Scheduler: "/", KafkaAPI: "/events", EventProcessingAPI: "/analytics?window=60&group_by=model", BatchProcessingAPI: "/aggregation/status", DataStreamingAPI: "/stream/metrics",
}
