package stream

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// memLog is one partition of a topic in memory.
type memLog struct {
	mu     sync.Mutex
	start  int64
	values []*bus.Message // the first one is at offset 0
	moved  chan struct{}  // closed and replaced when something changes
	refuse error          // what appending answers
}

func newLog() *memLog { return &memLog{moved: make(chan struct{})} }

func (l *memLog) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	close(l.moved)
	l.moved = make(chan struct{})
}

// SendAsync makes the log a sender.
func (l *memLog) SendAsync(_ context.Context, m *bus.Message, done func(*bus.Message, error)) {
	l.mu.Lock()
	err := l.refuse
	l.mu.Unlock()
	if err == nil {
		l.change(func() {
			m.Offset, m.Timestamp = int64(len(l.values)), time.Now()
			l.values = append(l.values, m)
		})
	}
	done(m, err)
}

// read returns what lies at offset from and behind, and a channel that is closed when that changes.
func (l *memLog) read(from int64) (bus.PartitionBatch, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	end := int64(len(l.values))
	b := bus.PartitionBatch{Next: from, HighWatermark: end, LastStable: end, LogStart: l.start}
	if from < l.start || from > end {
		b.Err = &bus.OutOfRangeError{Offset: from, Start: l.start, End: end}
	} else {
		b.Next = min(end, from+5000)
		b.Messages = l.values[from:b.Next]
	}
	return b, l.moved
}

func (l *memLog) bounds() bus.Range {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bus.Range{Start: l.start, End: int64(len(l.values))}
}

// seekable reads a log as the input reader does.
type seekable struct {
	src   source
	log   *memLog
	mu    sync.Mutex
	seeks []int64
	asked chan struct{}
}

func (s *seekable) seek(offset int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seeks = append(s.seeks, offset)
	select {
	case s.asked <- struct{}{}:
	default:
	}
}

func (s *seekable) run(ctx context.Context, at int64, hand func(inputBatch)) {
	stuck := false
	for ctx.Err() == nil {
		s.mu.Lock()
		seeks := s.seeks
		s.seeks = nil
		s.mu.Unlock()
		for _, offset := range seeks {
			at, stuck = offset, false
			hand(inputBatch{source: s.src, sought: true})
		}
		b, moved := s.log.read(at)
		if !stuck && (b.Err != nil || b.Next > at) {
			at, stuck = b.Next, b.Err != nil
			b.Topic, b.Partition = s.src.Topic, s.src.Partition
			hand(inputBatch{source: s.src, batch: b})
			continue
		}
		select {
		case <-moved:
		case <-s.asked:
		case <-ctx.Done():
		}
	}
}

// world is a journal partition and the input partitions beside it.
type world struct {
	t       *testing.T
	journal *memLog
	side    *memLog
	inputs  map[source]*memLog
	joined  *memLog // hxp-correlations; nil = nothing is joined
	away    *memLog // what goes to hxp-joins for other lanes
	prices  event.Prices
}

// SendAsync makes the world the sender of a lane.
func (w *world) SendAsync(ctx context.Context, m *bus.Message, done func(*bus.Message, error)) {
	switch m.Topic {
	case event.TopicCorrelations:
		m.Value = bytes.Clone(m.Value) // the sender uses its bytes again once they are acknowledged
		w.joined.SendAsync(ctx, m, done)
	case event.TopicJoins:
		w.away.SendAsync(ctx, m, done)
	default:
		w.journal.SendAsync(ctx, m, done)
	}
}

var (
	requests0 = source{TopicID: "t1", Topic: "llm-requests"}
	feedback0 = source{TopicID: "t2", Topic: "user-feedback"}
)

func newWorld(t *testing.T) *world {
	return &world{t: t, journal: newLog(), side: newLog(), inputs: map[source]*memLog{requests0: newLog(), feedback0: newLog()}}
}

