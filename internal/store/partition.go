package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// pgPartitioned are the tables of PostgreSQL that lie in monthly partitions, with how their key is written.
var pgPartitioned = []struct {
	table string
	key   func(time.Time) string
}{
	{"hourly_aggregations", func(t time.Time) string { return t.Format("'2006-01-02 15:04:05+00'") }},
	{"hourly_dimensions", func(t time.Time) string { return t.Format("'2006-01-02 15:04:05+00'") }},
	{"hourly_states", func(t time.Time) string { return fmt.Sprint(t.Unix()) }},
}

// pgPartition makes the partitions of the month that an hour lies in, unless they are there. It is called before the
// transaction that needs them, so that adding one waits for nobody and nobody for it: a table is attached, which leaves
// readers and writers of the others alone.
func pgPartition(ctx context.Context, db *sql.DB, hour int64) error {
	t := time.Unix(hour, 0).UTC()
	from := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	to := from.AddDate(0, 1, 0)
	missing := false
	for _, p := range pgPartitioned {
		there, err := pgExists(ctx, db, partitionName(p.table, from))
		if err != nil {
			return err
		}
		missing = missing || !there
	}
	if !missing {
		return nil
	}
	return within(ctx, db, nil, func(tx *sql.Tx) error {
		if err := pgLock(ctx, tx, pgLockPartitions); err != nil {
			return err
		}
		for _, p := range pgPartitioned {
			name := partitionName(p.table, from)
			there, err := pgExists(ctx, tx, name)
			if err != nil {
				return err
			}
			if there {
				continue
			}
			for _, q := range []string{
				fmt.Sprintf("CREATE TABLE %s (LIKE %s INCLUDING ALL)", name, p.table),
				fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%s) TO (%s)", p.table, name, p.key(from), p.key(to)),
			} {
				if _, err := tx.ExecContext(ctx, q); err != nil {
					return fmt.Errorf("partition %s: %w", name, err)
				}
			}
		}
		return nil
	})
}

func partitionName(table string, month time.Time) string { return table + month.Format("_y2006m01") }

// pgExists looks into the catalogue as a query does, which sees what others have committed by now; to_regclass may not yet.
func pgExists(ctx context.Context, q querier, table string) (there bool, err error) {
	rows, err := q.QueryContext(ctx, `SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relname = ? AND n.nspname = current_schema())`, table)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&there); err != nil {
			return false, err
		}
	}
	return there, rows.Err()
}
