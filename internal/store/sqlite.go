package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"modernc.org/sqlite" // also the driver "sqlite" of database/sql
	sqlite3 "modernc.org/sqlite/lib"
)

const maxReaders = 4

// openSQLite opens two pools on one file. Writers begin with the lock they will need (a transaction that reads first and
// writes later would fail instead of waiting); readers cannot write at all.
func openSQLite(path string, log *slog.Logger) (*Store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(abs), 0o755); err != nil {
		return nil, fmt.Errorf("folder of the database: %w", err)
	}
	write, err := sql.Open("sqlite", sqliteDSN(abs, "immediate", "foreign_keys(1)", "journal_size_limit(67108864)"))
	if err != nil {
		return nil, err
	}
	write.SetMaxOpenConns(1)
	write.SetMaxIdleConns(1)
	// The first connection creates the file and switches it to WAL before any reader comes.
	if err := firstPing(write); err != nil {
		write.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	read, err := sql.Open("sqlite", sqliteDSN(abs, "deferred", "query_only(1)"))
	if err != nil {
		write.Close()
		return nil, err
	}
	read.SetMaxOpenConns(maxReaders)
	read.SetMaxIdleConns(maxReaders)
	return &Store{write: write, read: read, log: log, dialect: dialect{
		name:       "sqlite",
		migrations: "migrations/sqlite",
		durability: "survives a killed process, not a power cut",
		stamp:      func(t time.Time) any { return t.UTC().Format(time.RFC3339) },
		again:      func(error, int) bool { return false },              // writers wait for each other
		lockSchema: func(context.Context, *sql.Tx) error { return nil }, // they begin with the lock of the file
		hasTable:   "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?",
		partition:  func(context.Context, *sql.DB, int64) error { return nil },
	}}, nil
}

// firstPing opens a database that others may be opening too: the switch to WAL does not wait for the lock that it needs.
func firstPing(db *sql.DB) error {
	for try := 1; ; try++ {
		err := db.Ping()
		busy, ok := errors.AsType[*sqlite.Error](err)
		if !ok || busy.Code() != sqlite3.SQLITE_BUSY || try == 100 {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// sqliteFull tells whether SQLite had no room.
func sqliteFull(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == sqlite3.SQLITE_FULL
}

func sqliteDSN(path, txlock string, pragmas ...string) string {
	q := url.Values{"_txlock": {txlock}, "_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(NORMAL)"}}
	q["_pragma"] = append(q["_pragma"], pragmas...)
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}
