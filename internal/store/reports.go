package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

const reportColumns = `id, report_type, format, status, period_start, period_end, created_at, completed_at, bytes, sha256, file, machine, completeness, error`

// QueueReport stores a report that is to be made. One with the same id keeps its age and its bytes, and is queued again unless
// that is so already or it is being made: then attached is true. The report is returned as it stands now.
func (s *Store) QueueReport(ctx context.Context, r agg.Report) (now agg.Report, attached bool, err error) {
	if r.ID == "" || r.Type == "" || !r.Start.Before(r.End) {
		return r, false, fmt.Errorf("store: report %q of type %q: needs an id, a type and a period that is not empty", r.ID, r.Type)
	}
	if r.CreatedAt.IsZero() {
		r.CreatedAt = time.Now()
	}
	r.CreatedAt, r.Status, r.Error = r.CreatedAt.UTC().Truncate(time.Microsecond), agg.ReportQueued, ""
	err = s.update(ctx, func(tx *sql.Tx) error {
		found, err := queryReports(ctx, tx, "WHERE id = ?", r.ID)
		if err != nil {
			return err
		}
		if attached = len(found) > 0 && !found[0].Status.Final(); attached {
			now = found[0]
			return nil
		}
		if len(found) > 0 {
			now = found[0]
			now.Status, now.Error = agg.ReportQueued, ""
			return updateReport(ctx, tx, &now)
		}
		now = r
		if err := lockRetired(ctx, tx, r.File); err != nil {
			return err
		}
		_, err = insertReport(ctx, tx, &r, "")
		return err
	})
	if err != nil {
		return r, false, fmt.Errorf("store: queue report %s: %w", r.ID, err)
	}
	return now, attached, nil
}

// UpdateReport stores the status, content and error of a report; what it is about does not change. ErrNotFound means that it
// was deleted meanwhile.
func (s *Store) UpdateReport(ctx context.Context, r agg.Report) error {
	err := s.update(ctx, func(tx *sql.Tx) error { return updateReport(ctx, tx, &r) })
	if err != nil {
		return fmt.Errorf("store: update report %s: %w", r.ID, err)
	}
	return nil
}

func updateReport(ctx context.Context, tx *sql.Tx, r *agg.Report) error {
	n, err := changed(tx.ExecContext(ctx, `UPDATE reports SET status = ?, completed_at = ?, bytes = ?, sha256 = ?, file = ?, machine = ?, completeness = ?, error = ?
		WHERE id = ?`, string(r.Status), microsOrNull(r.CompletedAt), r.Bytes, r.SHA256, r.File, r.Machine, r.Completeness, r.Error, r.ID))
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return err
}

// Report returns the report with an id, or ErrNotFound.
func (s *Store) Report(ctx context.Context, id string) (agg.Report, error) {
	reports, err := queryReports(ctx, s.read, "WHERE id = ?", id)
	if err == nil && len(reports) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return agg.Report{}, fmt.Errorf("store: report %s: %w", id, err)
	}
	return reports[0], nil
}

// Reports returns the reports of a type ("" = all), newest first: at most limit (0 = all) that follow cursor ("" = from the
// newest), and the cursor of the next page, "" at the end.
func (s *Store) Reports(ctx context.Context, kind string, limit int, cursor string) ([]agg.Report, string, error) {
	where := []string{"1 = 1"}
	var args []any
	if kind != "" {
		where, args = append(where, "report_type = ?"), append(args, kind)
	}
	if cursor != "" {
		at, id, err := splitCursor(cursor)
		if err != nil {
			return nil, "", err
		}
		where = append(where, "(created_at < ? OR (created_at = ? AND id < ?))")
		args = append(args, micros(at), micros(at), id)
	}
	query := "WHERE " + strings.Join(where, " AND ") + " ORDER BY created_at DESC, id DESC"
	if limit > 0 {
		query += fmt.Sprintf(" LIMIT %d", limit+1)
	}
	reports, err := queryReports(ctx, s.read, query, args...)
	if err != nil {
		return nil, "", fmt.Errorf("store: reports: %w", err)
	}
	if limit <= 0 || len(reports) <= limit {
		return reports, "", nil
	}
	last := &reports[limit-1]
	return reports[:limit], joinCursor(last.CreatedAt, last.ID), nil
}

