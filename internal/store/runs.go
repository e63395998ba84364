package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// ErrNotFound is the error of a run that does not exist.
var ErrNotFound = errors.New("not found")

// CreateRun stores a new run with its tasks. When a run has the same id, the same idempotency key, or is queued or running for
// the same DAG, task and interval, that run is returned instead and existed is true.
func (s *Store) CreateRun(ctx context.Context, r agg.Run) (run agg.Run, existed bool, err error) {
	if r.ID == "" || r.DagID == "" || !r.Start.Before(r.End) {
		return r, false, fmt.Errorf("store: run %q of %q: needs an id, a DAG and an interval that is not empty", r.ID, r.DagID)
	}
	if r.CreatedAt.IsZero() {
		r.CreatedAt = time.Now()
	}
	r.CreatedAt = r.CreatedAt.UTC().Truncate(time.Microsecond)
	if r.State == "" {
		r.State = agg.RunQueued
	}
	err = s.update(ctx, func(tx *sql.Tx) error {
		found, err := queryRuns(ctx, tx, `WHERE id = ? OR (idempotency_key <> '' AND idempotency_key = ?)
			OR (dag_id = ? AND task_id = ? AND interval_start = ? AND interval_end = ? AND state IN ('queued', 'running'))
			ORDER BY CASE WHEN id = ? THEN 0 WHEN idempotency_key <> '' AND idempotency_key = ? THEN 1 ELSE 2 END LIMIT 1`,
			r.ID, r.IdempotencyKey, r.DagID, r.TaskID, micros(r.Start), micros(r.End), r.ID, r.IdempotencyKey)
		if err != nil {
			return err
		}
		if existed = len(found) > 0; existed {
			run = found[0]
			return nil
		}
		run = r
		return insertRun(ctx, tx, &r)
	})
	if err != nil {
		return r, false, fmt.Errorf("store: create run %s: %w", r.ID, err)
	}
	return run, existed, nil
}

const runColumns = `id, dag_id, task_id, run_type, state, interval_start, interval_end, idempotency_key, conf, until_offsets,
	created_at, started_at, ended_at, error, progress_done, progress_total, progress_unit`

func insertRun(ctx context.Context, tx *sql.Tx, r *agg.Run) error {
	until, err := jsonOrEmpty(r.Until, len(r.Until) == 0)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO dag_runs ("+runColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		r.ID, r.DagID, r.TaskID, r.Trigger, string(r.State), micros(r.Start), micros(r.End), r.IdempotencyKey, string(r.Conf), until,
		micros(r.CreatedAt), microsOrNull(r.StartedAt), microsOrNull(r.EndedAt), r.Error, r.Progress.Done, r.Progress.Total, r.Progress.Unit)
	if err != nil {
		return err
	}
	return putTasks(ctx, tx, r)
}

func putTasks(ctx context.Context, tx *sql.Tx, r *agg.Run) error {
	for i := range r.Tasks {
		t := &r.Tasks[i]
		_, err := tx.ExecContext(ctx, `INSERT INTO task_instances
			(run_id, position, task_id, state, try_number, started_at, ended_at, error, summary) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (run_id, task_id) DO UPDATE SET position = excluded.position, state = excluded.state,
			try_number = excluded.try_number, started_at = excluded.started_at, ended_at = excluded.ended_at,
			error = excluded.error, summary = excluded.summary`,
			r.ID, i, t.TaskID, string(t.State), t.Try, microsOrNull(t.StartedAt), microsOrNull(t.EndedAt), t.Error, string(t.Summary))
		if err != nil {
			return fmt.Errorf("task %s: %w", t.TaskID, err)
		}
	}
	return nil
}

// UpdateRun stores the state, times, error, progress and tasks of a run. What identifies the run does not change.
func (s *Store) UpdateRun(ctx context.Context, r agg.Run) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		n, err := changed(tx.ExecContext(ctx, `UPDATE dag_runs SET state = ?, started_at = ?, ended_at = ?, error = ?,
			progress_done = ?, progress_total = ?, progress_unit = ? WHERE id = ?`,
			string(r.State), microsOrNull(r.StartedAt), microsOrNull(r.EndedAt), r.Error,
			r.Progress.Done, r.Progress.Total, r.Progress.Unit, r.ID))
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		return putTasks(ctx, tx, &r)
	})
	if err != nil {
		return fmt.Errorf("store: update run %s: %w", r.ID, err)
	}
	return nil
}

// Run returns the run with an id, or ErrNotFound.
func (s *Store) Run(ctx context.Context, id string) (agg.Run, error) {
	runs, err := s.runs(ctx, "WHERE id = ?", id)
	if err == nil && len(runs) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return agg.Run{}, fmt.Errorf("store: run %s: %w", id, err)
	}
	return runs[0], nil
}

