package batch

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

func (s *Service) getAggregations(w http.ResponseWriter, r *http.Request) {
	level := levels[r.PathValue("level")]
	if level == nil {
		httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("there are no aggregations %q; choose hourly, daily, weekly or monthly", r.PathValue("level")))
		return
	}
	q := &query{values: r.URL.Query()}
	q.only("from", "to", "model", "dimension", "value", "format", "limit", "cursor")
	limit := q.limit()
	format := q.choice("format", "json", "json", "csv", "parquet")
	pick := rowQuery{s: s, level: level, from: q.time("from"), to: q.time("to"), dimension: q.choice("dimension", agg.ByModel, agg.Dimensions...)}
	pick.value = q.valueOf(pick.dimension)
	if !pick.from.IsZero() && !pick.to.IsZero() && pick.to.Before(pick.from) {
		q.bad("to", "out_of_range", "the end lies before the start")
	}
	if q.refused(w, r) {
		return
	}
	switch format {
	case "csv":
		s.writeWhole(w, r, pick, "text/csv; charset=utf-8", "csv", writeCSV)
	case "parquet":
		s.writeWhole(w, r, pick, "application/vnd.apache.parquet", "parquet", s.deps.Parquet)
	default:
		rows, next, err := pick.page(r.Context(), limit, q.values.Get("cursor"))
		if err != nil {
			s.fail(w, r, err)
			return
		}
		httpx.JSON(w, http.StatusOK, map[string]any{"rows": pick.shaped(rows), "next_cursor": cursorOf(next)})
	}
}

// valueOf reads which value of a dimension is asked for: by model the total unless one is named, else every one.
func (q *query) valueOf(dimension string) string {
	name, other, fallback := "model", "value", agg.AllModels
	if dimension != agg.ByModel {
		name, other, fallback = "value", "model", "*"
	}
	if q.values.Has(other) {
		q.bad(other, "unknown_parameter", "with dimension=%s the parameter is %s", dimension, name)
	}
	if v := q.values.Get(name); v != "" {
		return v
	}
	return fallback
}

// rowQuery chooses rows of an aggregation table.
type rowQuery struct {
	s                *Service
	level            *level
	from, to         time.Time
	dimension, value string
}

// page returns one page of rows with their completeness as it is now: a period whose data grew since it was made is not complete.
func (q *rowQuery) page(ctx context.Context, limit int, cursor string) ([]agg.Row, string, error) {
	rows, next, err := q.s.deps.Rows.Rows(ctx, q.level.name, q.dimension, q.from, q.to, q.value, limit, cursor)
	if err != nil || len(rows) == 0 {
		return nil, next, err
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

// rowTypes are agg.Row by dimension, each with the name of its dimension in place of model.
var rowTypes = func() map[string]reflect.Type {
	row := reflect.TypeFor[agg.Row]()
	types := map[string]reflect.Type{agg.ByModel: row}
	for _, dimension := range agg.Dimensions[1:] {
		fields := slices.Collect(row.Fields())
		for i := range fields {
			if fields[i].Name == "Model" {
				fields[i].Tag = reflect.StructTag(strings.ReplaceAll(string(fields[i].Tag), agg.ByModel, dimension))
			}
		}
		types[dimension] = reflect.StructOf(fields)
	}
	return types
}()

// shape names the value of a row by its dimension.
func (q *rowQuery) shape(r *agg.Row) any {
	return reflect.ValueOf(*r).Convert(rowTypes[q.dimension]).Interface() // the types differ in their tags alone
}

func (q *rowQuery) shaped(rows []agg.Row) []any {
	out := make([]any, len(rows))
	for i := range rows {
		out[i] = q.shape(&rows[i])
	}
	return out
}

// all reads the whole range page by page, beginning with a page that was read already.
func (q *rowQuery) all(ctx context.Context, rows []agg.Row, next string) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for {
			for i := range rows {
				if !yield(q.shape(&rows[i]), nil) {
					return
				}
			}
			if next == "" {
				return
			}
			var err error
			if rows, next, err = q.page(ctx, maxLimit, next); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// writeWhole answers with the whole range as a file. When it fails on the way, the connection is cut: the reader must see that
// something is missing.
func (s *Service) writeWhole(w http.ResponseWriter, r *http.Request, q rowQuery, mime, ending string, write func(io.Writer, reflect.Type, iter.Seq2[any, error]) error) {
	rows, next, err := q.page(r.Context(), maxLimit, "")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", mime)
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", q.level.name+"_aggregations."+ending))
	if r.Method == http.MethodHead {
		return
	}
	if err := write(w, rowTypes[q.dimension], q.all(r.Context(), rows, next)); err != nil {
		if r.Context().Err() == nil {
			s.log.Error("aggregations as a file were cut short", "level", q.level.name, "format", ending, "err", err)
		}
		panic(http.ErrAbortHandler)
	}
}

// writeCSV writes a header with the columns, then a line for each row (RFC 4180, CRLF); null is an empty cell.
func writeCSV(w io.Writer, row reflect.Type, rows iter.Seq2[any, error]) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	line := make([]string, row.NumField())
	for i := range line {
		line[i] = row.Field(i).Tag.Get("json")
	}
	_ = out.Write(line) // Error tells
	for r, err := range rows {
		if err != nil {
			return err
		}
		for i, v := 0, reflect.ValueOf(r); i < len(line); i++ {
			line[i] = report.Cell(v.Field(i).Interface())
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
