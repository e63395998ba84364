package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/sqlite/*.sql
var migrations embed.FS

// Store is the SQL side of hxp. It is safe for concurrent use.
type Store struct {
	write   *sql.DB // one connection: transactions queue here and not in the database
	read    *sql.DB
	dialect dialect
	log     *slog.Logger
}

// dialect is what differs between databases. All other SQL is the same text, with "?" for parameters.
type dialect struct {
	name       string
	goose      goose.Dialect
	migrations string // folder within migrations
	// stamp makes the value of the columns timestamp and updated_at of the aggregation tables.
	stamp func(time.Time) any
}

// Open opens the database that url names ("sqlite:PATH", or a bare path) and brings its schema up to date.
func Open(ctx context.Context, url string, log *slog.Logger) (*Store, error) {
	scheme, path, found := strings.Cut(url, ":")
	switch {
	case !found:
		path = url
	case scheme == "sqlite":
	case scheme == "postgres" || scheme == "postgresql":
		return nil, errors.New("store: PostgreSQL is not supported yet; set SQL_DATABASE_URL to sqlite:PATH")
	default:
		return nil, fmt.Errorf("store: unknown database %q; set SQL_DATABASE_URL to sqlite:PATH", scheme+":…")
	}
	s, err := openSQLite(path, log)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := s.migrate(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("store: schema of %s: %w", path, err)
	}
	return s, nil
}

// Close waits for running calls and closes the database.
func (s *Store) Close() error { return errors.Join(s.read.Close(), s.write.Close()) }

// Ping tells whether the database answers; for health checks.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.read.QueryRowContext(ctx, "SELECT 1").Scan(&one)
}

// Durability says what a committed write survives; the text follows "what is committed …".
func (s *Store) Durability() string { return "survives a killed process, not a power cut" }

// migrate applies what is missing. Another process may be doing the same: each step is one transaction with its version, so
// the slower one fails on a step and finds it done when it looks again.
func (s *Store) migrate(ctx context.Context) error {
	dir, err := fs.Sub(migrations, s.dialect.migrations)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		err = s.migrateOnce(ctx, dir)
		if err == nil || try == 4 || ctx.Err() != nil {
			return err
		}
		s.log.Debug("schema migration failed, looking again", "try", try, "error", err)
	}
}

func (s *Store) migrateOnce(ctx context.Context, dir fs.FS) error {
	p, err := goose.NewProvider(s.dialect.goose, s.write, dir, goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	done, err := p.Up(ctx)
	if err != nil {
		return err
	}
	for _, m := range done {
		s.log.Info("schema migrated", "database", s.dialect.name, "version", m.Source.Version, "took", m.Duration)
	}
	return nil
}

// update runs fn in one write transaction, committed when fn returns nil.
func (s *Store) update(ctx context.Context, fn func(*sql.Tx) error) error {
	return within(ctx, s.write, fn)
}

// view runs fn in one read transaction: all its queries see the same moment.
func (s *Store) view(ctx context.Context, fn func(*sql.Tx) error) error {
	return within(ctx, s.read, fn)
}

func within(ctx context.Context, db *sql.DB, fn func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // no-op once committed
	if err := fn(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// changed returns the number of rows that a statement touched.
func changed(r sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// Times within the store are microseconds since the epoch; the zero time is 0 and null stays nil.

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func microsOrNull(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }

func fromNull(us sql.NullInt64) *time.Time {
	if !us.Valid {
		return nil
	}
	return new(fromMicros(us.Int64))
}