// put writes events to a topic, stamped by the broker now. They appear together, so that no reader sees some of them.
func (w *world) put(src source, events ...*event.Event) {
	log := w.inputs[src]
	log.change(func() {
		for _, e := range events {
			log.values = append(log.values, &bus.Message{Topic: src.Topic, Offset: int64(len(log.values)), Timestamp: time.Now(), Value: event.AppendJSON(nil, e)})
		}
	})
}

// at is a request of some time with an id.
func at(when time.Time, id string) *event.Event {
	e := request(when.Unix(), "m")
	e.ID, e.Source, e.Time = id, "s", when.UnixMicro()
	e.SetText(event.RequestID, id)
	return e
}

// many are n requests of one time, with ids from first on.
func many(when time.Time, first, n int) (es []*event.Event) {
	for i := range n {
		es = append(es, at(when, fmt.Sprint("e", first+i)))
	}
	return es
}

// rig is one lane that runs in a world, with the means to ask it; everything runs in the bubble of a synctest.
type rig struct {
	*Service
	*lane
	t      *testing.T
	killed atomic.Bool
	halt   func()
	giveUp func()
	kept   []snapshotFile // that were written

	world *world
	sends *drowsy
	wrote *seekable // reads hxp-correlations; nil = nothing is joined
}

// drowsy is a sender that keeps what it gets while it sleeps, and sends it when it wakes.
type drowsy struct {
	sender
	mu     sync.Mutex
	asleep bool
	kept   []func()
}

func (d *drowsy) SendAsync(ctx context.Context, m *bus.Message, done func(*bus.Message, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asleep {
		d.kept = append(d.kept, func() { d.sender.SendAsync(ctx, m, done) })
		return
	}
	d.sender.SendAsync(ctx, m, done)
}

func (d *drowsy) sleep() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asleep = true
}

func (d *drowsy) wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asleep = false
	for _, f := range d.kept {
		f()
	}
	d.kept = nil
}

// start restores a lane from dir and lets it work as the owner of its number. The test must stop or kill it.
func (w *world) start(cfg Config, dir string) *rig { return w.begin(cfg, dir, true) }

// begin is start of a lane that owns its number or follows.
func (w *world) begin(cfg Config, dir string, owner bool) *rig {
	w.t.Helper()
	s := New(cfg, nil, Options{StateDir: dir, Log: slog.New(slog.NewTextHandler(w.t.Output(), nil))})
	r := &rig{Service: s, lane: newLane(0, &s.cfg, s.log, s.metrics), t: w.t, world: w, sends: &drowsy{sender: w}}
	snapshots := newDesk()
	live, stop := context.WithCancel(context.Background())
	drain, giveUp := context.WithCancel(context.Background())
	var readers, working, disk sync.WaitGroup
	disk.Go(func() {
		for f := range snapshots.files {
			if !r.killed.Load() {
				if err := f.write(); err != nil {
					w.t.Error(err)
				}
				s.keepPositions(f)
				r.kept = append(r.kept, f)
			}
			snapshots.finish(f)
		}
	})
	l := r.lane
	l.journalID, l.dir, l.units, l.side, l.desk = "j1", snapshotDir(dir, 0), r.sends, w.side, snapshots
	l.prices = w.prices
	l.unread = func(source) {} // what comes for nobody is passed over
	if w.joined != nil {
		var program [16]byte
		_, _ = rand.Read(program[:])
		l.joins = newJoins(0, joinNumbers, bus.Shape{ID: "c1", Partitions: 1}, program, &s.cfg, s.log)
	}
	inputs := map[source]*seekable{}
	logs := map[source]bus.Range{}
	for src, log := range w.inputs {
		inputs[src] = &seekable{src: src, log: log, asked: make(chan struct{}, 1)}
		logs[src] = log.bounds()
	}
	l.seek = func(src source, offset int64) { inputs[src].seek(offset) }
	l.join(l.restore(), w.journal.bounds())
	if w.joined != nil {
		l.joins.begin(w.joined.bounds())
	}
	working.Go(func() {
		if err := l.run(live, drain); err != nil {
			w.t.Errorf("lane: %v", err)
		}
	})
	journal := &seekable{log: w.journal, asked: make(chan struct{}, 1)}
	readers.Go(func() {
		journal.run(drain, l.journal.next, func(b inputBatch) {
			select {
			case l.records <- b.batch:
			case <-drain.Done():
			}
		})
	})
	<-l.caught
	if w.joined != nil {
		written := &seekable{log: w.joined, asked: make(chan struct{}, 1)}
		r.wrote = written
		readers.Go(func() {
			written.run(live, l.joins.next, func(b inputBatch) {
				select {
				case l.calls <- func() { l.readBack(b.batch) }:
				case <-live.Done():
				}
			})
		})
		<-l.joins.caught
	}
	reading := make(chan map[source]int64, 1)
	l.calls <- func() {
		if owner {
			reading <- l.start(logs, time.Now())
			return
		}
		l.follower()
		ends := map[source]int64{}
		for src, log := range logs {
			ends[src] = log.End
		}
		reading <- ends
	}
	for src, from := range <-reading {
		readers.Go(func() {
			inputs[src].run(live, from, func(b inputBatch) {
				l.inbox.Add(1)
				select {
				case l.input <- b:
				case <-live.Done():
				}
			})
		})
	}
	s.began([]*lane{l}, nil, &layout{inputs: map[string]bus.Shape{"llm-requests": {}, "user-feedback": {}, "system-metrics": {}, "business-events": {}}})
	r.giveUp = giveUp
	r.halt = func() {
		stop()
		working.Wait()
		giveUp()
		readers.Wait()
		close(snapshots.files)
		disk.Wait()
	}
	r.settle()
	return r
}

