package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// lane does all the work of one partition number: it folds that partition of every input topic, sends the units, follows
// the journal partition of the same number and keeps what is counted. One goroutine owns it; mu guards only what queries
// read, which is the ladder and the chains.
type lane struct {
	number  int32
	cfg     *Config
	log     *slog.Logger
	metrics *metrics
	units   *bus.Producer       // to the journal, each unit to the partition of its lane
	side    *bus.Producer       // dead letters and late events
	seek    func(source, int64) // asks the input reader to go on from an offset

	input   chan inputBatch
	records chan bus.PartitionBatch // of the journal
	calls   chan func()             // questions from elsewhere, to be run by the lane
	acks    mailbox                 // acknowledgements of what was sent, to be run by the lane

	folders         map[source]*folder
	restoredFilters map[source]*filter // from the snapshot, until the folders are made
	names           *names
	journal         *journal

	mu       sync.Mutex
	ladder   *ladder
	progress map[source]progress // for queries: a copy of what the chains and folders say

	inSnapshot    atomic.Bool
	lastSnapshot  time.Time
	sinceSnapshot int64 // bytes of journal read since
	snapshots     chan<- snapshotFile
}

// inputBatch is what the input reader has for a lane: records, or the answer to a seek.
type inputBatch struct {
	source source
	batch  bus.PartitionBatch
	sought bool
}

// progress is what is known of one input partition.
type progress struct {
	Next, High int64
	Counted    int64
	Watermark  int64 // microseconds; noWatermark when nothing was seen
	Idle       bool
	Lost       int64
	GapReason  string
	Tally      tally
	Reach      int64 // broker time of the oldest identity the duplicate filter knows, microseconds
	FilterFull bool
}

const (
	flushPause  = 5 * time.Millisecond // between the acknowledgement of a unit and the next one
	retryPause  = 500 * time.Millisecond
	maxOpenRows = 200_000 // records folded into an open unit before the lane stops reading
	maxOpenPane = 20_000
)

// run works until ctx ends, then sends what is open and waits for it to count, for at most the time that drain gives.
func (l *lane) run(ctx, drain context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	done := ctx.Done()
	housekeeping := time.NewTicker(time.Second)
	defer housekeeping.Stop()
	for {
		timer.Reset(l.flush(drain, done == nil))
		if done == nil && l.settled() {
			l.snapshot(true)
			return nil
		}
		input := l.input
		if done == nil || l.full() {
			input = nil
		}
		select {
		case b := <-input:
			if err := l.take(b); err != nil {
				return err
			}
		case b := <-l.records:
			l.follow(b)
		case <-l.acks.filled:
			for _, f := range l.acks.take() {
				f()
			}
		case f := <-l.calls:
			f()
		case <-timer.C:
		case <-housekeeping.C:
			l.keepHouse(drain)
		case <-done:
			done = nil
		case <-drain.Done():
			return nil
		}
	}
}

// full tells whether so much is open that the lane should wait for the journal.
func (l *lane) full() bool {
	for _, f := range l.folders {
		if f.open.header.Tally.Records > maxOpenRows || len(f.open.panes) > maxOpenPane {
			return true
		}
	}
	return false
}

func (l *lane) settled() bool {
	for _, f := range l.folders {
		if f.pending != nil || f.open.header.To != f.open.header.From {
			return false
		}
	}
	return true
}

// take folds a batch of input.
func (l *lane) take(in inputBatch) error {
	f := l.folders[in.source]
	if f == nil {
		return nil
	}
	if in.sought {
		f.skip--
		return nil
	}
	if f.skip > 0 {
		return nil // fetched before the seek
	}
	b := in.batch
	f.high = max(f.high, b.HighWatermark, b.Next)
	f.moved = time.Now()
	if b.Err != nil {
		if out, ok := errors.AsType[*bus.OutOfRangeError](b.Err); ok {
			l.gap(f, out)
			return nil
		}
		return fmt.Errorf("%s/%d: %w", b.Topic, b.Partition, b.Err)
	}
	start := time.Now()
	for _, m := range b.Messages {
		f.fold(m)
	}
	l.metrics.fold(len(b.Messages), time.Since(start))
	if b.Next > f.next { // markers of transactions were passed
		f.next = b.Next
		if f.next > f.foldFrom {
			f.open.header.To = f.next
		}
	}
	return nil
}

