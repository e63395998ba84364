package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Waiting returns the DAGs that have tasks to execute now, by what can be seen without a lock.
func (s *Store) Waiting(ctx context.Context) (dags []string, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		dags = nil
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		ids, err := insertedIDs(ctx, tx, `SELECT DISTINCT r.dag_id FROM task_instances t JOIN dag_runs r ON r.id = t.run_id
			WHERE t.state IN ('queued', 'up_for_retry') AND r.state IN ('queued', 'running') AND (t.next_try_at IS NULL OR t.next_try_at <= ?)`, micros(now))
		for id := range ids {
			dags = append(dags, id)
		}
		slices.Sort(dags)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: waiting tasks: %w", err)
	}
	return dags, nil
}

// Claim gives tasks of a DAG to an owner: the next tasks of runs under way first, then new runs as far as the limits of the DAG and
// of its backfills allow. A paused DAG or backfill starts no run.
func (s *Store) Claim(ctx context.Context, req agg.ClaimRequest) (claims []agg.Claim, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		claims = nil
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		leases, err := candidates(ctx, tx, &req, now)
		if err != nil {
			return err
		}
		for i := range leases {
			l := &leases[i]
			l.Owner = req.Owner
			if _, err := tx.ExecContext(ctx, `UPDATE dag_runs SET state = 'running', started_at = COALESCE(started_at, ?), timeout_at = COALESCE(timeout_at, ?)
				WHERE id = ?`, micros(now), micros(now.Add(req.Timeout)), l.Run); err != nil {
				return err
			}
			if err := tx.QueryRowContext(ctx, `UPDATE task_instances SET state = 'running', try_number = try_number + 1, fence = fence + 1, started_at = ?,
				ended_at = NULL, next_try_at = NULL, error = '', summary = '', lease_owner = ?, lease_expires = ?
				WHERE run_id = ? AND task_id = ? RETURNING fence, try_number`,
				micros(now), req.Owner, micros(now.Add(req.Lease)), l.Run, l.Task).Scan(&l.Fence, &l.Try); err != nil {
				return err
			}
			run, err := oneRun(ctx, tx, "WHERE id = ?", l.Run)
			if err != nil {
				return err
			}
			claims = append(claims, agg.Claim{Lease: *l, Of: run, Now: now})
		}
		return nil
	})
	switch {
	case s.dialect.again(err, 1): // others were faster each time: they have the tasks, or the next look finds them
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("store: claim tasks of %s: %w", req.DagID, err)
	}
	return claims, nil
}

// ready are the tasks that may be executed when their run may: nothing of the run before them is left to do.
const ready = `SELECT t.run_id, t.task_id FROM task_instances t JOIN dag_runs r ON r.id = t.run_id
	WHERE r.dag_id = ? AND r.state = ? AND t.state IN ('queued', 'up_for_retry') AND (t.next_try_at IS NULL OR t.next_try_at <= ?)
	AND (r.timeout_at IS NULL OR r.timeout_at > ?)
	AND NOT EXISTS (SELECT 1 FROM task_instances u WHERE u.run_id = t.run_id AND u.position < t.position AND u.state NOT IN ('success', 'skipped'))`

// isPart tells a part of a task by its name, see agg.PartTask.
const isPart = "(t.task_id LIKE '%.part____of___')"

// candidates finds what to claim.
func candidates(ctx context.Context, tx *sql.Tx, req *agg.ClaimRequest, now time.Time) ([]agg.Lease, error) {
	var out []agg.Lease
	parts := req.Parts
	take := func(state agg.RunState, limit int, more string, args ...any) error {
		if limit = min(limit, req.Limit-len(out)); limit <= 0 {
			return nil
		}
		args = append([]any{req.DagID, string(state), micros(now), micros(now)}, args...)
		return each(ctx, tx, func(rows *sql.Rows) error {
			var l agg.Lease
			out = append(out, l)
			return rows.Scan(&out[len(out)-1].Run, &out[len(out)-1].Task)
		}, fmt.Sprintf("%s%s ORDER BY r.created_at, r.id, t.position LIMIT %d", ready, more, limit), args...)
	}
	// Parts are taken one by one, as many as there is room to work on: the others are for other instances.
	find := func(state agg.RunState, limit int, more string, args ...any) error {
		before := len(out)
		if err := take(state, min(limit, parts), more+" AND "+isPart, args...); err != nil {
			return err
		}
		taken := len(out) - before
		parts -= taken
		return take(state, limit-taken, more+" AND NOT "+isPart, args...)
	}
	if err := find(agg.RunRunning, req.Limit, ""); err != nil {
		return nil, err
	}
	var paused int
	err := tx.QueryRowContext(ctx, "SELECT paused FROM dags WHERE dag_id = ?", req.DagID).Scan(&paused)
	if paused != 0 || (err != nil && !errors.Is(err, sql.ErrNoRows)) {
		return out, err
	}
	active := map[int64]int{} // runs under way by backfill, 0 = the others
	err = each(ctx, tx, func(rows *sql.Rows) error {
		var backfill int64
		var n int
		err := rows.Scan(&backfill, &n)
		active[backfill] = n
		return err
	}, "SELECT backfill_id, COUNT(*) FROM dag_runs WHERE dag_id = ? AND state = 'running' GROUP BY backfill_id", req.DagID)
	if err != nil {
		return nil, err
	}
	if err := find(agg.RunQueued, req.MaxActive-active[0], " AND r.backfill_id = 0"); err != nil {
		return nil, err
	}
	type open struct {
		id  int64
		max int
	}
	var backfills []open
	err = each(ctx, tx, func(rows *sql.Rows) error {
		var b open
		err := rows.Scan(&b.id, &b.max)
		backfills = append(backfills, b)
		return err
	}, `SELECT b.id, b.max_active_runs FROM backfills b WHERE b.dag_id = ? AND b.paused = 0
		AND EXISTS (SELECT 1 FROM dag_runs r WHERE r.backfill_id = b.id AND r.backfill_id <> 0 AND r.state = 'queued') ORDER BY b.id`, req.DagID)
	if err != nil {
		return nil, err
	}
	for _, b := range backfills {
		if err := find(agg.RunQueued, b.max-active[b.id], " AND r.backfill_id = ?", b.id); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// each calls fn for every row of a query.
func each(ctx context.Context, tx *sql.Tx, fn func(*sql.Rows) error, query string, args ...any) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