// UnfinishedReports returns the reports that are queued or running, oldest first.
func (s *Store) UnfinishedReports(ctx context.Context) ([]agg.Report, error) {
	reports, err := queryReports(ctx, s.read, "WHERE status IN ('queued', 'running') ORDER BY created_at, id")
	if err != nil {
		return nil, fmt.Errorf("store: unfinished reports: %w", err)
	}
	return reports, nil
}

// LastReports returns, for each type that there is, the report whose period ends latest (of those, the newest), and how many
// reports there are in each status.
func (s *Store) LastReports(ctx context.Context) (last []agg.Report, counts map[agg.ReportStatus]int, err error) {
	counts = map[agg.ReportStatus]int{}
	err = s.view(ctx, func(tx *sql.Tx) error {
		last, err = queryReports(ctx, tx, `WHERE NOT EXISTS (SELECT 1 FROM reports o WHERE o.report_type = reports.report_type AND
			(o.period_end > reports.period_end OR (o.period_end = reports.period_end AND (o.created_at > reports.created_at OR
			(o.created_at = reports.created_at AND o.id > reports.id))))) ORDER BY report_type`)
		if err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, "SELECT status, COUNT(*) FROM reports GROUP BY status")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var status string
			var n int
			if err := rows.Scan(&status, &n); err != nil {
				return err
			}
			counts[agg.ReportStatus(status)] = n
		}
		return rows.Err()
	})
	if err != nil {
		return nil, nil, fmt.Errorf("store: last reports: %w", err)
	}
	return last, counts, nil
}

// DeleteReport forgets a report, or returns ErrNotFound. Its file is the caller's.
func (s *Store) DeleteReport(ctx context.Context, id string) error {
	n, err := changed(s.write.ExecContext(ctx, "DELETE FROM reports WHERE id = ?", id))
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("store: delete report %s: %w", id, err)
	}
	return nil
}

func queryReports(ctx context.Context, q querier, rest string, args ...any) ([]agg.Report, error) {
	rows, err := q.QueryContext(ctx, "SELECT "+reportColumns+" FROM reports "+rest, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []agg.Report
	for rows.Next() {
		var r agg.Report
		var start, end, created int64
		var completed sql.NullInt64
		if err := rows.Scan(&r.ID, &r.Type, &r.Format, &r.Status, &start, &end, &created, &completed, &r.Bytes, &r.SHA256, &r.File,
			&r.Machine, &r.Completeness, &r.Error); err != nil {
			return nil, err
		}
		r.Start, r.End, r.CreatedAt, r.CompletedAt = fromMicros(start), fromMicros(end), fromMicros(created), fromNull(completed)
		out = append(out, r)
	}
	return out, rows.Err()
}

// SaveAnalysis replaces the last analysis of a kind; an older one than the stored is ignored.
func (s *Store) SaveAnalysis(ctx context.Context, kind string, madeAt time.Time, document []byte) error {
	_, err := s.write.ExecContext(ctx, `INSERT INTO analyses (kind, made_at, document) VALUES (?, ?, ?) ON CONFLICT (kind)
		DO UPDATE SET made_at = excluded.made_at, document = excluded.document WHERE excluded.made_at >= analyses.made_at`,
		kind, micros(madeAt), string(document))
	if err != nil {
		return fmt.Errorf("store: save %s analysis: %w", kind, err)
	}
	return nil
}

// ReplaceAnalysis replaces the analysis of a kind that was made at was, the zero time = there is none yet. taken is false, and nothing is
// stored, when there is another.
func (s *Store) ReplaceAnalysis(ctx context.Context, kind string, was, madeAt time.Time, document []byte) (taken bool, err error) {
	var n int64
	if was.IsZero() {
		n, err = changed(s.write.ExecContext(ctx, "INSERT INTO analyses (kind, made_at, document) VALUES (?, ?, ?) ON CONFLICT (kind) DO NOTHING", kind, micros(madeAt), string(document)))
	} else {
		n, err = changed(s.write.ExecContext(ctx, "UPDATE analyses SET made_at = ?, document = ? WHERE kind = ? AND made_at = ?", micros(madeAt), string(document), kind, micros(was)))
	}
	if err != nil {
		return false, fmt.Errorf("store: replace %s analysis: %w", kind, err)
	}
	return n > 0, nil
}

// Analysis returns the last analysis of a kind and when it was made, or ErrNotFound.
func (s *Store) Analysis(ctx context.Context, kind string) (document []byte, madeAt time.Time, err error) {
	var text string
	var at int64
	err = s.read.QueryRowContext(ctx, "SELECT document, made_at FROM analyses WHERE kind = ?", kind).Scan(&text, &at)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, madeAt, fmt.Errorf("store: %s analysis: %w", kind, err)
	}
	return []byte(text), fromMicros(at), nil
}

