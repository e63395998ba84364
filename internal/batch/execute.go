package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// upForRetry is the state of a task between two tries.
const upForRetry = agg.TaskUpForRetry

// taskFunc does the work of one task of a run and returns its summary. progress may be called at any time.
type taskFunc func(ctx context.Context, r *agg.Run, progress func(done, total int64, unit string)) (summary any, err error)

// activeRun is a run that this process executes.
type activeRun struct {
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when the run ended or was laid down for the next start

	// Guarded by Service.mu. Who attaches to the run raises what it must count to what is acknowledged by then, so that both
	// promises hold: a retry attaches, and a run counts everything acknowledged before it was asked for.
	until  map[string]map[int32]int64
	raised int  // how often
	sealed bool // the work is over, only the result is not stored yet: nobody can attach any more
}

// attach raises what a run under way must count. It is false when the run's work is over, or not done by this process.
func (s *Service) attach(id string, until map[string]map[int32]int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.active[id]
	if a == nil || a.sealed {
		return false
	}
	a.until, a.raised = until, a.raised+1 // ends only grow, so the later ones hold the earlier
	return true
}

// target returns what a run must count by now, and how often that was raised.
func (s *Service) target(id string) (until map[string]map[int32]int64, raised int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.active[id]
	return a.until, a.raised
}

// seal closes a run to attaching, unless it was raised meanwhile.
func (s *Service) seal(id string, raised int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.active[id]
	a.sealed = a.raised == raised
	return a.sealed
}

// start executes a stored run, unless the service is not running (then the next Run takes it up) or the run is under way.
func (s *Service) start(r agg.Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started || s.closing || s.active[r.ID] != nil {
		return
	}
	r.Tasks = slices.Clone(r.Tasks) // the caller may still show its own
	ctx, cancel := context.WithCancelCause(s.ctx)
	a := &activeRun{cancel: cancel, done: make(chan struct{}), until: r.Until}
	s.active[r.ID] = a
	s.work.Go(func() {
		defer func() {
			s.mu.Lock()
			delete(s.active, r.ID)
			s.mu.Unlock()
			cancel(nil)
			close(a.done)
		}()
		s.execute(ctx, r)
	})
}

// execute takes a run through its tasks and stores every step. It is the only writer of the run.
func (s *Service) execute(ctx context.Context, r agg.Run) {
	var err error
	if take(ctx, s.live) {
		defer func() { <-s.live }()
		began := s.now()
		r.State, r.StartedAt, r.Error = agg.RunRunning, &began, ""
		s.book.runStarts(&r)
		s.note(&r, "info", "", "run starts")
		if err = s.update(ctx, &r); err == nil {
			limited, stop := context.WithTimeoutCause(ctx, s.cfg.Processing.timeout(), errTimeout)
			if err = s.tasks(limited, &r); err != nil && limited.Err() != nil {
				err = context.Cause(limited)
			}
			stop()
		}
	} else {
		err = context.Cause(ctx)
	}
	s.conclude(&r, err, context.Cause(ctx))
}

var errTimeout = errors.New("the run's time is over")

// conclude stores how a run ended. A run that was interrupted by the stop of the service is laid down as queued.
func (s *Service) conclude(r *agg.Run, err, cause error) {
	ended := s.now()
	r.EndedAt = &ended
	switch {
	case err == nil:
		r.State, r.Error = agg.RunSuccess, ""
	case errors.Is(cause, errCancelled):
		r.State, r.Error = agg.RunCancelled, "cancelled on request"
	case errors.Is(cause, errStopping):
		r.State, r.StartedAt, r.EndedAt = agg.RunQueued, nil, nil
	case errors.Is(err, errTimeout):
		r.State, r.Error = agg.RunFailed, fmt.Sprintf("not done within %d seconds; give it more with BATCH_PROCESSING_TIMEOUT or a shorter interval", s.cfg.Processing.Timeout)
		for _, t := range r.Tasks {
			if !t.State.Final() {
				r.Error += errorText(t.Error)
			}
		}
	default:
		r.State, r.Error = agg.RunFailed, err.Error()
	}
	for i := range r.Tasks {
		t := &r.Tasks[i]
		if t.State.Final() {
			continue
		}
		switch {
		case r.State == agg.RunQueued:
			t.State, t.StartedAt, t.Error = agg.RunQueued, nil, ""
		case t.State == agg.RunQueued: // never began
			t.State = agg.RunCancelled
		default:
			t.State, t.EndedAt = r.State, &ended
			t.Error = r.Error
		}
	}
	s.note(r, map[bool]string{true: "error", false: "info"}[r.State == agg.RunFailed], "", "run is "+string(r.State)+errorText(r.Error))
	switch r.State {
	case agg.RunFailed:
		s.log.Error("aggregation run failed", "run", r.ID, "dag", r.DagID, "start", r.Start, "end", r.End, "err", r.Error)
	default:
		s.log.Info("aggregation run ended", "run", r.ID, "dag", r.DagID, "state", string(r.State), "start", r.Start, "end", r.End)
	}
	ctx, stop := context.WithTimeout(context.Background(), stopLimit)
	defer stop()
	if err := s.deps.Runs.UpdateRun(ctx, *r); err != nil { // the next start finds it running and does it again
		s.log.Error("end of an aggregation run could not be stored; the next start runs it again", "run", r.ID, "err", err)
	}
	s.book.runEnds(r, ended)
}

