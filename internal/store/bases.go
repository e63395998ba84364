package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// ErrHourMoved says that an hour is not what the caller believes it to be: new data came, its aggregate is behind, or other files
// of it have left. Look again and decide anew.
var ErrHourMoved = errors.New("the hour has changed meanwhile")

// RetireHour lets the raw files of an hour leave: in one transaction they get the given state (marked or archived) and the
// cells of the hour become its base, so that the hour stays what it is and later events add to it. paths must be all live files
// of the hour, and its aggregate must count them all; otherwise nothing changes and the error is ErrHourMoved.
func (s *Store) RetireHour(ctx context.Context, hour int64, paths []string, state string) error {
	if state != event.LakeMarked && state != event.LakeArchived {
		return fmt.Errorf("store: retire hour %s: files that leave are %s or %s, not %q", hourName(hour), event.LakeMarked, event.LakeArchived, state)
	}
	err := s.update(ctx, func(tx *sql.Tx) error {
		live, err := queryFiles(ctx, tx, event.LakeFilter{FromHour: hour, ToHour: hour + 1, State: event.LakeLive})
		if err != nil {
			return err
		}
		if !samePaths(live, paths) {
			return fmt.Errorf("%w: it has %d live files, not the %d given", ErrHourMoved, len(live), len(paths))
		}
		if version, built, err := hourBuild(ctx, tx, hour); err != nil {
			return err
		} else if version != built {
			return fmt.Errorf("%w: its aggregate counts version %d of %d", ErrHourMoved, built, version)
		}
		if err := setState(ctx, tx, paths, state); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM hour_bases WHERE hour = ?", hour); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO hour_bases (hour, dimension, value, cell)
			SELECT start, dimension, value, cell FROM hourly_states WHERE start = ?`, hour)
		return err
	})
	if err != nil {
		return fmt.Errorf("store: retire hour %s: %w", hourName(hour), err)
	}
	return nil
}

// ReviveHour brings raw files of an hour back: in one transaction they are live, the base is cleared and the version of the hour
// rises, so that it is folded from its events again. paths must be all files of the hour that are marked or archived, since a
// part of a base cannot be taken away; otherwise nothing changes and the error is ErrHourMoved.
func (s *Store) ReviveHour(ctx context.Context, hour int64, paths []string) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		all, err := queryFiles(ctx, tx, event.LakeFilter{FromHour: hour, ToHour: hour + 1})
		if err != nil {
			return err
		}
		gone := slices.DeleteFunc(all, func(f event.LakeFile) bool { return f.State != event.LakeMarked && f.State != event.LakeArchived })
		if !samePaths(gone, paths) {
			return fmt.Errorf("%w: %d of its files have left, not the %d given", ErrHourMoved, len(gone), len(paths))
		}
		if err := setState(ctx, tx, paths, event.LakeLive); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM hour_bases WHERE hour = ?", hour); err != nil {
			return err
		}
		return touchHours(ctx, tx, gone, time.Now().UnixMicro())
	})
	if err != nil {
		return fmt.Errorf("store: revive hour %s: %w", hourName(hour), err)
	}
	return nil
}

func hourBuild(ctx context.Context, tx *sql.Tx, hour int64) (version, built int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT (SELECT COALESCE(SUM(version), 0) FROM hour_versions WHERE hour = ?),
		(SELECT COALESCE(MAX(built_from), 0) FROM hour_builds WHERE hour = ?)`, hour, hour).Scan(&version, &built)
	return version, built, err
}

func setState(ctx context.Context, tx *sql.Tx, paths []string, state string) error {
	for _, p := range paths {
		if _, err := tx.ExecContext(ctx, "UPDATE lake_files SET state = ? WHERE path = ?", state, p); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	return nil
}

func samePaths(files []event.LakeFile, paths []string) bool {
	have := make([]string, len(files))
	for i := range files {
		have[i] = files[i].Path
	}
	slices.Sort(have)
	return slices.Equal(have, slices.Sorted(slices.Values(paths)))
}
