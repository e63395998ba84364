package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Finish stores how a try ended and what follows for the run, which it returns. again tells that somebody attached to the run while
// its first task worked: then nothing is stored, the lease goes on, and the run says what the task must count now. Who attaches later,
// while another task works, makes the whole run be done again.
func (s *Store) Finish(ctx context.Context, l agg.Lease, res agg.TaskResult) (run agg.Run, again bool, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		run, again = agg.Run{}, false
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		position, err := hold(ctx, tx, l, res.Progress)
		if err != nil {
			return err
		}
		if run, err = oneRun(ctx, tx, "WHERE id = ?", l.Run); err != nil {
			return err
		}
		if len(res.First) > 0 {
			if err := putFirst(ctx, tx, l, &res, position, now); err != nil {
				return err
			}
			run, err = oneRun(ctx, tx, "WHERE id = ?", l.Run)
			return err
		}
		done := res.State == agg.RunSuccess || res.State == agg.TaskSkipped
		if again = position == 0 && done && run.Raised > res.Raised; again {
			return insertLog(ctx, tx, l.Run, l.Task, l.Try, res.Log)
		}
		if err := endTry(ctx, tx, l, &res, now); err != nil {
			return err
		}
		if position == 0 && done {
			if _, err := tx.ExecContext(ctx, "UPDATE dag_runs SET counted = ? WHERE id = ?", res.Raised, l.Run); err != nil {
				return err
			}
		}
		if err := settle(ctx, tx, l.Run, now); err != nil {
			return err
		}
		run, err = oneRun(ctx, tx, "WHERE id = ?", l.Run)
		return err
	})
	if err != nil {
		return run, false, fmt.Errorf("store: end of %s of %s: %w", l.Task, l.Run, err)
	}
	return run, again, nil
}

// putFirst lets a task wait for others that are put before it, side by side. It tries to go on when they are done, which costs none of
// its tries.
func putFirst(ctx context.Context, tx *sql.Tx, l agg.Lease, res *agg.TaskResult, position int, now time.Time) error {
	for _, task := range res.First {
		if _, err := tx.ExecContext(ctx, `INSERT INTO task_instances (run_id, position, task_id, state, try_number, max_tries, queued_at, error, summary, lease_owner, fence)
			VALUES (?, ?, ?, 'queued', 0, ?, ?, '', '', '', 0) ON CONFLICT DO NOTHING`, l.Run, position-1, task, res.Retries, micros(now)); err != nil {
			return err
		}
		if err := requeue(ctx, tx, l.Run, task, res.Retries, now); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "UPDATE task_instances SET state = 'queued', max_tries = max_tries + 1, lease_expires = NULL WHERE run_id = ? AND task_id = ?",
		l.Run, l.Task); err != nil {
		return err
	}
	return insertLog(ctx, tx, l.Run, l.Task, l.Try, res.Log)
}

// endTry stores the result of a try; a task that is to be tried again but has no tries left has failed.
func endTry(ctx context.Context, tx *sql.Tx, l agg.Lease, res *agg.TaskResult, now time.Time) error {
	var next any
	if res.State == agg.TaskUpForRetry {
		var left int
		if err := tx.QueryRowContext(ctx, "SELECT max_tries + 1 - try_number FROM task_instances WHERE run_id = ? AND task_id = ?", l.Run, l.Task).Scan(&left); err != nil {
			return err
		}
		if left <= 0 {
			res.State = agg.RunFailed
		} else {
			next = micros(now.Add(res.RetryIn))
		}
	}
	_, err := tx.ExecContext(ctx, `UPDATE task_instances SET state = ?, ended_at = ?, error = ?, summary = ?, next_try_at = ?, lease_expires = NULL
		WHERE run_id = ? AND task_id = ?`, string(res.State), micros(now), res.Error, string(res.Summary), next, l.Run, l.Task)
	if err != nil {
		return err
	}
	return insertLog(ctx, tx, l.Run, l.Task, l.Try, res.Log)
}

// settle gives a run the state that follows from its tasks.
func settle(ctx context.Context, tx *sql.Tx, id string, now time.Time) error {
	run, err := oneRun(ctx, tx, "WHERE id = ?", id)
	if err != nil {
		return err
	}
	open, failed := false, ""
	for _, t := range run.Tasks {
		switch {
		case t.State == agg.RunFailed && failed == "":
			failed = fmt.Sprintf("%s failed at try %d: %s", t.TaskID, t.Try, t.Error)
		case !t.State.Final():
			open = true
		}
	}
	switch {
	case failed != "":
		return endRun(ctx, tx, id, agg.RunFailed, failed, agg.TaskUpstreamFailed, now)
	case open:
		return nil
	}
	var counted int64
	if err := tx.QueryRowContext(ctx, "SELECT counted FROM dag_runs WHERE id = ?", id).Scan(&counted); err != nil {
		return err
	}
	if run.Raised > counted {
		_, err := tx.ExecContext(ctx, `UPDATE task_instances SET state = 'queued', max_tries = max_tries + 1, queued_at = ? WHERE run_id = ?`, micros(now), id)
		return err
	}
	return endRun(ctx, tx, id, agg.RunSuccess, "", agg.RunSuccess, now)
}

// endRun ends a run; its tasks that are not over get the state rest.
func endRun(ctx context.Context, tx *sql.Tx, id string, state agg.RunState, why string, rest agg.RunState, now time.Time) error {
	if _, err := tx.ExecContext(ctx, "UPDATE dag_runs SET state = ?, error = ?, ended_at = ? WHERE id = ?", string(state), why, micros(now), id); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE task_instances SET state = ?, ended_at = CASE WHEN started_at IS NULL THEN NULL ELSE CAST(? AS BIGINT) END,
		error = CASE WHEN state IN ('running', 'up_for_retry') AND error = '' THEN ? ELSE error END, next_try_at = NULL, lease_expires = NULL
		WHERE run_id = ? AND state IN ('queued', 'running', 'up_for_retry')`, string(rest), micros(now), why, id)
	return err
}
