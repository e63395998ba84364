package notify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/channel"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/core"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
	"github.com/hxp-enterprise/hxp/internal/kit/clock"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// Store keeps the documents. Each method is one transaction.
type Store interface {
	// SaveNotifications stores documents, and removes those without a body; one that names a revision only if it last changed in that.
	// With a fence that is not 0 it does so only while that is the fence of the owner (event.ErrNotOwner).
	SaveNotifications(ctx context.Context, fence int64, docs []event.Document) error
	// Notifications are the documents that changed after a revision, in their order, and the revision up to which that is everything. One
	// below after says that removed documents were forgotten since, so that everything is to be read anew, from 0 on.
	Notifications(ctx context.Context, after int64) (docs []event.Document, upTo int64, err error)
	// PurgeNotifications forgets that documents were removed before a revision.
	PurgeNotifications(ctx context.Context, before int64) error
	// OwnNotifications makes an instance the owner for a time, or longer the owner; the fence is 0 while another one is.
	OwnNotifications(ctx context.Context, owner string, term time.Duration) (fence int64, err error)
	// LeaveNotifications lets another instance be the owner at once.
	LeaveNotifications(ctx context.Context, owner string) error
}

// Options are what the service needs beside its settings.
type Options struct {
	Store   Store
	Bus     *bus.Bus // nil = no alerts of hxp itself
	DataDir string   // keeps the name of this instance
	Allow   []netip.Prefix
	// Proposals are those about an episode of hxp-alerts that a person may decide upon by a link; nil = nobody makes links.
	Proposals func(episode string) []Proposal
	Tell      func(data any) // hands what happens to the stream topic notifications; nil = nobody listens
	Clock     *clock.Steady  // by which it is decided what is due; nil = one of its own
	Version   string
	Log       *slog.Logger
	Registry  *telemetry.Registry
}

// Service is notifications. Its methods for questions and commands may be called from any goroutine once it is ready.
type Service struct {
	cfg     atomic.Pointer[Config] // replaced whole, see Reconfigure
	o       Options
	log     *slog.Logger
	sender  *channel.Sender
	metrics *metrics
	traces  traces
	began   time.Time
	tests   testPace

	ready chan struct{}
	once  sync.Once
	wake  chan struct{} // something has changed

	taking  sync.Mutex // one at a time merges alerts, taken before the others
	reading sync.Mutex // one at a time follows the store, taken before mu
	mu      sync.Mutex // guards what follows
	engine  *core.Engine
	seen    int64 // revision
	owner   bool
	trouble error // of the store
}

// New makes the service. Run it.
func New(cfg Config, o Options) (*Service, error) {
	p, faults := plan.Parse([]byte(plan.Default))
	if faults != nil {
		return nil, errors.New(faults[0].Detail) // a constant
	}
	host, _ := os.Hostname()
	if o.Clock == nil {
		o.Clock = new(clock.Steady)
	}
	s := &Service{o: o, log: o.Log.With("service", "notifications"), began: time.Now(), ready: make(chan struct{}), wake: make(chan struct{}, 1), engine: core.New(p)}
	s.cfg.Store(&cfg)
	s.sender = &channel.Sender{Hooks: deliver.NewHooks(o.Allow), Vault: &deliver.Vault{Names: cfg.SecretNames, Folder: cfg.SecretFolder}, Log: s.log, Host: host}
	s.metrics, s.traces.tracer = newMetrics(o.Registry, s), o.Registry.Tracer()
	return s, nil
}

// Fixed lists the settings of Config that take effect at a start only: they say which secrets may be read.
var Fixed = []string{"notifications.secret_names", "notifications.secret_folder"}

// Reconfigure lets other Alertmanagers be told, and another address stand in messages, from now on.
func (s *Service) Reconfigure(cfg Config) {
	was := s.cfg.Load()
	cfg.SecretNames, cfg.SecretFolder = was.SecretNames, was.SecretFolder
	s.cfg.Store(&cfg)
}

// Ready is closed when the state was read once.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// stir lets the loops look at once.
func (s *Service) stir() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// look calls f with the state as it is; f must be quick and keep nothing of it.
func (s *Service) look(f func(e *core.Engine)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s.engine)
}

// storeLimit bounds one call of the store.
const storeLimit = 10 * time.Second

