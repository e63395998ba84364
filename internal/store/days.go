package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Hourly aggregates leave by whole days. The day keeps its cells as a base: day = base ⊕ merge of its hours, as an hour is its base
// and the fold of its live files. So a late event, which makes an hour of itself alone, adds to the day.

const daySeconds = 24 * hourSeconds

// OldDays returns the days with hourly cells that ended at or before a second since the epoch, oldest first: their first second in
// Start, cells in Rows.
func (s *Store) OldDays(ctx context.Context, ended int64) ([]event.Retired, error) {
	rows, err := s.read.QueryContext(ctx, `SELECT start / 86400, COUNT(*), SUM(LENGTH(cell)) FROM hourly_states WHERE start < ? GROUP BY start / 86400 ORDER BY start / 86400`,
		ended-ended%daySeconds)
	if err != nil {
		return nil, fmt.Errorf("store: old days: %w", err)
	}
	defer rows.Close()
	var out []event.Retired
	for rows.Next() {
		var day int64
		d := event.Retired{Class: event.ClassAggregated}
		if err := rows.Scan(&day, &d.Rows, &d.Bytes); err != nil {
			return nil, fmt.Errorf("store: old days: %w", err)
		}
		d.Start, d.End = day*daySeconds, (day+1)*daySeconds
		out = append(out, d)
	}
	return out, rows.Err()
}

// DayHoldings is of how many days there are hourly cells.
func (s *Store) DayHoldings(ctx context.Context) (h event.Holdings, err error) {
	err = s.read.QueryRowContext(ctx, "SELECT COUNT(DISTINCT start / 86400) FROM hourly_states").Scan(&h.Objects)
	if err != nil {
		return h, fmt.Errorf("store: how many days there are: %w", err)
	}
	return h, nil
}

// StoredHours returns what is stored of the hours of a day, as of one moment, by hour.
func (s *Store) StoredHours(ctx context.Context, day int64) (out []agg.StoredHour, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		builds, err := hourBuilds(ctx, tx, day)
		if err != nil {
			return err
		}
		out = nil
		for _, hour := range slices.Sorted(maps.Keys(builds)) {
			h := agg.StoredHour{Hour: hour, Build: builds[hour], Aggregate: agg.Aggregate{Rows: map[string][]agg.Row{}}}
			if h.Cells, err = queryCells(ctx, tx, "hourly_states WHERE start = ?", hour); err != nil {
				return err
			}
			for _, dimension := range agg.Dimensions {
				t := rowTable{"hourly", dimension}
				where, args := t.where()
				h.Rows[dimension], err = queryRows(ctx, tx, t, where+" AND timestamp = ? ORDER BY "+t.label(), append(args, s.dialect.stamp(time.Unix(hour, 0)))...)
				if err != nil {
					return err
				}
			}
			out = append(out, h)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: hours of day %s: %w", hourName(day), err)
	}
	return out, nil
}

// hourBuilds returns the builds of the hours of a day.
func hourBuilds(ctx context.Context, q querier, day int64) (map[int64]int64, error) {
	rows, err := q.QueryContext(ctx, "SELECT hour, build FROM hour_builds WHERE hour >= ? AND hour < ?", day, day+daySeconds)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[int64]int64{}
	for rows.Next() {
		var hour, build int64
		if err := rows.Scan(&hour, &build); err != nil {
			return nil, err
		}
		out[hour] = build
	}
	return out, rows.Err()
}

// PeriodBase returns the cells that a period holds beside its children.
func (s *Store) PeriodBase(ctx context.Context, level string, start int64) (map[agg.Group][]byte, error) {
	cells, err := queryCells(ctx, s.read, "period_bases WHERE level = ? AND start = ?", level, start)
	if err != nil {
		return nil, fmt.Errorf("store: base of %s %s: %w", level, hourName(start), err)
	}
	return cells, nil
}

// RetireDay lets the hourly rows and cells of a day leave: in one transaction they are deleted, the cells of the day become its
// base, and r is noted. builds are those of the hours when they were copied. No raw file of the day may be live or in its grace,
// because it would count twice; every hour must be built from its present version, and the day be merged from all of them.
// Otherwise nothing changes and the error is ErrHourMoved; it is ErrHeld while a hold touches the day.
func (s *Store) RetireDay(ctx context.Context, r event.Retired, builds map[int64]int64) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		if err := checkDay(ctx, tx, r.Start, builds); err != nil {
			return err
		}
		if err := checkHolds(ctx, tx, event.ClassAggregated, r.Start, r.End); err != nil {
			return err
		}
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		r.At = micros(now)
		if err := insertRetired(ctx, tx, &r); err != nil {
			return err
		}
		from, to := s.dialect.stamp(time.Unix(r.Start, 0)), s.dialect.stamp(time.Unix(r.End, 0))
		for _, q := range []struct {
			text string
			args []any
		}{
			{"DELETE FROM period_bases WHERE level = 'daily' AND start = ?", []any{r.Start}},
			{"INSERT INTO period_bases (level, start, dimension, value, cell) SELECT 'daily', start, dimension, value, cell FROM daily_states WHERE start = ?", []any{r.Start}},
			{"DELETE FROM hourly_states WHERE start >= ? AND start < ?", []any{r.Start, r.End}},
			{"DELETE FROM hour_bases WHERE hour >= ? AND hour < ?", []any{r.Start, r.End}},
			{"DELETE FROM hourly_aggregations WHERE timestamp >= ? AND timestamp < ?", []any{from, to}},
			{"DELETE FROM hourly_dimensions WHERE timestamp >= ? AND timestamp < ?", []any{from, to}},
		} {
			if _, err := tx.ExecContext(ctx, q.text, q.args...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store: retire the hours of day %s: %w", hourName(r.Start), err)
	}
	return nil
}

