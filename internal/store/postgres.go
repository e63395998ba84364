package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// pgConns is the size of each of the two pools. Several processes share a server that allows about a hundred connections.
	pgConns = 4
	// pgConnectLimit bounds one attempt to connect where the URL does not.
	pgConnectLimit = 5 * time.Second
	// pgStartLimit is how long a start waits for a database that is not there yet.
	pgStartLimit = 20 * time.Second
	// pgIdleLimit and pgAgeLimit let connections follow a server that moved to another address.
	pgIdleLimit = 5 * time.Minute
	pgAgeLimit  = 30 * time.Minute
)

// Keys of the locks that last for one transaction: one process at a time changes the schema, or adds partitions.
const (
	pgLockSchema     = 0x687870_01 // "hxp"
	pgLockPartitions = 0x687870_02
)

// openPostgres opens two pools, so that readers are never kept waiting by writers, and waits until the server answers.
func openPostgres(ctx context.Context, url string, log *slog.Logger) (*Store, error) {
	cfg, err := pgConfig(url)
	if err != nil {
		return nil, err
	}
	where := fmt.Sprintf("%s (database %s, user %s)", net.JoinHostPort(cfg.Host, fmt.Sprint(cfg.Port)), cfg.Database, cfg.User)
	pool := func(readOnly bool) *sql.DB {
		db := sql.OpenDB(pgConnector{cfg, where, readOnly})
		db.SetMaxOpenConns(pgConns)
		db.SetMaxIdleConns(pgConns)
		db.SetConnMaxIdleTime(pgIdleLimit)
		db.SetConnMaxLifetime(pgAgeLimit)
		return db
	}
	s := &Store{write: pool(false), read: pool(true), log: log, dialect: dialect{
		name:       "postgres",
		migrations: "migrations/postgres",
		durability: "survives a killed process and, as PostgreSQL is set up by default, a power cut",
		stamp:      func(t time.Time) any { return t.UTC().Truncate(time.Second) },
		view:       &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
		update:     &sql.TxOptions{Isolation: sql.LevelSerializable},
		again:      pgAgain,
		lockSchema: func(ctx context.Context, tx *sql.Tx) error { return pgLock(ctx, tx, pgLockSchema) },
		hasTable:   "SELECT COUNT(to_regclass(?))",
		partition:  pgPartition,
		mayCreate:  "SELECT COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false)::int",
		clock:      "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
	}}
	if err := pgAwait(ctx, s.write, log); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// pgxOptions are options of URLs that choose how other programs with the same library cache statements. The server does not know
// them, and they have no effect here.
var pgxOptions = []string{"default_query_exec_mode", "statement_cache_capacity", "description_cache_capacity"}

// pgConfig reads a URL. No error shows what it holds: there may be a password in it.
func pgConfig(url string) (*pgconn.Config, error) {
	cfg, err := pgconn.ParseConfig(url)
	if err != nil {
		return nil, errors.New("postgres: write postgres://USER:PASSWORD@HOST:PORT/NAME?OPTION=VALUE, special characters of the password as %XX")
	}
	for _, option := range pgxOptions {
		delete(cfg.RuntimeParams, option)
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = pgConnectLimit
	}
	cfg.DialFunc = pgDialer().DialContext
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "hxp"
	}
	cfg.RuntimeParams["timezone"], cfg.RuntimeParams["datestyle"] = "UTC", "ISO" // both pass through pgbouncer
	return cfg, nil
}

// pgAwait returns when the server answers, when it says that it never will, or when it took too long.
func pgAwait(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	deadline := time.Now().Add(pgStartLimit)
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		_, err := db.ExecContext(ctx, "SELECT 1")
		if err == nil || ctx.Err() != nil || pgFinal(err) {
			return err
		}
		if time.Now().Add(pause).After(deadline) {
			return fmt.Errorf("%w (tried for %s)", err, pgStartLimit)
		}
		log.Warn("waiting for the database", "error", err)
		if ended := sleep(ctx, pause); ended != nil {
			return fmt.Errorf("%w: %w", err, ended)
		}
	}
}

// pgFinal tells whether a refusal will not change by waiting: wrong user, password or database, missing rights.
func pgFinal(err error) bool { return pgCure(err) != "" }

// pgCure says how to mend what the server refuses; "" when there is nothing to mend but to wait.
func pgCure(err error) string {
	state := sqlState(err)
	if state == "08P01" && strings.Contains(err.Error(), "authentication failed") { // as pgbouncer says it
		state = "28P01"
	}
	switch state {
	case "28P01", "28000":
		return "check the user and the password in SQL_DATABASE_URL, or SQL_DATABASE_USER and SQL_DATABASE_PASSWORD"
	case "3D000":
		return "create the database, or name another one in SQL_DATABASE_URL or SQL_DATABASE_NAME"
	case "42501":
		return "let the user own the database, or GRANT CREATE ON SCHEMA public to it"
	}
	return ""
}

// connectError tells in one line where nobody answered, and why.
type connectError struct {
	where string
	err   error
}

func (e *connectError) Unwrap() error { return e.err }

func (e *connectError) Error() string {
	reason := e.err
	if pg, ok := errors.AsType[*pgconn.PgError](e.err); ok {
		reason = pg
	} else if op, ok := errors.AsType[*net.OpError](e.err); ok {
		reason = op.Err
	} else if errors.Is(e.err, context.DeadlineExceeded) {
		reason = errors.New("the connection is taken, and nothing answers in time")
	}
	return fmt.Sprintf("no connection to PostgreSQL at %s: %s", e.where, strings.Join(strings.Fields(reason.Error()), " "))
}

func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// pgAgain tells whether a failed transaction may succeed when it is tried once more.
func pgAgain(err error, try int) bool {
	switch sqlState(err) {
	case "40001", "40P01": // serialization failure, deadlock: another transaction was first
		return try < 20
	case "23505": // unique violation: a transaction at the same time wrote the key; the next try sees it
		return try < 3
	}
	return false
}

// pgLock takes a lock that ends with the transaction, which alone is safe through a pooler.
func pgLock(ctx context.Context, tx *sql.Tx, key int64) error {
	_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(?)", key)
	return err
}
