package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
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
	if err != nil {
		return nil, fmt.Errorf("store: dirty hours: %w", err)
	}
	defer rows.Close()
	var out []event.HourState
	for rows.Next() {
		var h event.HourState
		if err := rows.Scan(&h.Hour, &h.Version, &h.Built, &h.LastPublished); err != nil {
			return nil, fmt.Errorf("store: dirty hours: %w", err)
		}
		out = append(out, h)
	}
	return out, rows.Err()
}

// HourSnapshot returns the live files of an hour (seconds since the epoch) and the hour's version, both of the same moment.
// An hour without data has version 0.
func (s *Store) HourSnapshot(ctx context.Context, hour int64) (files []event.LakeFile, version int64, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "SELECT COALESCE(SUM(version), 0) FROM hour_versions WHERE hour = ?", hour).Scan(&version)
		if err != nil {
			return err
		}
		files, err = queryFiles(ctx, tx, event.LakeFilter{FromHour: hour, ToHour: hour + 1, State: event.LakeLive})
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("store: files of hour %s: %w", hourName(hour), err)
	}
	return files, version, nil
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

// SaveHour replaces the aggregate of an hour (seconds since the epoch) by rows and cells (by model) that were folded from
// version. A fold of an older version than the stored one is ignored. Rows and cells that are equal to the stored ones are not
// touched, so folding again leaves every byte, updated_at included, as it was; models that vanished are removed.
// changed tells whether a row or cell differs from before.
func (s *Store) SaveHour(ctx context.Context, hour, version int64, rows []agg.Row, cells map[string][]byte) (changed bool, err error) {
	if err := checkRows(hour, rows); err != nil {
		return false, fmt.Errorf("store: save hour %s: %w", hourName(hour), err)
	}
	if err := s.dialect.partition(ctx, s.write, hour); err != nil {
		return false, fmt.Errorf("store: room for hour %s: %w", hourName(hour), err)
	}
	now := time.Now()
	err = s.update(ctx, func(tx *sql.Tx) error {
		changed = false
		var built int64
		err := tx.QueryRowContext(ctx, "SELECT built_from FROM hour_builds WHERE hour = ?", hour).Scan(&built)
		known := !errors.Is(err, sql.ErrNoRows)
		if known && err != nil {
			return err
		}
		if known && built > version {
			return nil
		}
		rowsChanged, err := s.saveRows(ctx, tx, hour, rows, now)
		if err != nil {
			return err
		}
		cellsChanged, err := saveCells(ctx, tx, hour, version, cells)
		if err != nil {
			return err
		}
		changed = rowsChanged || cellsChanged
		if known && built == version {
			return nil
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO hour_builds (hour, built_from, built_at) VALUES (?, ?, ?)
			ON CONFLICT (hour) DO UPDATE SET built_from = excluded.built_from, built_at = excluded.built_at`,
			hour, version, now.UnixMicro())
		return err
	})
	if err != nil {
		return false, fmt.Errorf("store: save hour %s: %w", hourName(hour), err)
	}
	return changed, nil
}

// checkRows refuses what would be stored as something else: another hour's rows, a model twice, not-a-number.
func checkRows(hour int64, rows []agg.Row) error {
	seen := make(map[string]bool, len(rows))
	for i := range rows {
		r := &rows[i]
		if r.Timestamp.Unix() != hour || r.Timestamp.Nanosecond() != 0 {
			return fmt.Errorf("row of model %q has timestamp %s", r.Model, r.Timestamp)
		}
		if seen[r.Model] {
			return fmt.Errorf("two rows of model %q", r.Model)
		}
		seen[r.Model] = true
		for j, p := range rowValues(r) {
			if f, ok := p.(**float64); ok && *f != nil && (math.IsNaN(**f) || math.IsInf(**f, 0)) {
				return fmt.Errorf("%s of model %q is %v", agg.Columns[j], r.Model, **f)
			}
		}
	}
	return nil
}

func (s *Store) saveRows(ctx context.Context, tx *sql.Tx, hour int64, rows []agg.Row, now time.Time) (changed bool, err error) {
	start := s.dialect.stamp(time.Unix(hour, 0))
	stored, err := queryRows(ctx, tx, "hourly_aggregations WHERE timestamp = ?", start)
	if err != nil {
		return false, err
	}
	old := make(map[string]*agg.Row, len(stored))
	for i := range stored {
		old[stored[i].Model] = &stored[i]
	}
	insert, err := tx.PrepareContext(ctx, upsertHour)
	if err != nil {
		return false, err
	}
	defer insert.Close()
	for i := range rows {
		r := &rows[i]
		before := old[r.Model]
		delete(old, r.Model)
		if before != nil && equalRows(before, r) {
			continue
		}
		changed = true
		if _, err := insert.ExecContext(ctx, s.rowArgs(r, now)...); err != nil {
			return false, fmt.Errorf("row of model %q: %w", r.Model, err)
		}
	}
	for model := range old {
		changed = true
		if _, err := tx.ExecContext(ctx, "DELETE FROM hourly_aggregations WHERE timestamp = ? AND model = ?", start, model); err != nil {
			return false, err
		}
	}
	return changed, nil
}

func saveCells(ctx context.Context, tx *sql.Tx, hour, version int64, cells map[string][]byte) (changed bool, err error) {
	old, err := queryCells(ctx, tx, hour)
	if err != nil {
		return false, err
	}
	for _, model := range slices.Sorted(maps.Keys(cells)) {
		before, known := old[model]
		delete(old, model)
		if known && bytes.Equal(before, cells[model]) {
			continue
		}
		changed = true
		_, err := tx.ExecContext(ctx, `INSERT INTO hourly_states (hour, model, version, cell) VALUES (?, ?, ?, ?)
			ON CONFLICT (hour, model) DO UPDATE SET version = excluded.version, cell = excluded.cell`, hour, model, version, cells[model])
		if err != nil {
			return false, fmt.Errorf("cell of model %q: %w", model, err)
		}
	}
	for model := range old {
		changed = true
		if _, err := tx.ExecContext(ctx, "DELETE FROM hourly_states WHERE hour = ? AND model = ?", hour, model); err != nil {
			return false, err
		}
	}
	return changed, nil
}

// HourCells returns the stored cells of an hour by model and the version that the hour was folded from; both of one moment.
func (s *Store) HourCells(ctx context.Context, hour int64) (cells map[string][]byte, version int64, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(built_from), 0) FROM hour_builds WHERE hour = ?", hour).Scan(&version)
		if err != nil {
			return err
		}
		cells, err = queryCells(ctx, tx, hour)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("store: cells of hour %s: %w", hourName(hour), err)
	}
	return cells, version, nil
}

func queryCells(ctx context.Context, q querier, hour int64) (map[string][]byte, error) {
	rows, err := q.QueryContext(ctx, "SELECT model, cell FROM hourly_states WHERE hour = ?", hour)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make(map[string][]byte)
	for rows.Next() {
		var model string
		var cell []byte
		if err := rows.Scan(&model, &cell); err != nil {
			return nil, err
		}
		out[model] = cell
	}
	return out, rows.Err()
}

func hourName(hour int64) string { return time.Unix(hour, 0).UTC().Format(time.RFC3339) }

var upsertHour = func() string {
	var set []string
	for _, c := range agg.Columns[2:] {
		set = append(set, c+" = excluded."+c)
	}
	return "INSERT INTO hourly_aggregations (" + strings.Join(agg.Columns, ", ") + ") VALUES (?" +
		strings.Repeat(", ?", len(agg.Columns)-1) + ") ON CONFLICT (timestamp, model) DO UPDATE SET " + strings.Join(set, ", ")
}()