// checkDay holds a day to what RetireDay wants of it.
func checkDay(ctx context.Context, tx *sql.Tx, day int64, builds map[int64]int64) error {
	now, err := hourBuilds(ctx, tx, day)
	if err != nil {
		return err
	}
	if !maps.Equal(now, builds) {
		return fmt.Errorf("%w: hours of the day were aggregated again", ErrHourMoved)
	}
	for _, q := range []struct {
		count string
		args  []any
		what  string
	}{
		{"SELECT COUNT(*) FROM lake_files WHERE hour >= ? AND hour < ? AND state IN ('live', 'marked')", []any{day, day + daySeconds}, "raw files of the day have not left"},
		{`SELECT COUNT(*) FROM (SELECT v.hour FROM hour_versions v LEFT JOIN hour_builds b ON b.hour = v.hour WHERE v.hour >= ? AND v.hour < ?
			GROUP BY v.hour HAVING SUM(v.version) <> COALESCE(MAX(b.built_from), 0)) AS dirty`, []any{day, day + daySeconds}, "hours of the day are behind"},
		{`SELECT COUNT(*) FROM hour_builds b LEFT JOIN merged_children m ON m.level = 'daily' AND m.child = b.hour WHERE b.hour >= ? AND b.hour < ?
			AND (m.build IS NULL OR m.build <> b.build)`, []any{day, day + daySeconds}, "hours that the day does not count"},
	} {
		var n int
		if err := tx.QueryRowContext(ctx, q.count, q.args...).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("%w: %d %s", ErrHourMoved, n, q.what)
		}
	}
	return nil
}

// ReviveDay brings the hourly cells of a day back that copies hold: in one transaction they become the bases of their hours, with what
// is there, the base of the day is cleared, and the hours are behind, so that rows and cells are made again. copies must be all that
// left of the day, since a part of the base cannot be taken away; otherwise the error is ErrHourMoved.
func (s *Store) ReviveDay(ctx context.Context, day int64, copies []string, hours map[int64]map[agg.Group][]byte) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		left, err := queryRetired(ctx, tx, "WHERE r.class = ? AND r.start = ? ORDER BY r.copy", event.ClassAggregated, day)
		if err != nil {
			return err
		}
		var have []string
		for i := range left {
			if left[i].Copy == "" {
				return fmt.Errorf("%w: hourly aggregates, by plan %s", ErrNoCopy, left[i].Plan)
			}
			have = append(have, left[i].Copy)
		}
		if !slices.Equal(have, slices.Sorted(slices.Values(copies))) {
			return fmt.Errorf("%w: the day has left in %d copies, not the %d given", ErrHourMoved, len(have), len(copies))
		}
		for _, hour := range slices.Sorted(maps.Keys(hours)) {
			if err := addBase(ctx, tx, hour, hours[hour]); err != nil {
				return fmt.Errorf("hour %s: %w", hourName(hour), err)
			}
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM period_bases WHERE level = 'daily' AND start = ?", day); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM retired_objects WHERE class = ? AND start = ?", event.ClassAggregated, day)
		return err
	})
	if err != nil {
		return fmt.Errorf("store: revive the hours of day %s: %w", hourName(day), err)
	}
	return nil
}

// addBase adds cells to the base of an hour and raises its version.
func addBase(ctx context.Context, tx *sql.Tx, hour int64, cells map[agg.Group][]byte) error {
	base, err := queryCells(ctx, tx, "hour_bases WHERE hour = ?", hour)
	if err != nil {
		return err
	}
	for g, cell := range cells {
		if have, ok := base[g]; ok {
			if cell, err = agg.MergeCells(have, cell); err != nil {
				return fmt.Errorf("cell of %s %q: %w", g.Dimension, g.Value, err)
			}
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO hour_bases (hour, dimension, value, cell) VALUES (?, ?, ?, ?)
			ON CONFLICT (hour, dimension, value) DO UPDATE SET cell = excluded.cell`, hour, g.Dimension, g.Value, cell); err != nil {
			return err
		}
	}
	n, err := changed(tx.ExecContext(ctx, "UPDATE hour_versions SET version = version + 1 WHERE hour = ?", hour))
	if err == nil && n == 0 {
		err = errors.New("it is not known")
	}
	return err
}
