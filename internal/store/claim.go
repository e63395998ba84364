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

// hold checks that a lease still holds and locks its run: from here on nobody changes either before the transaction ends. It
// returns the place of the task in its run.
func hold(ctx context.Context, tx *sql.Tx, l agg.Lease, p agg.Progress) (position int, err error) {
	n, err := changed(tx.ExecContext(ctx, `UPDATE dag_runs SET progress_done = ?, progress_total = ?, progress_unit = ? WHERE id = ? AND state = 'running'`,
		p.Done, p.Total, p.Unit, l.Run))
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, agg.ErrLeaseLost
	}
	err = tx.QueryRowContext(ctx, "SELECT position FROM task_instances WHERE run_id = ? AND task_id = ? AND state = 'running' AND fence = ? AND lease_owner = ?",
		l.Run, l.Task, l.Fence, l.Owner).Scan(&position)
	if errors.Is(err, sql.ErrNoRows) {
		err = agg.ErrLeaseLost
	}
	return position, err
}

// ReportProgress stores how far a task is, and lines of its log.
func (s *Store) ReportProgress(ctx context.Context, l agg.Lease, p agg.Progress, lines []agg.LogLine) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		if _, err := hold(ctx, tx, l, p); err != nil {
			return err
		}
		return insertLog(ctx, tx, l.Run, l.Task, l.Try, lines)
	})
	if err != nil {
		return fmt.Errorf("store: report of %s of %s: %w", l.Task, l.Run, err)
	}
	return nil
}

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

// LayDown gives a task back unfinished, so that somebody else begins it anew: its owner stops. The try does not count.
func (s *Store) LayDown(ctx context.Context, l agg.Lease, lines []agg.LogLine) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		if _, err := hold(ctx, tx, l, agg.Progress{}); err != nil {
			return err
		}
		// The run waits again, unless another part of it is at work.
		if _, err := tx.ExecContext(ctx, `UPDATE dag_runs SET state = 'queued', started_at = NULL, timeout_at = NULL WHERE id = ?
			AND NOT EXISTS (SELECT 1 FROM task_instances t WHERE t.run_id = dag_runs.id AND t.state = 'running' AND t.task_id <> ?)`, l.Run, l.Task); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE task_instances SET state = 'queued', max_tries = max_tries + 1, started_at = NULL, lease_expires = NULL
			WHERE run_id = ? AND task_id = ?`, l.Run, l.Task)
		if err != nil {
			return err
		}
		return insertLog(ctx, tx, l.Run, l.Task, l.Try, lines)
	})
	if err != nil {
		return fmt.Errorf("store: lay down %s of %s: %w", l.Task, l.Run, err)
	}
	return nil
}

// Beat is a sign of life of an owner: it renews the leases that it names and returns those of them that it still holds. A task that
// was claimed for it and of which it does not know, because the answer was lost, is not renewed, so its lease ends.
func (s *Store) Beat(ctx context.Context, owner string, started time.Time, mine []agg.Lease, lease time.Duration) (held []agg.Lease, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		held = nil
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO schedulers (instance, started_at, seen_at) VALUES (?, ?, ?)
			ON CONFLICT (instance) DO UPDATE SET seen_at = excluded.seen_at`, owner, micros(started), micros(now))
		if err != nil {
			return err
		}
		for _, l := range mine {
			n, err := changed(tx.ExecContext(ctx, `UPDATE task_instances SET lease_expires = ? WHERE run_id = ? AND task_id = ? AND fence = ? AND lease_owner = ?
				AND state = 'running'`, micros(now.Add(lease)), l.Run, l.Task, l.Fence, owner))
			if err != nil {
				return err
			}
			if n > 0 {
				held = append(held, l)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: heartbeat: %w", err)
	}
	return held, nil
}

// Heartbeats returns the instances seen within the last day; one is alive when it was seen within the given time.
func (s *Store) Heartbeats(ctx context.Context, alive time.Duration) (out []agg.Heartbeat, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		out = nil
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		return each(ctx, tx, func(rows *sql.Rows) error {
			var h agg.Heartbeat
			var started, seen int64
			err := rows.Scan(&h.Instance, &started, &seen)
			h.StartedAt, h.At = fromMicros(started), fromMicros(seen)
			h.Alive = now.Sub(h.At) <= alive
			out = append(out, h)
			return err
		}, "SELECT instance, started_at, seen_at FROM schedulers WHERE seen_at > ? ORDER BY seen_at DESC, instance", micros(now.Add(-24*time.Hour)))
	})
	if err != nil {
		return nil, fmt.Errorf("store: heartbeats: %w", err)
	}
	return out, nil
}

// insertLog appends lines to the log of a try.
func insertLog(ctx context.Context, tx *sql.Tx, run, task string, try int, lines []agg.LogLine) error {
	for part := range slices.Chunk(lines, 500) {
		var args []any
		for _, l := range part {
			args = append(args, run, task, try, l.Line, micros(l.At), l.Level, l.Event)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO task_logs (run_id, task_id, try_number, line, logged_at, level, event) VALUES `+
			valueRows(len(part), 7, "")+" ON CONFLICT DO NOTHING", args...); err != nil {
			return err
		}
	}
	return nil
}

// TaskLogs returns the lines of a run by time: of one task or all (""), of one try or all (0), at most limit.
func (s *Store) TaskLogs(ctx context.Context, run, task string, try, limit int) (out []agg.LogLine, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		out = nil
		return each(ctx, tx, func(rows *sql.Rows) error {
			var l agg.LogLine
			var at int64
			err := rows.Scan(&l.TaskID, &l.Try, &l.Line, &at, &l.Level, &l.Event)
			l.At = fromMicros(at)
			out = append(out, l)
			return err
		}, fmt.Sprintf(`SELECT task_id, try_number, line, logged_at, level, event FROM task_logs
			WHERE run_id = ? AND (? = '' OR task_id = ?) AND (? = 0 OR try_number = ?) ORDER BY logged_at, task_id, try_number, line LIMIT %d`, limit),
			run, task, task, try, try)
	})
	if err != nil {
		return nil, fmt.Errorf("store: log of run %s: %w", run, err)
	}
	return out, nil
}

// PurgeLogs removes log lines and signs of life that are older than age.
func (s *Store) PurgeLogs(ctx context.Context, age time.Duration) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM task_logs WHERE logged_at < ?", micros(now.Add(-age))); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM schedulers WHERE seen_at < ?", micros(now.Add(-24*time.Hour)))
		return err
	})
	if err != nil {
		return fmt.Errorf("store: purge logs: %w", err)
	}
	return nil
}
