package stream

import (
	"encoding/binary"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/join"
)

// joins brings the parts of requests together whose join number is that of the lane. The lane owns it and holds mu while it
// folds, so that questions see whole batches; a lane beyond the last join number has no table and only puts parts aside.
type joins struct {
	number  int32
	of      int       // join numbers there are; 0 = nothing is joined
	program [16]byte  // of this time as the owner: its own records need not be read back
	written bus.Shape // of hxp-correlations

	mu      sync.Mutex
	table   *join.Table
	refused error  // why the last batch could not be written
	former  []byte // state of when there was joining, while that is switched off: snapshots keep it until it goes on

	log     *slog.Logger
	spare   spares
	count   uint64    // batches so far
	batches []*joined // taken from the table and not yet acknowledged
	taken   time.Time // when the last batch was
	owner   bool      // the last unit that counted was ours, so it is ours to write
	told    join.Stats

	next   int64         // offset of hxp-correlations that comes next
	until  int64         // its end when the lane began
	caught chan struct{} // closed when it is read up to there
}

// joined is a batch of records on its way to hxp-correlations. It goes when everything counts that it was made of.
type joined struct {
	number uint64 // of the batches of this program
	value  []byte
	head   int // bytes of value before the records
	needs  []position
	sent   time.Time
	flying bool
}

// spares are values of batches that were acknowledged.
type spares [][]byte

func (s *spares) pop() (b []byte) {
	if n := len(*s); n > 0 {
		b, *s = (*s)[n-1], (*s)[:n-1]
	}
	return b
}

func (s *spares) push(b []byte) {
	if len(*s) < 4 {
		*s = append(*s, b[:0])
	}
}

type position struct {
	source source
	to     int64
}

const (
	// enoughJoined is what a batch need not wait for.
	enoughJoined = 200 << 10
	// maxUnjoined is what may wait to be written before the lane stops reading.
	maxUnjoined = 8 << 20
	// patience is how long a lane whose units another owner writes leaves the writing of records to that one.
	patience = 5 * time.Second
)

func newJoins(number int32, of int, written bus.Shape, program [16]byte, cfg *Config, log *slog.Logger) *joins {
	j := &joins{number: number, of: of, written: written, program: program, log: log, owner: true, next: -1, caught: make(chan struct{})}
	if int(number) < of {
		j.table = join.New(cfg.joinLimits(of))
	} else {
		close(j.caught)
	}
	return j
}

// joinLimits are those of one of so many tables.
func (c *Config) joinLimits(of int) join.Limits {
	return join.Limits{Window: c.CorrelationWindow.Microseconds(), Bytes: c.CorrelationBytes / int64(of), Parts: c.CorrelationParts}
}

// works tells whether the lane joins.
func (j *joins) works() bool { return j != nil && int(j.number) < j.of }

func (j *joins) lock() {
	if j != nil {
		j.mu.Lock()
	}
}

func (j *joins) unlock() {
	if j != nil {
		j.mu.Unlock()
	}
}

// full tells whether so much waits to be written that the lane should stop reading.
func (j *joins) full() bool {
	if !j.works() {
		return false
	}
	_, waiting := j.table.Waiting()
	for _, b := range j.batches {
		waiting += len(b.value)
	}
	return waiting > maxUnjoined
}

// own notes who wrote the last unit that counts.
func (j *joins) own(mine bool) {
	if j.works() {
		j.owner, j.table.Quiet = mine, !mine
	}
}

// yield leaves the joining to another instance: what it writes is read.
func (j *joins) yield() {
	if !j.works() {
		return
	}
	j.lock()
	defer j.unlock()
	j.owner, j.table.Quiet, j.batches = false, true, nil
}

// joinClock is the arrival time up to which everything that the lane joins has been read: that of the last record of the
// partition that is furthest behind. A partition that is read to its end follows the wall, less what a fetch takes. It is not
// known while records are read again.
func (l *lane) joinClock(now time.Time) (clock int64, known bool) {
	clock = math.MaxInt64
	wall := horizon(now)
	for _, f := range l.folders {
		switch {
		case f.src.Topic == event.SystemMetric.Topic():
		case f.past != nil || f.next < f.foldFrom || f.skip > 0:
			return 0, false
		case f.next >= f.high && l.inbox.Load() == 0:
			clock = min(clock, max(f.arrival, wall))
		default:
			clock = min(clock, f.arrival)
		}
	}
	return clock, clock != math.MaxInt64
}

const (
	joinedMagic = "HXPC"
	joinedVer   = 1
)

// appendHead begins a record of hxp-correlations: who wrote it, what it is for, and its number. Records of the joins follow.
func (j *joins) appendHead(b []byte) []byte {
	b = append(b, joinedMagic...)
	b = append(append(b, joinedVer), j.program[:]...)
	b = binary.AppendUvarint(b, uint64(j.of))
	b = binary.AppendUvarint(b, uint64(j.number))
	return binary.AppendUvarint(b, j.count)
}

// take makes a batch of what is joined: at once when it is ours to write, else what the owner has not written in time.
func (l *lane) takeJoined(now time.Time) {
	j := l.joins
	j.mu.Lock()
	defer j.mu.Unlock()
	clock, known := l.joinClock(now)
	if known {
		j.table.Advance(clock, now.Add(jump).UnixMicro())
	}
	if j.table.Stats != j.told {
		l.metrics.joins(&j.told, &j.table.Stats)
		j.told = j.table.Stats
	}
	requests, bytes := j.table.Waiting()
	if requests == 0 && bytes == 0 || now.Sub(j.taken) < flushPause && bytes < enoughJoined {
		return
	}
	upTo := int64(math.MaxInt64)
	if !j.owner {
		if !known {
			return
		}
		upTo = clock - patience.Microseconds()
	}
	value := j.appendHead(j.spare.pop())
	head := len(value)
	value = j.table.Take(value, upTo)
	if len(value) == head {
		j.spare.push(value)
		return
	}
	b := &joined{number: j.count, value: value, head: head}
	j.count++
	for src, f := range l.folders {
		b.needs = append(b.needs, position{src, f.open.header.To})
	}
	j.batches, j.taken = append(j.batches, b), now
}

// counts tells whether everything counts that b was made of. After a log was cut its positions may never come again: then it is
// enough that nothing is open.
func (l *lane) counts(b *joined) bool {
	for _, p := range b.needs {
		f, c := l.folders[p.source], l.journal.chains[p.source]
		if f == nil {
			continue
		}
		if need := min(p.to, f.open.header.To); c == nil && need > f.foldFrom || c != nil && c.To < need {
			return false
		}
	}
	return true
}
