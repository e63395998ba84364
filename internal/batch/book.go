package batch

import (
	"slices"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// book keeps what is going on and how it went, for /aggregation/status, /health, /metrics and the logs of runs. It is in memory;
// what matters of it is learnt again from the stored runs at start.
type book struct {
	mu       sync.Mutex
	folding  int            // folds under way
	running  map[string]int // runs that execute, by id
	failing  map[int64]string
	dirty    int // ended hours whose aggregate is behind, as of the last look
	before   bool
	checked  int64 // recounts of hours whose data had not changed
	equal    int64 // of checked: those that found the same bytes
	last     lastWork
	lastRun  map[string]float64 // seconds of the last ended run, by DAG; or of the last hour folded by itself
	outcomes [24 * 60]outcome   // of the last 24 h by minute
	lines    map[string][]logLine
	order    []string // of lines, oldest run first
}

// lastWork is how the last aggregation of hours went.
type lastWork struct {
	success    time.Time // zero = never
	start, end time.Time // interval of the last success
	err        string    // of the last piece of work, "" when it succeeded
	errAt      time.Time
}

type outcome struct {
	minute     int64 // since the epoch; another one is out of date
	ok, failed int64
}

// Limits of the logs kept in memory.
const (
	keepLines = 500
	keepLogs  = 200
)

type logLine struct {
	At     time.Time `json:"timestamp"`
	Level  string    `json:"level"`
	TaskID string    `json:"task_id,omitempty"`
	Event  string    `json:"event"`
}

func newBook() *book {
	return &book{running: map[string]int{}, failing: map[int64]string{}, lastRun: map[string]float64{}, lines: map[string][]logLine{}}
}

// remember notes that hours were aggregated before this process started.
func (b *book) remember() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before = true
}

func (b *book) foldStarts() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.folding++
}

// foldEnds notes how the fold of an hour went.
func (b *book) foldEnds(hour int64, res hourResult, err error, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.folding--
	if err == nil {
		delete(b.failing, hour)
		start := time.Unix(hour, 0).UTC()
		b.last = lastWork{success: now, start: start, end: start.Add(time.Hour), err: b.last.err, errAt: b.last.errAt}
		if len(b.failing) == 0 {
			b.last.err = ""
		}
	}
}

// hourFailed notes that an hour could not be folded by itself.
func (b *book) hourFailed(hour int64, err error, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failing[hour] = err.Error()
	b.last.err, b.last.errAt = err.Error(), now
	b.count(now, false)
}

// hourFolded notes that an hour was folded by itself.
func (b *book) hourFolded(took time.Duration, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lastRun["hxp_hourly_aggregation"] = took.Seconds()
	b.count(now, true)
}

// lookedAt notes the dirty hours; failures of hours that are no longer dirty are over.
func (b *book) lookedAt(dirty map[int64]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dirty = len(dirty)
	for h := range b.failing {
		if !dirty[h] {
			delete(b.failing, h)
		}
	}
}

func (b *book) recounted(equal bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.checked++
	if equal {
		b.equal++
	}
}

func (b *book) runStarts(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running[id]++
}

// runEnds notes the end of a run that executed in this process.
func (b *book) runEnds(r *agg.Run, now time.Time) {
	b.mu.Lock()
	delete(b.running, r.ID)
	b.mu.Unlock()
	if r.State.Final() {
		b.ended(r, now)
	}
}

// ended notes a run in a final state, of now or of before.
func (b *book) ended(r *agg.Run, now time.Time) {
	if r.EndedAt == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.StartedAt != nil {
		b.lastRun[r.DagID] = r.EndedAt.Sub(*r.StartedAt).Seconds()
	}
	switch r.State {
	case agg.RunSuccess:
		b.last = lastWork{success: *r.EndedAt, start: r.Start, end: r.End}
	case agg.RunFailed:
		b.last.err, b.last.errAt = r.Error, *r.EndedAt
	default:
		return
	}
	if now.Sub(*r.EndedAt) < 24*time.Hour {
		b.count(*r.EndedAt, r.State == agg.RunSuccess)
	}
}

func (b *book) count(at time.Time, ok bool) {
	m := at.Unix() / 60
	o := &b.outcomes[m%int64(len(b.outcomes))]
	if m < o.minute {
		return
	}
	if o.minute != m {
		*o = outcome{minute: m}
	}
	if ok {
		o.ok++
	} else {
		o.failed++
	}
}

// rates returns success (of what ended) and completion (of what was due, what waits or runs included) over the last 24 h; 1 when
// nothing was due.
func (b *book) rates(now time.Time) (success, completion float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ok, failed int64
	for _, o := range b.outcomes {
		if o.minute > now.Unix()/60-int64(len(b.outcomes)) {
			ok, failed = ok+o.ok, failed+o.failed
		}
	}
	ended := float64(ok + failed)
	return share(float64(ok), ended), share(float64(ok), ended+float64(b.dirty+len(b.running)))
}

// accuracy returns the share of recounts that found what was stored; known is false when there was none yet.
func (b *book) accuracy() (ratio float64, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return share(float64(b.equal), float64(b.checked)), b.checked > 0
}

func share(part, whole float64) float64 {
	if whole == 0 {
		return 1
	}
	return part / whole
}

// state is the word for the aggregation of hours.
func (b *book) state() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.folding > 0 || len(b.running) > 0:
		return "running"
	case b.last.err != "" || len(b.failing) > 0:
		return "failed"
	case b.before || !b.last.success.IsZero():
		return "completed"
	}
	return "scheduled"
}

// failures returns the hours that fail to fold, oldest first, and why the first does.
func (b *book) failures() (hours []int64, why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for h := range b.failing {
		hours = append(hours, h)
	}
	slices.Sort(hours)
	if len(hours) > 0 {
		why = b.failing[hours[0]]
	}
	return hours, why
}

// note adds a line to the log of a run.
func (s *Service) note(r *agg.Run, level, task, text string) {
	b := s.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.lines[r.ID]; !ok {
		if b.order = append(b.order, r.ID); len(b.order) > keepLogs {
			delete(b.lines, b.order[0])
			b.order = slices.Delete(b.order, 0, 1)
		}
	}
	lines := append(b.lines[r.ID], logLine{s.now().UTC(), level, task, text})
	if len(lines) > keepLines {
		lines = slices.Delete(lines, 0, len(lines)-keepLines)
	}
	b.lines[r.ID] = lines
}

// log returns the lines of a run that this process has written.
func (b *book) log(id string) []logLine {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.lines[id])
}
