package alert

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/alert/target"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/kit/clock"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// Options are what the service needs beside its settings.
type Options struct {
	DataDir  string                       // its file responses.off is a kill switch
	Lag      func() (time.Duration, bool) // how far the windows are behind; nil = nobody here knows
	Clock    *clock.Steady                // by which it is decided what is due; nil = one of its own
	Log      *slog.Logger
	Registry *telemetry.Registry
}

// Service answers alerts. Its methods for questions and commands may be called from any goroutine once it is ready.
type Service struct {
	cfg     atomic.Pointer[Config] // replaced whole, see Reconfigure
	bus     *bus.Bus
	log     *slog.Logger
	off     atomic.Bool // kill switch of the configuration
	offFile string
	metrics *metrics
	journal journal
	machine *respond.Machine
	clock   *clock.Steady
	links   *Links // of proposals; nil = off
}

// SwitchFile in the data folder turns the kill switch on while it exists.
const SwitchFile = "responses.off"

// New makes a service on b.
func New(cfg Config, b *bus.Bus, o Options) (*Service, error) {
	if o.Clock == nil {
		o.Clock = new(clock.Steady)
	}
	s := &Service{bus: b, clock: o.Clock, log: o.Log.With("service", "alert"), offFile: filepath.Join(o.DataDir, SwitchFile)}
	s.cfg.Store(&cfg)
	s.off.Store(cfg.KillSwitch)
	targets, err := target.New(cfg.Targets)
	if err != nil {
		return nil, err
	}
	if s.links, err = NewLinks(cfg); err != nil {
		return nil, err
	}
	j, err := newJournal(b, records{s}, s.log)
	if err != nil {
		return nil, err
	}
	s.journal, s.metrics = j, newMetrics(o.Registry, s)
	s.machine = respond.New(respond.Options{
		Limits: cfg.limits(), Owner: owner(), Journal: j, Targets: targets, Kill: s.killed, Lag: o.Lag, Observer: s.metrics, Log: s.log, Clock: o.Clock,
	})
	return s, nil
}

// owner is a name that no other instance has, and this one not after a restart.
func owner() string {
	host, _ := os.Hostname()
	id := make([]byte, 6)
	rand.Read(id) // it never fails
	return host + "/" + hex.EncodeToString(id)
}

// Fixed lists the settings of Config that take effect at a start only: what names and signs addresses.
var Fixed = []string{"responses.targets", "responses.approval_secret", "responses.approval_url"}

// Reconfigure lets other rails, and the kill switch of another configuration, hold from now on.
func (s *Service) Reconfigure(cfg Config) {
	was := s.cfg.Load()
	cfg.Targets, cfg.ApprovalSecret, cfg.ApprovalURL = was.Targets, was.ApprovalSecret, was.ApprovalURL
	s.cfg.Store(&cfg)
	s.machine.SetLimits(cfg.limits())
	s.SetKillSwitch(cfg.KillSwitch)
}

// SetKillSwitch turns the kill switch of the configuration on or off; the others stay as they are.
func (s *Service) SetKillSwitch(on bool) {
	if s.off.Swap(on) != on {
		s.log.Warn("kill switch of the configuration turned", "on", on)
	}
}

// killed says why the kill switch is on outside of the log. A file that cannot be looked for counts as being there.
func (s *Service) killed() string {
	if s.off.Load() {
		return "the kill switch is on by responses.kill_switch (HXP_RESPONSES_KILL_SWITCH)"
	}
	if on, err := s.fileSwitch(); on && err != nil {
		return "the kill switch is on, because its file cannot be looked for: " + err.Error()
	} else if on {
		return "the kill switch is on by the file " + s.offFile
	}
	return ""
}

func (s *Service) fileSwitch() (on bool, err error) {
	_, err = os.Lstat(s.offFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return true, err
}

// Ready is closed when the log is read.
func (s *Service) Ready() <-chan struct{} { return s.journal.Ready() }

// Run works until ctx ends, and finishes what it has begun.
func (s *Service) Run(ctx context.Context) error {
	reading, stop := context.WithCancel(context.WithoutCancel(ctx)) // the log is read until the last record is written
	defer stop()
	var failed error
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() {
		failed = s.journal.Run(reading)
		cancel()
	})
	select {
	case <-s.journal.Ready():
		var acting sync.WaitGroup
		acting.Go(func() { s.followAlerts(ctx) })
		acting.Go(func() { s.machine.Run(ctx) })
		acting.Wait()
	case <-ctx.Done():
	}
	stop()
	wg.Wait()
	return failed
}
