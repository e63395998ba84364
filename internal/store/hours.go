package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

const hourSeconds = 3600

// DirtyHours returns the hours that ended at or before ended and whose data differs from what their aggregate was folded from,
// oldest first.
func (s *Store) DirtyHours(ctx context.Context, ended time.Time) ([]event.HourState, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT v.hour, SUM(v.version), COALESCE(MAX(b.built_from), 0), MAX(v.published_at)
		FROM hour_versions v LEFT JOIN hour_builds b ON b.hour = v.hour WHERE v.hour <= ?
		GROUP BY v.hour HAVING SUM(v.version) <> COALESCE(MAX(b.built_from), 0) ORDER BY v.hour`, ended.Unix()-hourSeconds)
	return scanHours(rows, err)
}

// HourSnapshot returns what an hour (seconds since the epoch) is folded from: its live files, the cells of the raw files that
// have left, and the version that these make up, all of the same moment. An hour without data has version 0.
func (s *Store) HourSnapshot(ctx context.Context, hour int64) (files []event.LakeFile, base map[agg.Group][]byte, version int64, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "SELECT COALESCE(SUM(version), 0) FROM hour_versions WHERE hour = ?", hour).Scan(&version)
		if err != nil {
			return err
		}
		if base, err = queryCells(ctx, tx, "hour_bases WHERE hour = ?", hour); err != nil {
			return err
		}
		files, err = queryFiles(ctx, tx, event.LakeFilter{FromHour: hour, ToHour: hour + 1, State: event.LakeLive})
		return err
	})
	if err != nil {
		return nil, nil, 0, fmt.Errorf("store: files of hour %s: %w", hourName(hour), err)
	}
	return files, base, version, nil
}

// HourStates returns the state of each hour with data that starts in [from, to), oldest first.
func (s *Store) HourStates(ctx context.Context, from, to int64) ([]event.HourState, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT v.hour, SUM(v.version), COALESCE(MAX(b.built_from), 0), MAX(v.published_at)
		FROM hour_versions v LEFT JOIN hour_builds b ON b.hour = v.hour WHERE v.hour >= ? AND v.hour < ?
		GROUP BY v.hour ORDER BY v.hour`, from, to)
	return scanHours(rows, err)
}

func scanHours(rows *sql.Rows, err error) (out []event.HourState, _ error) {
	if err != nil {
		return nil, fmt.Errorf("store: state of hours: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var h event.HourState
		if err := rows.Scan(&h.Hour, &h.Version, &h.Built, &h.LastPublished); err != nil {
			return nil, fmt.Errorf("store: state of hours: %w", err)
		}
		out = append(out, h)
	}
	return out, rows.Err()
}

// HourBuild returns the state of one hour; all zero but Hour when it has neither data nor aggregate.
func (s *Store) HourBuild(ctx context.Context, hour int64) (event.HourState, error) {
	h := event.HourState{Hour: hour}
	err := s.read.QueryRowContext(ctx, `SELECT
		(SELECT COALESCE(SUM(version), 0) FROM hour_versions WHERE hour = ?),
		(SELECT COALESCE(MAX(published_at), 0) FROM hour_versions WHERE hour = ?),
		(SELECT COALESCE(MAX(built_from), 0) FROM hour_builds WHERE hour = ?)`, hour, hour, hour).
		Scan(&h.Version, &h.LastPublished, &h.Built)
	if err != nil {
		return h, fmt.Errorf("store: state of hour %s: %w", hourName(hour), err)
	}
	return h, nil
}

// SaveHour replaces the aggregate of an hour (seconds since the epoch) by one that was folded from version. A fold of an older
// version than the stored one is ignored. Rows and cells that are equal to the stored ones are not touched, so folding again
// leaves every byte, updated_at included, as it was; groups that vanished are removed. The build of the hour rises when a cell
// changes, so that its day knows whether it has merged what is there.
func (s *Store) SaveHour(ctx context.Context, hour, version int64, a agg.Aggregate) (change agg.Change, err error) {
	if err := checkRows(hour, a.Rows); err != nil {
		return change, fmt.Errorf("store: save hour %s: %w", hourName(hour), err)
	}
	if err := s.dialect.partition(ctx, s.write, hour); err != nil {
		return change, fmt.Errorf("store: room for hour %s: %w", hourName(hour), err)
	}
	now := time.Now()
	err = s.update(ctx, func(tx *sql.Tx) error {
		change = agg.Change{}
		var built, build int64
		var requests, complete sql.NullInt64
		err := tx.QueryRowContext(ctx, "SELECT built_from, build, requests, complete FROM hour_builds WHERE hour = ?", hour).Scan(&built, &build, &requests, &complete)
		known := !errors.Is(err, sql.ErrNoRows)
		if known && err != nil {
			return err
		}
		if known && built > version {
			change.Overtaken = true
			return nil
		}
		if change, err = s.saveAggregate(ctx, tx, "hourly", hour, a, now); err != nil {
			return err
		}
		if j := a.Joined; j != nil {
			joined := requests.Valid && *j == agg.Joined{Requests: requests.Int64, Complete: complete.Int64}
			known = known && joined // else they are to be written
			requests, complete = sql.NullInt64{Int64: j.Requests, Valid: true}, sql.NullInt64{Int64: j.Complete, Valid: true}
		}
		if known && built == version && change.Cells == 0 {
			return nil
		}
		if build == 0 || change.Cells > 0 {
			build++
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO hour_builds (hour, built_from, built_at, build, requests, complete) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (hour) DO UPDATE SET built_from = excluded.built_from, built_at = excluded.built_at, build = excluded.build,
				requests = excluded.requests, complete = excluded.complete`,
			hour, version, now.UnixMicro(), build, requests, complete)
		return err
	})
	if err != nil {
		return agg.Change{}, fmt.Errorf("store: save hour %s: %w", hourName(hour), err)
	}
	return change, nil
}

// JoinedHours adds up how many requests the stored hours that start in [from, to) have, and how many of those are complete. Hours that
// were folded when nobody counted that are left out.
func (s *Store) JoinedHours(ctx context.Context, from, to int64) (sum agg.Joined, err error) {
	err = s.read.QueryRowContext(ctx, `SELECT CAST(COALESCE(SUM(requests), 0) AS BIGINT), CAST(COALESCE(SUM(complete), 0) AS BIGINT)
		FROM hour_builds WHERE hour >= ? AND hour < ?`, from, to).Scan(&sum.Requests, &sum.Complete)
	if err != nil {
		return agg.Joined{}, fmt.Errorf("store: joined requests of hours: %w", err)
	}
	return sum, nil
}

func hourName(hour int64) string { return time.Unix(hour, 0).UTC().Format(time.RFC3339) }
