package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Periods of all levels are named by their level and their first second since the epoch. The children of a day are its hours,
// those of a week or month its days. A period is clean when every child that it was merged from still is the build that it was
// merged from, and no child is missing.

// childBuilds is the table, the columns and the condition that give the builds b of the children of a level.
func childBuilds(level string) (from, start, where string, err error) {
	switch level {
	case "daily":
		return "hour_builds", "hour", "1 = 1", nil
	case "weekly", "monthly":
		return "period_builds", "start", "b.level = 'daily'", nil
	}
	return "", "", "", fmt.Errorf("store: the level %q has no children; choose daily, weekly or monthly", level)
}

// Cells returns the stored cells of a period and its build, both of one moment; build 0 when it was never made.
func (s *Store) Cells(ctx context.Context, level string, start int64) (cells map[agg.Group][]byte, build int64, err error) {
	if _, err := tableOf(level, agg.ByModel); err != nil {
		return nil, 0, err
	}
	query, args := "SELECT build FROM period_builds WHERE level = ? AND start = ?", []any{level, start}
	if level == "hourly" {
		query, args = "SELECT build FROM hour_builds WHERE hour = ?", []any{start}
	}
	err = s.view(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, query, args...).Scan(&build); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		cells, err = queryCells(ctx, tx, level+"_states WHERE start = ?", start)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("store: cells of %s %s: %w", level, hourName(start), err)
	}
	return cells, build, nil
}

// LastBuilt returns the period of a level whose aggregate was the last to change, and when; the zero time when there is none.
func (s *Store) LastBuilt(ctx context.Context, level string) (start int64, at time.Time, err error) {
	query, args := "SELECT start, built_at FROM period_builds WHERE level = ? ORDER BY built_at DESC, start DESC LIMIT 1", []any{level}
	if level == "hourly" {
		query, args = "SELECT hour, built_at FROM hour_builds ORDER BY built_at DESC, hour DESC LIMIT 1", nil
	}
	var us int64
	err = s.read.QueryRowContext(ctx, query, args...).Scan(&start, &us)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, time.Time{}, nil
	case err != nil:
		return 0, time.Time{}, fmt.Errorf("store: last %s period that was made: %w", level, err)
	}
	return start, fromMicros(us), nil
}

// Unmerged returns the children that start in [from, to) and that their period of the level has not merged as they are now,
// oldest first.
func (s *Store) Unmerged(ctx context.Context, level string, from, to int64) (children []int64, err error) {
	table, start, where, err := childBuilds(level)
	if err != nil {
		return nil, err
	}
	rows, err := s.read.QueryContext(ctx, "SELECT b."+start+" FROM "+table+" b LEFT JOIN merged_children m ON m.level = ? AND m.child = b."+start+
		" WHERE "+where+" AND b."+start+" >= ? AND b."+start+" < ? AND (m.build IS NULL OR m.build <> b.build) ORDER BY b."+start, level, from, to)
	if err != nil {
		return nil, fmt.Errorf("store: what %s periods have not merged: %w", level, err)
	}
	defer rows.Close()
	for rows.Next() {
		var child int64
		if err := rows.Scan(&child); err != nil {
			return nil, fmt.Errorf("store: what %s periods have not merged: %w", level, err)
		}
		children = append(children, child)
	}
	return children, rows.Err()
}

// SavePeriod replaces the aggregate of the period [start, end) of a level by one that was merged from the given builds of its
// children. It stores nothing when a child was merged from a newer build already. What is equal is not touched, as in SaveHour.
func (s *Store) SavePeriod(ctx context.Context, level string, start, end int64, children map[int64]int64, a agg.Aggregate) (change agg.Change, err error) {
	if _, _, _, err := childBuilds(level); err != nil {
		return change, err
	}
	if err := checkRows(start, a.Rows); err != nil {
		return change, fmt.Errorf("store: save %s %s: %w", level, hourName(start), err)
	}
	now := time.Now()
	err = s.update(ctx, func(tx *sql.Tx) error {
		change = agg.Change{}
		merged, err := mergedChildren(ctx, tx, level, start, end)
		if err != nil {
			return err
		}
		for child, build := range merged {
			if mine, ok := children[child]; ok && mine < build {
				change.Overtaken = true
				return nil
			}
		}
		if change, err = s.saveAggregate(ctx, tx, level, start, a, now); err != nil {
			return err
		}
		if err := saveChildren(ctx, tx, level, merged, children); err != nil {
			return err
		}
		return raiseBuild(ctx, tx, level, start, change.Cells > 0, len(children) > 0, now)
	})
	if err != nil {
		return agg.Change{}, fmt.Errorf("store: save %s %s: %w", level, hourName(start), err)
	}
	return change, nil
}

func mergedChildren(ctx context.Context, tx *sql.Tx, level string, start, end int64) (map[int64]int64, error) {
	rows, err := tx.QueryContext(ctx, "SELECT child, build FROM merged_children WHERE level = ? AND child >= ? AND child < ?", level, start, end)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[int64]int64{}
	for rows.Next() {
		var child, build int64
		if err := rows.Scan(&child, &build); err != nil {
			return nil, err
		}
		out[child] = build
	}
	return out, rows.Err()
}

// saveChildren makes the stored builds those of now.
func saveChildren(ctx context.Context, tx *sql.Tx, level string, before, now map[int64]int64) error {
	for child, build := range now {
		if old, ok := before[child]; ok && old == build {
			continue
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO merged_children (level, child, build) VALUES (?, ?, ?)
			ON CONFLICT (level, child) DO UPDATE SET build = excluded.build`, level, child, build)
		if err != nil {
			return err
		}
	}
	for child := range before {
		if _, ok := now[child]; ok {
			continue
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM merged_children WHERE level = ? AND child = ?", level, child); err != nil {
			return err
		}
	}
	return nil
}

// raiseBuild gives a period its next build when a cell changed, and its first one when it has children.
func raiseBuild(ctx context.Context, tx *sql.Tx, level string, start int64, changed, children bool, now time.Time) error {
	if !changed && !children {
		return nil
	}
	onConflict := "NOTHING"
	if changed {
		onConflict = "UPDATE SET build = period_builds.build + 1, built_at = excluded.built_at"
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO period_builds (level, start, build, built_at) VALUES (?, ?, 1, ?) ON CONFLICT (level, start) DO "+onConflict,
		level, start, now.UnixMicro())
	return err
}
