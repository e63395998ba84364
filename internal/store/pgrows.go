package store

import (
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Values of PostgreSQL as they travel: text, but for the bytes of bytea, which go out as they are.

// Types of PostgreSQL (pg_type.oid) that are not given back as strings.
const (
	oidBool        = 16
	oidBytea       = 17
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidOid         = 26
	oidFloat4      = 700
	oidFloat8      = 701
	oidDate        = 1082
	oidTimestamp   = 1114
	oidTimestamptz = 1184
)

// Formats of a parameter.
const (
	pgText   = 0
	pgBinary = 1
)

// pgParameters writes arguments as the server reads them; CheckNamedValue left only the types of driver.Value.
func pgParameters(args []driver.NamedValue) (values [][]byte, formats []int16) {
	values, formats = make([][]byte, len(args)), make([]int16, len(args))
	for i, arg := range args {
		switch v := arg.Value.(type) {
		case nil:
		case int64:
			values[i] = strconv.AppendInt(nil, v, 10)
		case float64:
			values[i] = strconv.AppendFloat(nil, v, 'g', -1, 64)
		case bool:
			values[i] = strconv.AppendBool(nil, v)
		case string:
			values[i] = []byte(v)
		case []byte:
			values[i], formats[i] = v, pgBinary
			if v == nil {
				formats[i] = pgText
			}
		case time.Time:
			values[i] = v.AppendFormat(nil, "2006-01-02 15:04:05.999999Z07:00")
		}
	}
	return values, formats
}

// pgRows reads the answer to a query, row by row as the server sends them.
type pgRows struct {
	result  *pgconn.ResultReader
	columns []string
	types   []uint32
}

func newPgRows(result *pgconn.ResultReader, fields []pgconn.FieldDescription) *pgRows {
	r := &pgRows{result, make([]string, len(fields)), make([]uint32, len(fields))}
	for i, f := range fields {
		r.columns[i], r.types[i] = f.Name, f.DataTypeOID
	}
	return r
}

func (r *pgRows) Columns() []string { return r.columns }

func (r *pgRows) Close() error {
	_, err := r.result.Close()
	return err
}

func (r *pgRows) Next(dest []driver.Value) error {
	if !r.result.NextRow() {
		if err := r.Close(); err != nil {
			return err
		}
		return io.EOF
	}
	for i, text := range r.result.Values() {
		var err error
		if dest[i], err = pgValue(r.types[i], text); err != nil {
			return fmt.Errorf("postgres: column %s: %w", r.columns[i], err)
		}
	}
	return nil
}

// pgValue reads a value of a column from its text, which is only lent.
func pgValue(oid uint32, text []byte) (driver.Value, error) {
	if text == nil {
		return nil, nil
	}
	switch oid {
	case oidBool:
		return strconv.ParseBool(string(text))
	case oidInt8, oidInt2, oidInt4, oidOid:
		return strconv.ParseInt(string(text), 10, 64)
	case oidFloat8, oidFloat4:
		return strconv.ParseFloat(string(text), 64)
	case oidBytea:
		return pgBytes(text)
	case oidTimestamptz:
		return pgTime("2006-01-02 15:04:05.999999Z07", text)
	case oidTimestamp:
		return pgTime("2006-01-02 15:04:05.999999", text)
	case oidDate:
		return pgTime(time.DateOnly, text)
	}
	return original(string(text)), nil
}

// pgBytes reads bytea as PostgreSQL writes it since 9.0: \x and hexadecimal digits.
func pgBytes(text []byte) ([]byte, error) {
	if len(text) < 2 || text[0] != '\\' || text[1] != 'x' {
		return nil, fmt.Errorf("bytea %.20q does not begin with \\x: ALTER ROLE … SET bytea_output = 'hex' for the user of hxp", text)
	}
	b := make([]byte, hex.DecodedLen(len(text)-2))
	_, err := hex.Decode(b, text[2:])
	return b, err
}

// pgTime reads a time of the session, whose zone is UTC and whose style is ISO.
func pgTime(layout string, text []byte) (time.Time, error) {
	t, err := time.Parse(layout, string(text))
	return t.UTC(), err
}
