package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// RunMarks returns the runs of a whole DAG whose interval starts in [from, to), oldest first.
func (s *Store) RunMarks(ctx context.Context, dag string, from, to time.Time) (out []agg.RunMark, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		out, err = runMarks(ctx, tx, dag, from, to)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: runs of %s from %s: %w", dag, from.Format(time.RFC3339), err)
	}
	return out, nil
}

func runMarks(ctx context.Context, tx *sql.Tx, dag string, from, to time.Time) (out []agg.RunMark, err error) {
	err = each(ctx, tx, func(rows *sql.Rows) error {
		var m agg.RunMark
		var start, end int64
		err := rows.Scan(&start, &end, &m.RunID, &m.State)
		m.Start, m.End = fromMicros(start), fromMicros(end)
		out = append(out, m)
		return err
	}, `SELECT interval_start, interval_end, run_id, state FROM dag_runs WHERE dag_id = ? AND task_id = '' AND interval_start >= ? AND interval_start < ?
		ORDER BY created_at, id`, dag, micros(from), micros(to))
	return out, err
}

// CreateBackfill stores a backfill with the runs that plan makes of those that are there: nothing comes in between.
func (s *Store) CreateBackfill(ctx context.Context, b agg.Backfill, plan func([]agg.RunMark) []agg.Run) (out agg.Backfill, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		marks, err := runMarks(ctx, tx, b.DagID, b.From, b.To)
		if err != nil {
			return err
		}
		var id int64
		if err := tx.QueryRowContext(ctx, `INSERT INTO backfills (dag_id, from_time, to_time, reprocess, backwards, paused, max_active_runs, conf, triggered_by,
			user_name, created_at, updated_at) VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?) RETURNING id`, b.DagID, micros(b.From), micros(b.To), b.Reprocess,
			number(b.Backwards), b.MaxActiveRuns, string(b.Conf), b.TriggeredBy, b.User, micros(now), micros(now)).Scan(&id); err != nil {
			return err
		}
		runs := plan(marks)
		for i := range runs {
			r := &runs[i]
			r.ID, r.BackfillID = r.RunID+"."+r.DagID, id
			r.CreatedAt = now.Add(time.Duration(i) * time.Microsecond) // taken and listed in their order
			if err := s.stamp(ctx, tx, r); err != nil {
				return err
			}
		}
		if err := dodge(ctx, tx, runs, "", fmt.Sprintf("_%d", id)); err != nil { // an earlier backfill has the plain ids
			return err
		}
		stored, err := insertRuns(ctx, tx, runs)
		if err == nil && stored != len(runs) {
			err = fmt.Errorf("%d of %d runs have an id that is taken", len(runs)-stored, len(runs))
		}
		if err != nil {
			return err
		}
		out, err = oneBackfill(ctx, tx, id)
		return err
	})
	if err != nil {
		return out, fmt.Errorf("store: create backfill of %s: %w", b.DagID, err)
	}
	return out, nil
}

// Backfill returns a backfill with how far it is, or ErrNotFound.
func (s *Store) Backfill(ctx context.Context, id int64) (b agg.Backfill, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		b, err = oneBackfill(ctx, tx, id)
		return err
	})
	if err != nil {
		return b, fmt.Errorf("store: backfill %d: %w", id, err)
	}
	return b, nil
}

// Backfills returns the newest backfills of a DAG ("" = all), newest first.
func (s *Store) Backfills(ctx context.Context, dag string, limit int) (out []agg.Backfill, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		out, err = queryBackfills(ctx, tx, fmt.Sprintf("WHERE (? = '' OR dag_id = ?) ORDER BY id DESC LIMIT %d", limit), dag, dag)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: backfills: %w", err)
	}
	return out, nil
}

func oneBackfill(ctx context.Context, tx *sql.Tx, id int64) (agg.Backfill, error) {
	all, err := queryBackfills(ctx, tx, "WHERE id = ?", id)
	if err == nil && len(all) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return agg.Backfill{}, err
	}
	return all[0], nil
}

