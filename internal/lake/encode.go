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

// The higher levels take twice the time and make files of this kind no smaller.
var codec = &zstd.Codec{Level: zstd.SpeedFastest}

// rowSource is where an encoder takes its rows from. A column is one of the table of their kind.
type rowSource interface {
	// present is false for a column in which no row has a value.
	present(c *column) bool
	// gather appends the values of a column for the rows that order names.
	gather(values []parquet.Value, order []int32, c *column) []parquet.Value
}

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

// newEncoder makes an encoder of files as they are published: sorted by time.
func newEncoder(k event.Kind) *encoder {
	return encoderOf(k)
}

// newCompactEncoder makes an encoder of files as they are compacted: sorted by model, where the kind has one, and time.
func newCompactEncoder(k event.Kind) *encoder {
	sorting := []parquet.SortingColumn{parquet.Ascending("timestamp")}
	if tableOf(k).column(event.Model) != nil {
		sorting = []parquet.SortingColumn{parquet.NullsFirst(parquet.Ascending("model")), sorting[0]}
	}
	return encoderOf(k, parquet.SortingWriterConfig(parquet.SortingColumns(sorting...)))
}

func encoderOf(k event.Kind, options ...parquet.WriterOption) *encoder {
	t := tableOf(k)
	e := &encoder{table: t, typ: []byte(k.String())}
	e.w = parquet.NewGenericWriter[any](io.Discard, append(options, t.schema,
		parquet.Compression(codec),
		parquet.DataPageVersion(1),
		parquet.DataPageStatistics(false), // those of the column index and of the chunk are enough
		parquet.PageBufferSize(pageBytes),
		parquet.MaxRowsPerRowGroup(maxRowsPerGroup),
		parquet.CreatedBy("hxp", "1", "lake"),
	)...)
	e.values = make([]parquet.Value, 0, valuesPerWrite)
	e.nulls = make([]parquet.Value, valuesPerWrite)
	return e
}

// write writes the rows that order names, in that order, as one file.
func (e *encoder) write(out io.Writer, from rowSource, order []int32, tp event.TopicPartition) error {
	e.reset(out)
	e.topic, e.part = []byte(tp.Topic), tp.Partition
	for group := range slices.Chunk(order, maxRowsPerGroup) {
		e.columns = e.w.ColumnWriters()
		for i := range e.table.columns {
			if err := e.writeColumn(from, group, &e.table.columns[i]); err != nil {
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

func (e *encoder) writeColumn(from rowSource, order []int32, c *column) error {
	for part := range slices.Chunk(order, valuesPerWrite) {
		values := e.gather(from, part, c)
		n, err := e.columns[c.index].WriteRowValues(values)
		if err != nil {
			return err
		}
		if n != len(values) {
			return fmt.Errorf("%d of %d values written", n, len(values))
		}
	}
	return nil
}

// gather makes the library's values of one column. Some are the same for every row.
func (e *encoder) gather(from rowSource, order []int32, c *column) []parquet.Value {
	values, n := e.values[:0], len(order)
	switch c.source {
	case fromTopic:
		return repeat(values, parquet.ByteArrayValue(e.topic).Level(0, 0, c.index), n)
	case fromType:
		return repeat(values, parquet.ByteArrayValue(e.typ).Level(0, 0, c.index), n)
	case fromPartition:
		return repeat(values, parquet.Int32Value(e.part).Level(0, 0, c.index), n)
	}
	if !from.present(c) {
		return e.nulls[:n]
	}
	return from.gather(values, order, c)
}

func repeat(values []parquet.Value, v parquet.Value, n int) []parquet.Value {
	for range n {
		values = append(values, v)
	}
	return values
}

// toMS and fromMS turn nanoseconds into milliseconds and back without loss up to 2^51 ns (26 days): the quotient is off by
// half an ulp at most, which is less than half a nanosecond there.
func toMS(ns int64) float64   { return float64(ns) / 1e6 }
func fromMS(ms float64) int64 { return int64(math.RoundToEven(ms * 1e6)) }
