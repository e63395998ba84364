package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// The driver of PostgreSQL for database/sql, upon the connections of pgx (package pgconn): the rest of the store need not know which
// database it talks to. Parameters are written "?", values travel as text whose type the server knows best, and every string is
// stored, although PostgreSQL takes neither NUL nor invalid UTF-8 in text (pgtext.go). Statements have no names and take one round
// trip, so that a pooler may hand the connection on after each transaction. pgx's own driver does the same and brings two megabytes
// of types that no table here has.

// pgPingAfter is how long a connection may lie unused before it is tried, because the server may have closed it meanwhile.
const pgPingAfter = time.Second

// pgConnector opens the connections of one pool.
type pgConnector struct {
	config   *pgconn.Config
	where    string // address, database and user, for errors
	readOnly bool
}

func (c pgConnector) Driver() driver.Driver { return pgDriver{} }

// pgDriver is asked for by driver.Connector; connections are made by the connector alone.
type pgDriver struct{}

func (pgDriver) Open(string) (driver.Conn, error) {
	return nil, errors.New("postgres: connections are opened by the store")
}

func (c pgConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := pgconn.ConnectConfig(ctx, c.config)
	if err != nil {
		return nil, &connectError{c.where, err}
	}
	return &pgConn{conn: conn, readOnly: c.readOnly, used: time.Now()}, nil
}

type pgConn struct {
	conn     *pgconn.PgConn
	readOnly bool
	within   bool // a transaction is open
	used     time.Time
}

var (
	_ driver.ConnBeginTx        = (*pgConn)(nil)
	_ driver.ConnPrepareContext = (*pgConn)(nil)
	_ driver.ExecerContext      = (*pgConn)(nil)
	_ driver.QueryerContext     = (*pgConn)(nil)
	_ driver.NamedValueChecker  = (*pgConn)(nil)
	_ driver.SessionResetter    = (*pgConn)(nil)
	_ driver.Validator          = (*pgConn)(nil)
	_ driver.Pinger             = (*pgConn)(nil)
)

// Close says good-bye to the server, for as long as a good-bye may take.
func (c *pgConn) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), pgConnectLimit)
	defer cancel()
	return c.conn.Close(ctx)
}

func (c *pgConn) Ping(ctx context.Context) error {
	if c.conn.Ping(ctx) != nil {
		return driver.ErrBadConn
	}
	return nil
}

// IsValid tells whether the pool may keep the connection. One whose transaction could not be rolled back, because its context had ended,
// would lie there with the locks of that transaction.
func (c *pgConn) IsValid() bool { return !c.conn.IsClosed() && c.conn.TxStatus() == 'I' }

// ResetSession tells whether the pool may hand the connection out again.
func (c *pgConn) ResetSession(ctx context.Context) error {
	if !c.IsValid() {
		return driver.ErrBadConn
	}
	idle := time.Since(c.used)
	c.used = time.Now()
	if idle > pgPingAfter {
		return c.Ping(ctx)
	}
	return nil
}

// lost tells whether the server ended the connection, rather than ctx.
func (c *pgConn) lost(ctx context.Context) bool { return c.conn.IsClosed() && ctx.Err() == nil }

// BeginTx begins with a limit on the time that the transaction may idle, in the same round trip: a process that stands still
// in the middle must not hold up the others until its connection dies, which can take hours.
func (c *pgConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if c.conn.IsClosed() {
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
	if err := c.simple(ctx, begin); err != nil {
		if c.lost(ctx) {
			return nil, driver.ErrBadConn // nothing was done: another connection may do it
		}
		return nil, err
	}
	c.within = true
	return pgTx{c, ctx}, nil
}

// pgTx ends a transaction in the context in which it began.
type pgTx struct {
	conn *pgConn
	ctx  context.Context
}

// Commit fails when the server rolled back instead, as it does after a statement that failed.
func (t pgTx) Commit() error {
	t.conn.within = false
	results, err := t.conn.conn.Exec(t.ctx, "COMMIT").ReadAll()
	if err != nil {
		return err
	}
	if len(results) != 1 || results[0].CommandTag.String() != "COMMIT" {
		return errors.New("postgres: the transaction was rolled back by the server")
	}
	return nil
}

func (t pgTx) Rollback() error {
	t.conn.within = false
	return t.conn.simple(t.ctx, "ROLLBACK")
}

// simple runs statements without parameters, several of them when they are parted by semicolons.
func (c *pgConn) simple(ctx context.Context, statements string) error {
	return c.conn.Exec(ctx, statements).Close()
}

func (c *pgConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if c.readOnly {
		return nil, errors.New("this connection only reads")
	}
	if len(args) == 0 {
		results, err := c.conn.Exec(ctx, query).ReadAll()
		if err != nil {
			return nil, err
		}
		var tag pgconn.CommandTag
		if n := len(results); n > 0 {
			tag = results[n-1].CommandTag
		}
		return driver.RowsAffected(tag.RowsAffected()), nil
	}
	tag, err := c.send(ctx, query, args).Close()
	if err != nil {
		return nil, err
	}
	return driver.RowsAffected(tag.RowsAffected()), nil
}

// send begins a statement with its parameters.
func (c *pgConn) send(ctx context.Context, query string, args []driver.NamedValue) *pgconn.ResultReader {
	values, formats := pgParameters(args)
	return c.conn.ExecParams(ctx, rebind(query, len(args)), values, nil, formats, nil)
}

func (c *pgConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	result := c.send(ctx, query, args)
	if fields := result.FieldDescriptions(); fields != nil {
		return newPgRows(result, fields), nil
	}
	_, err := result.Close() // refused, or a statement without an answer
	if err != nil && c.lost(ctx) && c.readOnly && !c.within {
		return nil, driver.ErrBadConn // it only reads: another connection may do it
	}
	if err != nil {
		return nil, err
	}
	return newPgRows(result, nil), nil
}

// PrepareContext only remembers the query: a pooler between us and the database does not know named statements.
func (c *pgConn) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	return pgStmt{c, query}, nil
}

func (c *pgConn) Prepare(query string) (driver.Stmt, error) { return pgStmt{c, query}, nil }

// Begin is asked for by driver.Conn and called by nobody: there is the form with a context.
func (c *pgConn) Begin() (driver.Tx, error) { return nil, driver.ErrSkip }

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
