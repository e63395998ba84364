package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// taskFunc does the work of one task of a run and returns its summary. One that counts events does so within s.counting. progress may
// be called at any time.
type taskFunc func(ctx context.Context, r *agg.Run, progress func(done, total int64, unit string)) (summary any, err error)

// execution is one try of a task that this process executes.
type execution struct {
	lease  agg.Lease
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when it ended or was laid down

	mu       sync.Mutex
	progress agg.Progress
	lines    []agg.LogLine // not stored yet
	written  int           // lines in all
	left     int           // lines beyond the limit, which are only counted
	reported time.Time
}

// Why an execution ends before its work does.
var (
	errStopping  = errors.New("the service stops")
	errCancelled = errors.New("cancelled")
	errLost      = errors.New("the task was taken from this process")
	errTimeout   = errors.New("the run's time is over")
)

// maxLines bounds the log of a try.
const maxLines = 500

func (e *execution) log(at time.Time, level, text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.written >= maxLines && level != "error" || e.written >= 2*maxLines {
		e.left++
		return
	}
	e.written++
	e.lines = append(e.lines, agg.LogLine{At: at.UTC(), Level: level, Event: text, Line: e.written})
}

// take returns what is to be stored of the execution and was not yet.
func (e *execution) take(last bool, now time.Time) (agg.Progress, []agg.LogLine) {
	e.mu.Lock()
	defer e.mu.Unlock()
	lines := e.lines
	if last && e.left > 0 {
		e.written++
		lines = append(lines, agg.LogLine{At: now.UTC(), Level: "info", Event: fmt.Sprintf("%d more lines were left out", e.left), Line: e.written})
		e.left = 0
	}
	e.lines = nil
	return e.progress, lines
}

// putBack keeps lines that could not be stored for the next time.
func (e *execution) putBack(lines []agg.LogLine) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lines = append(lines, e.lines...)
}

// executions are those under way in this process.
func (s *Service) executions() []*execution {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.active))
}

// taskOfRun names a task of a run.
type taskOfRun struct{ run, task string }

// of returns what this process executes of a run.
func (s *Service) of(run string) (out []*execution) {
	for _, e := range s.executions() {
		if e.lease.Run == run {
			out = append(out, e)
		}
	}
	return out
}

// note adds a line to the log of what this process executes of a run.
func (s *Service) note(r *agg.Run, level, text string) {
	for _, e := range s.of(r.ID) {
		e.log(s.now(), level, text)
	}
}

// start executes a claimed task. An execution of the same task that was taken from this process, and has not ended yet, ends first.
func (s *Service) start(c agg.Claim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started { // its lease ends by itself
		return
	}
	ctx, cancel := context.WithCancelCause(s.ctx)
	e := &execution{lease: c.Lease, cancel: cancel, done: make(chan struct{})}
	key := taskOfRun{c.Of.ID, c.Task}
	before := s.active[key]
	s.active[key] = e
	s.work.Go(func() {
		defer func() {
			s.mu.Lock()
			if s.active[key] == e {
				delete(s.active, key)
			}
			s.mu.Unlock()
			cancel(nil)
			close(e.done)
			s.rouse() // there is room, and the next task of the run may be ready
		}()
		if before != nil {
			before.cancel(errLost)
			<-before.done
		}
		s.execute(ctx, e, c)
	})
}

// execute does one try and stores how it ended. It is the only one who may: the result carries the fence of its lease.
func (s *Service) execute(ctx context.Context, e *execution, c agg.Claim) {
	run := c.Of
	s.book.runStarts(&run)
	defer func() { s.book.runEnds(&run, s.now()) }()
	limited, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if run.TimeoutAt != nil {
		timer := time.AfterFunc(max(0, run.TimeoutAt.Sub(c.Now)), func() { stop(errTimeout) })
		defer timer.Stop()
	}
	e.progress = run.Progress
	e.log(s.now(), "info", fmt.Sprintf("try %d starts on %s", e.lease.Try, e.lease.Owner))
	for {
		summary, state, err := s.do(limited, e, &run)
		cause := context.Cause(limited)
		switch {
		case errors.Is(cause, errLost) || errors.Is(cause, errCancelled):
			return // whoever took it has said what it is now
		case errors.Is(cause, errStopping):
			s.layDown(e)
			return
		}
		res := s.result(e, &run, summary, state, err, err != nil && errors.Is(cause, errTimeout))
		next, again, stored := s.finish(ctx, e, res)
		if !stored {
			return
		}
		run = next
		if !again {
			break
		}
		e.log(s.now(), "info", attached)
	}
	s.ended(&run)
}

