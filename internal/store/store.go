package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	clocks "github.com/hxp-enterprise/hxp/internal/kit/clock"
)

// Store is the SQL side of hxp. It is safe for concurrent use.
type Store struct {
	write   *sql.DB // with SQLite one connection: transactions queue here and not in the database
	read    *sql.DB // cannot write
	dialect dialect
	log     *slog.Logger
	clock   func() time.Time // in place of now, for tests
	wall    func() time.Time // in place of the database's clock, for tests
	steady  clocks.Steady    // follows that
}

// dialect is what differs between databases. All other SQL is the same text, with "?" for parameters.
type dialect struct {
	name       string
	migrations string // folder within migrations
	durability string // what is said of commits, see Durability
	// stamp makes the value of the columns timestamp and updated_at of the aggregation tables.
	stamp func(time.Time) any
	// view and update are how transactions that read and that write are begun.
	view, update *sql.TxOptions
	// again tells whether a write transaction that failed for the try-th time may succeed when it is run once more.
	again func(err error, try int) bool
	// lockSchema holds off other processes that would change the schema until the transaction ends.
	lockSchema func(context.Context, *sql.Tx) error
	// hasTable is a query for how many tables of a name there are.
	hasTable string
	// mayCreate is a query for whether the user may make tables, 1 or 0; "" where the file system decides.
	mayCreate string
	// partition makes room for the rows of an hour.
	partition func(ctx context.Context, db *sql.DB, hour int64) error
	// clock is a query for the microseconds since the epoch; "" where the database has the clock of this process.
	clock string
}

// Open opens the database that url names ("sqlite:PATH", a bare path, "postgres://…") and brings its schema up to date. It
// waits a while for a server that does not answer yet.
func Open(ctx context.Context, url string, log *slog.Logger) (*Store, error) {
	s, err := connect(ctx, url, log)
	if err == nil {
		if err = s.prepare(ctx); err == nil {
			return s, nil
		}
		s.Close()
		err = fmt.Errorf("schema: %w", err)
	}
	if cure := pgCure(err); cure != "" {
		return nil, fmt.Errorf("store: %w; %s", err, cure)
	}
	return nil, fmt.Errorf("store: %w", err)
}

// CheckURL tells what is wrong with a URL for Open, as far as that can be told without opening it. No error shows a password.
func CheckURL(url string) error {
	scheme, path, err := splitURL(url)
	switch {
	case err != nil:
		return err
	case scheme == "postgres":
		_, err := pgConfig(url)
		return err
	case path == "":
		return errors.New("sqlite: no path; write sqlite:PATH")
	}
	return nil
}

func connect(ctx context.Context, url string, log *slog.Logger) (*Store, error) {
	if err := CheckURL(url); err != nil {
		return nil, err
	}
	if scheme, path, _ := splitURL(url); scheme == "sqlite" {
		return openSQLite(path, log)
	}
	return openPostgres(ctx, url, log)
}

// prepare brings the schema to what this build knows.
func (s *Store) prepare(ctx context.Context) error {
	dir, err := fs.Sub(migrations, s.dialect.migrations)
	if err != nil {
		return err
	}
	return s.migrate(ctx, dir)
}

// splitURL returns the kind of database and, for SQLite, its path.
func splitURL(url string) (scheme, path string, err error) {
	scheme, path, found := strings.Cut(url, ":")
	switch {
	case !found || strings.ContainsAny(scheme, "/."):
		return "sqlite", url, nil
	case scheme == "sqlite":
		return scheme, path, nil
	case scheme == "postgres" || scheme == "postgresql":
		return "postgres", "", nil
	}
	return "", "", fmt.Errorf("%q is no known kind of database; write sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/NAME", scheme)
}

// Close waits for running calls and closes the database.
func (s *Store) Close() error { return errors.Join(s.read.Close(), s.write.Close()) }

// Ping tells whether the database answers; for health checks.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.read.QueryRowContext(ctx, "SELECT 1").Scan(&one)
}

// Durability says what a committed write survives; the text follows "what is committed …".
func (s *Store) Durability() string { return s.dialect.durability }

// update runs fn in one write transaction, committed when fn returns nil. Transactions act as if one ran after the other. Where
// the database finds out at the end that they did not, fn runs once more: it must set what it returns anew each time.
func (s *Store) update(ctx context.Context, fn func(*sql.Tx) error) error {
	for try := 1; ; try++ {
		err := within(ctx, s.write, s.dialect.update, fn)
		if err == nil || !s.dialect.again(err, try) {
			return err
		}
		pause := rand.N(min(time.Millisecond<<try, 200*time.Millisecond)) // by chance, so that rivals part
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// view runs fn in one read transaction: all its queries see the same moment.
func (s *Store) view(ctx context.Context, fn func(*sql.Tx) error) error {
	return within(ctx, s.read, s.dialect.view, fn)
}

func within(ctx context.Context, db *sql.DB, opts *sql.TxOptions, fn func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, opts)
	if err != nil {
		return roomless(err)
	}
	defer tx.Rollback() // no-op once committed
	if err := fn(tx); err != nil {
		return roomless(err)
	}
	return roomless(tx.Commit())
}

// roomless marks the error of a full disk as what it is (syscall.ENOSPC), for those who answer or try again. The transaction changed nothing.
func roomless(err error) error {
	if err == nil || errors.Is(err, syscall.ENOSPC) || !sqliteFull(err) && sqlState(err) != "53100" { // disk_full of PostgreSQL
		return err
	}
	return fmt.Errorf("%w: %w", err, syscall.ENOSPC)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// changed returns the number of rows that a statement touched.
func changed(r sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, roomless(err)
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
