package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// OldRaw returns the live files of the hours that ended at or before a second since the epoch, by hour and path.
func (s *Store) OldRaw(ctx context.Context, ended int64) ([]event.StoredFile, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT "+fileColumns+", published_at FROM lake_files WHERE state = ? AND hour <= ? ORDER BY hour, topic, path",
		event.LakeLive, ended-hourSeconds)
	if err != nil {
		return nil, fmt.Errorf("store: old raw files: %w", err)
	}
	defer rows.Close()
	var out []event.StoredFile
	for rows.Next() {
		var f event.StoredFile
		if err := rows.Scan(append(fileValues(&f.LakeFile), &f.PublishedAt)...); err != nil {
			return nil, fmt.Errorf("store: old raw files: %w", err)
		}
		out = append(out, f)
	}
	return out, rows.Err()
}

// RawHoldings sums up the live files of the lake. The newest event may lie in a file that has left.
func (s *Store) RawHoldings(ctx context.Context) (h event.Holdings, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(SUM(row_count), 0), COALESCE(SUM(bytes), 0), (SELECT COALESCE(MAX(max_time), 0) FROM lake_files)
		FROM lake_files WHERE state = ?`, event.LakeLive).Scan(&h.Objects, &h.Rows, &h.Bytes, &h.Newest)
	if err != nil {
		return h, fmt.Errorf("store: how much the lake holds: %w", err)
	}
	return h, nil
}

// StoredBytes is what the lake takes, with what is about to be removed, and what the archive has of copies that are needed.
func (s *Store) StoredBytes(ctx context.Context) (lake, archive int64, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT (SELECT COALESCE(SUM(bytes), 0) FROM lake_files WHERE state <> ?),
		(SELECT COALESCE(SUM(bytes), 0) FROM retired_objects WHERE copy <> '')`, event.LakeArchived).Scan(&lake, &archive)
	if err != nil {
		return 0, 0, fmt.Errorf("store: how much is stored: %w", err)
	}
	return lake, archive, nil
}

