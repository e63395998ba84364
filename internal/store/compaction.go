package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// LooseHours returns the hours that ended at or before ended and whose data differs from what their files were compacted from,
// oldest first. Built is the version that they were compacted from.
func (s *Store) LooseHours(ctx context.Context, ended time.Time) ([]event.HourState, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT v.hour, SUM(v.version), COALESCE(MAX(c.compacted_from), 0), MAX(v.published_at)
		FROM hour_versions v LEFT JOIN hour_compactions c ON c.hour = v.hour WHERE v.hour <= ?
		GROUP BY v.hour HAVING SUM(v.version) <> COALESCE(MAX(c.compacted_from), 0) ORDER BY v.hour`, ended.Unix()-hourSeconds)
	return scanHours(rows, err)
}

// errReplaced says that a file is not live any more.
var errReplaced = errors.New("a file is not live any more")

// Compact replaces files of an hour, all or nothing. The version of the hour stays: what is folded from it is the same. Not ok
// means that one of the files is not live any more, because another compaction or retention was first.
func (s *Store) Compact(ctx context.Context, c event.Compaction) (ok bool, err error) {
	now := time.Now().UnixMicro()
	err = s.update(ctx, func(tx *sql.Tx) error {
		for _, path := range c.Old {
			err := changeLive(tx.ExecContext(ctx, "UPDATE lake_files SET state = ?, superseded_at = ? WHERE path = ? AND state = ?",
				event.LakeSuperseded, now, path, event.LakeLive))
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		for _, path := range c.Kept {
			err := changeLive(tx.ExecContext(ctx, "UPDATE lake_files SET generation = ? WHERE path = ? AND state = ?",
				c.Generation, path, event.LakeLive))
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		if err := insertFiles(ctx, tx, c.New, now); err != nil {
			return fmt.Errorf("manifest: %w", err)
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO hour_compactions (hour, compacted_from, compacted_at) VALUES (?, ?, ?)
			ON CONFLICT (hour) DO UPDATE SET compacted_from = excluded.compacted_from, compacted_at = excluded.compacted_at`,
			c.Hour, c.Version, now)
		return err
	})
	if errors.Is(err, errReplaced) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("store: compact hour %s: %w", hourName(c.Hour), err)
	}
	return true, nil
}

func changeLive(r sql.Result, err error) error {
	n, err := changed(r, err)
	if err == nil && n != 1 {
		err = errReplaced
	}
	return err
}

// Superseded returns up to limit files that were replaced before a time, the oldest first.
func (s *Store) Superseded(ctx context.Context, before time.Time, limit int) ([]string, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT path FROM lake_files WHERE state = ? AND superseded_at < ? ORDER BY superseded_at, path LIMIT ?",
		event.LakeSuperseded, before.UnixMicro(), limit)
	if err != nil {
		return nil, fmt.Errorf("store: superseded files: %w", err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var path string
		if err := rows.Scan(&path); err != nil {
			return nil, fmt.Errorf("store: superseded files: %w", err)
		}
		out = append(out, path)
	}
	return out, rows.Err()
}

// Forget takes superseded files out of the manifest. Whoever asks removes the files afterwards: killed in between, they are
// orphans, and those are swept.
func (s *Store) Forget(ctx context.Context, paths []string) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		for _, path := range paths {
			if _, err := tx.ExecContext(ctx, "DELETE FROM lake_files WHERE path = ? AND state = ?", path, event.LakeSuperseded); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store: forget superseded files: %w", err)
	}
	return nil
}

// LiveFiles returns the live files of an hour and its version, both of one moment.
func (s *Store) LiveFiles(ctx context.Context, hour int64) (files []event.LakeFile, version int64, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "SELECT COALESCE(SUM(version), 0) FROM hour_versions WHERE hour = ?", hour).Scan(&version)
		if err != nil {
			return err
		}
		files, err = queryFiles(ctx, tx, event.LakeFilter{FromHour: hour, ToHour: hour + 1, State: event.LakeLive})
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("store: live files of hour %s: %w", hourName(hour), err)
	}
	return files, version, nil
}
