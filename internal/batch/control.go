package batch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// This file is the batch room for other ways in than its own HTTP API: the Airflow-compatible API and the scheduler's page call
// these methods. An error that is an *agg.Refusal lies with the caller; any other is ours.

// DAGs lists the DAGs in their fixed order.
func (s *Service) DAGs(ctx context.Context) ([]agg.DAG, error) {
	out := make([]agg.DAG, 0, len(s.dags))
	for _, d := range s.dags {
		out = append(out, s.shown(d))
	}
	return out, nil
}

// DAG describes one DAG.
func (s *Service) DAG(ctx context.Context, id string) (agg.DAG, error) {
	d := s.dag(id)
	if d == nil {
		return agg.DAG{}, unknownDAG(id)
	}
	return s.shown(d), nil
}

func (s *Service) shown(d *dag) agg.DAG {
	p := s.cfg.Processing
	next := d.next(s.now())
	out := agg.DAG{ID: d.id, Period: d.period, Cron: d.cron, Timezone: "UTC", Disabled: !s.cfg.Aggregation.enabled(d.period), NextRun: next,
		NextAfter: next, CatchUp: "all", MaxActiveRuns: 16, Retries: p.Retries, RetryDelay: p.retryDelay(), Timeout: p.timeout()}
	for _, t := range d.tasks {
		out.Tasks = append(out.Tasks, agg.DAGTask{TaskID: t.ID, DependsOn: t.DependsOn, Available: t.run != nil})
	}
	return out
}

func notYet(what string) error {
	return &agg.Refusal{Kind: agg.RefusedNotYet, Detail: what + " is not available in this version"}
}

// SetPaused pauses a DAG or lets it go on. A paused DAG starts nothing; what was missed is made up for afterwards.
func (s *Service) SetPaused(ctx context.Context, id string, paused bool) (agg.DAG, error) {
	if s.dag(id) == nil {
		return agg.DAG{}, unknownDAG(id)
	}
	return agg.DAG{}, notYet("pausing a DAG")
}

// Runs lists runs.
func (s *Service) Runs(ctx context.Context, f agg.RunFilter) (agg.RunPage, error) {
	runs, next, err := s.deps.Runs.Runs(ctx, f.DagID, f.Limit, f.Cursor)
	return agg.RunPage{Runs: runs, Next: next, Total: len(runs)}, err
}

// RunByID returns the run that paths name.
func (s *Service) RunByID(ctx context.Context, id string) (agg.Run, error) {
	run, err := s.deps.Runs.Run(ctx, id)
	if errors.Is(err, s.deps.NotFound) {
		err = &agg.Refusal{Kind: agg.RefusedNotFound, Detail: fmt.Sprintf("there is no run %q", id)}
	}
	return run, err
}

// RunOf returns the run of a DAG by the id that Airflow knows.
func (s *Service) RunOf(ctx context.Context, dag, runID string) (agg.Run, error) {
	run, err := s.RunByID(ctx, runID)
	if err == nil && run.DagID != dag {
		err = &agg.Refusal{Kind: agg.RefusedNotFound, Detail: fmt.Sprintf("%s has no run %q", dag, runID)}
	}
	return run, err
}

// CancelRun ends a run that waits or executes; one that is over is refused, unless it was cancelled.
func (s *Service) CancelRun(ctx context.Context, id string) (agg.Run, error) {
	run, err := s.RunByID(ctx, id)
	if err != nil {
		return run, err
	}
	s.mu.Lock()
	a := s.active[run.ID]
	s.mu.Unlock()
	if a != nil {
		a.cancel(errCancelled)
		wait, stop := context.WithTimeout(ctx, 5*time.Second)
		defer stop()
		select {
		case <-a.done:
		case <-wait.Done():
		}
		if run, err = s.RunByID(ctx, id); err != nil {
			return run, err
		}
	}
	switch {
	case run.State == agg.RunSuccess || run.State == agg.RunFailed:
		err = &agg.Refusal{Kind: agg.RefusedConflict, Detail: "the run is over, it is " + string(run.State)}
	case a == nil && !run.State.Final():
		err = &agg.Refusal{Kind: agg.RefusedUnavailable, Detail: "the service that executes runs is not running"}
	}
	return run, err
}

// ClearTasks makes tasks of a run (none named: all) wait again, so that they and what follows on them are done anew; onlyFailed
// leaves alone those that succeeded.
func (s *Service) ClearTasks(ctx context.Context, id string, tasks []string, onlyFailed bool) (agg.Run, error) {
	return agg.Run{}, notYet("clearing tasks")
}

// MarkRun sets the state of a run and of its tasks that are not over to success or failed, whatever they are doing.
func (s *Service) MarkRun(ctx context.Context, id string, state agg.RunState) (agg.Run, error) {
	return agg.Run{}, notYet("marking a run")
}

// MarkTask sets the state of one task to success or failed.
func (s *Service) MarkTask(ctx context.Context, id, task string, state agg.RunState) (agg.Run, error) {
	return agg.Run{}, notYet("marking a task")
}

// SetNote writes a person's note on a run.
func (s *Service) SetNote(ctx context.Context, id, note string) (agg.Run, error) {
	return agg.Run{}, notYet("a note on a run")
}

// TaskLogs returns the log of a try of a task, oldest line first; try 0 is the last one, task "" all tasks and tries.
func (s *Service) TaskLogs(ctx context.Context, id, task string, try int) ([]agg.LogLine, error) {
	run, err := s.RunByID(ctx, id)
	if err != nil {
		return nil, err
	}
	lines := s.book.log(run.ID)
	if lines == nil {
		lines = toldBy(&run)
	}
	var out []agg.LogLine
	for _, l := range lines {
		if task == "" || task == l.TaskID {
			out = append(out, agg.LogLine{At: l.At, Level: l.Level, TaskID: l.TaskID, Event: l.Event})
		}
	}
	return out, nil
}

// PlanBackfill says what a backfill would do.
func (s *Service) PlanBackfill(ctx context.Context, req agg.BackfillRequest) (agg.BackfillPlan, error) {
	return agg.BackfillPlan{}, notYet("backfill")
}

// CreateBackfill makes the runs of a backfill.
func (s *Service) CreateBackfill(ctx context.Context, req agg.BackfillRequest) (agg.Backfill, error) {
	return agg.Backfill{}, notYet("backfill")
}

// Backfill returns one backfill with how far it is.
func (s *Service) Backfill(ctx context.Context, id int64) (agg.Backfill, error) {
	return agg.Backfill{}, &agg.Refusal{Kind: agg.RefusedNotFound, Detail: fmt.Sprintf("there is no backfill %d", id)}
}

// Backfills lists the backfills of a DAG ("" = all), newest first.
func (s *Service) Backfills(ctx context.Context, dag string) ([]agg.Backfill, error) { return nil, nil }

// CancelBackfill ends the runs of a backfill that are not over.
func (s *Service) CancelBackfill(ctx context.Context, id int64) (agg.Backfill, error) {
	return s.Backfill(ctx, id)
}

// PauseBackfill keeps a backfill from starting further runs, or lets it go on.
func (s *Service) PauseBackfill(ctx context.Context, id int64, paused bool) (agg.Backfill, error) {
	return s.Backfill(ctx, id)
}

// Heartbeats tells which instances of the scheduler there are and which of them live.
func (s *Service) Heartbeats(ctx context.Context) ([]agg.Heartbeat, error) { return nil, nil }
