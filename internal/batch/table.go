package batch

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

func (s *Service) getAggregations(w http.ResponseWriter, r *http.Request) {
	level := levels[r.PathValue("level")]
	if level == nil {
		httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("there are no aggregations %q; choose hourly, daily, weekly or monthly", r.PathValue("level")))
		return
	}
	q := &query{values: r.URL.Query()}
	q.only("from", "to", "model", "format", "limit", "cursor")
	from, to, limit := q.time("from"), q.time("to"), q.limit()
	format := q.choice("format", "json", "json", "csv", "parquet")
	if !from.IsZero() && !to.IsZero() && to.Before(from) {
		q.bad("to", "out_of_range", "the end lies before the start")
	}
	if q.refused(w, r) {
		return
	}
	model := q.values.Get("model")
	if model == "" {
		model = agg.AllModels
	}
	pick := rowQuery{s, level, from, to, model}
	switch format {
	case "csv":
		s.writeCSV(w, r, pick)
	case "parquet":
		httpx.Problem(w, r, http.StatusNotImplemented, "aggregations as Parquet are not available in this version; take json or csv")
	default:
		rows, next, err := pick.page(r.Context(), limit, q.values.Get("cursor"))
		if err != nil {
			s.fail(w, r, err)
			return
		}
		httpx.JSON(w, http.StatusOK, map[string]any{"rows": rows, "next_cursor": cursorOf(next)})
	}
}

// rowQuery chooses rows of an aggregation table.
type rowQuery struct {
	s        *Service
	level    *level
	from, to time.Time
	model    string
}

// page returns one page of rows with their completeness as it is now: a period whose data grew since it was made is not complete.
func (q rowQuery) page(ctx context.Context, limit int, cursor string) ([]agg.Row, string, error) {
	rows, next, err := q.s.deps.Rows.Rows(ctx, q.level.name, agg.ByModel, q.from, q.to, q.model, limit, cursor)
	if err != nil {
		return nil, "", err
	}
	if len(rows) == 0 {
		return []agg.Row{}, next, nil
	}
	last := q.level.of(rows[len(rows)-1].Timestamp.Unix())
	behind, err := q.s.behind(ctx, q.level, rows[0].Timestamp, timeOf(last.end))
	if err != nil {
		return nil, "", err
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
	w.Header().Set("Content-Disposition", `attachment; filename="`+q.level.name+`_aggregations.csv"`)
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
			s.log.Error("aggregations as CSV were cut short", "level", q.level.name, "err", err)
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
