package broker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
	"github.com/hxp-enterprise/hxp/internal/kit/conns"
	"github.com/hxp-enterprise/hxp/internal/kit/inside"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// Broker is the embedded broker, a service: Run works until its context ends.
type Broker struct {
	// Floor tells the lowest offset of a partition that somebody still needs; math.MaxInt64 = nobody needs anything. Not
	// ok = not known, so nothing is deleted. nil = retention alone decides. Set it before Run.
	Floor func(topic string, partition int32) (offset int64, ok bool)

	cfg    Config
	log    *slog.Logger
	ready  chan struct{}
	addr   string
	engine engine
	guard  *guard
	inside *inside.Listener // of this process; nil where the one of the network asks for nothing
	usage  *usage

	refused       *telemetry.CounterVec
	refusedWrites telemetry.Counter
	deleted       telemetry.Counter
}

// New makes a broker; nothing is opened before Run.
func New(cfg Config, log *slog.Logger, reg *telemetry.Registry) (*Broker, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	if _, _, err := net.SplitHostPort(cfg.Addr); err != nil {
		return nil, fmt.Errorf("embedded broker: address %q is not host:port: %w", cfg.Addr, err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	b := &Broker{cfg: cfg, log: log.With("service", "broker"), ready: make(chan struct{}), usage: newUsage(cfg)}
	if cfg.TLS != nil || cfg.Login {
		b.inside = inside.Listen()
	}
	b.metrics(reg)
	return b, nil
}

// Ready is closed when the broker answers.
func (b *Broker) Ready() <-chan struct{} { return b.ready }

// Addr is host:port where clients connect; known once the broker is ready.
func (b *Broker) Addr() string { return b.addr }

// Durability says what an acknowledged record does.
func (b *Broker) Durability() string {
	switch {
	case b.cfg.Dir == "":
		return "is lost with the process"
	case b.cfg.SyncWrites:
		return "survives a power cut"
	}
	return "survives a killed process, not a power cut"
}

// Overfull tells whether writes are refused because of what may not be deleted yet, and why. It costs next to nothing.
func (b *Broker) Overfull() (bool, string) { return b.usage.full() }

// LoopDelay measures how long the engine's one loop takes to get to a new request.
func (b *Broker) LoopDelay() time.Duration {
	began := time.Now()
	b.engine.topic("")
	return time.Since(began)
}

// Run opens the folder, serves until ctx ends and closes the folder in order.
func (b *Broker) Run(ctx context.Context) error {
	if b.cfg.Dir == "" {
		return b.serve(ctx, newArrivals())
	}
	if err := os.MkdirAll(b.cfg.Dir, 0o755); err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	unlock, err := atomicfile.Lock(filepath.Join(b.cfg.Dir, "broker.lock"))
	if err != nil {
		return fmt.Errorf("embedded broker: folder %s is in use: %w (stop it, or choose another folder with --data-dir)", b.cfg.Dir, err)
	}
	defer func() { _ = unlock() }() // ends with the process anyway
	seen, err := b.prepare()
	if err != nil {
		return fmt.Errorf("embedded broker: folder %s: %w", b.cfg.Dir, err)
	}
	if err := b.serve(ctx, seen); err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(b.cfg.Dir, cleanMark), nil)
}

func (b *Broker) logDir() string {
	if b.cfg.Dir == "" {
		return ""
	}
	return filepath.Join(b.cfg.Dir, "log")
}

// prepare makes the folder fit for the engine.
func (b *Broker) prepare() (*arrivals, error) {
	if err := atomicfile.Sweep(b.cfg.Dir); err != nil {
		return nil, err
	}
	seen, err := readArrivals(b.cfg.Dir)
	if err != nil {
		b.log.Warn("times of arrival are not known; retention counts from now", "error", err)
	}
	// The engine prefers the settings that it wrote down to those that it is given.
	if err := removeIf(filepath.Join(b.logDir(), "broker_configs.json")); err != nil {
		return nil, err
	}
	mark := filepath.Join(b.cfg.Dir, cleanMark)
	if _, err := os.Stat(mark); errors.Is(err, fs.ErrNotExist) {
		return seen, recoverLogs(b.logDir(), seen, b.log)
	}
	if err := os.Remove(mark); err != nil {
		return nil, err
	}
	return seen, atomicfile.SyncDir(b.cfg.Dir)
}

// serve runs the engine behind the guard.
func (b *Broker) serve(ctx context.Context, seen *arrivals) error {
	if err := b.open(ctx); err != nil {
		return err
	}
	cleaning, stopCleaning := context.WithCancel(context.WithoutCancel(ctx))
	defer stopCleaning()
	cleaned := make(chan struct{})
	go func() {
		defer close(cleaned)
		(&janitor{b: b, dir: b.logDir(), seen: seen}).run(cleaning)
	}()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		b.guard.watch(cleaning)
	}()
	close(b.ready)
	<-ctx.Done()
	b.guard.stop()
	stopCleaning()
	<-cleaned
	<-watched
	b.engine.close()
	b.guard.finish()
	return nil
}

