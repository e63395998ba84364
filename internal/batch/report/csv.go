package report

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// rowsCSV writes rows by RFC 4180: a header, lines that end in CRLF, an empty cell for null. updated_at is left out, as in the JSON.
func rowsCSV(rows []agg.Row) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	_ = w.Write(csvColumns)
	for i := range rows {
		_ = w.Write(line(&rows[i]))
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return b.Bytes(), nil
}

// csvColumns are the columns that agg.Row has in JSON, in order.
var csvColumns = slices.DeleteFunc(slices.Clone(agg.Columns), func(c string) bool { return c == "updated_at" })

// line writes the fields of a row, which stand in the order of agg.Columns with updated_at last.
func line(r *agg.Row) []string {
	v := reflect.ValueOf(r).Elem()
	out := make([]string, len(csvColumns))
	for i := range out {
		out[i] = Cell(v.Field(i).Interface())
	}
	return out
}

// Cell writes a value of a row; null and what is not known are an empty cell. A spreadsheet never takes a text for a formula.
func Cell(v any) string {
	switch v := v.(type) {
	case string:
		return harmless(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case *float64:
		if v != nil {
			return Cell(*v)
		}
	case time.Time:
		if !v.IsZero() {
			return v.UTC().Format(time.RFC3339Nano)
		}
	}
	return ""
}

// harmless keeps a spreadsheet from running a text as a formula: an apostrophe in front makes it text. Line breaks within a cell
// become blanks, since not every reader of CSV knows them.
func harmless(s string) string {
	s = strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ").Replace(s)
	if s != "" && strings.ContainsRune("=+-@\t|%", rune(s[0])) {
		return "'" + s
	}
	return s
}

// Text writes a text of a stranger as a cell of a CSV file.
func Text(s string) string { return harmless(s) }
