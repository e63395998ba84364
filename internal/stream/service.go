package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// Group is the consumer group under which positions are shown to lag tools. Nothing is read back from it.
const Group = "hxp-event-processing"

// Options are what the service needs beside its settings.
type Options struct {
	StateDir string // folder whose _state/panes holds the snapshots
	Log      *slog.Logger
	Registry *telemetry.Registry
}

// Service is the fast path. Its methods for questions may be called from any goroutine once it is ready.
type Service struct {
	cfg     Config
	opts    Options
	bus     *bus.Bus
	log     *slog.Logger
	metrics *metrics
	started time.Time
	ready   chan struct{}

	mu     sync.RWMutex
	lanes  []*lane
	needed map[int32][]map[source]int64 // positions of the newest snapshots of each lane, newest first

	reader *inputReader
}

// New makes a service that reads and writes through b.
func New(cfg Config, b *bus.Bus, opts Options) *Service {
	s := &Service{cfg: cfg, opts: opts, bus: b, log: opts.Log.With("service", "stream"), ready: make(chan struct{}), needed: map[int32][]map[source]int64{}, started: time.Now()}
	s.metrics = newMetrics(opts.Registry, s)
	return s
}

// Ready is closed when the windows of before are restored and reading has begun.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// drainTime is how long a stop waits for what is folded to count.
const drainTime = 3 * time.Second

// Run works until ctx ends; then what was folded is sent, counted and kept in a snapshot.
func (s *Service) Run(ctx context.Context) (err error) {
	units, err := s.bus.NewProducer(bus.ProducerOptions{ManualPartition: true})
	if err != nil {
		return err
	}
	defer units.Close()
	side, err := s.bus.NewProducer(bus.ProducerOptions{Linger: 5 * time.Millisecond})
	if err != nil {
		return err
	}
	defer side.Close()

	// The lanes get a context of their own, which ends after drain; whatever fails ends everything.
	work, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	ctx, halted := context.WithCancel(ctx)
	defer halted()
	defer context.AfterFunc(work, halted)()
	snapshots := make(chan snapshotFile, 64)
	var writer, tasks sync.WaitGroup
	writer.Go(func() { s.keepSnapshots(snapshots) })
	fail := func(err error) {
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, bus.ErrClosed) {
			stop(err)
		}
	}
	defer func() { // in this order: lanes end, readers end, snapshots are written
		tasks.Wait()
		close(snapshots)
		writer.Wait()
		if cause := context.Cause(work); cause != nil && !errors.Is(cause, context.Canceled) {
			err = cause
		}
	}()

	ends, from, err := s.makeLanes(ctx, units, side, snapshots)
	if err != nil {
		return err
	}
	journal, err := s.bus.NewReader(ends.assign, bus.ReaderOptions{MaxWait: 5 * time.Second})
	if err != nil {
		return err
	}
	reading, stopReading := context.WithCancel(work)
	defer stopReading()
	tasks.Go(func() { fail(s.readJournal(reading, journal)) })
	laneCtx, stopLanes := context.WithCancel(work)
	defer stopLanes()
	var lanes sync.WaitGroup
	for _, l := range s.lanes {
		lanes.Go(func() { fail(l.run(laneCtx, work)) })
	}
	halt := func() {
		stopLanes()
		drained := time.AfterFunc(drainTime, func() { stop(context.Canceled) })
		lanes.Wait()
		drained.Stop()
		stopReading()
		journal.Close()
	}
	defer halt()

	if err := s.awaitJournal(ctx, work, ends); err != nil {
		return ignoreCancel(err)
	}
	if err := s.startInput(ctx, work, from, &tasks, fail); err != nil {
		return ignoreCancel(err)
	}
	close(s.ready)
	s.commitPositions(ctx, work)
	return nil
}

