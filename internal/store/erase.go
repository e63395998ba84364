package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// CountValues returns how many rows and cells of all levels are of values of a dimension.
func (s *Store) CountValues(ctx context.Context, dimension string, values []string) (n int64, err error) {
	err = s.view(ctx, func(tx *sql.Tx) error {
		return s.eachOf(dimension, values, func(from string, args []any) error {
			var some int64
			err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+from, args...).Scan(&some)
			n += some
			return err
		})
	})
	if err != nil {
		return 0, fmt.Errorf("store: count rows of a %s: %w", dimension, err)
	}
	return n, nil
}

// ForgetValues takes the rows and cells of values of a dimension out of all levels and bases, in one transaction. What they count in the
// totals stays. It returns how many were there. SQLite writes zeros over what it frees; PostgreSQL gives the room to others at the next VACUUM.
func (s *Store) ForgetValues(ctx context.Context, dimension string, values []string) (n int64, err error) {
	err = s.update(ctx, func(tx *sql.Tx) error {
		n = 0
		if s.dialect.name == "sqlite" {
			if _, err := tx.ExecContext(ctx, "PRAGMA secure_delete = ON"); err != nil {
				return err
			}
		}
		return s.eachOf(dimension, values, func(from string, args []any) error {
			some, err := changed(tx.ExecContext(ctx, "DELETE FROM "+from, args...))
			n += some
			return err
		})
	})
	if err == nil && n > 0 && s.dialect.name == "sqlite" {
		_, err = s.write.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)") // the log before the file has the old pages
	}
	if err != nil {
		return n, fmt.Errorf("store: forget rows of a %s: %w", dimension, err)
	}
	return n, nil
}

// eachOf calls fn with each table that has rows or cells by dimension, and the condition for the values.
func (s *Store) eachOf(dimension string, values []string, fn func(from string, args []any) error) error {
	if dimension == agg.ByModel || len(values) == 0 {
		return fmt.Errorf("values of %q are no persons", dimension)
	}
	in := " IN (?" + strings.Repeat(", ?", len(values)-1) + ")"
	tables := []string{"hour_bases", "period_bases"}
	for _, level := range Levels {
		table, err := tableOf(level, dimension)
		if err != nil {
			return err
		}
		tables = append(tables, table.name(), level+"_states")
	}
	args := []any{dimension}
	for _, v := range values {
		args = append(args, v)
	}
	for _, t := range tables {
		if err := fn(t+" WHERE dimension = ? AND value"+in, args); err != nil {
			return err
		}
	}
	return nil
}
