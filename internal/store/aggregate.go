package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// checkRows refuses what would be stored as something else: another period's rows, a group twice, not-a-number.
func checkRows(start int64, rows map[string][]agg.Row) error {
	for dimension, rows := range rows {
		seen := make(map[string]bool, len(rows))
		for i := range rows {
			r := &rows[i]
			if r.Timestamp.Unix() != start || r.Timestamp.Nanosecond() != 0 {
				return fmt.Errorf("row of %s %q has timestamp %s", dimension, r.Model, r.Timestamp)
			}
			if seen[r.Model] {
				return fmt.Errorf("two rows of %s %q", dimension, r.Model)
			}
			seen[r.Model] = true
			for j, p := range rowValues(r) {
				if f, ok := p.(**float64); ok && *f != nil && (math.IsNaN(**f) || math.IsInf(**f, 0)) {
					return fmt.Errorf("%s of %s %q is %v", agg.Columns[j], dimension, r.Model, **f)
				}
			}
		}
	}
	return nil
}

// saveAggregate replaces what is stored of a period and touches only what differs.
func (s *Store) saveAggregate(ctx context.Context, tx *sql.Tx, level string, start int64, a agg.Aggregate, now time.Time) (c agg.Change, err error) {
	for _, dimension := range agg.Dimensions {
		n, err := s.saveRows(ctx, tx, rowTable{level, dimension}, start, a.Rows[dimension], now)
		if err != nil {
			return c, err
		}
		c.Rows += n
	}
	c.Cells, err = saveCells(ctx, tx, level, start, a.Cells)
	return c, err
}

func (s *Store) saveRows(ctx context.Context, tx *sql.Tx, t rowTable, start int64, rows []agg.Row, now time.Time) (changed int, err error) {
	where, args := t.where()
	stamp := s.dialect.stamp(time.Unix(start, 0))
	stored, err := queryRows(ctx, tx, t, where+" AND timestamp = ?", append(args, stamp)...)
	if err != nil {
		return 0, err
	}
	old := make(map[string]*agg.Row, len(stored))
	for i := range stored {
		old[stored[i].Model] = &stored[i]
	}
	var fresh []any
	for i := range rows {
		r := &rows[i]
		before := old[r.Model]
		delete(old, r.Model)
		if before == nil || !equalRows(before, r) {
			changed++
			fresh = append(append(fresh, args...), s.rowArgs(r, now)...)
		}
	}
	columns := len(args) + len(agg.Columns)
	for part := range slices.Chunk(fresh, rowsPerStatement*columns) {
		if _, err := tx.ExecContext(ctx, t.upsert(len(part)/columns), part...); err != nil {
			return 0, fmt.Errorf("rows by %s: %w", t.dimension, err)
		}
	}
	for value := range old {
		changed++
		_, err := tx.ExecContext(ctx, "DELETE FROM "+t.name()+" WHERE "+where+" AND timestamp = ? AND "+t.label()+" = ?",
			append(slices.Clone(args), stamp, value)...)
		if err != nil {
			return 0, err
		}
	}
	return changed, nil
}

func saveCells(ctx context.Context, tx *sql.Tx, level string, start int64, cells map[agg.Group][]byte) (changed int, err error) {
	table := level + "_states"
	old, err := queryCells(ctx, tx, table+" WHERE start = ?", start)
	if err != nil {
		return 0, err
	}
	var fresh []any
	for _, g := range slices.SortedFunc(maps.Keys(cells), byGroup) {
		before, known := old[g]
		delete(old, g)
		if !known || !bytes.Equal(before, cells[g]) {
			changed++
			fresh = append(fresh, start, g.Dimension, g.Value, cells[g])
		}
	}
	for part := range slices.Chunk(fresh, rowsPerStatement*4) {
		_, err := tx.ExecContext(ctx, "INSERT INTO "+table+" (start, dimension, value, cell) VALUES "+valueRows(len(part)/4, 4, "")+
			" ON CONFLICT (start, dimension, value) DO UPDATE SET cell = excluded.cell", part...)
		if err != nil {
			return 0, fmt.Errorf("cells: %w", err)
		}
	}
	for g := range old {
		changed++
		_, err := tx.ExecContext(ctx, "DELETE FROM "+table+" WHERE start = ? AND dimension = ? AND value = ?", start, g.Dimension, g.Value)
		if err != nil {
			return 0, err
		}
	}
	return changed, nil
}

func byGroup(a, b agg.Group) int {
	return cmp.Or(strings.Compare(a.Dimension, b.Dimension), strings.Compare(a.Value, b.Value))
}

// queryCells reads the cells of a table that has dimension, value and cell.
func queryCells(ctx context.Context, q querier, from string, args ...any) (map[agg.Group][]byte, error) {
	rows, err := q.QueryContext(ctx, "SELECT dimension, value, cell FROM "+from, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make(map[agg.Group][]byte)
	for rows.Next() {
		var g agg.Group
		var cell []byte
		if err := rows.Scan(&g.Dimension, &g.Value, &cell); err != nil {
			return nil, err
		}
		out[g] = cell
	}
	return out, rows.Err()
}

// rowTable names where the rows of a level lie by one dimension: the model has the four tables that people ask for by name.
type rowTable struct{ level, dimension string }

func (t rowTable) name() string {
	if t.dimension == agg.ByModel {
		return t.level + "_aggregations"
	}
	return t.level + "_dimensions"
}

// label is the column that holds the value of the dimension.
func (t rowTable) label() string {
	if t.dimension == agg.ByModel {
		return "model"
	}
	return "value"
}

// where chooses the rows of the dimension.
func (t rowTable) where() (condition string, args []any) {
	if t.dimension == agg.ByModel {
		return "1 = 1", nil
	}
	return "dimension = ?", []any{t.dimension}
}

// columns are those of a row, in the order of agg.Columns.
func (t rowTable) columns() []string {
	c := slices.Clone(agg.Columns)
	c[1] = t.label()
	return c
}

// upsert takes, for each of n rows, the arguments of where, then those of the columns.
func (t rowTable) upsert(n int) string {
	key, columns := "timestamp, model", t.columns()
	if t.dimension != agg.ByModel {
		key, columns = "timestamp, dimension, value", append([]string{"dimension"}, columns...)
	}
	var set []string
	for _, c := range agg.Columns[2:] {
		set = append(set, c+" = excluded."+c)
	}
	return "INSERT INTO " + t.name() + " (" + strings.Join(columns, ", ") + ") VALUES " + valueRows(n, len(columns), "") +
		" ON CONFLICT (" + key + ") DO UPDATE SET " + strings.Join(set, ", ")
}
