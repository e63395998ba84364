package stream

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/deployments"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// lane does all the work of one partition number: it folds that partition of every input topic, sends the units, follows
// the journal partition of the same number and keeps what is counted. One goroutine owns it; mu guards only what queries
// read, which is the ladder and the progress.
type lane struct {
	number    int32
	journalID string
	dir       string // of its snapshots
	cfg       *Config
	log       *slog.Logger
	metrics   *metrics
	units     sender              // to the journal, each unit to the partition of its lane
	side      sender              // dead letters and late events
	seek      func(source, int64) // asks the input reader to go on from an offset
	unread    func(source)        // asks it to read a partition no more
	reader    *inputReader        // nil = nobody says how long what was fetched waits
	schemas   Schemas             // nil = none
	prices    event.Prices        // nil = none

	input   chan inputBatch
	inbox   atomic.Int32            // of input: batches that are not yet taken in
	records chan bus.PartitionBatch // of the journal
	calls   chan func()             // questions from elsewhere, to be run by the lane
	acks    mailbox                 // acknowledgements of what was sent, to be run by the lane

	folders   map[source]*folder
	filters   map[source]*filter // of the folders, and from the snapshot before those are made
	names     *names
	spare     spareCells
	joins     *joins // nil = this lane joins nothing
	judge     *judge // nil = no rules are run
	lookout   *deployments.Lookout
	rules     *rule.Folder
	drained   <-chan struct{} // closed when the lane may not wait any longer
	cut       bool            // units that count were not given to the judge
	journal   *journal
	headless  bool          // the journal's beginning is gone and no snapshot tells what it said
	until     int64         // end of the journal when the lane began
	caught    chan struct{} // closed when the journal is read up to there
	ended     chan struct{} // closed when it takes nothing in any more and all is sent that will be
	leaving   *leaving      // nil = nobody wants the lane to give its number up
	seen      look          // of the input, while another instance folds it
	cuts      []cutNote
	sought    map[source]int // seeks asked for and not yet answered
	rivalSeen time.Time      // when another owner was last told of
	looked    time.Time      // when the lane last looked at its input
	attentive time.Time      // since when it does that without a stall

	mu sync.Mutex
	windows
	progress map[source]progress // for queries: a copy of what the chains and folders say
	refused  error               // why the last unit could not be written

	lastSnapshot  time.Time
	anchored      int64 // journal offset of the last snapshot, or of where the lane began to fold
	sinceSnapshot int64 // bytes of journal read since
	desk          *desk
}

// sender is the part of a producer that a lane needs.
type sender interface {
	SendAsync(ctx context.Context, m *bus.Message, done func(*bus.Message, error))
}

func newLane(number int32, cfg *Config, log *slog.Logger, m *metrics) *lane {
	return &lane{
		number: number, cfg: cfg, log: log, metrics: m,
		input: make(chan inputBatch, 4), records: make(chan bus.PartitionBatch, 4), calls: make(chan func()), acks: newMailbox(),
		folders: map[source]*folder{}, filters: map[source]*filter{}, names: newNames(cfg), journal: newJournal(), windows: newWindows(cfg),
		progress: map[source]progress{}, sought: map[source]int{}, lastSnapshot: time.Now(), caught: make(chan struct{}), ended: make(chan struct{}),
	}
}

// join puts a lane that was restored from a snapshot, or not, to where it goes on reading its journal partition. Of what
// lies between the snapshot and the journal's beginning the input is folded again, from where the chains end; of what lies
// before without a snapshot, see past.go.
func (l *lane) join(restored bool, log bus.Range) {
	next := min(max(l.journal.next, log.Start), log.End)
	switch {
	case !restored && log.Start > 0:
		l.log.Error("the beginning of the journal is gone and no snapshot is usable", "partition", l.number, "journal_start", log.Start)
		l.headless = true
	case next != l.journal.next:
		l.log.Warn("the journal does not hold the offset of the snapshot: input is folded again from the last counted position", "partition", l.number, "snapshot", l.journal.next, "journal_start", log.Start, "journal_end", log.End)
	}
	if next > l.journal.next { // also without a snapshot
		l.journal.tear()
	}
	l.journal.next, l.until = next, log.End
	l.catchUp()
}

// inputBatch is what the input reader has for a lane: records, or the answer to a seek.
type inputBatch struct {
	source source
	batch  bus.PartitionBatch
	sought bool
}

const (
	flushPause  = 5 * time.Millisecond // between two units of a partition
	recordPause = 8 * time.Microsecond // more for each record of the second one
	longPause   = 20 * time.Millisecond
	// backlogPause is long enough that hardly a group has something in two units, short enough that a stop waits for little.
	backlogPause = 100 * time.Millisecond
	smallPause   = 2 * time.Millisecond // when there is little in it
	smallUnit    = 128                  // records that are little
	retryPause   = 500 * time.Millisecond
	maxOpenRows  = 200_000 // records folded into an open unit before the lane stops reading
	maxOpenPane  = 20_000

	maxOpenPartials = 40_000 // of a million names each row has ten
)

// run works until ctx ends, then sends what is open and waits for it to count, for at most the time that drain gives.
// Whatever ends it, what counts is kept in a snapshot.
func (l *lane) run(ctx, drain context.Context) error {
	l.drained = drain.Done()
	defer l.snapshot(true)
	defer close(l.ended)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	done := ctx.Done()
	housekeeping := time.NewTicker(time.Second)
	defer housekeeping.Stop()
	for {
		timer.Reset(l.flush(drain, done == nil || l.leaving != nil))
		if done == nil && l.settled() {
			return nil
		}
		if l.gaveUp() {
			l.giveUpNumber()
		}
		input := l.input
		if done == nil || l.leaving == nil && l.full() {
			input = nil
		}
		select {
		case b := <-input:
			if err := l.take(b); err != nil {
				return err
			}
			l.inbox.Add(-1)
		case b := <-l.records:
			if err := l.follow(b); err != nil {
				return err
			}
		case <-l.acks.filled:
			for _, f := range l.acks.take() {
				f()
			}
		case f := <-l.calls:
			f()
		case <-timer.C:
		case <-housekeeping.C:
			l.keepHouse()
		case <-done:
			done = nil
		case <-drain.Done():
			return nil
		}
	}
}

// full tells whether the lane should wait for the journal: so much is open, or a log was cut, which is to be in the journal
// before anything that came behind the cut.
func (l *lane) full() bool {
	for _, f := range l.folders {
		if f.shorter != nil || f.open.back() || f.open.full(1) {
			return true
		}
	}
	return l.owns() && l.joins.full()
}

func (l *lane) settled() bool {
	for _, f := range l.folders {
		if f.pending != nil || f.open.header.To != f.open.header.From {
			return false
		}
	}
	return true
}

// window adds every group of the first set within [from, to) to into.
func (l *lane) window(from, to int64, into map[agg.Key]*agg.Cell) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ladders[0].facts(from, to, func(v values, c *agg.Cell) {
		if have := into[v.modelTenant()]; have != nil {
			have.Merge(c)
		} else {
			into[v.modelTenant()] = c.Clone()
		}
	})
}

func (l *lane) widen(set int, from, to int64) (int64, int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ladders[set].widen(from, to)
}
