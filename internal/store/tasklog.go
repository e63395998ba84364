package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// insertLog appends lines to the log of a try.
func insertLog(ctx context.Context, tx *sql.Tx, run, task string, try int, lines []agg.LogLine) error {
	for part := range slices.Chunk(lines, 500) {
		var args []any
		for _, l := range part {
			args = append(args, run, task, try, l.Line, micros(l.At), l.Level, l.Event)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO task_logs (run_id, task_id, try_number, line, logged_at, level, event) VALUES `+
			valueRows(len(part), 7, "")+" ON CONFLICT DO NOTHING", args...); err != nil {
			return err
		}
	}
	return nil
}

// TaskLogs returns the lines of a run by time: of one task or all (""), of one try or all (0), at most limit.
func (s *Store) TaskLogs(ctx context.Context, run, task string, try, limit int) (out []agg.LogLine, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		out = nil
		return each(ctx, tx, func(rows *sql.Rows) error {
			var l agg.LogLine
			var at int64
			err := rows.Scan(&l.TaskID, &l.Try, &l.Line, &at, &l.Level, &l.Event)
			l.At = fromMicros(at)
			out = append(out, l)
			return err
		}, fmt.Sprintf(`SELECT task_id, try_number, line, logged_at, level, event FROM task_logs
			WHERE run_id = ? AND (? = '' OR task_id = ?) AND (? = 0 OR try_number = ?) ORDER BY logged_at, task_id, try_number, line LIMIT %d`, limit),
			run, task, task, try, try)
	})
	if err != nil {
		return nil, fmt.Errorf("store: log of run %s: %w", run, err)
	}
	return out, nil
}

// PurgeLogs removes log lines and signs of life that are older than age.
func (s *Store) PurgeLogs(ctx context.Context, age time.Duration) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM task_logs WHERE logged_at < ?", micros(now.Add(-age))); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM schedulers WHERE seen_at < ?", micros(now.Add(-24*time.Hour)))
		return err
	})
	if err != nil {
		return fmt.Errorf("store: purge logs: %w", err)
	}
	return nil
}
