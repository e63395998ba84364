package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Run returns the run with an id, or ErrNotFound.
func (s *Store) Run(ctx context.Context, id string) (agg.Run, error) {
	return s.one(ctx, id, "WHERE id = ?", id)
}

// RunOf returns the run of a DAG with a run id, or ErrNotFound.
func (s *Store) RunOf(ctx context.Context, dag, runID string) (agg.Run, error) {
	return s.one(ctx, runID, "WHERE dag_id = ? AND run_id = ?", dag, runID)
}

func (s *Store) one(ctx context.Context, name, where string, args ...any) (r agg.Run, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		r, err = oneRun(ctx, tx, where, args...)
		return err
	})
	if err != nil {
		return agg.Run{}, fmt.Errorf("store: run %s: %w", name, err)
	}
	return r, nil
}

func oneRun(ctx context.Context, tx *sql.Tx, where string, args ...any) (agg.Run, error) {
	runs, err := queryRuns(ctx, tx, true, where, args...)
	if err == nil && len(runs) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return agg.Run{}, err
	}
	return runs[0], nil
}

// orders are what runs may be sorted by; the id makes the order total.
var orders = map[string]string{"created_at": "created_at", "data_interval_start": "interval_start", "logical_date": "interval_start",
	"run_after": "run_after", "queued_at": "queued_at", "started_at": "started_at", "start_date": "started_at", "ended_at": "ended_at", "end_date": "ended_at",
	"id": "id", "run_id": "run_id", "state": "state", "run_type": "run_type"}

// Runs returns a page of the runs that f chooses.
func (s *Store) Runs(ctx context.Context, f agg.RunFilter) (page agg.RunPage, err error) {
	where, args := chosen(&f)
	query := where
	column, backwards := strings.CutPrefix(f.Order, "-")
	if f.Order == "" {
		column, backwards = "created_at", true
	}
	if orders[column] == "" {
		return page, fmt.Errorf("store: runs cannot be sorted by %q", column)
	}
	paged := slices.Clone(args)
	if f.Cursor != "" {
		at, id, err := splitCursor(f.Cursor)
		if err != nil || column != "created_at" || !backwards {
			return page, ErrBadCursor
		}
		query += " AND (created_at < ? OR (created_at = ? AND id < ?))"
		paged = append(paged, micros(at), micros(at), id)
	}
	direction := map[bool]string{true: " DESC", false: ""}[backwards]
	query += " ORDER BY " + orders[column] + direction + ", id" + direction
	if f.Limit > 0 {
		query += fmt.Sprintf(" LIMIT %d", f.Limit+1)
		if f.Offset > 0 {
			query += fmt.Sprintf(" OFFSET %d", f.Offset)
		}
	}
	err = s.view(ctx, func(tx *sql.Tx) error {
		if f.CountTotal {
			if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM dag_runs "+where, args...).Scan(&page.Total); err != nil {
				return err
			}
		}
		page.Runs, err = queryRuns(ctx, tx, !f.WithoutTasks, query, paged...)
		return err
	})
	if err != nil {
		return agg.RunPage{}, fmt.Errorf("store: runs of %q: %w", f.DagID, err)
	}
	if f.Limit > 0 && len(page.Runs) > f.Limit {
		page.Runs = page.Runs[:f.Limit]
		last := &page.Runs[f.Limit-1]
		page.Next = joinCursor(last.CreatedAt, last.ID)
	}
	return page, nil
}

// chosen is the WHERE clause of a filter.
func chosen(f *agg.RunFilter) (where string, args []any) {
	where = "WHERE 1 = 1"
	and := func(clause string, a ...any) { where, args = where+" AND "+clause, append(args, a...) }
	in := func(column string, n int, value func(i int) string) {
		if n == 0 {
			return
		}
		var values []any
		for i := range n {
			values = append(values, value(i))
		}
		and(column+" IN (?"+strings.Repeat(", ?", n-1)+")", values...)
	}
	if f.DagID != "" {
		and("dag_id = ?", f.DagID)
	}
	if f.RunID != "" {
		and("run_id = ?", f.RunID)
	}
	in("state", len(f.States), func(i int) string { return string(f.States[i]) })
	in("run_type", len(f.Types), func(i int) string { return f.Types[i] })
	if f.BackfillID != 0 {
		and("backfill_id = ?", f.BackfillID)
	}
	if !f.From.IsZero() {
		and("interval_start >= ?", micros(f.From))
	}
	if !f.To.IsZero() {
		and("interval_start < ?", micros(f.To))
	}
	return where, args
}