// gap goes on at the edge of the log after saying in a unit of its own what is missing.
func (l *lane) gap(f *folder, out *bus.OutOfRangeError) {
	if out.Start <= out.Offset && out.Offset <= out.End { // the log has it: the fetch was of another moment
		l.again(f, f.next)
		return
	}
	to, reason := out.Start, "deleted by retention before it was read"
	if out.Offset > out.End {
		to, reason = out.End, "the log ends before the position: it was cut"
	}
	if out.Offset < f.foldFrom { // read again for ids alone: nothing is lost
		f.next = min(max(to, out.Offset), f.foldFrom)
		l.again(f, f.next)
		return
	}
	g := &gap{Lost: max(to-out.Offset, 0), Reason: reason}
	l.log.Error("input records are missing, reading goes on at the edge of the log", "topic", f.src.Topic, "partition", f.src.Partition, "from", out.Offset, "to", to, "lost", g.Lost, "reason", reason)
	if f.open.header.From == f.open.header.To && f.open.header.From == out.Offset {
		f.open.header.Gap, f.open.header.To = g, to
	} else if f.open.header.Gap == nil {
		f.open.header.Gap, f.open.header.To = g, to // what was folded before the gap travels with it
	} else {
		f.open.header.Gap.Lost += g.Lost
		f.open.header.To = to
	}
	f.next, f.foldFrom, f.high = to, to, out.End
	l.again(f, to)
}

// again reads f's partition from offset; what was fetched before is passed over.
func (l *lane) again(f *folder, offset int64) {
	f.skip++
	l.seek(f.src, offset)
}

// flush sends the units that may go and returns how long the lane may sleep.
func (l *lane) flush(ctx context.Context, closing bool) time.Duration {
	pause, now := time.Hour, time.Now()
	for _, f := range l.folders {
		w := f.pending
		switch {
		case w != nil && w.failed:
			if wait := retryPause - now.Sub(f.sent); wait > 0 {
				pause = min(pause, wait)
				continue
			}
			l.send(ctx, f, w)
		case w == nil && f.open.header.To != f.open.header.From:
			if wait := flushPause - now.Sub(f.sent); wait > 0 && !closing {
				pause = min(pause, wait)
				continue
			}
			f.pending = f.open
			f.begin(f.open.header.To)
			l.send(ctx, f, f.pending)
		case w == nil && l.quiet(f, now):
			f.pending = newWork(f.src, f.open.header.From) // tells every reader that the watermark follows the clock
			f.pending.header.Idle, f.pending.header.Watermark = true, f.watermark
			l.send(ctx, f, f.pending)
		}
	}
	return pause
}

// quiet tells whether f has been read to its end for so long that it is idle, and nobody was told yet.
func (l *lane) quiet(f *folder, now time.Time) bool {
	return !f.idle && f.next >= f.high && f.next >= f.foldFrom && now.Sub(f.moved) >= l.cfg.Idle
}

// send writes the dead letters and late events of w, and the unit itself once they are acknowledged.
func (l *lane) send(ctx context.Context, f *folder, w *work) {
	f.sent, w.failed = time.Now(), false
	side := w.side
	w.wait = len(side)
	if w.wait == 0 {
		l.sendUnit(ctx, w)
		return
	}
	w.side = nil
	for _, m := range side {
		m.Offset, m.Partition = 0, 0
		l.side.SendAsync(ctx, m, l.onAck(func(m *bus.Message, err error) {
			w.wait--
			if err != nil {
				w.side = append(w.side, m)
				w.failed = true
				l.log.Warn("dead letter or late event not written, trying again", "topic", m.Topic, "error", err)
			}
			if w.wait == 0 && !w.failed && f.pending == w {
				l.sendUnit(ctx, w)
			}
		}))
	}
}

