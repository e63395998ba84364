package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// This file is the batch room for other ways in than its own HTTP API: the Airflow-compatible API and the scheduler's page call
// these methods. An error that is an *agg.Refusal lies with the caller; any other is ours.

// DAGs lists the DAGs in their fixed order.
func (s *Service) DAGs(ctx context.Context) ([]agg.DAG, error) {
	states, now, err := s.schedules(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]agg.DAG, 0, len(s.dags()))
	for _, d := range s.dags() {
		out = append(out, s.shown(d, states[d.id], now))
	}
	return out, nil
}

// DAG describes one DAG.
func (s *Service) DAG(ctx context.Context, id string) (agg.DAG, error) {
	d := s.dag(id)
	if d == nil {
		return agg.DAG{}, unknownDAG(id)
	}
	states, now, err := s.schedules(ctx)
	return s.shown(d, states[id], now), err
}

func (s *Service) shown(d *dag, st agg.ScheduleState, now time.Time) agg.DAG {
	p := s.cfg().Processing
	if st.Next.IsZero() { // the scheduler has not begun yet
		st.Next = d.first(now)
	}
	end := d.end(st.Next)
	out := agg.DAG{ID: d.id, Description: d.about, Period: d.period, Cron: d.cron, Timezone: p.Timezone, Paused: st.Paused,
		Disabled: !s.cfg().Aggregation.enabled(d.period), NextRun: d.next(now), NextStart: st.Next, NextEnd: end, NextAfter: d.due(end),
		CatchUp: d.policy.CatchUp, MaxActiveRuns: d.policy.MaxActive, Deadline: time.Duration(d.policy.Deadline) * time.Second,
		Retries: p.Retries, RetryDelay: p.retryDelay(), Timeout: p.timeout()}
	for _, t := range d.tasks {
		out.Tasks = append(out.Tasks, agg.DAGTask{TaskID: t.ID, DependsOn: t.DependsOn, Available: t.run != nil})
	}
	return out
}

// SetPaused pauses a DAG or lets it go on. A paused DAG starts no run, and hours are not folded by themselves while the hourly one is
// paused; tasks of runs under way go on. What was missed is made up for afterwards.
func (s *Service) SetPaused(ctx context.Context, id string, paused bool) (agg.DAG, error) {
	if s.dag(id) == nil {
		return agg.DAG{}, unknownDAG(id)
	}
	if err := s.deps.Runs.SetPaused(ctx, id, paused); err != nil {
		return agg.DAG{}, err
	}
	s.log.Info("DAG paused or unpaused", "dag", id, "paused", paused)
	d, err := s.DAG(ctx, id)
	s.rouse()
	return d, err
}

// Runs lists runs.
func (s *Service) Runs(ctx context.Context, f agg.RunFilter) (agg.RunPage, error) {
	return s.deps.Runs.Runs(ctx, f)
}

// RunByID returns the run that paths name.
func (s *Service) RunByID(ctx context.Context, id string) (agg.Run, error) {
	return s.found(id)(s.deps.Runs.Run(ctx, id))
}

// RunOf returns the run of a DAG by the id that Airflow knows.
func (s *Service) RunOf(ctx context.Context, dag, runID string) (agg.Run, error) {
	return s.found(runID)(s.deps.Runs.RunOf(ctx, dag, runID))
}

// found turns the error for what does not exist into a refusal.
func (s *Service) found(id string) func(agg.Run, error) (agg.Run, error) {
	return func(run agg.Run, err error) (agg.Run, error) {
		if errors.Is(err, s.deps.NotFound) {
			err = &agg.Refusal{Kind: agg.RefusedNotFound, Detail: fmt.Sprintf("there is no run %q", id)}
		}
		return run, err
	}
}

// CancelRun ends a run that waits or executes, wherever it does; one that is over is refused, unless it was cancelled. It returns
// when this process has ended its work, at the latest after five seconds.
func (s *Service) CancelRun(ctx context.Context, id string) (agg.Run, error) {
	run, err := s.found(id)(s.deps.Runs.CancelRun(ctx, id, "cancelled on request"))
	if err != nil {
		return run, err
	}
	if run.State == agg.RunSuccess || run.State == agg.RunFailed {
		return run, &agg.Refusal{Kind: agg.RefusedConflict, Detail: "the run is over, it is " + string(run.State)}
	}
	s.halt(ctx, id, errCancelled)
	return run, nil
}

