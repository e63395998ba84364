package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/deployments"
)

// session is the time during which the topics keep their shape. It restores the lanes, reads the journal, then the input.
// When something odd happens to the topics it ends, and the next one begins from the snapshots and the journal, as after a
// restart of the process: there is one way to begin.
type session struct {
	*Service
	layout  *layout
	lanes   []*lane
	input   *inputReader
	joined  steer // of the reader of hxp-correlations
	tasks   sync.WaitGroup
	working sync.WaitGroup // the lanes

	live   context.Context // until the session is to end
	stop   context.CancelCauseFunc
	drain  context.Context // until the lanes may not go on any longer
	giveUp context.CancelFunc
}

// drainTime is how long a session that ends waits for what is folded to count.
const drainTime = 3 * time.Second

// session runs one session until ctx ends or something fails. The error is nil only when ctx ended.
func (s *Service) session(ctx context.Context, snapshots *desk) (err error) {
	n := &session{Service: s}
	n.live, n.stop = context.WithCancelCause(ctx)
	n.drain, n.giveUp = context.WithCancel(context.WithoutCancel(ctx))
	defer n.giveUp()
	defer n.stop(nil)

	if n.layout, err = s.look(n.live); err != nil {
		return err
	}
	s.membership().Refresh()
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
	if err := n.makeLanes(units, side, snapshots); err != nil {
		return err
	}
	if err := n.startJudge(n.live, n.layout.journal, n.lanes); err != nil {
		return err
	}
	if err := n.begin(); err != nil {
		n.fail(err)
	}
	<-n.live.Done()
	n.end()
	if ctx.Err() != nil {
		return nil
	}
	return context.Cause(n.live)
}

// fail ends the session because of err. What is folded is given time to count only when the journal can still be read.
func (n *session) fail(err error) {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, errEnded) { // why a lane ended it has said itself
		return
	}
	n.stop(err)
	if !errors.Is(err, errLayout) {
		n.giveUp()
	}
}

// end waits in this order: for the lanes to have drained and written their snapshots, and for the readers.
func (n *session) end() {
	n.mu.Lock()
	n.reading = false
	n.mu.Unlock()
	timer := time.AfterFunc(drainTime, n.giveUp)
	n.working.Wait()
	timer.Stop()
	n.giveUp()
	n.tasks.Wait()
	for _, l := range n.lanes {
		n.duties.hold(l.number, false)
	}
}

// makeLanes restores one lane for each partition of the journal.
func (n *session) makeLanes(units, side sender, snapshots *desk) error {
	n.input = newInputReader(n.opts.Schemas, &n.metrics.times)
	n.input.stall = n.cfg.stall()
	for p := range int32(n.layout.journal.Partitions) {
		l := newLane(p, &n.cfg, n.log, n.metrics)
		l.journalID, l.dir = n.layout.journal.ID, snapshotDir(n.opts.StateDir, p)
		l.joins = newJoins(p, n.joinNumbers(), n.layout.joined, newProgram(), &n.cfg, n.log)
		l.units, l.side, l.desk, l.seek, l.reader, l.schemas = units, side, snapshots, n.input.seek, n.input, n.opts.Schemas
		l.unread, l.prices = n.input.leave, n.opts.Prices
		l.judge = n.judge
		l.lookout = deployments.NewLookout(n.deployments)
		n.lanes = append(n.lanes, l)
	}
	logs, err := restoreAll(n.lanes, func() (bounds, error) {
		return n.bus.Offsets(n.live, event.TopicPanes, event.TopicCorrelations)
	})
	if err != nil {
		return fmt.Errorf("bounds of the journal %s and of %s: %w", event.TopicPanes, event.TopicCorrelations, err)
	}
	for _, l := range n.lanes {
		if !l.joins.works() {
			continue
		}
		log, ok := logs[event.TopicCorrelations][l.joins.partition()]
		if !ok {
			return fmt.Errorf("bounds of %s/%d: %w", event.TopicCorrelations, l.joins.partition(), errLeader)
		}
		l.joins.begin(log)
	}
	n.input.lanes = n.lanes
	return nil
}

// joinNumbers is how many lanes join.
func (n *session) joinNumbers() int {
	if !n.cfg.Correlation {
		return 0
	}
	return n.layout.joinNumbers()
}

// begin starts the lanes and the readers.
func (n *session) begin() error {
	from := map[int32]int64{}
	for _, l := range n.lanes {
		from[l.number] = l.journal.next
		n.working.Go(func() { n.fail(l.run(n.live, n.drain)) })
	}
	journal, err := n.bus.NewReader(map[string]map[int32]int64{event.TopicPanes: from}, bus.ReaderOptions{MaxWait: 5 * time.Second})
	if err != nil {
		return err
	}
	n.tasks.Go(func() {
		defer journal.Close()
		n.fail(n.readJournal(journal))
	})
	n.tasks.Go(func() { n.fail(n.watch(n.live, n.layout)) })
	for _, l := range n.lanes {
		select {
		case <-l.caught:
		case <-n.live.Done():
			return n.live.Err()
		}
	}
	if err := n.startJoined(); err != nil {
		return err
	}
	return n.startInput()
}

// readJournal hands the records of the journal to the lanes until they may not go on.
func (n *session) readJournal(r *bus.Reader) error {
	for {
		fetch, err := r.Poll(n.drain)
		if err != nil {
			return err
		}
		for _, b := range fetch {
			select {
			case n.lanes[b.Partition].records <- b:
			case <-n.drain.Done():
				return n.drain.Err()
			}
		}
	}
}

// startInput gives folders to the lanes whose numbers this instance folds, and begins to read the input topics.
func (n *session) startInput() error {
	logs, err := n.bounds(n.lanes...)
	if err != nil {
		return err
	}
	assign, now := map[string]map[int32]int64{}, time.Now()
	owners := make([]bool, len(n.lanes))
	for number, l := range n.lanes {
		of := logs[l.number]
		for src := range of.logs {
			n.input.names[topicPartition{src.Topic, src.Partition}] = src
		}
		owners[number], _ = n.duties.wants(l.number)
		n.duties.hold(l.number, owners[number])
		var reading map[source]int64
		if err := n.ask(l, func() {
			if owners[number] {
				reading = l.start(l.since(of), now)
				return
			}
			l.follower()
			l.observe(look{of.logs, horizon(now)})
		}); err != nil {
			return err
		}
		for src, offset := range reading {
			if assign[src.Topic] == nil {
				assign[src.Topic] = map[int32]int64{}
			}
			assign[src.Topic][src.Partition] = offset
		}
	}
	r, err := n.bus.NewReader(assign, bus.ReaderOptions{MaxWait: 5 * time.Second, MaxMessages: 5_000})
	if err != nil {
		return err
	}
	n.began(n.lanes, n.input, n.layout) // before anything is folded, so that whoever asks the lanes asks those that fold
	n.tasks.Go(func() {
		defer r.Close()
		n.fail(n.input.run(n.live, r))
	})
	n.tasks.Go(func() { n.commitPositions(n.live) })
	n.tasks.Go(n.lookOn)
	for i, l := range n.lanes {
		n.tasks.Go(func() { n.fail(n.role(l, owners[i])) })
	}
	return nil
}

// ask runs fn on the lane's own goroutine.
func (n *session) ask(l *lane, fn func()) error { return l.ask(n.live, fn) }