func (l *lane) sendUnit(ctx context.Context, w *work) {
	if w.values == nil {
		w.values = encodeUnit(w.header, w.deltas(l.names))
	}
	w.parts = len(w.values)
	for _, v := range w.values {
		l.units.SendAsync(ctx, &bus.Message{Topic: event.TopicPanes, Partition: l.number, Value: v}, l.onAck(func(_ *bus.Message, err error) {
			if w.parts--; err != nil {
				w.failed = true // all parts go again: repeated ones do not chain
				l.log.Warn("unit not written, trying again", "partition", l.number, "error", err)
			}
		}))
	}
}

// onAck hands an acknowledgement to the lane's own goroutine.
func (l *lane) onAck(fn func(*bus.Message, error)) func(*bus.Message, error) {
	return func(m *bus.Message, err error) { l.acks.put(func() { fn(m, err) }) }
}

// mailbox takes work without ever blocking who brings it: the producer hands over acknowledgements while the lane may be
// waiting for the producer.
type mailbox struct {
	mu     sync.Mutex
	work   []func()
	filled chan struct{} // has one token while there is work
}

func newMailbox() mailbox { return mailbox{filled: make(chan struct{}, 1)} }

func (m *mailbox) put(f func()) {
	m.mu.Lock()
	m.work = append(m.work, f)
	m.mu.Unlock()
	select {
	case m.filled <- struct{}{}:
	default:
	}
}

func (m *mailbox) take() []func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	work := m.work
	m.work = nil
	return work
}

// follow reads the journal: what counts enters the ladder, what does not is ignored.
func (l *lane) follow(b bus.PartitionBatch) {
	if b.Err != nil {
		if out, ok := errors.AsType[*bus.OutOfRangeError](b.Err); ok {
			l.log.Error("part of the journal is missing; windows before it may be incomplete", "partition", b.Partition, "from", out.Offset, "to", out.Start)
		} else {
			l.log.Error("the journal cannot be read", "partition", b.Partition, "error", b.Err)
		}
		return
	}
	for _, m := range b.Messages {
		l.sinceSnapshot += int64(len(m.Value))
		v, err := l.journal.read(m.Offset, m.Value)
		if err != nil {
			l.log.Error("record of the journal is not usable, passed over", "error", err)
			continue
		}
		if v != nil {
			l.judged(v, m.Timestamp)
		}
	}
	l.journal.next = max(l.journal.next, b.Next)
}

// judged acts on a unit that is complete.
func (l *lane) judged(v *verdict, at time.Time) {
	f := l.folders[v.header.Source]
	mine := f != nil && f.pending != nil && f.pending.header.Unit == v.header.Unit
	if v.counted {
		l.count(v, at, mine, f)
	}
	switch {
	case f == nil:
	case mine && v.counted:
		f.pending, f.idle = nil, v.header.Idle
	case mine || v.counted: // another owner was first: what is not counted is folded again from where the journal stands
		l.log.Info("another owner wrote this partition's journal, folding again", "topic", f.src.Topic, "partition", f.src.Partition)
		c := l.journal.chains[v.header.Source]
		f.restart(c)
		l.again(f, c.To)
	}
	if f != nil && v.counted {
		l.publish(f)
	}
}

// count adds a unit to the ladder. The deltas of an own unit are still in memory; those of others are decoded.
func (l *lane) count(v *verdict, at time.Time, mine bool, f *folder) {
	now := at.Unix()
	l.mu.Lock()
	if mine {
		for k, c := range f.pending.panes {
			l.ladder.add(k.start, l.names.keys.names[k.key], c, now)
		}
	} else {
		for _, body := range v.bodies {
			if err := eachDelta(body, func(d delta) { l.ladder.add(d.Start, d.Key, d.Cell, now) }); err != nil {
				l.log.Error("deltas of a counted unit are damaged", "error", err)
			}
		}
	}
	l.ladder.age(now)
	l.mu.Unlock()
	l.metrics.counted(&v.header, mine)
}

