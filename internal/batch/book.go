package batch

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// book keeps what is going on and how it went, for /aggregation/status, /health, /metrics and the logs of runs. It is in memory;
// what matters of it is learnt again from the stored runs at start.
type book struct {
	mu       sync.Mutex
	folding  int               // folds under way
	running  map[string]string // level of the runs that execute, by id
	failing  map[int64]string
	dirty    int                 // ended hours whose aggregate is behind, as of the last look
	before   map[string]bool     // levels that have periods from before this process started
	recounts map[int64]recountOf // the last recount of each hour, by hour
	last     map[string]lastWork // by level
	lastRun  map[string]float64  // seconds of the last ended run, by DAG; or of the last hour folded by itself
	outcomes [24 * 60]outcome    // of the last 24 h by minute
}

// recountOf is how the recount of an hour compared with what was stored of it.
type recountOf struct {
	at             time.Time
	checked, wrong int // rows
}

// lastWork is how the last aggregation of a level went.
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

func newBook() *book {
	return &book{before: map[string]bool{}, recounts: map[int64]recountOf{}, last: map[string]lastWork{}, running: map[string]string{}, failing: map[int64]string{}, lastRun: map[string]float64{}}
}

// remember notes that periods of a level were made before this process started.
func (b *book) remember(level string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before[level] = true
}

// built notes a period that was made before this process started, unless a later success is known: hours that were folded by themselves have
// no run that tells of them.
func (b *book) built(p period, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if last := b.last[p.name]; at.After(last.success) {
		last.success, last.start, last.end = at, timeOf(p.start), timeOf(p.end)
		b.last[p.name] = last
	}
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
		start, last := time.Unix(hour, 0).UTC(), b.last["hourly"]
		last.success, last.start, last.end = now, start, start.Add(time.Hour)
		if len(b.failing) == 0 {
			last.err = ""
		}
		b.last["hourly"] = last
	}
}

// hourFailed notes that an hour could not be folded by itself.
func (b *book) hourFailed(hour int64, err error, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failing[hour] = err.Error()
	b.fails("hourly", err.Error(), now)
	b.count(now, false)
}

// periodMade notes that a day, week or month was made, by a run of its own or for another period.
func (b *book) periodMade(p period, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last[p.name] = lastWork{success: now, start: timeOf(p.start), end: timeOf(p.end)}
}

func (b *book) fails(level, err string, at time.Time) {
	last := b.last[level]
	last.err, last.errAt = err, at
	b.last[level] = last
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

// keepRecounts bounds the recounts that are remembered: more than a year of hours.
const keepRecounts = 10_000

// recounted notes that the rows of an hour were made anew and compared with what was stored.
func (b *book) recounted(hour int64, checked, wrong int, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.recounts[hour] = recountOf{now, max(checked, wrong), wrong}
	if len(b.recounts) <= keepRecounts {
		return
	}
	oldest, at := int64(0), now
	for h, r := range b.recounts {
		if r.at.Before(at) {
			oldest, at = h, r.at
		}
	}
	delete(b.recounts, oldest)
}

func (b *book) runStarts(r *agg.Run) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running[r.ID] = levelOfDAG(r.DagID)
}

// levelOfDAG is the level that a DAG aggregates.
func levelOfDAG(id string) string {
	return strings.TrimSuffix(strings.TrimPrefix(id, "hxp_"), "_aggregation")
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
	b.aggregated(r)
	if r.State != agg.RunSuccess && r.State != agg.RunFailed {
		return
	}
	if now.Sub(*r.EndedAt) < 24*time.Hour {
		b.count(*r.EndedAt, r.State == agg.RunSuccess)
	}
}

// aggregated notes how the aggregation of a run ended: its first task, whatever became of those that follow on it.
func (b *book) aggregated(r *agg.Run) {
	name := levelOfDAG(r.DagID)
	l, i := levels[name], slices.IndexFunc(r.Tasks, func(t agg.Task) bool { return t.TaskID == name+"_aggregation" })
	if l == nil || i < 0 {
		return
	}
	t, last := r.Tasks[i], b.last[name]
	at := r.EndedAt
	if t.EndedAt != nil {
		at = t.EndedAt
	}
	switch t.State {
	case agg.RunSuccess:
		last = lastWork{success: *at, start: r.Start, end: r.End}
		if made := l.within(r.Start, r.End); len(made) > 0 {
			p := made[len(made)-1]
			last.start, last.end = timeOf(p.start), timeOf(p.end)
		}
	case agg.RunFailed:
		last.err, last.errAt = cmp.Or(t.Error, r.Error), *at
	}
	b.last[name] = last
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

// accuracy returns the share of rows that the last recount of each hour found as they were stored; known is false when nothing was
// recounted within 24 h.
func (b *book) accuracy(now time.Time) (ratio float64, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	checked, wrong := 0, 0
	for _, r := range b.recounts {
		if now.Sub(r.at) < 24*time.Hour {
			checked, wrong, known = checked+r.checked, wrong+r.wrong, true
		}
	}
	return share(float64(checked-wrong), float64(checked)), known
}

func share(part, whole float64) float64 {
	if whole == 0 {
		return 1
	}
	return part / whole
}

// state is the word for the aggregation of a level.
func (b *book) state(level string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	last, running := b.last[level], level == "hourly" && b.folding > 0
	for _, l := range b.running {
		running = running || l == level
	}
	switch {
	case running:
		return "running"
	case last.err != "" || level == "hourly" && len(b.failing) > 0:
		return "failed"
	case b.before[level] || !last.success.IsZero():
		return "completed"
	}
	return "scheduled"
}

func (b *book) lastWork(level string) lastWork {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last[level]
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
