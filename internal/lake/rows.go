package lake

import (
	"math"
	"math/bits"
	"slices"
	"strconv"
	"unsafe"

	"github.com/parquet-go/parquet-go"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// rows are events of one kind in memory, column by column, as they wait to be written. A column takes memory only up to the
// last row that has a value in it.
type rows struct {
	table *table
	n     int
	arena []byte // all text
	cells []cells
	bytes int64 // estimate of the memory in use
}

// cells is one column. Text lies in the arena; numbers are int64, or the bits of a float64.
type cells struct {
	spans []span
	nums  []int64
	has   []bool // numbers that are optional; spans know by themselves
}

// span is a piece of the arena; the zero span is no value, so at and length are one more than they are.
type span struct{ at, end uint32 }

func newRows(k event.Kind) *rows {
	t := tableOf(k)
	return &rows{table: t, cells: make([]cells, len(t.columns))}
}

// add copies one event. The order of rows is the order of offsets.
func (r *rows) add(e *event.Event, offset, ingested int64) {
	before := len(r.arena)
	values := 0
	for i := range r.table.columns {
		c := &r.table.columns[i]
		switch c.source {
		case fromField:
			if !e.Has(c.field) {
				continue
			}
			if event.Catalogue[c.field].Type == event.Text {
				r.text(i, e.Text(c.field))
			} else {
				r.optional(i, e.Int(c.field))
			}
		case fromID:
			r.text(i, e.ID)
		case fromTime:
			r.number(i, e.Time)
		case fromOffset:
			r.number(i, offset)
		case fromIngested:
			r.number(i, ingested)
		case fromSource:
			r.textUnlessEmpty(i, e.Source)
		case fromCorrelation:
			r.textUnlessEmpty(i, e.CorrelationID)
		case fromSchemaVersion:
			r.textUnlessEmpty(i, e.SchemaVersion)
		case fromMetadata:
			r.textUnlessEmpty(i, unsafeString(e.Metadata))
		case fromExtra:
			r.extra(i, e)
		default: // the same for every row: topic, partition, event_type
			continue
		}
		values++
	}
	r.n++
	r.bytes += int64(len(r.arena)-before) + int64(values)*9
}

func (r *rows) text(col int, s string) {
	c := &r.cells[col]
	for len(c.spans) < r.n {
		c.spans = append(c.spans, span{})
	}
	at := uint32(len(r.arena))
	r.arena = append(r.arena, s...)
	c.spans = append(c.spans, span{at + 1, uint32(len(r.arena)) + 1})
}

func (r *rows) textUnlessEmpty(col int, s string) {
	if s != "" {
		r.text(col, s)
	}
}

func (r *rows) number(col int, v int64) { r.cells[col].nums = append(r.cells[col].nums, v) }

func (r *rows) optional(col int, v int64) {
	c := &r.cells[col]
	for len(c.nums) < r.n {
		c.nums, c.has = append(c.nums, 0), append(c.has, false)
	}
	c.nums, c.has = append(c.nums, v), append(c.has, true)
}

// extra writes the metrics of the event and then its unknown fields as one JSON object.
func (r *rows) extra(col int, e *event.Event) {
	if len(e.Metrics) == 0 {
		r.textUnlessEmpty(col, unsafeString(e.Extra))
		return
	}
	r.text(col, "{")
	for i := range e.Metrics {
		if i > 0 {
			r.arena = append(r.arena, ',')
		}
		r.arena = appendName(r.arena, e.Metrics[i].Name)
		r.arena = strconv.AppendFloat(append(r.arena, ':'), e.Metrics[i].Value, 'g', -1, 64)
	}
	if len(e.Extra) > 2 {
		r.arena = append(r.arena, ',')
		r.arena = append(r.arena, e.Extra[1:]...)
	} else {
		r.arena = append(r.arena, '}')
	}
	spans := r.cells[col].spans
	spans[len(spans)-1].end = uint32(len(r.arena)) + 1
}

// present is false for a column in which no row has a value.
func (r *rows) present(c *column) bool {
	return !c.optional || len(r.cells[c.index].spans)+len(r.cells[c.index].nums) > 0
}

// gather makes the library's values of one column.
func (r *rows) gather(values []parquet.Value, order []int32, c *column) []parquet.Value {
	cell := &r.cells[c.index]
	switch {
	case c.kind == parquet.ByteArray:
		return gatherText(values, r.arena, cell.spans, order, c)
	case !c.optional:
		for _, i := range order {
			values = append(values, parquet.Int64Value(cell.nums[i]).Level(0, 0, c.index))
		}
		return values
	}
	return gatherNumbers(values, cell, order, c)
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

// reset empties r and keeps its memory.
func (r *rows) reset() {
	for i := range r.cells {
		c := &r.cells[i]
		c.spans, c.nums, c.has = c.spans[:0], c.nums[:0], c.has[:0]
	}
	r.n, r.arena, r.bytes = 0, r.arena[:0], 0
}

// sorted returns the rows by event time, those of one time by offset.
func (r *rows) sorted() []int32 { return sortedBy(r.times()) }

// sortedBy returns the indexes of keys, smallest key first, those of one key in their order: a radix sort over the bits in which
// the keys differ, which for the times of traffic of now takes two or three passes.
func sortedBy(keys []int64) []int32 {
	order := make([]int32, len(keys))
	for i := range order {
		order[i] = int32(i)
	}
	if slices.IsSorted(keys) {
		return order
	}
	const digit = 11
	first := slices.Min(keys)
	width := bits.Len64(uint64(slices.Max(keys)) - uint64(first))
	spare := make([]int32, len(keys))
	for shift := 0; shift < width; shift += digit {
		var starts [1 << digit]int32
		for _, k := range keys {
			starts[(uint64(k)-uint64(first))>>shift&(1<<digit-1)]++
		}
		sum := int32(0)
		for i, n := range starts {
			starts[i], sum = sum, sum+n
		}
		for _, row := range order {
			d := (uint64(keys[row]) - uint64(first)) >> shift & (1<<digit - 1)
			spare[starts[d]] = row
			starts[d]++
		}
		order, spare = spare, order
	}
	return order
}

func (r *rows) times() []int64 { return r.cells[r.table.timestamp().index].nums }

func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func unsafeBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