// Unfinished counts the runs of a type that are queued or running.
func (s *Store) Unfinished(ctx context.Context, trigger string) (n int, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT COUNT(*) FROM dag_runs WHERE state IN ('queued', 'running') AND run_type = ?", trigger).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("store: unfinished runs: %w", err)
	}
	return n, nil
}

// queryRuns reads runs and then their tasks; tx keeps both of one moment.
func queryRuns(ctx context.Context, tx *sql.Tx, tasks bool, rest string, args ...any) ([]agg.Run, error) {
	rows, err := tx.QueryContext(ctx, "SELECT "+runColumns+" FROM dag_runs "+rest, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []agg.Run
	for rows.Next() {
		r, err := scanRun(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	if err := rows.Err(); err != nil || !tasks {
		return out, err
	}
	rows.Close()
	for part := range slices.Chunk(out, 500) {
		if err := readTasks(ctx, tx, part); err != nil {
			return nil, fmt.Errorf("tasks: %w", err)
		}
	}
	return out, nil
}

func scanRun(rows *sql.Rows) (r agg.Run, err error) {
	var start, end, after, created int64
	var logical, queued, started, ended, timeout, deadline, missed sql.NullInt64
	var conf, until string
	err = rows.Scan(&r.ID, &r.RunID, &r.DagID, &r.TaskID, &r.Trigger, &r.State, &start, &end, &logical, &r.TriggeredBy, &r.User, &r.Note,
		&r.BackfillID, &conf, &r.IdempotencyKey, &until, &r.Raised, &after, &created, &queued, &started, &ended, &timeout, &deadline, &missed,
		&r.Error, &r.Progress.Done, &r.Progress.Total, &r.Progress.Unit)
	if err != nil {
		return r, err
	}
	r.Start, r.End, r.RunAfter, r.CreatedAt = fromMicros(start), fromMicros(end), fromMicros(after), fromMicros(created)
	r.LogicalDate, r.QueuedAt, r.StartedAt, r.EndedAt = fromNull(logical), fromNull(queued), fromNull(started), fromNull(ended)
	r.TimeoutAt, r.DeadlineAt, r.DeadlineMissedAt = fromNull(timeout), fromNull(deadline), fromNull(missed)
	r.Conf, r.Tasks = rawOrNil(conf), []agg.Task{}
	if until != "" {
		if err := json.Unmarshal([]byte(until), &r.Until); err != nil {
			return r, fmt.Errorf("until_offsets of run %s: %w", r.ID, err)
		}
	}
	return r, nil
}

// readTasks fills in the tasks of runs.
func readTasks(ctx context.Context, tx *sql.Tx, runs []agg.Run) error {
	byID := make(map[string]*agg.Run, len(runs))
	args := make([]any, len(runs))
	for i := range runs {
		byID[runs[i].ID], args[i] = &runs[i], runs[i].ID
	}
	rows, err := tx.QueryContext(ctx, `SELECT run_id, task_id, state, try_number, max_tries, queued_at, next_try_at, started_at, ended_at, error, summary, lease_owner
		FROM task_instances WHERE run_id IN (?`+strings.Repeat(", ?", len(runs)-1)+`) ORDER BY run_id, position, task_id`, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var t agg.Task
		var run, summary string
		var queued, next, started, ended sql.NullInt64
		if err := rows.Scan(&run, &t.TaskID, &t.State, &t.Try, &t.MaxTries, &queued, &next, &started, &ended, &t.Error, &summary, &t.Owner); err != nil {
			return err
		}
		t.ID = taskUUID(run, t.TaskID)
		t.QueuedAt, t.NextTryAt, t.StartedAt, t.EndedAt, t.Summary = fromNull(queued), fromNull(next), fromNull(started), fromNull(ended), rawOrNil(summary)
		byID[run].Tasks = append(byID[run].Tasks, t)
	}
	return rows.Err()
}

// taskUUID names a task of a run: a UUID of version 8, made from what identifies it.
func taskUUID(run, task string) string {
	h := sha256.Sum256([]byte(run + "\x00" + task))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

func rawOrNil(s string) json.RawMessage {
	if s == "" {
		return nil
	}
	return json.RawMessage(s)
}