// do calls the function of the task.
func (s *Service) do(ctx context.Context, e *execution, run *agg.Run) (summary any, state agg.RunState, err error) {
	d := s.dag(run.DagID)
	if d == nil {
		return nil, "", fmt.Errorf("unknown DAG %q", run.DagID)
	}
	def := d.chosen(e.lease.Task)
	switch {
	case e.lease.Task == "" || def == nil:
		return nil, "", fmt.Errorf("%s has no task %q", run.DagID, e.lease.Task)
	case def[0].run == nil:
		return map[string]string{"skipped": "not available in this version"}, agg.TaskSkipped, nil
	}
	if run.Until == nil && run.Trigger == agg.RunScheduled {
		limited, stop := context.WithTimeout(ctx, endsTimeout)
		run.Until, err = s.deps.Ends(limited)
		if stop(); err != nil {
			return nil, "", fmt.Errorf("the ends of the input topics cannot be read: %w", err)
		}
	}
	summary, err = def[0].run(ctx, run, func(done, total int64, unit string) {
		s.progress(ctx, e, agg.Progress{Done: done, Total: total, Unit: unit})
	})
	return summary, agg.RunSuccess, err
}

const attached = "somebody attached to the run; what came since is counted too"

// counting does work when the lake holds what was acknowledged before the run was asked for; and again (only what is new needs
// doing then) when somebody attached to the run meanwhile, because he wants what was acknowledged before that.
func (s *Service) counting(ctx context.Context, r *agg.Run, work func(again bool) error) error {
	for again := false; ; again = true {
		if err := s.awaitLake(ctx, r.Until); err != nil {
			return err
		}
		if err := work(again); err != nil {
			return err
		}
		now, err := s.deps.Runs.Run(ctx, r.ID)
		if err != nil {
			return err
		}
		if now.Raised == r.Raised {
			return nil
		}
		r.Until, r.Raised = now.Until, now.Raised
		s.note(r, "info", attached)
	}
}

// result makes what is stored of a try.
func (s *Service) result(e *execution, run *agg.Run, summary any, state agg.RunState, err error, timeout bool) agg.TaskResult {
	res := agg.TaskResult{State: state, Raised: run.Raised, RetryIn: s.cfg().Processing.retryDelay()}
	missing, split := errors.AsType[*missingParts](err)
	switch {
	case split && !timeout:
		res.First, res.Retries = missing.tasks, s.cfg().Processing.Retries
		e.log(s.now(), "info", missing.Error())
	case timeout:
		res.State, res.Error = agg.RunFailed, s.timeoutText()+errorText(err.Error())
	case err != nil:
		res.State, res.Error = agg.TaskUpForRetry, err.Error()
		s.log.Warn("task failed", "run", run.ID, "task", e.lease.Task, "try", e.lease.Try, "retry_in", res.RetryIn, "err", err)
	default:
		res.Summary, _ = json.Marshal(summary)
		e.log(s.now(), "info", "done: "+string(res.Summary))
	}
	if res.Error != "" {
		e.log(s.now(), "error", res.Error)
	}
	return res
}

// finish stores a result. While the database cannot take it, it is tried again as long as the lease may hold; after that somebody
// else does the task again, which changes nothing.
func (s *Service) finish(ctx context.Context, e *execution, res agg.TaskResult) (run agg.Run, again, stored bool) {
	res.Progress, res.Log = e.take(true, s.now())
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		limit, stop := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
		run, again, err := s.deps.Runs.Finish(limit, e.lease, res)
		stop()
		switch {
		case err == nil:
			return run, again, true
		case errors.Is(err, agg.ErrLeaseLost):
			s.log.Info("result of a task came too late and does not count", "run", e.lease.Run, "task", e.lease.Task, "try", e.lease.Try)
			return run, false, false
		}
		s.log.Error("end of a task could not be stored", "run", e.lease.Run, "task", e.lease.Task, "err", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return run, false, false
		}
	}
}

// layDown gives the task back, for the next start or another instance.
func (s *Service) layDown(e *execution) {
	ctx, stop := context.WithTimeout(context.Background(), stopLimit)
	defer stop()
	e.log(s.now(), "info", "laid down: the service stops")
	_, lines := e.take(true, s.now())
	if err := s.deps.Runs.LayDown(ctx, e.lease, lines); err != nil && !errors.Is(err, agg.ErrLeaseLost) {
		s.log.Warn("task could not be laid down; it goes on when its lease is over", "run", e.lease.Run, "task", e.lease.Task, "err", err)
	}
}

