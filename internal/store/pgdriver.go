package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// The driver of pgx, so that the rest of the store need not know which database it talks to: parameters are written "?", and
// every string is stored, although PostgreSQL takes neither NUL nor invalid UTF-8 in text.

// pgConnector opens the connections of one pool.
type pgConnector struct {
	driver.Connector
	where    string // address, database and user, for errors
	readOnly bool
}

func (c pgConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, &connectError{c.where, err}
	}
	pc, ok := conn.(*stdlib.Conn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("postgres: driver made a %T", conn), conn.Close())
	}
	return &pgConn{Conn: pc, readOnly: c.readOnly}, nil
}

type pgConn struct {
	*stdlib.Conn
	readOnly bool
	within   bool // a transaction is open
}

var (
	_ driver.ConnBeginTx        = (*pgConn)(nil)
	_ driver.ConnPrepareContext = (*pgConn)(nil)
	_ driver.ExecerContext      = (*pgConn)(nil)
	_ driver.QueryerContext     = (*pgConn)(nil)
	_ driver.NamedValueChecker  = (*pgConn)(nil)
	_ driver.SessionResetter    = (*pgConn)(nil)
)

// lost tells whether the server ended the connection, rather than ctx.
func (c *pgConn) lost(ctx context.Context) bool { return c.Conn.Conn().IsClosed() && ctx.Err() == nil }

// BeginTx begins with a limit on the time that the transaction may idle, in the same round trip: a process that stands still
// in the middle must not hold up the others until its connection dies, which can take hours.
func (c *pgConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if c.Conn.Conn().IsClosed() {
		return nil, driver.ErrBadConn
	}
	begin := "BEGIN"
	if level := sql.IsolationLevel(opts.Isolation); level != sql.LevelDefault {
		begin += " ISOLATION LEVEL " + level.String()
	}
	if opts.ReadOnly || c.readOnly {
		begin += " READ ONLY"
	}
	begin += "; SET LOCAL idle_in_transaction_session_timeout = '60s'"
	tx, err := c.Conn.Conn().BeginTx(ctx, pgx.TxOptions{BeginQuery: begin})
	if err != nil && c.lost(ctx) {
		return nil, driver.ErrBadConn // nothing was done: another connection may do it
	}
	if err != nil {
		return nil, err
	}
	c.within = true
	return pgTx{c, ctx, tx}, nil
}

type pgTx struct {
	conn *pgConn
	ctx  context.Context
	tx   pgx.Tx
}

func (t pgTx) Commit() error {
	t.conn.within = false
	return t.tx.Commit(t.ctx)
}

func (t pgTx) Rollback() error {
	t.conn.within = false
	return t.tx.Rollback(t.ctx)
}

func (c *pgConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if c.readOnly {
		return nil, errors.New("this connection only reads")
	}
	return c.Conn.ExecContext(ctx, rebind(query, len(args)), args)
}

func (c *pgConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.Conn.QueryContext(ctx, rebind(query, len(args)), args)
	if err != nil && c.lost(ctx) && c.readOnly && !c.within {
		return nil, driver.ErrBadConn // it only reads: another connection may do it
	}
	if err != nil {
		return nil, err
	}
	return pgRows{rows}, nil
}

// PrepareContext only remembers the query: pgx knows the queries it has seen, and a pooler between us and the database does not
// know named statements.
func (c *pgConn) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	return pgStmt{c, query}, nil
}

// CheckNamedValue brings arguments to the few types of database/sql and makes text storable.
func (c *pgConn) CheckNamedValue(v *driver.NamedValue) (err error) {
	if v.Value, err = driver.DefaultParameterConverter.ConvertValue(v.Value); err != nil {
		return err
	}
	if s, ok := v.Value.(string); ok {
		v.Value = storable(s)
	}
	return nil
}

type pgStmt struct {
	conn  *pgConn
	query string
}

var (
	_ driver.StmtExecContext  = pgStmt{}
	_ driver.StmtQueryContext = pgStmt{}
)

func (s pgStmt) Close() error  { return nil }
func (s pgStmt) NumInput() int { return -1 } // the server counts them

func (s pgStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.conn.ExecContext(ctx, s.query, args)
}

func (s pgStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.QueryContext(ctx, s.query, args)
}

// Exec and Query are asked for by driver.Stmt and called by nobody: there are the forms with a context.
func (s pgStmt) Exec([]driver.Value) (driver.Result, error) { return nil, driver.ErrSkip }
func (s pgStmt) Query([]driver.Value) (driver.Rows, error)  { return nil, driver.ErrSkip }

// pgRows gives text back as it was before storable.
type pgRows struct{ driver.Rows }

func (r pgRows) Next(dest []driver.Value) error {
	if err := r.Rows.Next(dest); err != nil {
		return err
	}
	for i, v := range dest {
		if s, ok := v.(string); ok {
			dest[i] = original(s)
		}
	}
	return nil
}

// rebind numbers the parameters of a query: every "?" outside quotes becomes $1, $2, …
func rebind(query string, args int) string {
	if args == 0 {
		return query
	}
	var b strings.Builder
	b.Grow(len(query) + 2*args)
	n, quoted := 0, false
	for i := range len(query) {
		switch c := query[i]; {
		case c == '?' && !quoted:
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
		default:
			quoted = quoted != (c == '\'')
			b.WriteByte(c)
		}
	}
	return b.String()
}

// escape begins what stands for a byte that PostgreSQL does not take in text: escape and two hexadecimal digits. Doubled it
// stands for itself. People see "a␀00b" for a, NUL, b.
const escape = "\u2400"

// storable returns s as PostgreSQL takes it; equal strings stay equal and different ones different.
func storable(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, "\x00") && !strings.Contains(s, escape) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == 0 || r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, "%s%02x", escape, s[0])
		case s[:n] == escape:
			b.WriteString(escape + escape)
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// original undoes storable. What storable cannot have made, because another program wrote it, stays as it is.
func original(s string) string {
	before, s, found := strings.Cut(s, escape)
	if !found {
		return before
	}
	var b strings.Builder
	for {
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if rest, doubled := strings.CutPrefix(s, escape); doubled {
			b.WriteString(escape)
			s = rest
		} else if c, err := strconv.ParseUint(s[:min(2, len(s))], 16, 8); err == nil && len(s) >= 2 {
			b.WriteByte(byte(c))
			s = s[2:]
		} else {
			b.WriteString(escape)
		}
		before, s, found = strings.Cut(s, escape)
	}
}