// settle waits until what was put is counted.
func (r *rig) settle() {
	time.Sleep(50 * time.Millisecond)
	synctest.Wait()
}

func (r *rig) stop() { r.halt() }

// kill ends the lane without a snapshot.
func (r *rig) kill() {
	r.killed.Store(true)
	r.halt()
}

// crash ends the lane at once: nothing that is folded is sent any more.
func (r *rig) crash() {
	r.killed.Store(true)
	r.giveUp()
	r.halt()
}

// counts wants the windows to hold that many requests.
func (r *rig) counts(want uint64) {
	r.t.Helper()
	r.settle()
	if got := r.total(); got != want {
		r.t.Errorf("%d requests counted, want %d", got, want)
	}
}

func (r *rig) of(src source) progress { return r.partitions()[src] }

// call runs f on the lane's own goroutine.
func (r *rig) call(f func()) {
	done := make(chan struct{})
	r.calls <- func() { f(); close(done) }
	<-done
}

// takeOver makes the lane the owner, as a session does.
func (r *rig) takeOver() {
	r.t.Helper()
	logs := map[source]bus.Range{}
	for src, log := range r.world.inputs {
		logs[src] = log.bounds()
	}
	snapshot := r.newest()
	var caught chan struct{}
	r.call(func() {
		if r.wrote == nil {
			r.inherit(snapshot, bus.Range{})
			return
		}
		r.inherit(snapshot, r.world.joined.bounds())
		r.wrote.seek(r.joins.next)
		caught = r.joins.caught
	})
	if caught != nil {
		<-caught
	}
	r.call(func() {
		for src, offset := range r.lane.start(logs, time.Now()) {
			r.again(r.folders[src], offset)
		}
	})
}

// handOver makes the lane follow, as a session does; it returns how long it waits for that.
func (r *rig) handOver() {
	r.t.Helper()
	done := make(chan struct{})
	r.call(func() { r.leaving = &leaving{done} })
	select {
	case <-done:
	case <-time.After(handover):
		r.call(func() {
			if r.leaving != nil {
				r.giveUpNumber()
			}
		})
	}
}