func errorText(e string) string {
	if e == "" {
		return ""
	}
	return ": " + e
}

// tasks runs the tasks in the order of the DAG. After a restart all are done again, those that had ended too: tasks are idempotent,
// and who attaches to the run wants them to count what came since.
func (s *Service) tasks(ctx context.Context, r *agg.Run) error {
	d := s.dag(r.DagID)
	if d == nil {
		return fmt.Errorf("unknown DAG %q", r.DagID)
	}
	for i := range r.Tasks {
		t := &r.Tasks[i]
		def := d.chosen(t.TaskID)
		if t.TaskID == "" || def == nil || def[0].run == nil {
			return fmt.Errorf("the task %q of %s is not available in this version", t.TaskID, r.DagID)
		}
		if err := s.try(ctx, r, t, def[0].run); err != nil {
			return err
		}
	}
	return nil
}

// try does one task, again after a pause when it fails, as often as retries says.
func (s *Service) try(ctx context.Context, r *agg.Run, t *agg.Task, run taskFunc) error {
	for failures := 0; ; {
		began := s.now()
		t.State, t.StartedAt, t.EndedAt, t.Error = agg.RunRunning, &began, nil, ""
		t.Try++
		s.note(r, "info", t.TaskID, fmt.Sprintf("try %d starts", t.Try))
		if err := s.update(ctx, r); err != nil {
			return err
		}
		summary, err := run(ctx, r, s.progress(ctx, r))
		if ctx.Err() != nil {
			if err != nil {
				t.Error = err.Error()
			}
			return context.Cause(ctx)
		}
		ended := s.now()
		t.EndedAt = &ended
		if err == nil {
			t.State = agg.RunSuccess
			t.Summary, _ = json.Marshal(summary)
			s.note(r, "info", t.TaskID, "done: "+string(t.Summary))
			return s.update(ctx, r)
		}
		t.Error = err.Error()
		s.note(r, "error", t.TaskID, t.Error)
		if failures++; failures > s.cfg.Processing.Retries {
			t.State = agg.RunFailed
			return fmt.Errorf("%s failed at try %d: %w", t.TaskID, t.Try, err)
		}
		t.State = upForRetry
		delay := s.cfg.Processing.retryDelay()
		s.log.Warn("aggregation task failed and is tried again", "run", r.ID, "task", t.TaskID, "try", t.Try, "in", delay, "err", err)
		if err := s.update(ctx, r); err != nil {
			return err
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// progress stores how far a run is, at most once a second and at the end.
func (s *Service) progress(ctx context.Context, r *agg.Run) func(done, total int64, unit string) {
	var last time.Time
	return func(done, total int64, unit string) {
		r.Progress = agg.Progress{Done: done, Total: total, Unit: unit}
		if now := s.now(); now.Sub(last) >= time.Second {
			last = now
			if err := s.update(ctx, r); err != nil {
				s.log.Debug("progress of a run could not be stored", "run", r.ID, "err", err)
			}
		}
	}
}

func (s *Service) update(ctx context.Context, r *agg.Run) error {
	return s.deps.Runs.UpdateRun(ctx, *r)
}

// hourlyTotals is the summary of hourly_aggregation.
type hourlyTotals struct {
	Hours      int64 `json:"hours"` // with data
	Files      int64 `json:"files"`
	Events     int64 `json:"events"`
	Duplicates int64 `json:"duplicates"`
	Changed    int64 `json:"changed"` // hours whose rows differ from before
}

// hourlyAggregation waits until the lake holds what was acknowledged when the run was accepted, then folds each hour of the
// interval that has data; again, when somebody attached to the run meanwhile.
func (s *Service) hourlyAggregation(ctx context.Context, r *agg.Run, progress func(done, total int64, unit string)) (any, error) {
	done := map[int64]hourResult{}
	for again := false; ; again = true {
		until, raised := s.target(r.ID)
		if err := s.awaitLake(ctx, until); err != nil {
			return nil, err
		}
		if err := s.foldInterval(ctx, r, done, again, progress); err != nil {
			return nil, err
		}
		if s.seal(r.ID, raised) {
			return totals(done), nil
		}
	}
}

func (s *Service) awaitLake(ctx context.Context, until map[string]map[int32]int64) error {
	if len(until) == 0 {
		return nil
	}
	if err := s.deps.Lake.Flush(ctx); err != nil {
		return fmt.Errorf("the lake cannot publish what it has read: %w", err)
	}
	if err := s.deps.Lake.Wait(ctx, until); err != nil {
		return fmt.Errorf("the lake does not hold yet what was acknowledged before the run: %w", err)
	}
	return nil
}

// foldInterval folds each hour of the interval that has data, or only those that got new data, and keeps what it did in done.
func (s *Service) foldInterval(ctx context.Context, r *agg.Run, done map[int64]hourResult, onlyDirty bool, progress func(done, total int64, unit string)) error {
	first, n, err := hourSpan(r.Start, r.End)
	if err != nil {
		return err
	}
	var hours []int64
	for i := range n {
		h, err := s.deps.Hours.HourBuild(ctx, first+int64(i)*3600)
		if err != nil {
			return err
		}
		if h.Version > 0 {
			hours = append(hours, h.Hour)
		}
	}
	for i, hour := range hours {
		progress(int64(i), int64(len(hours)), "hours")
		res, err := s.foldHour(ctx, hour, onlyDirty)
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