// follow takes in what has changed in the store.
func (s *Service) follow(ctx context.Context) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	ctx, stop := context.WithTimeout(ctx, storeLimit)
	defer stop()
	s.mu.Lock()
	seen := s.seen
	s.mu.Unlock()
	docs, upTo, err := s.o.Store.Notifications(ctx, seen)
	if err == nil && upTo < seen { // it was away for long, or this is another database than before
		seen = 0
		docs, upTo, err = s.o.Store.Notifications(ctx, 0)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trouble = err; err != nil { // at a stop too, when nobody asks any more
		return err
	}
	if seen == 0 {
		s.engine.Reset()
	}
	for _, d := range docs {
		if err := s.engine.Apply(d); err != nil {
			s.log.Error("a document of notifications cannot be read, passed over", "kind", d.Kind, "id", d.ID, "error", err)
		}
		if seen > 0 {
			s.news(d)
		}
	}
	s.seen = upTo
	s.once.Do(func() { close(s.ready) })
	return nil
}

// news hands what happened to those who listen.
func (s *Service) news(d event.Document) {
	if s.o.Tell == nil || d.Body == nil {
		return
	}
	switch d.Kind {
	case core.KindMessage:
		var m core.Message
		if json.Unmarshal(d.Body, &m) == nil {
			s.o.Tell(shownMessage(&m))
		}
	case core.KindSilence, core.KindAck, core.KindOff:
		s.o.Tell(map[string]any{"kind": d.Kind, "id": d.ID, d.Kind: json.RawMessage(d.Body)})
	}
}

// behind says that the state could not be read from the store when somebody looked last.
func (s *Service) behind() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble != nil
}

// save stores documents, and takes them in. Where only the latter fails, an owner hears of it, because it must not decide from an old
// state; to all others what they asked for is done.
func (s *Service) save(ctx context.Context, fence int64, docs ...event.Document) error {
	limited, stop := context.WithTimeout(ctx, storeLimit)
	defer stop()
	if err := s.o.Store.SaveNotifications(limited, fence, docs); err != nil {
		return err
	}
	err := s.follow(context.WithoutCancel(ctx)) // it is stored, whoever still waits for that
	s.stir()
	if err != nil && fence == 0 {
		s.log.Warn("notifications are stored, but cannot be read from the store", "error", err)
		return nil
	}
	return err
}

// most bounds what is kept; a quarter of it is left to what hxp itself alerts of.
var most = core.Room{Alerts: 20_000, Bytes: 64 << 20}

var errFull = errors.New("there are more alerts, or larger ones, than are kept")

// take merges alerts with what is known of them, and stores them with more documents.
func (s *Service) take(ctx context.Context, fence int64, in []core.Alert, more ...event.Document) error {
	s.taking.Lock()
	defer s.taking.Unlock()
	if s.behind() { // what is merged with an old state may be lost
		if err := s.follow(ctx); err != nil {
			return err
		}
	}
	docs, full := more, false
	s.look(func(e *core.Engine) {
		var taken []core.Doc
		taken, full = e.Take(in, most, s.o.Clock.Now())
		docs = append(docs, taken...)
	})
	s.metrics.taken.Add(float64(len(in)))
	if len(docs) > 0 {
		if err := s.save(ctx, fence, docs...); err != nil {
			return err
		}
	}
	if full {
		return errFull
	}
	return nil
}

// identity is the name under which this instance owns. Who has the data folder is who had it before: after a crash it need not wait
// until its own lease is over. release gives the folder back.
func (s *Service) identity() (name string, release func()) {
	random, release := strings.ToLower(rand.Text()[:12]), func() {}
	if err := os.MkdirAll(s.o.DataDir, 0o700); err != nil {
		return random, release
	}
	unlock, err := atomicfile.Lock(filepath.Join(s.o.DataDir, "notifications.lock"))
	if err != nil { // another process of this folder
		return random, release
	}
	file := filepath.Join(s.o.DataDir, "notifications.id")
	if text, err := os.ReadFile(file); err == nil && len(text) > 8 && len(text) < 100 {
		random = strings.TrimSpace(string(text))
	} else if err := atomicfile.Write(file, []byte(random+"\n")); err != nil {
		s.log.Warn("the name of this instance cannot be kept; after a crash it waits until its lease is over", "error", err)
	}
	return random, func() { _ = unlock() } // it ends with the process at the latest
}