// Runs returns the runs of a DAG ("" = all), newest first: at most limit (0 = all) that follow cursor ("" = from the newest),
// and the cursor of the next page, "" at the end.
func (s *Store) Runs(ctx context.Context, dag string, limit int, cursor string) ([]agg.Run, string, error) {
	where := []string{"1 = 1"}
	var args []any
	if dag != "" {
		where, args = append(where, "dag_id = ?"), append(args, dag)
	}
	if cursor != "" {
		at, id, err := splitCursor(cursor)
		if err != nil {
			return nil, "", err
		}
		where = append(where, "(created_at < ? OR (created_at = ? AND id < ?))")
		args = append(args, micros(at), micros(at), id)
	}
	query := "WHERE " + strings.Join(where, " AND ") + " ORDER BY created_at DESC, id DESC"
	if limit > 0 {
		query += fmt.Sprintf(" LIMIT %d", limit+1)
	}
	runs, err := s.runs(ctx, query, args...)
	if err != nil {
		return nil, "", fmt.Errorf("store: runs of %q: %w", dag, err)
	}
	if limit <= 0 || len(runs) <= limit {
		return runs, "", nil
	}
	last := &runs[limit-1]
	return runs[:limit], joinCursor(last.CreatedAt, last.ID), nil
}

// UnfinishedRuns returns the runs that are queued or running, oldest first.
func (s *Store) UnfinishedRuns(ctx context.Context) ([]agg.Run, error) {
	runs, err := s.runs(ctx, "WHERE state IN ('queued', 'running') ORDER BY created_at, id")
	if err != nil {
		return nil, fmt.Errorf("store: unfinished runs: %w", err)
	}
	return runs, nil
}

// LastRun returns the run of a DAG whose interval starts latest, among those that trigger started ("" = any) and, when state is
// not "", that are in that state. found is false when there is none.
func (s *Store) LastRun(ctx context.Context, dag, trigger string, state agg.RunState) (run agg.Run, found bool, err error) {
	query, args := "WHERE dag_id = ?", []any{dag}
	if trigger != "" {
		query, args = query+" AND run_type = ?", append(args, trigger)
	}
	if state != "" {
		query, args = query+" AND state = ?", append(args, string(state))
	}
	runs, err := s.runs(ctx, query+" ORDER BY interval_start DESC, created_at DESC, id DESC LIMIT 1", args...)
	if err != nil {
		return run, false, fmt.Errorf("store: last run of %s: %w", dag, err)
	}
	if len(runs) == 0 {
		return run, false, nil
	}
	return runs[0], true, nil
}

// RecoverRuns sets runs and tasks that a killed process left running back to queued, so that they are executed again, and
// returns every unfinished run. Call it when no other process executes runs.
func (s *Store) RecoverRuns(ctx context.Context) ([]agg.Run, error) {
	err := s.update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE task_instances SET state = 'queued', started_at = NULL WHERE state = 'running'
			AND run_id IN (SELECT id FROM dag_runs WHERE state IN ('queued', 'running'))`)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE dag_runs SET state = 'queued', started_at = NULL WHERE state = 'running'")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: recover runs: %w", err)
	}
	return s.UnfinishedRuns(ctx)
}

func (s *Store) runs(ctx context.Context, rest string, args ...any) (runs []agg.Run, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		runs, err = queryRuns(ctx, tx, rest, args...)
		return err
	})
	return runs, err
}

// queryRuns reads runs and then the tasks of each; tx keeps both of one moment.
func queryRuns(ctx context.Context, tx *sql.Tx, rest string, args ...any) ([]agg.Run, error) {
	rows, err := tx.QueryContext(ctx, "SELECT "+runColumns+" FROM dag_runs "+rest, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []agg.Run
	for rows.Next() {
		var r agg.Run
		var start, end, created int64
		var started, ended sql.NullInt64
		var conf, until string
		err := rows.Scan(&r.ID, &r.DagID, &r.TaskID, &r.Trigger, &r.State, &start, &end, &r.IdempotencyKey, &conf, &until,
			&created, &started, &ended, &r.Error, &r.Progress.Done, &r.Progress.Total, &r.Progress.Unit)
		if err != nil {
			return nil, err
		}
		r.Start, r.End, r.CreatedAt = fromMicros(start), fromMicros(end), fromMicros(created)
		r.StartedAt, r.EndedAt = fromNull(started), fromNull(ended)
		r.Conf = rawOrNil(conf)
		if until != "" {
			if err := json.Unmarshal([]byte(until), &r.Until); err != nil {
				return nil, fmt.Errorf("until_offsets of run %s: %w", r.ID, err)
			}
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows.Close()
	for i := range out {
		if out[i].Tasks, err = queryTasks(ctx, tx, out[i].ID); err != nil {
			return nil, fmt.Errorf("tasks of run %s: %w", out[i].ID, err)
		}
	}
	return out, nil
}

func queryTasks(ctx context.Context, tx *sql.Tx, run string) ([]agg.Task, error) {
	rows, err := tx.QueryContext(ctx, `SELECT task_id, state, try_number, started_at, ended_at, error, summary
		FROM task_instances WHERE run_id = ? ORDER BY position`, run)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []agg.Task{}
	for rows.Next() {
		var t agg.Task
		var started, ended sql.NullInt64
		var summary string
		if err := rows.Scan(&t.TaskID, &t.State, &t.Try, &started, &ended, &t.Error, &summary); err != nil {
			return nil, err
		}
		t.StartedAt, t.EndedAt, t.Summary = fromNull(started), fromNull(ended), rawOrNil(summary)
		out = append(out, t)
	}
	return out, rows.Err()
}

func jsonOrEmpty(v any, empty bool) (string, error) {
	if empty {
		return "", nil
	}
	b, err := json.Marshal(v)
	return string(b), err
}

func rawOrNil(s string) json.RawMessage {
	if s == "" {
		return nil
	}
	return json.RawMessage(s)
}