// BuryFiles ends the grace of raw files that were marked before a time, at most limit: those with a copy are archived from then on,
// the others are forgotten. It returns their paths; whoever asks removes the files. Killed in between, they are orphans of the lake.
func (s *Store) BuryFiles(ctx context.Context, before time.Time, limit int) (paths []string, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		due, err := queryRetired(ctx, tx, "WHERE r.class = ? AND f.state = ? AND r.retired_at < ? ORDER BY r.retired_at, r.path LIMIT ?",
			event.ClassRaw, event.LakeMarked, micros(before), limit)
		if err != nil {
			return err
		}
		paths = nil
		for i := range due {
			r := &due[i]
			query, args := "DELETE FROM lake_files WHERE path = ? AND state = ?", []any{r.Path, event.LakeMarked}
			if r.Copy != "" {
				query, args = "UPDATE lake_files SET state = ? WHERE path = ? AND state = ?", []any{event.LakeArchived, r.Path, event.LakeMarked}
			}
			if _, err := tx.ExecContext(ctx, query, args...); err != nil {
				return fmt.Errorf("%s: %w", r.Path, err)
			}
			paths = append(paths, r.Path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: end of the grace of raw files: %w", err)
	}
	return paths, nil
}

// RetiredBy returns what a plan let go and has not come back.
func (s *Store) RetiredBy(ctx context.Context, plan string) ([]event.Retired, error) {
	out, err := queryRetired(ctx, s.read, "WHERE r.plan_id = ? ORDER BY r.class, r.start, r.path", plan)
	if err != nil {
		return nil, fmt.Errorf("store: what plan %s let go: %w", plan, err)
	}
	return out, nil
}

// RetiredBetween returns what has left of a class whose period starts within [from, to], by whichever plan.
func (s *Store) RetiredBetween(ctx context.Context, class string, from, to int64) ([]event.Retired, error) {
	out, err := queryRetired(ctx, s.read, "WHERE r.class = ? AND r.start >= ? AND r.start <= ? ORDER BY r.start, r.path, r.retired_at", class, from, to)
	if err != nil {
		return nil, fmt.Errorf("store: what has left of %s: %w", class, err)
	}
	return out, nil
}

// Copies returns everything that has a copy in the archive.
func (s *Store) Copies(ctx context.Context) ([]event.Retired, error) {
	out, err := queryRetired(ctx, s.read, "WHERE r.copy <> '' ORDER BY r.copy")
	if err != nil {
		return nil, fmt.Errorf("store: copies in the archive: %w", err)
	}
	return out, nil
}

func queryRetired(ctx context.Context, q querier, rest string, args ...any) ([]event.Retired, error) {
	rows, err := q.QueryContext(ctx, `SELECT r.class, r.plan_id, r.path, r.start, r.end_time, r.copy, r.row_count, r.bytes, r.sha256, r.retired_at,
		COALESCE(f.state, ''), r.document FROM retired_objects r LEFT JOIN lake_files f ON r.class = '`+event.ClassRaw+`' AND f.path = r.path `+rest, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []event.Retired
	for rows.Next() {
		var r event.Retired
		if err := rows.Scan(&r.Class, &r.Plan, &r.Path, &r.Start, &r.End, &r.Copy, &r.Rows, &r.Bytes, &r.SHA256, &r.At, &r.State, &r.Document); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

func insertRetired(ctx context.Context, tx *sql.Tx, r *event.Retired) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO retired_objects (class, path, plan_id, start, end_time, copy, row_count, bytes, sha256, retired_at, document)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, r.Class, r.Path, r.Plan, r.Start, r.End, r.Copy, r.Rows, r.Bytes, r.SHA256, r.At, r.Document)
	if err != nil {
		return fmt.Errorf("%s: %w", r.Path, err)
	}
	return nil
}

// ErrHeld says that a legal hold keeps something.
var ErrHeld = errors.New("a legal hold keeps it")

// checkHolds fails with ErrHeld when a hold touches a class and period.
func checkHolds(ctx context.Context, tx *sql.Tx, class string, from, to int64) error {
	holds, err := queryHolds(ctx, tx, "WHERE class = ? AND from_time < ? AND to_time > ? ORDER BY name LIMIT 1", class, to*1e6, from*1e6)
	if err == nil && len(holds) > 0 {
		err = fmt.Errorf("%w: %s", ErrHeld, holds[0].Name)
	}
	return err
}

// PutHold stores a hold, in place of the one with its name, which keeps its age.
func (s *Store) PutHold(ctx context.Context, h event.Hold) (stored event.Hold, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO retention_holds (name, class, from_time, to_time, reason, created_at) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET class = excluded.class, from_time = excluded.from_time, to_time = excluded.to_time, reason = excluded.reason`,
			h.Name, h.Class, micros(h.From), micros(h.To), h.Reason, micros(now))
		if err != nil {
			return err
		}
		holds, err := queryHolds(ctx, tx, "WHERE name = ?", h.Name)
		if err == nil {
			stored = holds[0]
		}
		return err
	})
	if err != nil {
		return stored, fmt.Errorf("store: hold %s: %w", h.Name, err)
	}
	return stored, nil
}

// Holds returns all holds, by name.
func (s *Store) Holds(ctx context.Context) ([]event.Hold, error) {
	holds, err := queryHolds(ctx, s.read, "ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("store: holds: %w", err)
	}
	return holds, nil
}

// Hold returns the hold with a name, or ErrNotFound.
func (s *Store) Hold(ctx context.Context, name string) (event.Hold, error) {
	holds, err := queryHolds(ctx, s.read, "WHERE name = ?", name)
	if err == nil && len(holds) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return event.Hold{}, fmt.Errorf("store: hold %s: %w", name, err)
	}
	return holds[0], nil
}

// DeleteHold lifts a hold, or returns ErrNotFound.
func (s *Store) DeleteHold(ctx context.Context, name string) error {
	n, err := changed(s.write.ExecContext(ctx, "DELETE FROM retention_holds WHERE name = ?", name))
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("store: hold %s: %w", name, err)
	}
	return nil
}

func queryHolds(ctx context.Context, q querier, rest string, args ...any) ([]event.Hold, error) {
	rows, err := q.QueryContext(ctx, "SELECT name, class, from_time, to_time, reason, created_at FROM retention_holds "+rest, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []event.Hold
	for rows.Next() {
		var h event.Hold
		var from, to, created int64
		if err := rows.Scan(&h.Name, &h.Class, &from, &to, &h.Reason, &created); err != nil {
			return nil, err
		}
		h.From, h.To, h.CreatedAt = fromMicros(from), fromMicros(to), fromMicros(created)
		out = append(out, h)
	}
	return out, rows.Err()
}

// AddPlan stores a plan; one that is running belongs to owner. It is not stored when its id exists already: ok is false.
func (s *Store) AddPlan(ctx context.Context, p event.RetentionPlan, owner string) (ok bool, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		n, err := changed(tx.ExecContext(ctx, `INSERT INTO retention_plans (id, kind, state, created_at, owner, seen_at, document) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO NOTHING`, p.ID, p.Kind, p.State, micros(p.CreatedAt), owner, micros(now), string(p.Document)))
		ok = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("store: plan %s: %w", p.ID, err)
	}
	return ok, nil
}

// SavePlan stores the state and document of a plan that owner carries out; not ok when it belongs to somebody else by now.
func (s *Store) SavePlan(ctx context.Context, p event.RetentionPlan, owner string) (ok bool, err error) {
	return s.touchPlan(ctx, p.ID, "state = ?, document = ?", []any{p.State, string(p.Document)}, "owner = ?", owner)
}

// BeatPlan is a sign of life of the owner of a running plan; not ok when it belongs to somebody else by now.
func (s *Store) BeatPlan(ctx context.Context, id, owner string) (ok bool, err error) {
	return s.touchPlan(ctx, id, "owner = ?", []any{owner}, "owner = ?", owner)
}

// TakePlan makes owner the one who carries out a running plan, whose owner has shown no sign of life for a while.
func (s *Store) TakePlan(ctx context.Context, id, owner string, silent time.Duration) (ok bool, err error) {
	now, err := s.Clock(ctx)
	if err != nil {
		return false, err
	}
	return s.touchPlan(ctx, id, "owner = ?", []any{owner}, "seen_at < ?", micros(now.Add(-silent)))
}

// DropPlan lets anybody take a running plan at once.
func (s *Store) DropPlan(ctx context.Context, id, owner string) error {
	_, err := s.write.ExecContext(ctx, "UPDATE retention_plans SET seen_at = 0 WHERE id = ? AND owner = ?", id, owner)
	if err != nil {
		return fmt.Errorf("store: plan %s: %w", id, err)
	}
	return nil
}

// touchPlan changes a running plan on a condition, and notes a sign of life.
func (s *Store) touchPlan(ctx context.Context, id, set string, to []any, where string, is any) (ok bool, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		n, err := changed(tx.ExecContext(ctx, "UPDATE retention_plans SET seen_at = ?, "+set+" WHERE id = ? AND state = 'running' AND "+where,
			append(append([]any{micros(now)}, to...), id, is)...))
		ok = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("store: plan %s: %w", id, err)
	}
	return ok, nil
}

// Plan returns a plan, or ErrNotFound.
func (s *Store) Plan(ctx context.Context, id string) (event.RetentionPlan, error) {
	plans, err := s.queryPlans(ctx, "WHERE id = ?", id)
	if err == nil && len(plans) == 0 {
		err = fmt.Errorf("store: plan %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return event.RetentionPlan{}, err
	}
	return plans[0], nil
}

// Plans returns the plans of a state ("" = all), newest first, at most limit.
func (s *Store) Plans(ctx context.Context, state string, limit int) ([]event.RetentionPlan, error) {
	if state == "" {
		return s.queryPlans(ctx, "ORDER BY created_at DESC, id DESC LIMIT ?", limit)
	}
	return s.queryPlans(ctx, "WHERE state = ? ORDER BY created_at DESC, id DESC LIMIT ?", state, limit)
}

func (s *Store) queryPlans(ctx context.Context, rest string, args ...any) ([]event.RetentionPlan, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT id, kind, state, created_at, document FROM retention_plans "+rest, args...)
	if err != nil {
		return nil, fmt.Errorf("store: retention plans: %w", err)
	}
	defer rows.Close()
	var out []event.RetentionPlan
	for rows.Next() {
		var p event.RetentionPlan
		var created int64
		if err := rows.Scan(&p.ID, &p.Kind, &p.State, &created, &p.Document); err != nil {
			return nil, fmt.Errorf("store: retention plans: %w", err)
		}
		p.CreatedAt = fromMicros(created)
		out = append(out, p)
	}
	return out, rows.Err()
}
