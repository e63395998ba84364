package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestRebind(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"SELECT 1", "SELECT 1"},
		{"a = ? AND b IN (?, ?)", "a = $1 AND b IN ($2, $3)"},
		{"a <> '?' AND b = ? AND c = 'it''s ?' AND d = ?", "a <> '?' AND b = $1 AND c = 'it''s ?' AND d = $2"},
	} {
		if got := rebind(c.in, 1); got != c.want {
			t.Errorf("%s becomes %s, not %s", c.in, got, c.want)
		}
	}
	if q := "CREATE TABLE a (b TEXT) -- what?"; rebind(q, 0) != q {
		t.Error("a query without parameters is changed")
	}
}

// Whatever a stranger calls a model can be stored, comes back as it was, and is nobody else's name.
func TestStorable(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""}, {"mixtral-8x7b", "mixtral-8x7b"}, {"ü", "ü"}, {"a\x00b", "a␀00b"}, {"\xff\xfe", "␀ff␀fe"}, {"␀00", "␀␀00"},
	} {
		if got := storable(c.in); got != c.want {
			t.Errorf("%q is stored as %q, not %q", c.in, got, c.want)
		}
	}
	for _, s := range []string{"␀", "a␀0", "␀zz", "␀+1"} { // written by others
		if got := original(s); got != s {
			t.Errorf("%q is read as %q", s, got)
		}
	}
	text := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"\x00", "\xe2", "\x90", "\x80", "␀", "0", "f", "ü", "z"}), 0, 8).Draw(t, "parts"), "")
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		stored := storable(a)
		if original(stored) != a || !utf8.ValidString(stored) || strings.Contains(stored, "\x00") {
			t.Fatalf("%q is stored as %q and read as %q", a, stored, original(stored))
		}
		if (a == b) != (stored == storable(b)) {
			t.Fatalf("%q and %q are stored as %q and %q", a, b, stored, storable(b))
		}
	})
}

// Every value that the store writes comes back from the server as it went.
func TestPostgresValues(t *testing.T) {
	s := onPostgres(t)
	ctx := t.Context()
	when := time.Date(2024, 2, 29, 23, 59, 59, 123456000, time.UTC)
	for _, v := range []any{
		int64(math.MinInt64), int64(math.MaxInt64), true, false, math.MaxFloat64, math.SmallestNonzeroFloat64, 0.1, math.Inf(-1), "", "ü'\\x", "a\x00b\xff␀",
		[]byte{}, []byte{0, 1, '\\', 'x', 0xff}, when, time.Unix(0, 0).UTC(), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), nil,
	} {
		column := map[reflect.Kind]string{reflect.Int64: "BIGINT", reflect.Bool: "BOOLEAN", reflect.Float64: "DOUBLE PRECISION", reflect.Slice: "BYTEA", reflect.Struct: "TIMESTAMPTZ"}[reflect.ValueOf(v).Kind()]
		if column == "" {
			column = "TEXT"
		}
		var got any
		if err := s.read.QueryRowContext(ctx, "SELECT CAST(? AS "+column+")", v).Scan(&got); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%s: %#v comes back as %#v, %v", column, v, got, err)
		}
	}
	var day, local time.Time
	var small, whole, single, sum any
	if err := s.read.QueryRowContext(ctx, "SELECT DATE '2024-02-29', TIMESTAMP '2024-02-29 01:02:03.5', 7::smallint, 8::int, 1.5::real, SUM(x) FROM (VALUES (1::bigint), (2)) AS v(x)").Scan(&day, &local, &small, &whole, &single, &sum); err != nil {
		t.Fatal(err)
	}
	if !day.Equal(when.Truncate(24*time.Hour)) || !local.Equal(time.Date(2024, 2, 29, 1, 2, 3, 5e8, time.UTC)) || small != int64(7) || whole != int64(8) || single != 1.5 || sum != "3" {
		t.Error(day, local, small, whole, single, sum)
	}
}

// A transaction in which a statement failed is rolled back by the server; whoever commits it hears of that.
func TestPostgresCommitOfAFailure(t *testing.T) {
	s := onPostgres(t)
	tx, err := s.write.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "SELECT 1 / ?", 0); err == nil {
		t.Fatal("a division by zero succeeds")
	}
	if err := tx.Commit(); err == nil {
		t.Error("the commit of nothing succeeds")
	}
}

// A transaction that cannot be rolled back, because its context has ended, does not go on in the pool.
func TestPostgresForsakenTransaction(t *testing.T) {
	s := onPostgres(t)
	conn, err := s.write.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := s.write.Stats().OpenConnections
	err = conn.Raw(func(c any) error {
		ctx, end := context.WithCancel(t.Context())
		defer end()
		tx, err := c.(*pgConn).BeginTx(ctx, driver.TxOptions{})
		if err != nil {
			return err
		}
		end()
		if tx.Rollback() == nil {
			return errors.New("it was rolled back without a context")
		}
		return nil
	})
	if err = errors.Join(err, conn.Close()); err != nil {
		t.Fatal(err)
	}
	if after := s.write.Stats().OpenConnections; after != before-1 {
		t.Errorf("%d connections are open, %d were before", after, before)
	}
}

func TestPgValueRefuses(t *testing.T) {
	for oid, text := range map[uint32]string{oidBool: "perhaps", oidInt8: "1.5", oidFloat8: "x", oidBytea: `\000`, oidTimestamptz: "infinity", oidDate: "2024-13-01"} {
		if v, err := pgValue(oid, []byte(text)); err == nil {
			t.Errorf("%d: %q is read as %v", oid, text, v)
		}
	}
}