// queryBackfills reads backfills and counts their runs. Where it stands follows from the runs, so nothing can differ from them.
func queryBackfills(ctx context.Context, tx *sql.Tx, rest string, args ...any) (out []agg.Backfill, err error) {
	err = each(ctx, tx, func(rows *sql.Rows) error {
		var b agg.Backfill
		var from, to, created, updated int64
		var backwards, paused int
		var conf string
		var cancelled sql.NullInt64
		err := rows.Scan(&b.ID, &b.DagID, &from, &to, &b.Reprocess, &backwards, &paused, &b.MaxActiveRuns, &conf, &b.TriggeredBy, &b.User, &created, &updated, &cancelled)
		b.From, b.To, b.CreatedAt, b.UpdatedAt, b.Conf = fromMicros(from), fromMicros(to), fromMicros(created), fromMicros(updated), rawOrNil(conf)
		b.Backwards, b.Paused, b.CompletedAt = backwards != 0, paused != 0, fromNull(cancelled)
		if cancelled.Valid {
			b.State = agg.RunCancelled
		}
		out = append(out, b)
		return err
	}, `SELECT id, dag_id, from_time, to_time, reprocess, backwards, paused, max_active_runs, conf, triggered_by, user_name, created_at, updated_at, cancelled_at
		FROM backfills `+rest, args...)
	if err != nil || len(out) == 0 {
		return out, err
	}
	byID := map[int64]*agg.Backfill{}
	ids := make([]any, len(out))
	ended := map[int64]int64{}
	for i := range out {
		byID[out[i].ID], ids[i] = &out[i], out[i].ID
	}
	err = each(ctx, tx, func(rows *sql.Rows) error {
		var id int64
		var state agg.RunState
		var n int
		var last sql.NullInt64
		err := rows.Scan(&id, &state, &n, &last)
		ended[id] = max(ended[id], last.Int64)
		b := byID[id]
		b.Total += n
		switch state {
		case agg.RunSuccess:
			b.Done += n
		case agg.RunFailed:
			b.Failed += n
		case agg.RunCancelled:
			b.Cancelled += n
		case agg.RunRunning:
			b.Running += n
		}
		return err
	}, "SELECT backfill_id, state, COUNT(*), MAX(ended_at) FROM dag_runs WHERE backfill_id <> 0 AND backfill_id IN (?"+strings.Repeat(", ?", len(ids)-1)+
		") GROUP BY backfill_id, state", ids...)
	if err != nil {
		return nil, err
	}
	for i := range out {
		conclude(&out[i], fromMicros(ended[out[i].ID]))
	}
	return out, nil
}

func conclude(b *agg.Backfill, last time.Time) {
	switch over := b.Done + b.Failed + b.Cancelled; {
	case b.State == agg.RunCancelled:
		return
	case over < b.Total:
		b.State = agg.RunRunning
		return
	case b.Failed > 0:
		b.State = agg.RunFailed
	case b.Cancelled > 0 && b.Cancelled == b.Total:
		b.State = agg.RunCancelled
	case b.Cancelled > 0:
		b.State = agg.RunFailed
	default:
		b.State = agg.RunSuccess
	}
	if b.Total == 0 {
		last = b.CreatedAt
	}
	b.CompletedAt = &last
}

// CancelBackfill ends the runs of a backfill that are not over.
func (s *Store) CancelBackfill(ctx context.Context, id int64) (b agg.Backfill, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		if b, err = oneBackfill(ctx, tx, id); err != nil || b.State != agg.RunRunning {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE backfills SET cancelled_at = ?, updated_at = ? WHERE id = ?", micros(now), micros(now), id); err != nil {
			return err
		}
		const why = "its backfill was cancelled"
		if _, err := tx.ExecContext(ctx, `UPDATE task_instances SET state = 'cancelled', ended_at = CASE WHEN started_at IS NULL THEN NULL ELSE CAST(? AS BIGINT) END,
			error = ?, next_try_at = NULL, lease_expires = NULL WHERE state IN ('queued', 'running', 'up_for_retry')
			AND run_id IN (SELECT id FROM dag_runs WHERE backfill_id = ? AND state IN ('queued', 'running'))`, micros(now), why, id); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE dag_runs SET state = 'cancelled', error = ?, ended_at = ? WHERE backfill_id = ? AND state IN ('queued', 'running')",
			why, micros(now), id); err != nil {
			return err
		}
		b, err = oneBackfill(ctx, tx, id)
		return err
	})
	if err != nil {
		return b, fmt.Errorf("store: cancel backfill %d: %w", id, err)
	}
	return b, nil
}

// PauseBackfill keeps a backfill from starting further runs, or lets it go on.
func (s *Store) PauseBackfill(ctx context.Context, id int64, paused bool) (agg.Backfill, error) {
	now, err := s.Clock(ctx)
	if err == nil {
		err = s.touch(ctx, fmt.Sprintf("pause backfill %d", id), "UPDATE backfills SET paused = ?, updated_at = ? WHERE id = ?", number(paused), micros(now), id)
	}
	if err != nil {
		return agg.Backfill{}, err
	}
	return s.Backfill(ctx, id)
}
