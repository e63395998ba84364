package stream

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
	"github.com/hxp-enterprise/hxp/internal/stream/deployments"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// Group is the consumer group under which positions are shown to lag tools. Nothing is read back from it.
const Group = "hxp-event-processing"

// Options are what the service needs beside its settings.
type Options struct {
	StateDir string // folder whose _state/panes holds the snapshots
	Log      *slog.Logger
	Registry *telemetry.Registry
	Schemas  Schemas      // nil = records that were written with a schema go to the dead letters
	Rules    Rules        // nil = none
	Prices   event.Prices // nil = requests that bring no cost have none
	History  History      // nil = objectives do not count what was before them
}

// Rules are the rules that count.
type Rules interface {
	// Current returns them by name, with a number that is another one when they are others. They are shared: do not change them.
	Current() (rules []rule.Rule, generation uint64)
	// Changed is closed when others count than at the call; call it before Current.
	Changed() <-chan struct{}
}

// Schemas reads records that were written with a schema of the registry.
type Schemas interface {
	event.Schemas
	// Prepare makes the verdict over what is in batch certain. It waits, and fails only when ctx ends.
	Prepare(ctx context.Context, batch []*bus.Message) error
}

// Service is the fast path. Its methods for questions may be called from any goroutine once it is ready.
type Service struct {
	cfg     Config
	opts    Options
	bus     *bus.Bus
	log     *slog.Logger
	metrics *metrics
	started time.Time
	judge   *judge // nil = no rules
	duties  *duties
	voice   atomic.Pointer[Config] // by which anomalies are told
	sets    []set                  // of dimensions
	boards  []*board
	wrong   error // with the settings

	searches    *searches     // of the hours at rest
	scans       chan struct{} // holds those of what is remembered that look at what requests say
	deployments *deployments.Book

	ready     chan struct{}
	readyOnce sync.Once

	mu      sync.RWMutex
	lanes   []*lane                      // of the session that reads, or of the last one that did
	missing []string                     // input topics that do not exist
	member  *membership                  // nil before Run
	failure error                        // why no session reads; nil while one does
	reading bool                         // a session reads the input
	input   *inputReader                 // of that session
	needed  map[int32][]map[source]int64 // positions of the newest snapshots of each lane, newest first
}

// New makes a service that reads and writes through b.
func New(cfg Config, b *bus.Bus, opts Options) *Service {
	s := &Service{cfg: cfg, opts: opts, bus: b, log: opts.Log.With("service", "stream"), ready: make(chan struct{}), needed: map[int32][]map[source]int64{}, started: time.Now(), duties: newDuties(), searches: newSearches(), scans: make(chan struct{}, scansAtOnce), deployments: deployments.NewBook()}
	s.voice.Store(&cfg)
	s.sets, s.wrong = cfg.sets()
	for i := range s.sets {
		s.boards = append(s.boards, newBoard(&s.sets[i]))
	}
	s.metrics = newMetrics(opts.Registry, s)
	if opts.Rules != nil {
		s.judge = newJudge(s)
	}
	return s
}