// halt stops what this process executes of a run and waits for that.
func (s *Service) halt(ctx context.Context, id string, why error) {
	mine := s.of(id)
	for _, e := range mine {
		e.cancel(why)
	}
	wait, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	for _, e := range mine {
		select {
		case <-e.done:
		case <-wait.Done():
		}
	}
}

// ClearTasks makes tasks of a run (none named: all) wait again, so that they and what follows on them are done anew, counting what is
// acknowledged by now; onlyFailed leaves alone those that succeeded.
func (s *Service) ClearTasks(ctx context.Context, id string, tasks []string, onlyFailed bool) (agg.Run, error) {
	run, err := s.RunByID(ctx, id)
	if err != nil {
		return run, err
	}
	d := s.dag(run.DagID)
	if d == nil {
		return run, unknownDAG(run.DagID)
	}
	for _, t := range tasks {
		if !hasTask(&run, t) {
			return run, noTask(id, t)
		}
	}
	var picked []string
	for _, t := range run.Tasks {
		succeeded := t.State == agg.RunSuccess || t.State == agg.TaskSkipped
		if (len(tasks) == 0 || slices.Contains(tasks, t.TaskID)) && !(onlyFailed && succeeded) {
			picked = append(picked, t.TaskID)
		}
	}
	picked = slices.DeleteFunc(d.downstream(picked), func(t string) bool { return !hasTask(&run, t) })
	if len(picked) == 0 {
		return run, nil
	}
	ends, err := s.ends(ctx)
	if err != nil {
		return run, err
	}
	run, err = s.deps.Runs.ClearTasks(ctx, id, picked, s.cfg().Processing.Retries, ends)
	return s.changed(ctx, "cleared", run, err)
}

// changed tells of what a person did to a run.
func (s *Service) changed(ctx context.Context, what string, run agg.Run, err error) (agg.Run, error) {
	if err != nil {
		return run, err
	}
	s.halt(ctx, run.ID, errLost)
	s.log.Info("aggregation run changed by hand", "run", run.ID, "dag", run.DagID, "what", what, "state", string(run.State))
	s.rouse()
	return run, nil
}

func hasTask(run *agg.Run, task string) bool {
	return slices.ContainsFunc(run.Tasks, func(t agg.Task) bool { return t.TaskID == task })
}

func noTask(run, task string) error {
	return &agg.Refusal{Kind: agg.RefusedNotFound, Detail: fmt.Sprintf("the run %s has no task %q", run, task)}
}

// MarkRun sets the state of a run and of its tasks that are not over to success or failed, whatever they are doing.
func (s *Service) MarkRun(ctx context.Context, id string, state agg.RunState) (agg.Run, error) {
	if err := markable(state); err != nil {
		return agg.Run{}, err
	}
	run, err := s.found(id)(s.deps.Runs.MarkRun(ctx, id, state))
	return s.changed(ctx, "marked "+string(state), run, err)
}

// MarkTask sets the state of one task to success or failed. What follows on it goes on, or does not.
func (s *Service) MarkTask(ctx context.Context, id, task string, state agg.RunState) (agg.Run, error) {
	if err := markable(state); err != nil {
		return agg.Run{}, err
	}
	run, err := s.RunByID(ctx, id)
	if err != nil {
		return run, err
	}
	if !hasTask(&run, task) {
		return run, noTask(id, task)
	}
	run, err = s.deps.Runs.MarkTask(ctx, id, task, state, s.cfg().Processing.Retries)
	return s.changed(ctx, task+" marked "+string(state), run, err)
}

func markable(state agg.RunState) error {
	if state == agg.RunSuccess || state == agg.RunFailed {
		return nil
	}
	return &agg.Refusal{Kind: agg.RefusedInvalid, Detail: fmt.Sprintf("a run can be marked success or failed, not %q", state),
		Fields: []agg.FieldFault{{Field: "state", Code: "unknown_value", Detail: "success or failed"}}}
}

// SetNote writes a person's note on a run.
func (s *Service) SetNote(ctx context.Context, id, note string) (agg.Run, error) {
	if len(note) > maxNote {
		return agg.Run{}, &agg.Refusal{Kind: agg.RefusedInvalid, Detail: fmt.Sprintf("a note has at most %d bytes", maxNote),
			Fields: []agg.FieldFault{{Field: "note", Code: "too_long", Detail: "shorten it"}}}
	}
	return s.found(id)(s.deps.Runs.SetNote(ctx, id, note))
}

// Heartbeats tells which instances of the scheduler there are and which of them live.
func (s *Service) Heartbeats(ctx context.Context) ([]agg.Heartbeat, error) {
	return s.deps.Runs.Heartbeats(ctx, leaseTime)
}
