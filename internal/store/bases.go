package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// ErrHourMoved says that an hour is not what the caller believes it to be: new data came, its aggregate is behind, or other files
// of it have left. Look again and decide anew.
var ErrHourMoved = errors.New("the hour has changed meanwhile")

// ErrNoCopy says that events of an hour have left without a copy, so that it cannot be folded from its events again.
var ErrNoCopy = errors.New("events of the hour have left without a copy")

// ErrAggregateLeft says that the hourly aggregate of an hour has left, so that its raw events would count twice in its day.
var ErrAggregateLeft = errors.New("the hourly aggregates of the day have left; restore them first")

// RetireHour lets the raw files of an hour leave: in one transaction they are marked, it is noted where their copies are, and the
// cells of the hour become its base, so that the hour stays what it is and later events add to it. The files must be all live ones
// of the hour, and its aggregate must count them all; otherwise nothing changes and the error is ErrHourMoved. It is ErrHeld while
// a hold touches the hour.
func (s *Store) RetireHour(ctx context.Context, r event.Retirement) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		live, err := queryFiles(ctx, tx, event.LakeFilter{FromHour: r.Hour, ToHour: r.Hour + 1, State: event.LakeLive})
		if err != nil {
			return err
		}
		if !samePaths(live, slices.Sorted(maps.Keys(r.Copies))) {
			return fmt.Errorf("%w: it has %d live files, not the %d given", ErrHourMoved, len(live), len(r.Copies))
		}
		if version, built, err := hourBuild(ctx, tx, r.Hour); err != nil {
			return err
		} else if version != built {
			return fmt.Errorf("%w: its aggregate counts version %d of %d", ErrHourMoved, built, version)
		}
		if err := checkHolds(ctx, tx, event.ClassRaw, r.Hour, r.Hour+hourSeconds); err != nil {
			return err
		}
		if err := s.markFiles(ctx, tx, &r, live); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM hour_bases WHERE hour = ?", r.Hour); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO hour_bases (hour, dimension, value, cell)
			SELECT start, dimension, value, cell FROM hourly_states WHERE start = ?`, r.Hour)
		return err
	})
	if err != nil {
		return fmt.Errorf("store: retire hour %s: %w", hourName(r.Hour), err)
	}
	return nil
}

// HoursWithout returns the hours that start in [from, to) of which events have left.
func (s *Store) HoursWithout(ctx context.Context, from, to int64) (map[int64]bool, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT DISTINCT hour FROM hour_versions WHERE hour >= ? AND hour < ? AND EXISTS
		(SELECT 1 FROM retired_objects r WHERE r.class IN (?, ?) AND r.start <= hour AND r.end_time > hour)`, from, to, event.ClassRaw, event.ClassAggregated)
	if err != nil {
		return nil, fmt.Errorf("store: hours whose events have left: %w", err)
	}
	defer rows.Close()
	out := map[int64]bool{}
	for rows.Next() {
		var hour int64
		if err := rows.Scan(&hour); err != nil {
			return nil, fmt.Errorf("store: hours whose events have left: %w", err)
		}
		out[hour] = true
	}
	return out, rows.Err()
}

// markFiles marks files and notes their copies.
func (s *Store) markFiles(ctx context.Context, tx *sql.Tx, r *event.Retirement, files []event.LakeFile) error {
	now, err := s.now(ctx, tx)
	if err != nil {
		return err
	}
	for i := range files {
		f := &files[i]
		if _, err := tx.ExecContext(ctx, "UPDATE lake_files SET state = ? WHERE path = ?", event.LakeMarked, f.Path); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		err := insertRetired(ctx, tx, &event.Retired{Class: event.ClassRaw, Plan: r.Plan, Path: f.Path, Start: r.Hour, End: r.Hour + hourSeconds,
			Copy: r.Copies[f.Path], Rows: f.Rows, Bytes: f.Bytes, SHA256: f.SHA256, At: micros(now)})
		if err != nil {
			return err
		}
	}
	return nil
}

// ReviveHour brings raw files of an hour back: in one transaction they are live under the names that moved gives to their old ones,
// the base is cleared and the version of the hour rises, so that it is folded from its events again. moved must name all files of
// the hour that are marked or archived, since a part of a base cannot be taken away, and give new names to archived ones;
// otherwise nothing changes and the error is ErrHourMoved. It is ErrNoCopy when a part of the base has no events any more.
func (s *Store) ReviveHour(ctx context.Context, hour int64, moved map[string]string) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		all, err := queryFiles(ctx, tx, event.LakeFilter{FromHour: hour, ToHour: hour + 1})
		if err != nil {
			return err
		}
		gone := slices.DeleteFunc(all, func(f event.LakeFile) bool { return f.State != event.LakeMarked && f.State != event.LakeArchived })
		if !samePaths(gone, slices.Sorted(maps.Keys(moved))) {
			return fmt.Errorf("%w: %d of its files have left, not the %d given", ErrHourMoved, len(gone), len(moved))
		}
		lost, err := queryRetired(ctx, tx, "WHERE r.class = ? AND r.start = ? AND f.state IS NULL LIMIT 1", event.ClassRaw, hour)
		if err != nil {
			return err
		}
		if len(lost) > 0 {
			return fmt.Errorf("%w: %s, by plan %s", ErrNoCopy, lost[0].Path, lost[0].Plan)
		}
		above, err := queryRetired(ctx, tx, "WHERE r.class = ? AND r.start <= ? AND r.end_time > ? LIMIT 1", event.ClassAggregated, hour, hour)
		if err != nil {
			return err
		}
		if len(above) > 0 {
			return fmt.Errorf("%w (plan %s)", ErrAggregateLeft, above[0].Plan)
		}
		if err := s.reviveFiles(ctx, tx, gone, moved); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM hour_bases WHERE hour = ?", hour); err != nil {
			return err
		}
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		return touchHours(ctx, tx, gone, micros(now))
	})
	if err != nil {
		return fmt.Errorf("store: revive hour %s: %w", hourName(hour), err)
	}
	return nil
}

// reviveFiles makes files live; they count as published now, so that the daily retention leaves them alone for a while.
func (s *Store) reviveFiles(ctx context.Context, tx *sql.Tx, gone []event.LakeFile, moved map[string]string) error {
	now, err := s.now(ctx, tx)
	if err != nil {
		return err
	}
	for i := range gone {
		f := &gone[i]
		if f.State == event.LakeArchived && moved[f.Path] == f.Path {
			return fmt.Errorf("%w: %s is archived by now", ErrHourMoved, f.Path)
		}
		if _, err := tx.ExecContext(ctx, "UPDATE lake_files SET path = ?, state = ?, published_at = ? WHERE path = ?",
			moved[f.Path], event.LakeLive, micros(now), f.Path); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM retired_objects WHERE class = ? AND path = ?", event.ClassRaw, f.Path); err != nil {
			return fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return nil
}

func hourBuild(ctx context.Context, tx *sql.Tx, hour int64) (version, built int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT (SELECT COALESCE(SUM(version), 0) FROM hour_versions WHERE hour = ?),
		(SELECT COALESCE(MAX(built_from), 0) FROM hour_builds WHERE hour = ?)`, hour, hour).Scan(&version, &built)
	return version, built, err
}

func samePaths(files []event.LakeFile, paths []string) bool {
	have := make([]string, len(files))
	for i := range files {
		have[i] = files[i].Path
	}
	slices.Sort(have)
	return slices.Equal(have, paths)
}
