package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// Broker is the embedded broker, a service: Run works until its context ends.
type Broker struct {
	cfg     Config
	log     *slog.Logger
	refused *telemetry.CounterVec
	ready   chan struct{}
	addr    string
	cluster *kfake.Cluster

	// Floor tells the lowest offset of a partition that a reader still needs; not ok = everything is needed. nil = nothing
	// is. Set it before Run.
	Floor func(topic string, partition int32) (offset int64, ok bool)

	mu   sync.Mutex
	full string // why nothing more may be written; "" = there is room
}

// New makes a broker; nothing is opened before Run.
func New(cfg Config, log *slog.Logger, reg *telemetry.Registry) (*Broker, error) {
	cfg = cfg.withDefaults()
	if _, _, err := net.SplitHostPort(cfg.Addr); err != nil {
		return nil, fmt.Errorf("embedded broker: address %q: %w", cfg.Addr, err)
	}
	b := &Broker{cfg: cfg, log: log.With("service", "broker"), ready: make(chan struct{})}
	b.refused = reg.CounterVec("hxp_broker_refused_connections_total", "Connections closed by the guard of the embedded broker.", "reason")
	return b, nil
}

// Ready is closed when the broker answers.
func (b *Broker) Ready() <-chan struct{} { return b.ready }

// Addr is host:port where clients connect; known once the broker is ready.
func (b *Broker) Addr() string { return b.addr }

// Durability says what an acknowledged record survives.
func (b *Broker) Durability() string {
	if b.cfg.SyncWrites {
		return "survives a power cut"
	}
	return "survives a killed process, not a power cut"
}

// Overfull tells whether the broker must not be written to, and why.
func (b *Broker) Overfull() (bool, string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.full != "", b.full
}

// never is far enough ahead (a century, in milliseconds) that the engine's own cleaning does not run.
const never = 100 * 365 * 24 * 3600 * 1000

// Run opens the folder, serves until ctx ends and closes the log.
func (b *Broker) Run(ctx context.Context) error {
	if err := os.MkdirAll(b.cfg.Dir, 0o755); err != nil {
		return fmt.Errorf("embedded broker: %w", err)
	}
	unlock, err := atomicfile.Lock(filepath.Join(b.cfg.Dir, "broker.lock"))
	if err != nil {
		return fmt.Errorf("embedded broker: folder %s is in use by another process: %w", b.cfg.Dir, err)
	}
	defer func() { _ = unlock() }()
	listener, err := net.Listen("tcp", b.cfg.Addr)
	if err != nil {
		return fmt.Errorf("embedded broker: %w (choose another port in KAFKA_BOOTSTRAP_SERVERS)", err)
	}
	defer listener.Close()
	b.addr = listener.Addr().String()
	if err := b.open(listener); err != nil {
		return err
	}
	defer b.cluster.Close()
	b.control()
	close(b.ready)
	return b.retain(ctx)
}

func (b *Broker) open(listener net.Listener) (err error) {
	_, port, _ := net.SplitHostPort(b.addr)
	number, _ := strconv.Atoi(port)
	g := &guard{Listener: listener, cfg: b.cfg, log: b.log, versions: versions(), refused: b.refused}
	opts := []kfake.Opt{
		kfake.NumBrokers(1), kfake.Ports(number), kfake.DefaultNumPartitions(3), kfake.DataDir(filepath.Join(b.cfg.Dir, "log")),
		kfake.MaxVersions(g.versions), kfake.BrokerConfigs(map[string]string{"log.cleaner.backoff.ms": strconv.Itoa(never)}),
		kfake.ListenFn(func(string, string) (net.Listener, error) { return g, nil }),
	}
	if b.cfg.SyncWrites {
		opts = append(opts, kfake.SyncWrites())
	}
	began := time.Now()
	b.cluster, err = kfake.NewCluster(opts...)
	if err != nil {
		return errors.Join(fmt.Errorf("embedded broker: log in %s: %w", b.cfg.Dir, err), listener.Close())
	}
	b.log.Info("embedded broker is open", "address", b.addr, "seconds", time.Since(began).Seconds(), "durability", b.Durability())
	return nil
}