// open listens and starts the engine.
func (b *Broker) open(ctx context.Context) error {
	var known *users
	if b.cfg.Login {
		var err error
		if known, err = newUsers(b.cfg, b.log); err != nil {
			return fmt.Errorf("embedded broker: %w", err)
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", b.cfg.Addr)
	if err != nil {
		return fmt.Errorf("embedded broker: %w (choose another port in KAFKA_BOOTSTRAP_SERVERS)", err)
	}
	if b.inside != nil {
		listener = newDoorway(listener, b.inside)
	}
	ours, theirs := net.Pipe()
	b.addr = listener.Addr().String()
	b.engine.inside = ours
	b.guard = &guard{
		Listener: listener, cfg: b.cfg, log: b.log, allowed: versions(), rules: b, refused: b.refused,
		advertise: advertised(b.cfg.Advertised, listener.Addr()), users: known, places: conns.New(b.cfg.MaxConnections, b.cfg.MaxEach, nil), inside: theirs, open: map[*conn]struct{}{},
	}
	began := time.Now()
	cluster, err := kfake.NewCluster(b.options()...)
	if err != nil {
		return errors.Join(fmt.Errorf("embedded broker: log in %s: %w", b.cfg.Dir, err), ignoreClosed(listener.Close()), ours.Close(), theirs.Close())
	}
	b.engine.set(cluster)
	debug.FreeOSMemory() // loading reads segment after segment; what that took is not needed again
	b.log.Info("embedded broker is open", "address", b.addr, "tls", b.cfg.TLS != nil, "login", b.cfg.Login, "durability", b.Durability(), "took", time.Since(began))
	return nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (b *Broker) options() []kfake.Opt {
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("hxp"),
		kfake.DefaultNumPartitions(3),
		kfake.MaxVersions(b.guard.allowed),
		kfake.WithLogger(engineLog{b.log}),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return b.guard, nil }),
		kfake.BrokerConfigs(map[string]string{
			// The engine's own retention and compaction run when this is over: in a century.
			"log.cleaner.backoff.ms": strconv.FormatInt((100 * 365 * 24 * time.Hour).Milliseconds(), 10),
			// Files are deleted whole, so they are small against the cap; each keeps a descriptor open.
			"log.segment.bytes": strconv.FormatInt(min(max(b.cfg.MaxBytes/128, minSegment/4), 64<<20), 10),
		}),
	}
	if b.cfg.Dir != "" {
		opts = append(opts, kfake.DataDir(b.logDir()))
	}
	if b.cfg.SyncWrites {
		opts = append(opts, kfake.SyncWrites())
	}
	return opts
}

// hostPort is an address that is what it says.
type hostPort string

func (hostPort) Network() string  { return "tcp" }
func (h hostPort) String() string { return string(h) }

// advertised is what clients are told. A listener on all addresses has none to tell, so it tells the loopback one.
func advertised(wish string, listening net.Addr) net.Addr {
	if wish != "" {
		return hostPort(wish)
	}
	if tcp, ok := listening.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return hostPort(net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port)))
	}
	return listening
}
