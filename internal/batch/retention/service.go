package retention

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Service carries plans out. Make it with New, Mount its API, and Run it once.
type Service struct {
	cfg     atomic.Pointer[Config] // replaced whole
	deps    Deps
	log     *slog.Logger
	owner   string // name of this process among those that share the database
	ready   chan struct{}
	metrics *metrics
	own     time.Time // daily run after which the reports of this machine were looked at; Run's own
	classes map[string]keeper

	mu      sync.Mutex // guards what follows; never held while waiting
	ctx     context.Context
	closing bool
	work    sync.WaitGroup
	active  map[string]chan struct{} // plans that are carried out here; closed at their end
}

// keeper looks after a class.
type keeper interface {
	// gather returns what is old, and how much of the class there is. keep tells that a group stays anyway: it needs no proof.
	gather(ctx context.Context, cutoff time.Time, keep func(*Group) bool) ([]Group, event.Holdings, error)
	// leave lets the objects of a group go. A *refusal means that they stay; any other error ends the plan.
	leave(ctx context.Context, p *Plan, items []*Item) error
	// comeBack brings back what left of a period.
	comeBack(ctx context.Context, left []event.Retired) error
}

// When things are done by themselves.
const (
	tick     = 15 * time.Second
	lease    = time.Minute      // silence after which a plan is carried on by somebody else
	beat     = 10 * time.Second // between two signs of life
	stopTime = 4 * time.Second
)

// New checks the configuration and puts the service together. It starts nothing.
func New(cfg Config, d Deps) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if d.Plans == nil || d.Raw == nil || d.Days == nil || d.Reports == nil || d.ReportsDir == "" || d.Retired == nil || d.Files == nil || d.Archive == nil || d.Prover == nil ||
		d.NotFound == nil || d.Changed == nil || d.Held == nil || d.NoCopy == nil {
		return nil, errors.New("retention: a dependency is missing")
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Machine == "" {
		d.Machine, _ = os.Hostname() // not known is fine
	}
	s := &Service{deps: d, log: d.Log, owner: fmt.Sprintf("%s:%d:%s", d.Machine, os.Getpid(), randomHex(3)),
		ready: make(chan struct{}), active: map[string]chan struct{}{}}
	s.cfg.Store(&cfg)
	s.classes = map[string]keeper{event.ClassRaw: raw{s}, event.ClassAggregated: aggregated{s}, event.ClassReports: reports{s}}
	s.metrics = newMetrics(s, d.Registry)
	return s, nil
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func (s *Service) settings() *Config { return s.cfg.Load() }

// Fixed lists the settings of Config that take effect at a start only.
var Fixed = []string{"data_retention.archival_path"}

// Reconfigure lets another configuration hold for the plans that are made from now on. The archive stays where it is.
func (s *Service) Reconfigure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	cfg.ArchivalPath = s.settings().ArchivalPath
	s.cfg.Store(&cfg)
	return nil
}

// reach calls the hook of tests.
func (s *Service) reach(step string) error {
	if s.deps.Point == nil {
		return nil
	}
	if err := s.deps.Point(step); err != nil {
		return fmt.Errorf("%w at %s: %w", errKilled, step, err)
	}
	return nil
}

// Ready is closed when plans are carried out.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Run works until ctx ends, and returns when every goroutine has ended. A plan under way is carried on by the next start.
func (s *Service) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.ctx != nil {
		s.mu.Unlock()
		return errors.New("retention: Run was called twice")
	}
	s.ctx = ctx
	s.mu.Unlock()
	close(s.ready)
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		s.look(ctx)
		select {
		case <-t.C:
			continue
		case <-ctx.Done():
		}
		s.mu.Lock()
		s.closing = true
		s.mu.Unlock()
		s.work.Wait()
		return nil
	}
}

// look does what is due by itself.
func (s *Service) look(ctx context.Context) {
	for _, part := range []struct {
		name string
		do   func(context.Context) error
	}{{"plans", s.takeUp}, {"daily", s.daily}, {"grace", raw{s}.bury}, {"usage", s.metrics.measure}} {
		if err := part.do(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("retention could not do its work and tries again", "part", part.name, "err", err)
		}
	}
}