// OldReports returns the reports with bytes that nobody is making and that were made before a time, oldest first, and how many
// reports there are.
func (s *Store) OldReports(ctx context.Context, before time.Time) (old []agg.Report, all event.Holdings, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(SUM(bytes), 0) FROM reports").Scan(&all.Objects, &all.Bytes); err != nil {
			return err
		}
		old, err = queryReports(ctx, tx, "WHERE status IN ('completed', 'failed') AND sha256 <> '' AND COALESCE(completed_at, created_at) < ? ORDER BY created_at, id", micros(before))
		return err
	})
	if err != nil {
		return nil, all, fmt.Errorf("store: old reports: %w", err)
	}
	return old, all, nil
}

// RetireReport forgets a report and notes that it left. ErrHourMoved means that it was made again or deleted meanwhile, ErrHeld that
// a hold touches its period.
func (s *Store) RetireReport(ctx context.Context, id string, r event.Retired) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		if err := checkHolds(ctx, tx, event.ClassReports, r.Start, r.End); err != nil {
			return err
		}
		n, err := changed(tx.ExecContext(ctx, "DELETE FROM reports WHERE id = ? AND sha256 = ? AND status IN ('completed', 'failed')", id, r.SHA256))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("%w: the report was made again or deleted", ErrHourMoved)
		}
		now, err := s.now(ctx, tx)
		if err != nil {
			return err
		}
		r.At = micros(now)
		return insertRetired(ctx, tx, &r)
	})
	if err != nil {
		return fmt.Errorf("store: retire report %s: %w", id, err)
	}
	return nil
}

// lockRetired makes whoever makes a report again wait for whoever removes or brings back the file of the one that left, and the
// other way round: both write these rows.
func lockRetired(ctx context.Context, tx *sql.Tx, file string) error {
	_, err := tx.ExecContext(ctx, "UPDATE retired_objects SET retired_at = retired_at WHERE class = ? AND path = ?", event.ClassReports, file)
	return err
}

// ClearReport calls remove, perhaps more than once, while nobody can make the report again that left. ErrHourMoved means that
// somebody has, or that it came back: then its file is to stay.
func (s *Store) ClearReport(ctx context.Context, left event.Retired, remove func() error) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		if err := lockRetired(ctx, tx, left.Path); err != nil {
			return err
		}
		var gone, listed int
		if err := tx.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM retired_objects WHERE class = ? AND path = ? AND plan_id = ?),
			(SELECT COUNT(*) FROM reports WHERE file = ?)`, left.Class, left.Path, left.Plan, left.Path).Scan(&gone, &listed); err != nil {
			return err
		}
		if gone == 0 || listed > 0 {
			return fmt.Errorf("%w: the report was made again or came back", ErrHourMoved)
		}
		return remove()
	})
	if err != nil {
		return fmt.Errorf("store: clear report %s: %w", left.Path, err)
	}
	return nil
}

// ReviveReport lists a report again that had left, unless it came back already; one that was made again meanwhile stays as it is. It
// calls put, perhaps more than once, while nobody can make the report.
func (s *Store) ReviveReport(ctx context.Context, r agg.Report, left event.Retired, put func() error) error {
	err := s.update(ctx, func(tx *sql.Tx) error {
		n, err := changed(tx.ExecContext(ctx, "DELETE FROM retired_objects WHERE class = ? AND path = ? AND plan_id = ?", left.Class, left.Path, left.Plan))
		if err != nil || n == 0 {
			return err
		}
		if n, err = insertReport(ctx, tx, &r, " ON CONFLICT (id) DO NOTHING"); err != nil || n == 0 {
			return err
		}
		return put()
	})
	if err != nil {
		return fmt.Errorf("store: revive report %s: %w", r.ID, err)
	}
	return nil
}

func insertReport(ctx context.Context, tx *sql.Tx, r *agg.Report, or string) (rows int64, err error) {
	return changed(tx.ExecContext(ctx, "INSERT INTO reports ("+reportColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"+or,
		r.ID, r.Type, r.Format, string(r.Status), micros(r.Start), micros(r.End), micros(r.CreatedAt), microsOrNull(r.CompletedAt),
		r.Bytes, r.SHA256, r.File, r.Machine, r.Completeness, r.Error))
}