// Ready is closed when the windows of before are restored and reading has begun.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Run works until ctx ends; then what was folded is sent, counted and kept in a snapshot. Trouble with the topics does not
// end it once it was ready: it says so in its health and begins again.
func (s *Service) Run(ctx context.Context) error {
	if s.wrong != nil {
		return s.wrong
	}
	snapshots := newDesk()
	var writer sync.WaitGroup
	writer.Go(func() { s.keepSnapshots(snapshots) })
	defer writer.Wait()
	defer close(snapshots.files)
	if err := s.enroll(ctx); err != nil {
		return err
	}
	defer s.resign()
	defer s.stopJudge()
	var watcher sync.WaitGroup
	watching, stop := context.WithCancel(ctx)
	watcher.Go(func() { s.attend(watching) })
	watcher.Go(func() { s.followDeployments(watching) })
	defer watcher.Wait()
	defer stop()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		start := time.Now()
		err := s.session(ctx, snapshots)
		switch {
		case err == nil || ctx.Err() != nil:
			return nil
		case !s.isReady() && lasting(err):
			return err
		case time.Since(start) > longestPause:
			pause = firstPause
		}
		if errors.Is(err, errLayout) {
			s.log.Info("the windows begin anew from their journal", "reason", err)
		} else {
			s.log.Error("the windows begin again from their journal", "error", err, "after", pause)
			s.ail(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// followDeployments reads their topic into the book until ctx ends.
func (s *Service) followDeployments(ctx context.Context) {
	tail := s.bus.NewTail(event.TopicDeployments, s.deployments, s.log)
	s.deployments.Follow(tail)
	if err := tail.Run(ctx); err != nil {
		s.log.Debug("deployments are followed no more", "reason", err) // the bus is closed
	}
}

// lasting tells whether err would only come again.
func lasting(err error) bool {
	for _, passing := range []error{errLayout, errJournal, errLeader} {
		if errors.Is(err, passing) {
			return false
		}
	}
	return !bus.Retryable(err)
}

// The time between two sessions.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = 5 * time.Second
)

func (s *Service) isReady() bool {
	select {
	case <-s.ready:
		return true
	default:
		return false
	}
}

// ail notes why no session works.
func (s *Service) ail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = err
}

// began notes that a session reads the input: from now on its lanes answer.
func (s *Service) began(lanes []*lane, input *inputReader, l *layout) {
	s.mu.Lock()
	s.lanes, s.missing, s.failure = lanes, l.missing(), nil
	s.reading, s.input = true, input
	for _, list := range s.needed { // offsets of a topic mean nothing in the one that was made in its place
		for _, needs := range list {
			maps.DeleteFunc(needs, func(src source, _ int64) bool { return l.inputs[src.Topic].ID != src.TopicID })
		}
	}
	s.mu.Unlock()
	s.readyOnce.Do(func() { close(s.ready) })
}

// commitPositions tells lag tools how far the windows are, from their beginning on, until ctx ends.
func (s *Service) commitPositions(ctx context.Context) {
	select {
	case <-s.ready:
	case <-ctx.Done():
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var told map[string]map[int32]int64
	for {
		if now := s.counted(); !maps.EqualFunc(now, told, maps.Equal) {
			err := s.commit(ctx, now)
			if err == nil {
				told = now
			} else if ctx.Err() == nil {
				s.log.Debug("positions not committed", "group", Group, "error", err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// commit writes as the member that this instance is, or without being one where nobody is.
func (s *Service) commit(ctx context.Context, at map[string]map[int32]int64) error {
	if joined, _ := s.membership().Joined(); joined {
		return s.membership().Commit(ctx, at)
	}
	return s.bus.CommitGroup(ctx, Group, at)
}

// counted is where the partitions are that this instance folds.
func (s *Service) counted() map[string]map[int32]int64 {
	out := map[string]map[int32]int64{}
	for src, p := range s.partitions() {
		if !s.duties.holds(src.Partition) {
			continue
		}
		if out[src.Topic] == nil {
			out[src.Topic] = map[int32]int64{}
		}
		out[src.Topic][src.Partition] = p.Counted
	}
	return out
}

// partitions copies what is known of every input partition.
func (s *Service) partitions() map[source]progress {
	out := map[source]progress{}
	for _, l := range s.allLanes() {
		for src, p := range l.progressOf() {
			out[src] = p
		}
	}
	return out
}

func (s *Service) allLanes() []*lane {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.lanes
}

// keepPositions remembers what a restore from the two newest snapshots would read again.
func (s *Service) keepPositions(f snapshotFile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := append([]map[source]int64{f.needs}, s.needed[f.lane.number]...)
	s.needed[f.lane.number] = list[:min(len(list), keptSnapshots)]
}

// Floor is the lowest offset of an input partition that is still needed: what lies before is covered by two snapshots. Not
// ok means that everything is needed.
func (s *Service) Floor(topic string, partition int32) (offset int64, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := s.needed[partition]
	if len(list) < keptSnapshots {
		return 0, false
	}
	for src, at := range list[len(list)-1] {
		if src.Topic == topic && src.Partition == partition {
			offset, ok = max(offset, at), true
		}
	}
	return offset, ok
}

// ReadsOn tells whether the windows of this process read nothing of an input partition again that counts already. Those that found no snapshot do:
// they count again what the journal does not tell, and begin with that anew when they are killed meanwhile.
func (s *Service) ReadsOn(topic string, partition int32) bool {
	for src, p := range s.partitions() {
		if src.Topic == topic && src.Partition == partition {
			return p.Again == 0 && p.Next >= p.Counted
		}
	}
	return false // not yet
}