// takeUp carries on the plans whose owners are gone.
func (s *Service) takeUp(ctx context.Context) error {
	plans, err := s.deps.Plans.Plans(ctx, Running, 100)
	if err != nil {
		return err
	}
	for i := range plans {
		ok, err := s.deps.Plans.TakePlan(ctx, plans[i].ID, s.owner, lease)
		if err != nil {
			return err
		}
		if ok {
			s.log.Warn("plan of retention is carried on", "plan", plans[i].ID)
			s.carry(plans[i])
		}
	}
	return nil
}

// carry carries a plan out that belongs to this process, and returns a channel that is closed at its end; nil when the service does
// not run.
func (s *Service) carry(p event.RetentionPlan) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil || s.closing {
		return nil
	}
	if under := s.active[p.ID]; under != nil {
		return under
	}
	done, ctx := make(chan struct{}), s.ctx
	s.active[p.ID] = done
	s.work.Go(func() {
		defer func() {
			s.mu.Lock()
			delete(s.active, p.ID)
			s.mu.Unlock()
			close(done)
		}()
		s.carryOut(ctx, p)
	})
	return done
}

// carryOut does what a plan says while it belongs to this process.
func (s *Service) carryOut(ctx context.Context, p event.RetentionPlan) {
	mine, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	beating := make(chan struct{})
	go func() { // ends before carryOut does
		defer close(beating)
		s.keepBeating(mine, p.ID, lost)
	}()
	doc, state, err := s.carryKind(mine, &p)
	lost(nil)
	<-beating
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer stop()
	switch {
	case errors.Is(context.Cause(mine), errNotOwner):
		s.taken(p.ID)
	case err != nil: // the next start carries on
		if err := s.deps.Plans.DropPlan(end, p.ID, s.owner); err != nil {
			s.log.Warn("plan of retention is carried on only after a while", "plan", p.ID, "err", err)
		}
	default:
		p.State = state
		s.settle(end, p, doc)
	}
}

// outcome is what a plan or a restore says at its end.
type outcome interface{ tell(s *Service) }

// carryKind does what a plan says. An error means that it was left before its end.
func (s *Service) carryKind(ctx context.Context, p *event.RetentionPlan) (doc outcome, state string, err error) {
	if p.Kind == "restore" {
		r, err := s.restore(ctx, p.Document)
		return r, r.State, err
	}
	c, err := s.cleanUp(ctx, p.Document)
	return c, c.State, err
}

// settle stores the end of a plan, and tells of it.
func (s *Service) settle(ctx context.Context, p event.RetentionPlan, doc outcome) {
	text, err := json.Marshal(doc)
	stored := false
	if err == nil {
		p.Document = text
		stored, err = s.deps.Plans.SavePlan(ctx, p, s.owner)
	}
	switch {
	case err != nil:
		s.log.Error("end of a plan of retention could not be stored; it is carried out once more", "plan", p.ID, "err", err)
	case !stored:
		s.taken(p.ID)
	default:
		doc.tell(s)
	}
}

// taken tells that another process carries a plan on. What two of them do is done once in effect.
func (s *Service) taken(plan string) {
	s.log.Warn("plan of retention is carried on by another process", "plan", plan)
}

var (
	errKilled   = errors.New("killed by a test")
	errNotOwner = errors.New("the plan was taken by another process")
)

// keepBeating shows signs of life until ctx ends.
func (s *Service) keepBeating(ctx context.Context, id string, lost context.CancelCauseFunc) {
	t := time.NewTicker(beat)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		switch ok, err := s.deps.Plans.BeatPlan(ctx, id, s.owner); {
		case err != nil:
			if ctx.Err() == nil {
				s.log.Warn("plan of retention cannot show that it lives", "plan", id, "err", err)
			}
		case !ok:
			lost(errNotOwner)
		}
	}
}