// progress notes how far a task is, and stores it with the log at most once a second.
func (s *Service) progress(ctx context.Context, e *execution, p agg.Progress) {
	now := s.now()
	e.mu.Lock()
	e.progress = p
	due := now.Sub(e.reported) >= time.Second && e.lease.Fence > 0
	if due {
		e.reported = now
	}
	e.mu.Unlock()
	if !due {
		return
	}
	p, lines := e.take(false, now)
	switch err := s.deps.Runs.ReportProgress(ctx, e.lease, p, lines); {
	case errors.Is(err, agg.ErrLeaseLost):
		e.cancel(errLost)
	case err != nil:
		e.putBack(lines)
		s.log.Debug("progress of a run could not be stored", "run", e.lease.Run, "err", err)
	}
}

// ended tells of a run that is over.
func (s *Service) ended(r *agg.Run) {
	if !r.State.Final() {
		return
	}
	if r.State == agg.RunFailed {
		s.log.Error("aggregation run failed", "run", r.ID, "dag", r.DagID, "start", r.Start, "end", r.End, "err", r.Error)
		return
	}
	level := s.log.Info
	if r.BackfillID != 0 { // thousands at a time
		level = s.log.Debug
	}
	level("aggregation run ended", "run", r.ID, "dag", r.DagID, "state", string(r.State), "start", r.Start, "end", r.End)
}

func (s *Service) timeoutText() string {
	return fmt.Sprintf("not done within %d seconds; give it more with BATCH_PROCESSING_TIMEOUT or a shorter interval", s.cfg().Processing.Timeout)
}

func errorText(e string) string {
	if e == "" {
		return ""
	}
	return ": " + e
}

// hourlyTotals is the summary of hourly_aggregation.
type hourlyTotals struct {
	Hours      int64 `json:"hours"` // with data
	Files      int64 `json:"files"`
	Events     int64 `json:"events"`
	Duplicates int64 `json:"duplicates"`
	Changed    int64 `json:"changed"` // hours whose rows differ from before
}

// hourlyAggregation folds each hour of the interval that has data.
func (s *Service) hourlyAggregation(ctx context.Context, r *agg.Run, progress func(done, total int64, unit string)) (any, error) {
	done := map[int64]hourResult{}
	err := s.counting(ctx, r, func(again bool) error { return s.foldInterval(ctx, r, done, again, progress) })
	if err == nil {
		s.tellBudgets(ctx, r)
	}
	return totals(done), err
}

func (s *Service) awaitLake(ctx context.Context, until map[string]map[int32]int64) error {
	if len(until) == 0 || s.reached.covers(until) {
		return nil
	}
	if err := s.deps.Lake.Flush(ctx); err != nil {
		return fmt.Errorf("the lake cannot publish what it has read: %w", err)
	}
	if err := s.deps.Lake.Wait(ctx, until); err != nil {
		return fmt.Errorf("the lake does not hold yet what was acknowledged before the run: %w", err)
	}
	s.reached.set(until)
	return nil
}

// offsets remembers what the lake was found to hold last, so that the many runs of a backfill, which all count the same, do not each
// ask for it. Only the very same offsets are known: a topic that is made anew begins at 0 again.
type offsets struct {
	mu sync.Mutex
	to map[string]map[int32]int64
}

func (o *offsets) covers(until map[string]map[int32]int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.EqualFunc(o.to, until, maps.Equal)
}

func (o *offsets) set(until map[string]map[int32]int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.to = until
}

// foldInterval folds each hour of the interval that has data, or only those that got new data, and keeps what it did in done.
func (s *Service) foldInterval(ctx context.Context, r *agg.Run, done map[int64]hourResult, onlyDirty bool, progress func(done, total int64, unit string)) error {
	if err := levels["hourly"].span(r.Start, r.End); err != nil {
		return err
	}
	states, err := s.deps.Hours.HourStates(ctx, r.Start.Unix(), r.End.Unix())
	if err != nil {
		return err
	}
	var hours []int64
	for _, h := range states {
		if h.Version > 0 {
			hours = append(hours, h.Hour)
		}
	}
	for i, hour := range hours {
		progress(int64(i), int64(len(hours)), "hours")
		res, err := s.foldForRun(ctx, r, hour, onlyDirty, progress)
		if err != nil {
			return err
		}
		if res.Folded {
			res.Changed = res.Changed || done[hour].Changed
			done[hour] = res
		}
	}
	progress(int64(len(hours)), int64(len(hours)), "hours")
	return nil
}

func totals(done map[int64]hourResult) (t hourlyTotals) {
	for _, res := range done {
		t.Hours++
		t.Files, t.Events, t.Duplicates = t.Files+res.Files, t.Events+res.Events, t.Duplicates+res.Duplicates
		if res.Changed {
			t.Changed++
		}
	}
	return t
}
