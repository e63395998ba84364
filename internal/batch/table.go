package batch

import (
	"context"
	"encoding/csv"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// rowQuery chooses rows of an aggregation table.
type rowQuery struct {
	s        *Service
	level    string
	from, to time.Time
	model    string
}

// page returns one page of rows with their completeness as it is now: an hour that got data since its fold is not complete.
func (q rowQuery) page(ctx context.Context, limit int, cursor string) ([]agg.Row, string, error) {
	rows, next, err := q.s.deps.Rows.Rows(ctx, q.level, q.from, q.to, q.model, limit, cursor)
	if err != nil {
		return nil, "", err
	}
	if rows == nil {
		rows = []agg.Row{}
	}
	if q.level != "hourly" || len(rows) == 0 {
		return rows, next, nil
	}
	dirty, err := q.s.deps.Hours.DirtyHours(ctx, rows[len(rows)-1].Timestamp.Add(time.Hour)) // the running hour too
	if err != nil {
		return nil, "", err
	}
	behind := make(map[int64]float64, len(dirty))
	for _, h := range dirty {
		behind[h.Hour] = completeness(h)
	}
	for i := range rows {
		if c, ok := behind[rows[i].Timestamp.Unix()]; ok {
			rows[i].Completeness = &c
		}
	}
	return rows, next, nil
}

// writeCSV writes the whole range, page by page: a header with the columns, then a line for each row (RFC 4180); null is an empty cell.
func (s *Service) writeCSV(w http.ResponseWriter, r *http.Request, q rowQuery) {
	rows, next, err := q.page(r.Context(), maxLimit, "")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+q.level+`_aggregations.csv"`)
	out := csv.NewWriter(w)
	out.UseCRLF = true
	_ = out.Write(agg.Columns)
	for {
		for i := range rows {
			_ = out.Write(csvLine(&rows[i]))
		}
		if out.Flush(); out.Error() != nil || next == "" {
			return
		}
		if rows, next, err = q.page(r.Context(), maxLimit, next); err != nil {
			s.log.Error("aggregations as CSV were cut short", "level", q.level, "err", err)
			panic(http.ErrAbortHandler) // the reader must see that something is missing
		}
	}
}

// csvLine writes the fields of a row, which stand in the order of agg.Columns (a test holds that).
func csvLine(r *agg.Row) []string {
	v := reflect.ValueOf(r).Elem()
	line := make([]string, v.NumField())
	for i := range line {
		line[i] = csvCell(v.Field(i).Interface())
	}
	return line
}

func csvCell(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case *float64:
		if v != nil {
			return strconv.FormatFloat(*v, 'f', -1, 64)
		}
	case time.Time:
		if !v.IsZero() {
			return v.UTC().Format(time.RFC3339Nano)
		}
	}
	return ""
}
