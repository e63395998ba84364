package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// change does something to a run in one transaction and returns it as it is then.
func (s *Store) change(ctx context.Context, what, id string, fn func(tx *sql.Tx, run agg.Run, now time.Time) error) (run agg.Run, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		// The lock on the run comes first, so that no result of a task comes in between.
		if _, err := tx.ExecContext(ctx, "UPDATE dag_runs SET note = note WHERE id = ?", id); err != nil {
			return err
		}
		if run, err = oneRun(ctx, tx, "WHERE id = ?", id); err != nil {
			return err
		}
		if err := fn(tx, run, now); err != nil {
			return err
		}
		run, err = oneRun(ctx, tx, "WHERE id = ?", id)
		return err
	})
	if err != nil {
		return run, fmt.Errorf("store: %s run %s: %w", what, id, err)
	}
	return run, nil
}

// CancelRun ends a run and its tasks as cancelled; one that is over stays as it is.
func (s *Store) CancelRun(ctx context.Context, id, why string) (agg.Run, error) {
	return s.change(ctx, "cancel", id, func(tx *sql.Tx, run agg.Run, now time.Time) error {
		if run.State.Final() {
			return nil
		}
		return endRun(ctx, tx, id, agg.RunCancelled, why, agg.RunCancelled, now)
	})
}

// ClearTasks makes tasks of a run wait anew, with so many tries beside those they have had, and queues the run. What it must count is
// raised to until.
func (s *Store) ClearTasks(ctx context.Context, id string, tasks []string, retries int, until map[string]map[int32]int64) (agg.Run, error) {
	return s.change(ctx, "clear", id, func(tx *sql.Tx, run agg.Run, now time.Time) error {
		if len(tasks) == 0 {
			return nil
		}
		for _, t := range tasks {
			if err := requeue(ctx, tx, id, t, retries, now); err != nil {
				return err
			}
		}
		if err := raise(ctx, tx, &run, until); err != nil {
			return err
		}
		return queueAgain(ctx, tx, id, now)
	})
}

func requeue(ctx context.Context, tx *sql.Tx, run, task string, retries int, now time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE task_instances SET state = 'queued', max_tries = try_number + ?, queued_at = ?, next_try_at = NULL, started_at = NULL,
		ended_at = NULL, error = '', summary = '', lease_expires = NULL WHERE run_id = ? AND task_id = ?`, retries, micros(now), run, task)
	return err
}

func queueAgain(ctx context.Context, tx *sql.Tx, run string, now time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE dag_runs SET state = 'queued', queued_at = ?, started_at = NULL, ended_at = NULL, timeout_at = NULL, error = '',
		progress_done = 0, progress_total = 0, counted = raised WHERE id = ?`, micros(now), run)
	return err
}

// MarkRun ends a run in a state that a person says; its tasks that are not over get the same.
func (s *Store) MarkRun(ctx context.Context, id string, state agg.RunState) (agg.Run, error) {
	return s.change(ctx, "mark", id, func(tx *sql.Tx, run agg.Run, now time.Time) error {
		why := ""
		if state != agg.RunSuccess {
			why = "marked as " + string(state) + " on request"
		}
		if err := endRun(ctx, tx, id, state, why, state, now); err != nil || state != agg.RunSuccess {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE task_instances SET state = 'success', error = '' WHERE run_id = ? AND state IN ('failed', 'upstream_failed', 'cancelled')", id)
		return err
	})
}

// MarkTask ends a task in a state that a person says. What follows on it goes on where it succeeded, and does not where it failed.
func (s *Store) MarkTask(ctx context.Context, id, task string, state agg.RunState, retries int) (agg.Run, error) {
	return s.change(ctx, "mark", id, func(tx *sql.Tx, run agg.Run, now time.Time) error {
		place := slices.IndexFunc(run.Tasks, func(t agg.Task) bool { return t.TaskID == task })
		if place < 0 {
			return ErrNotFound
		}
		why := ""
		if state != agg.RunSuccess {
			why = "marked as " + string(state) + " on request"
		}
		if _, err := tx.ExecContext(ctx, `UPDATE task_instances SET state = ?, error = ?, started_at = COALESCE(started_at, ?), ended_at = ?, next_try_at = NULL,
			lease_expires = NULL WHERE run_id = ? AND task_id = ?`, string(state), why, micros(now), micros(now), id, task); err != nil {
			return err
		}
		waiting := false
		for _, t := range run.Tasks[place+1:] {
			switch {
			case !t.State.Final():
				waiting = true
			case state == agg.RunSuccess && t.State == agg.TaskUpstreamFailed:
				waiting = true
				if err := requeue(ctx, tx, id, t.TaskID, retries, now); err != nil {
					return err
				}
			}
		}
		if waiting && run.State.Final() {
			if err := queueAgain(ctx, tx, id, now); err != nil {
				return err
			}
		}
		return settle(ctx, tx, id, now)
	})
}

// SetNote writes a person's note on a run.
func (s *Store) SetNote(ctx context.Context, id, note string) (agg.Run, error) {
	return s.change(ctx, "note on", id, func(tx *sql.Tx, run agg.Run, now time.Time) error {
		_, err := tx.ExecContext(ctx, "UPDATE dag_runs SET note = ? WHERE id = ?", note, id)
		return err
	})
}
