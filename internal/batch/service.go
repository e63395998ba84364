package batch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/cost"
)

// Service runs the batch work of one process. Make it with New, serve its Handler, and Run it once.
type Service struct {
	setup   atomic.Pointer[setup]
	deps    Deps
	log     *slog.Logger
	now     func() time.Time
	folder  *folder
	columns columns // that are filled
	ready   chan struct{}

	slots chan struct{} // a fold holds one; nothing waits for anything else while it does
	asks  chan struct{} // holds one for each question about costs and business intelligence that is being read for

	owner   string        // name of this process among those that share the database
	every   time.Duration // the scheduler looks at least so often
	wake    chan struct{} // the scheduler looks at once
	recheck chan struct{} // the leases of this process are looked at at once
	reached offsets
	shared  atomic.Bool // other instances are alive, as of the last look
	counts  counts
	settled map[string]bool // runs that missed their deadline, have ended, and whose alert was told to be over; the scheduler's own
	looked  time.Time       // for such runs
	untold  map[string]bool // late runs that were logged and of which no broker has taken the alert yet; the scheduler's own

	book    *book // what is going on and how it went
	track   *tracker
	busy    *claims // periods that are being made
	reports *reporter
	shelf   *forecastShelf
	tables  *memo[*cost.Table]
	looks   *memo[*insightLook]
	filed   chan *cost.Document // prices of the file of the settings that are to be put

	// mu guards what follows. It is never held while waiting for anything.
	mu      sync.Mutex
	started bool
	closing bool
	work    sync.WaitGroup // every goroutine of the service
	ctx     context.Context
	active  map[taskOfRun]*execution
	paused  map[string]bool // by DAG, as of the last look
}

// maxLive bounds the tasks that execute or wait for data in this process at the same time.
const maxLive = 64

// stopLimit bounds what is done after the stop was asked for, in all.
const stopLimit = 4 * time.Second

// New checks the configuration and puts the service together. It starts nothing.
func New(cfg Config, d Deps) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if d.Hours == nil || d.Periods == nil || d.Rows == nil || d.Runs == nil || d.Parts == nil || d.Scanner == nil || d.Lake == nil || d.Ends == nil || d.Parquet == nil ||
		d.Reports == nil || d.Deliveries == nil || d.ReportsDir == "" || d.NotFound == nil || d.BadCursor == nil {
		return nil, errors.New("batch: a dependency is missing")
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Prices == nil {
		d.Prices = cost.NewBook()
	}
	if d.Machine == "" {
		d.Machine, _ = os.Hostname() // not known is fine
	}
	s := &Service{
		deps: d, log: d.Log, now: d.Now,
		folder:  &folder{scan: d.Scanner, lateness: d.Lateness, budget: cfg.Processing.idBudget(), readers: runtime.GOMAXPROCS(0), limits: limits, users: trackedUsers},
		ready:   make(chan struct{}),
		slots:   make(chan struct{}, cfg.Processing.Workers),
		asks:    make(chan struct{}, runtime.GOMAXPROCS(0)),
		owner:   newOwner(),
		every:   scheduleEvery,
		wake:    make(chan struct{}, 1),
		recheck: make(chan struct{}, 1),
		filed:   make(chan *cost.Document, 1),
		columns: chosen(cfg.Aggregation.Metrics),
		track:   newTracker(),
		busy:    newClaims(),
		active:  map[taskOfRun]*execution{},
		paused:  map[string]bool{},
	}
	s.shelf = newForecastShelf()
	s.tables, s.looks = newMemo[*cost.Table](keptLines), newMemo[*insightLook](keptLooks)
	s.reports = newReporter(s, d.Reports, d.ReportsDir)
	s.setup.Store(&setup{cfg: cfg, dags: s.catalogue(cfg.Processing)})
	s.book = newBook()
	s.register(d.Registry)
	s.reports.register(d.Registry)
	s.reports.courier = newCourier(s.reports, d.Deliveries, d.WebhookAllow, d.Registry)
	s.counts = newCounts(d.Registry)
	s.folder.reused = func(hour, copies int64) {
		s.counts.reused.Add(float64(copies))
		s.log.Warn("a log was cut off and written again: events lie twice at one offset, and the first file counts", "hour", hourName(hour), "events", copies)
	}
	return s, nil
}

// Ready is closed when the scheduler works and runs are taken.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Run works until ctx ends. Then running folds are cancelled, their tasks are laid down for the next start or another instance, and it
// returns when every goroutine has ended.
func (s *Service) Run(ctx context.Context) error {
	if err := s.enrol(ctx); err != nil {
		return fmt.Errorf("batch: prepare the schedules: %w", err)
	}
	s.recall(ctx)
	work, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(errStopping)
	s.mu.Lock()
	if s.started {
		s.mu.Unlock()
		return errors.New("batch: Run was called twice")
	}
	s.started, s.ctx = true, work
	s.work.Go(func() { s.auto(work) })
	s.work.Go(func() { s.schedule(work) })
	s.work.Go(func() { s.beat(work) })
	s.work.Go(func() { s.reports.courier.run(work) })
	s.work.Go(func() { s.putFiles(work) })
	s.mu.Unlock()
	if err := s.reports.recover(ctx); err != nil {
		s.log.Error("unfinished reports could not be taken up; POST /reports/generate makes them", "err", err)
	}
	close(s.ready)

	<-ctx.Done()
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	stop(errStopping)
	s.work.Wait()
	return nil
}

// spawn runs fn as a goroutine of the service; false when the service is not running.
func (s *Service) spawn(fn func(ctx context.Context)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started || s.closing {
		return false
	}
	ctx := s.ctx
	s.work.Go(func() { fn(ctx) })
	return true
}

// recall learns from what is stored how the last runs ended, so that a restart does not forget a failure or a success.
func (s *Service) recall(ctx context.Context) {
	page, err := s.deps.Runs.Runs(ctx, agg.RunFilter{Limit: 1000})
	if err != nil {
		s.log.Warn("state of earlier aggregation runs cannot be read", "err", err)
		return
	}
	for _, r := range slices.Backward(page.Runs) { // oldest first
		if r.State.Final() && r.EndedAt != nil {
			s.book.ended(&r, s.now())
		}
	}
	for _, p := range periods {
		if rows, _, err := s.deps.Rows.Rows(ctx, p, agg.ByModel, time.Time{}, time.Time{}, agg.AllModels, 1, ""); err == nil && len(rows) > 0 {
			s.book.remember(p)
		}
		start, at, err := s.deps.Periods.LastBuilt(ctx, p)
		if err != nil {
			s.log.Warn("time of the last aggregation cannot be read", "level", p, "err", err)
		} else if !at.IsZero() {
			s.book.built(levels[p].of(start), at)
		}
	}
}

// take waits for a place in a semaphore; false when ctx ended first.
func take(ctx context.Context, sem chan struct{}) bool {
	select {
	case sem <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}