func ignoreCancel(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// journalEnds says where reading of the journal begins and how far it must come before the input is read.
type journalEnds struct {
	assign map[string]map[int32]int64
	end    map[int32]int64
}

// makeLanes restores one lane for each partition of the journal.
func (s *Service) makeLanes(ctx context.Context, units, side *bus.Producer, snapshots chan<- snapshotFile) (journalEnds, map[source]int64, error) {
	ends := journalEnds{assign: map[string]map[int32]int64{event.TopicPanes: {}}, end: map[int32]int64{}}
	logs, err := s.bus.Offsets(ctx, event.TopicPanes)
	if err != nil {
		return ends, nil, fmt.Errorf("bounds of the journal %s: %w", event.TopicPanes, err)
	}
	from := map[source]int64{}
	partitions := logs[event.TopicPanes]
	for n := range int32(len(partitions)) {
		l := s.newLane(n, units, side, snapshots)
		for src, offset := range l.restore(snapshotDir(s.opts.StateDir, n)) {
			from[src] = offset
		}
		log := partitions[n]
		if l.journal.next < log.Start || l.journal.next > log.End {
			if l.journal.next != 0 {
				s.log.Error("the journal does not hold the offset of the snapshot: what lies between is missing from the windows, input is folded again from the last counted position", "partition", n, "snapshot", l.journal.next, "journal_start", log.Start, "journal_end", log.End)
			}
			l.journal.next = min(max(l.journal.next, log.Start), log.End)
		}
		ends.assign[event.TopicPanes][n] = l.journal.next
		ends.end[n] = log.End
		s.mu.Lock()
		s.lanes = append(s.lanes, l)
		s.mu.Unlock()
	}
	if len(s.lanes) == 0 {
		return ends, nil, fmt.Errorf("topic %s has no partitions", event.TopicPanes)
	}
	return ends, from, nil
}

func (s *Service) newLane(n int32, units, side *bus.Producer, snapshots chan<- snapshotFile) *lane {
	return &lane{
		number: n, cfg: &s.cfg, log: s.log, metrics: s.metrics, units: units, side: side, seek: s.seek,
		input: make(chan inputBatch, 4), records: make(chan bus.PartitionBatch, 4), calls: make(chan func()), acks: newMailbox(),
		folders: map[source]*folder{}, names: newNames(&s.cfg), journal: newJournal(), ladder: newLadder(s.cfg.LadderCells),
		progress: map[source]progress{}, lastSnapshot: time.Now(), snapshots: snapshots,
	}
}

// readJournal hands the records of the journal to the lanes until ctx ends.
func (s *Service) readJournal(ctx context.Context, r *bus.Reader) error {
	for {
		fetch, err := r.Poll(ctx)
		if err != nil {
			return err
		}
		for _, b := range fetch {
			select {
			case s.lanes[b.Partition].records <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// awaitJournal waits until every lane has read the journal as it was when the service started.
func (s *Service) awaitJournal(ctx, work context.Context, ends journalEnds) error {
	for n, end := range ends.end {
		l := s.lanes[n]
		for {
			var next int64
			if err := s.ask(ctx, work, l, func() { next = l.journal.next }); err != nil {
				return err
			}
			if next >= end {
				break
			}
			select {
			case <-time.After(2 * time.Millisecond):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// ask runs fn on the lane's own goroutine.
func (s *Service) ask(ctx, work context.Context, l *lane, fn func()) error {
	done := make(chan struct{})
	select {
	case l.calls <- func() { fn(); close(done) }:
		<-done
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-work.Done():
		return context.Cause(work)
	}
}

// startInput gives the lanes their folders and begins to read the input topics.
func (s *Service) startInput(ctx, work context.Context, from map[source]int64, tasks *sync.WaitGroup, fail func(error)) error {
	logs, err := s.bus.Offsets(ctx, kindTopics...)
	if err != nil {
		return fmt.Errorf("bounds of the input topics: %w", err)
	}
	sources := make([]map[source]bus.Range, len(s.lanes))
	for _, topic := range kindTopics {
		id, err := s.bus.TopicID(ctx, topic)
		if err != nil {
			return fmt.Errorf("id of topic %s: %w", topic, err)
		}
		for p, log := range logs[topic] {
			if int(p) >= len(s.lanes) {
				return fmt.Errorf("topic %s has %d partitions and %s only %d: give the journal as many first (partitions can only grow)", topic, len(logs[topic]), event.TopicPanes, len(s.lanes))
			}
			if sources[p] == nil {
				sources[p] = map[source]bus.Range{}
			}
			sources[p][source{TopicID: id, Topic: topic, Partition: p}] = log
		}
	}
	assign := map[string]map[int32]int64{}
	byName := map[topicPartition]source{}
	for n, l := range s.lanes {
		var reading map[source]int64
		if err := s.ask(ctx, work, l, func() { reading = l.start(sources[n], from) }); err != nil {
			return err
		}
		for src, offset := range reading {
			if assign[src.Topic] == nil {
				assign[src.Topic] = map[int32]int64{}
			}
			assign[src.Topic][src.Partition] = offset
			byName[topicPartition{src.Topic, src.Partition}] = src
		}
	}
	r, err := s.bus.NewReader(assign, bus.ReaderOptions{MaxWait: 5 * time.Second, MaxMessages: 20_000})
	if err != nil {
		return err
	}
	reader := newInputReader(r, byName, s.lanes)
	s.mu.Lock()
	s.reader = reader
	s.mu.Unlock()
	tasks.Go(func() {
		defer r.Close()
		fail(reader.run(ctx))
	})
	return nil
}

func (s *Service) seek(src source, offset int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.reader.seek(src, offset)
}

// commitPositions tells lag tools how far the windows are, until ctx ends.
func (s *Service) commitPositions(ctx, work context.Context) {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.bus.CommitGroup(ctx, Group, s.counted()); err != nil && ctx.Err() == nil {
				s.log.Debug("positions not committed", "group", Group, "error", err)
			}
		case <-ctx.Done():
			return
		case <-work.Done():
			return
		}
	}
}

func (s *Service) counted() map[string]map[int32]int64 {
	out := map[string]map[int32]int64{}
	for src, p := range s.partitions() {
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
