package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// ErrBadCursor is the error of a cursor that Rows or Runs did not make.
var ErrBadCursor = errors.New("bad cursor")

// Levels are the periods that aggregation tables exist for.
var Levels = []string{"hourly", "daily", "weekly", "monthly"}

// Rows returns the aggregates of a level by a dimension whose period starts in [from, to), by time and value; a zero time is no
// bound. value is a value of the dimension, "*" for every one. At most limit rows (0 = all) that follow cursor ("" = from the
// start) are returned, with the cursor of the next page, "" at the end.
func (s *Store) Rows(ctx context.Context, level, dimension string, from, to time.Time, value string, limit int, cursor string) ([]agg.Row, string, error) {
	table, err := tableOf(level, dimension)
	if err != nil {
		return nil, "", err
	}
	condition, args := table.where()
	where := []string{condition}
	if !from.IsZero() {
		where, args = append(where, "timestamp >= ?"), append(args, s.dialect.stamp(ceilSecond(from)))
	}
	if !to.IsZero() {
		where, args = append(where, "timestamp < ?"), append(args, s.dialect.stamp(ceilSecond(to)))
	}
	if value != "*" {
		where, args = append(where, table.label()+" = ?"), append(args, value)
	}
	if cursor != "" {
		at, after, err := splitCursor(cursor)
		if err != nil {
			return nil, "", err
		}
		where = append(where, "(timestamp > ? OR (timestamp = ? AND "+table.label()+" > ?))")
		args = append(args, s.dialect.stamp(at), s.dialect.stamp(at), after)
	}
	query := strings.Join(where, " AND ") + " ORDER BY timestamp, " + table.label()
	if limit > 0 {
		query += fmt.Sprintf(" LIMIT %d", limit+1)
	}
	rows, err := queryRows(ctx, s.read, table, query, args...)
	if err != nil {
		return nil, "", fmt.Errorf("store: read %s: %w", table.name(), err)
	}
	if limit <= 0 || len(rows) <= limit {
		return rows, "", nil
	}
	last := &rows[limit-1]
	return rows[:limit], joinCursor(last.Timestamp, last.Model), nil
}

func tableOf(level, dimension string) (rowTable, error) {
	switch {
	case !slices.Contains(Levels, level):
		return rowTable{}, fmt.Errorf("store: unknown aggregation level %q; choose hourly, daily, weekly or monthly", level)
	case !slices.Contains(agg.Dimensions, dimension):
		return rowTable{}, fmt.Errorf("store: unknown dimension %q; choose %s", dimension, strings.Join(agg.Dimensions, ", "))
	}
	return rowTable{level, dimension}, nil
}

// ceilSecond rounds up, because periods start at whole seconds: a period at or after t is one at or after the next second.
func ceilSecond(t time.Time) time.Time {
	if t.Nanosecond() == 0 {
		return t
	}
	return t.Truncate(time.Second).Add(time.Second)
}

func joinCursor(t time.Time, name string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(t.UTC().Format(time.RFC3339Nano) + " " + name))
}

func splitCursor(cursor string) (t time.Time, name string, err error) {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return t, "", ErrBadCursor
	}
	stamp, name, ok := strings.Cut(string(raw), " ")
	t, err = time.Parse(time.RFC3339Nano, stamp)
	if !ok || err != nil {
		return t, "", ErrBadCursor
	}
	return t, name, nil
}

// rowValues returns pointers to the fields of r in the order of agg.Columns.
func rowValues(r *agg.Row) []any {
	return []any{&r.Timestamp, &r.Model, &r.Requests, &r.Errors, &r.ErrorRate, &r.ThroughputRPS, &r.LatencyAvgMS, &r.LatencyP50MS,
		&r.LatencyP95MS, &r.LatencyP99MS, &r.TTFTP50MS, &r.TTFTP95MS, &r.PromptTokens, &r.CompletionTokens, &r.TotalTokens,
		&r.UniqueUsers, &r.FeedbackCount, &r.UserSatisfaction, &r.BusinessEvents, &r.BusinessValueUSD, &r.CostUSD, &r.CPUUsage,
		&r.MemoryUsage, &r.GPUUsage, &r.CapacityUtilization, &r.Events, &r.LateEvents, &r.Completeness, &r.UpdatedAt}
}

// rowArgs returns what is written of r.
func (s *Store) rowArgs(r *agg.Row, now time.Time) []any {
	args := rowValues(r)
	for i, p := range args {
		switch p := p.(type) {
		case *int64:
			args[i] = *p
		case *string:
			args[i] = *p
		case **float64:
			args[i] = *p
		}
	}
	args[0], args[len(args)-1] = s.dialect.stamp(r.Timestamp), s.dialect.stamp(now)
	return args
}

// equalRows compares all columns but updated_at.
func equalRows(a, b *agg.Row) bool {
	va, vb := rowValues(a), rowValues(b)
	for i := range va[:len(va)-1] {
		switch x := va[i].(type) {
		case *time.Time:
			if !x.Equal(*vb[i].(*time.Time)) {
				return false
			}
		case *int64:
			if *x != *vb[i].(*int64) {
				return false
			}
		case *string:
			if *x != *vb[i].(*string) {
				return false
			}
		case **float64:
			y := *vb[i].(**float64)
			if (*x == nil) != (y == nil) || *x != nil && **x != *y {
				return false
			}
		}
	}
	return true
}

// queryRows reads rows of a table; the value of its dimension stands in Model.
func queryRows(ctx context.Context, q querier, t rowTable, where string, args ...any) ([]agg.Row, error) {
	rows, err := q.QueryContext(ctx, "SELECT "+strings.Join(t.columns(), ", ")+" FROM "+t.name()+" WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []agg.Row
	for rows.Next() {
		var r agg.Row
		dest := rowValues(&r)
		var start, updated stamp
		dest[0], dest[len(dest)-1] = &start, &updated
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		r.Timestamp, r.UpdatedAt = time.Time(start), time.Time(updated)
		out = append(out, r)
	}
	return out, rows.Err()
}

// stamp reads the columns that dialect.stamp writes, in every dialect.
type stamp time.Time

var _ sql.Scanner = (*stamp)(nil)

// Scan takes a time or RFC 3339 text.
func (s *stamp) Scan(v any) error {
	switch v := v.(type) {
	case time.Time:
		*s = stamp(v.UTC())
		return nil
	case string:
		t, err := time.Parse(time.RFC3339, v)
		if err != nil {
			return fmt.Errorf("time column holds %q: %w", v, err)
		}
		*s = stamp(t.UTC())
		return nil
	}
	return fmt.Errorf("time column holds %T", v)
}
