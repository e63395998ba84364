package lake

import (
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/hxp-enterprise/hxp/internal/event"
)

const (
	maxRowsPerGroup = 64 << 10 // bounds the memory of a reader, which holds one group decoded
	valuesPerWrite  = 4 << 10  // pages are cut between writes, so this bounds them
	pageBytes       = 256 << 10
)

var codec = &zstd.Codec{Level: zstd.SpeedFastest}

// encoder writes the files of one kind, one after another. It is not for concurrent use.
type encoder struct {
	table   *table
	w       *parquet.GenericWriter[any]
	values  []parquet.Value // scratch
	nulls   []parquet.Value
	topic   []byte
	typ     []byte
	part    int32
	columns []*parquet.ColumnWriter
}

func newEncoder(k event.Kind) *encoder {
	t := tableOf(k)
	e := &encoder{table: t, typ: []byte(k.String())}
	e.w = parquet.NewGenericWriter[any](io.Discard, t.schema,
		parquet.Compression(codec),
		parquet.DataPageVersion(1),
		parquet.DataPageStatistics(false), // those of the column index and of the chunk are enough
		parquet.PageBufferSize(pageBytes),
		parquet.MaxRowsPerRowGroup(maxRowsPerGroup),
		parquet.CreatedBy("hxp", "1", "lake"),
	)
	e.values = make([]parquet.Value, 0, valuesPerWrite)
	e.nulls = make([]parquet.Value, valuesPerWrite)
	return e
}

// write writes the rows that order names, in that order, as one file.
func (e *encoder) write(out io.Writer, r *rows, order []int32, tp event.TopicPartition) error {
	e.reset(out)
	e.topic, e.part = []byte(tp.Topic), tp.Partition
	for group := range slices.Chunk(order, maxRowsPerGroup) {
		e.columns = e.w.ColumnWriters()
		for i := range e.table.columns {
			if err := e.writeColumn(r, group, i); err != nil {
				return fmt.Errorf("column %s: %w", e.table.columns[i].name, err)
			}
		}
		if err := e.w.Flush(); err != nil {
			return err
		}
	}
	return e.w.Close()
}

// reset begins a new file. The library's Reset clears the paths of the columns in the footer of the file before, which the writer
// still uses: without a path, Java's readers find no column. So the old footer lets go of them first.
func (e *encoder) reset(out io.Writer) {
	if old := e.w.File(); old != nil {
		for _, group := range old.Metadata().RowGroups {
			for i := range group.Columns {
				group.Columns[i].MetaData.PathInSchema = nil
			}
		}
	}
	e.w.Reset(out)
}

func (e *encoder) writeColumn(r *rows, order []int32, col int) error {
	for part := range slices.Chunk(order, valuesPerWrite) {
		values := e.nulls[:len(part)]
		if e.present(r, col) {
			values = e.gather(e.values[:0], r, part, col)
		}
		n, err := e.columns[col].WriteRowValues(values)
		if err != nil {
			return err
		}
		if n != len(values) {
			return fmt.Errorf("%d of %d values written", n, len(values))
		}
	}
	return nil
}

// present is false for a column in which no row has a value.
func (e *encoder) present(r *rows, col int) bool {
	return !e.table.columns[col].optional || len(r.cells[col].spans)+len(r.cells[col].nums) > 0
}

// gather makes the library's values of one column.
func (e *encoder) gather(values []parquet.Value, r *rows, order []int32, col int) []parquet.Value {
	c := &e.table.columns[col]
	cell := &r.cells[col]
	switch c.source {
	case fromTopic:
		return repeat(values, parquet.ByteArrayValue(e.topic).Level(0, 0, col), len(order))
	case fromType:
		return repeat(values, parquet.ByteArrayValue(e.typ).Level(0, 0, col), len(order))
	case fromPartition:
		return repeat(values, parquet.Int32Value(e.part).Level(0, 0, col), len(order))
	}
	switch {
	case c.kind == parquet.ByteArray:
		return gatherText(values, r.arena, cell.spans, order, c)
	case !c.optional:
		for _, i := range order {
			values = append(values, parquet.Int64Value(cell.nums[i]).Level(0, 0, col))
		}
		return values
	}
	return gatherNumbers(values, cell, order, c)
}

func repeat(values []parquet.Value, v parquet.Value, n int) []parquet.Value {
	for range n {
		values = append(values, v)
	}
	return values
}

func gatherText(values []parquet.Value, arena []byte, spans []span, order []int32, c *column) []parquet.Value {
	level := 0
	if c.optional {
		level = 1
	}
	for _, i := range order {
		if int(i) >= len(spans) || spans[i].at == 0 {
			values = append(values, parquet.Value{})
			continue
		}
		s := spans[i]
		values = append(values, parquet.ByteArrayValue(arena[s.at-1:s.end-1]).Level(0, level, c.index))
	}
	return values
}

func gatherNumbers(values []parquet.Value, cell *cells, order []int32, c *column) []parquet.Value {
	for _, i := range order {
		if int(i) >= len(cell.has) || !cell.has[i] {
			values = append(values, parquet.Value{})
			continue
		}
		n := cell.nums[i]
		var v parquet.Value
		switch {
		case c.duration:
			v = parquet.DoubleValue(toMS(n))
		case c.kind == parquet.Double:
			v = parquet.DoubleValue(math.Float64frombits(uint64(n)))
		case c.kind == parquet.Boolean:
			v = parquet.BooleanValue(n != 0)
		default:
			v = parquet.Int64Value(n)
		}
		values = append(values, v.Level(0, 1, c.index))
	}
	return values
}

// toMS and fromMS turn nanoseconds into milliseconds and back without loss up to 2^51 ns (26 days): the quotient is off by
// half an ulp at most, which is less than half a nanosecond there.
func toMS(ns int64) float64   { return float64(ns) / 1e6 }
func fromMS(ms float64) int64 { return int64(math.RoundToEven(ms * 1e6)) }
