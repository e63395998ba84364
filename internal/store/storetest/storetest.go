// Package storetest makes databases for tests of other rooms, and breaks them: it puts something between a store and its database
// that fails where a test says.
package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hxp-enterprise/hxp/internal/store"
)

// Fault decides about a statement (beginning and committing are statements). It is asked before, and an error keeps the statement from
// the database; and asked after, where an error hides that it was done. Either error comes back in place of the result.
type Fault func(after bool) error

// Break lets fault be asked about every statement of s. Call it before anything else uses s.
func Break(t testing.TB, s *store.Store, fault Fault) {
	t.Helper()
	s.Between(func(old *sql.DB) *sql.DB {
		fresh := sql.OpenDB(connector{old, fault})
		n := max(1, old.Stats().MaxOpenConnections)
		fresh.SetMaxOpenConns(n)
		fresh.SetMaxIdleConns(n)
		t.Cleanup(func() {
			if err := old.Close(); err != nil {
				t.Error(err)
			}
		})
		return fresh
	})
}

// connector opens connections that break; each holds one of the old pool for as long as it lives.
type connector struct {
	pool  *sql.DB
	fault Fault
}

func (f connector) Driver() driver.Driver { return f.pool.Driver() }

func (f connector) Connect(ctx context.Context) (driver.Conn, error) {
	held, err := f.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	c := &breaking{held: held, fault: f.fault}
	err = held.Raw(func(raw any) (err error) {
		var ok bool
		if c.conn, ok = raw.(conn); !ok {
			err = errors.New("storetest: the driver's connections cannot be wrapped")
		}
		return err
	})
	if err != nil {
		held.Close()
		return nil, err
	}
	return c, nil
}

type conn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
}

type breaking struct {
	conn
	held  *sql.Conn
	fault Fault
}

func (c *breaking) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if err := c.fault(false); err != nil {
		return nil, err
	}
	tx, err := c.conn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return breakingTx{tx, c.fault}, nil
}

func (c *breaking) ExecContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	if err := c.fault(false); err != nil {
		return nil, err
	}
	r, err := c.conn.ExecContext(ctx, q, args)
	if err != nil {
		return nil, err
	}
	return r, c.fault(true)
}

func (c *breaking) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	if err := c.fault(false); err != nil {
		return nil, err
	}
	return c.conn.QueryContext(ctx, q, args)
}

// CheckNamedValue asks the connection, where it has a say.
func (c *breaking) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

// Close gives the connection back to the old pool.
func (c *breaking) Close() error { return c.held.Close() }

type breakingTx struct {
	driver.Tx
	fault Fault
}

// Commit breaks before, then the transaction is undone, or after, then it stands and nobody is told.
func (t breakingTx) Commit() error {
	if err := t.fault(false); err != nil {
		return errors.Join(err, t.Tx.Rollback())
	}
	if err := t.Tx.Commit(); err != nil {
		return err
	}
	return t.fault(true)
}

// Databases makes new databases by the dozen.
type Databases interface {
	// New returns the URL of a database that has its schema and no rows, and lasts as long as the test.
	New(t testing.TB) string
}

// SQLite makes databases in temporary folders. They are copies of one that is made first, which is much quicker than to migrate each.
func SQLite() Databases { return sqlite{} }

type sqlite struct{}

func (sqlite) New(t testing.TB) string {
	t.Helper()
	file, err := migrated()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "hxp.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

// migrated is the file of a database that has its schema and no rows.
var migrated = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "hxp-template-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "hxp.db")
	s, err := store.Open(context.Background(), "sqlite:"+path, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil { // who closes last moves what was written into the file
		return nil, err
	}
	return os.ReadFile(path)
})

// Postgres makes databases at a server whose user may create them; ok is false where HXP_TEST_POSTGRES names none. They are copies of
// one that is made first, which is much quicker than to migrate each.
func Postgres(t testing.TB) (d Databases, ok bool) {
	t.Helper()
	server := os.Getenv("HXP_TEST_POSTGRES")
	if server == "" {
		return nil, false
	}
	p := &postgres{server: server, template: "hxp_template_" + strings.ToLower(rand.Text())}
	p.ask(t, "CREATE DATABASE "+p.template)
	t.Cleanup(func() { p.ask(t, "DROP DATABASE "+p.template+" WITH (FORCE)") })
	s, err := store.Open(context.Background(), p.url(t, p.template), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return p, true
}

type postgres struct{ server, template string }

func (p *postgres) New(t testing.TB) string {
	t.Helper()
	name := "hxp_test_" + strings.ToLower(rand.Text())
	p.ask(t, "CREATE DATABASE "+name+" TEMPLATE "+p.template)
	t.Cleanup(func() { p.ask(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return p.url(t, name)
}

func (p *postgres) url(t testing.TB, name string) string {
	t.Helper()
	at, err := url.Parse(p.server)
	if err != nil {
		t.Fatal("HXP_TEST_POSTGRES: ", err)
	}
	at.Path = "/" + name
	return at.String()
}

// ask has the server do something.
func (p *postgres) ask(t testing.TB, query string) {
	t.Helper()
	c, err := pgx.Connect(context.Background(), p.server)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Exec(context.Background(), query)
	if err = errors.Join(err, c.Close(context.Background())); err != nil {
		t.Error(err)
	}
}