// publish lets queries see how far f is.
func (l *lane) publish(f *folder) {
	p := progress{Next: f.next, High: f.high, Watermark: noWatermark, Idle: f.idle}
	p.Reach, p.FilterFull = f.filter.reach()
	if c := l.journal.chains[f.src]; c != nil {
		p.Counted, p.Watermark, p.Idle, p.Lost, p.GapReason, p.Tally = c.To, c.Watermark, c.Idle, c.Lost, c.GapReason, c.Tally
		p.Tally.LateBySource = nil
	}
	l.mu.Lock()
	l.progress[f.src] = p
	l.mu.Unlock()
}

// keepHouse does what is due once a second.
func (l *lane) keepHouse(ctx context.Context) {
	l.mu.Lock()
	l.ladder.age(time.Now().Unix())
	l.mu.Unlock()
	for _, f := range l.folders {
		l.publish(f)
	}
	due := time.Since(l.lastSnapshot) >= l.cfg.SnapshotEvery && l.sinceSnapshot > 0
	if due || l.sinceSnapshot >= l.cfg.SnapshotBytes {
		l.snapshot(false)
	}
}

// start gives the lane its folders once its journal partition is read; high is the end of each input partition.
func (l *lane) start(sources map[source]bus.Range, from map[source]int64) map[source]int64 {
	reading := map[source]int64{}
	for src, log := range sources {
		f := &folder{src: src, cfg: l.cfg, names: l.names, filter: newFilter(l.cfg.FilterBytes), high: log.End, moved: time.Now(), watermark: noWatermark}
		if old := l.restoredFilters[src]; old != nil {
			f.filter = old
		}
		f.next, f.foldFrom = log.Start, log.Start
		if c := l.journal.chains[src]; c != nil {
			f.next, f.foldFrom = c.To, c.To
			f.watermark, f.idle = c.Watermark, c.Idle
			if at, ok := from[src]; ok {
				f.next = min(max(at, log.Start), c.To)
			}
		}
		f.begin(f.foldFrom)
		l.folders[src] = f
		reading[src] = f.next
		l.publish(f)
	}
	l.restoredFilters = nil
	return reading
}

// watermark is the time up to which everything has been seen, over the partitions given, in microseconds.
func watermark(ps []progress, disorder time.Duration, now time.Time) int64 {
	low := int64(math.MaxInt64)
	for _, p := range ps {
		w := p.Watermark
		if p.Idle {
			w = max(w, now.Add(-disorder).UnixMicro())
		}
		low = min(low, w)
	}
	if low == math.MaxInt64 {
		return noWatermark
	}
	return low
}

// progressOf copies what is known of the lane's partitions.
func (l *lane) progressOf() map[source]progress {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[source]progress, len(l.progress))
	for src, p := range l.progress {
		out[src] = p
	}
	return out
}

// window adds every group within [from, to) to into.
func (l *lane) window(from, to int64, into map[agg.Key]*agg.Cell) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ladder.visit(from, to, func(k agg.Key, c *agg.Cell) {
		if have := into[k]; have != nil {
			have.Merge(c)
		} else {
			into[k] = c.Clone()
		}
	})
}

func (l *lane) widen(from, to int64) (int64, int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ladder.widen(from, to)
}

// sortedSources lists sources by topic and partition.
func sortedSources[V any](m map[source]V) []source {
	out := make([]source, 0, len(m))
	for s := range m {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b source) int {
		if a.Topic != b.Topic {
			return slices.Index(kindTopics, a.Topic) - slices.Index(kindTopics, b.Topic)
		}
		return int(a.Partition - b.Partition)
	})
	return out
}

var kindTopics = func() (topics []string) {
	for _, k := range event.Kinds {
		topics = append(topics, k.Topic())
	}
	return topics
}()
