package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

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
