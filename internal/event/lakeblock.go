package event

import (
	"context"
	"fmt"
	"slices"

	"github.com/zeebo/xxh3"
)

// LakeColumn names a column of the lake: a Field under its own number, or one of the columns that every kind has.
type LakeColumn uint8

// The columns beside the fields.
const (
	LakeID LakeColumn = LakeColumn(numFields) + iota
	LakeSource
	LakeCorrelation
	LakeSchemaVersion
	LakeMetadata
	LakeExtra
	LakeTime
	LakeOffset
	LakeIngested

	numLakeColumns
)

// LakeColumns is a set of columns.
type LakeColumns uint64

// AllLakeColumns has every column.
const AllLakeColumns LakeColumns = 1<<numLakeColumns - 1

// ColumnsOf returns a set of columns.
func ColumnsOf(columns ...LakeColumn) (s LakeColumns) {
	for _, c := range columns {
		s |= 1 << c
	}
	return s
}

// FieldsOf returns the set of the columns of some fields.
func FieldsOf(fields ...Field) (s LakeColumns) {
	for _, f := range fields {
		s |= 1 << f
	}
	return s
}

// Has tells whether c is in the set.
func (s LakeColumns) Has(c LakeColumn) bool { return s>>c&1 != 0 }

// LakeReader reads one file of the lake, as often as its holder likes and from several goroutines at a time.
type LakeReader interface {
	Kind() Kind
	// Blocks returns the number of rows of each block.
	Blocks() []int
	// Read fills b with some columns of a block. What b held before is gone, its text too unless KeepText was called.
	Read(ctx context.Context, block int, columns LakeColumns, b *LakeBlock) error
	Close() error
}

// LakeBlock is a stretch of rows of one file in memory, column by column: the form in which many rows are read fast. The zero
// LakeBlock is empty. It keeps its memory from one filling to the next.
type LakeBlock struct {
	Kind Kind
	Rows int
	// SplitExtra gives e what the text of LakeExtra says; the lake knows how it wrote that.
	SplitExtra func(text string, e *Event) error

	columns [numLakeColumns]LakeVector
	filled  LakeColumns
}

// LakeVector is one column of a block. Ints (of integers, durations in nanoseconds, money in nano-USD, booleans and times) or
// Floats (of numbers, and of durations in milliseconds as the file has them) have an entry for each row, 0 where a row has no
// value. Text is a list of Words with the number of each row's word in
// Index; when Index is empty the words are those of the rows, one by one.
type LakeVector struct {
	Ints   []int64
	Floats []float64
	Words  []string
	Index  []int32

	None    bool   // no row has a value; then all of the above may be empty
	Present []bool // whether each row has a value; nil when all have one
	Arena   []byte // memory of the words, used again

	marks []bool // memory of Present
}

// MarkPresent begins Present with n rows that have a value, and room for as many rows as there are.
func (v *LakeVector) MarkPresent(n, rows int) {
	v.marks = slices.Grow(v.marks[:0], rows)
	v.Present = v.marks[:n]
	for i := range v.Present {
		v.Present[i] = true
	}
}

// Has tells whether row i has a value.
func (v *LakeVector) Has(i int) bool { return !v.None && (v.Present == nil || v.Present[i]) }

// Int returns the number of row i, 0 when it has none.
func (v *LakeVector) Int(i int) int64 {
	if v.None {
		return 0
	}
	return v.Ints[i]
}

// Text returns the text of row i, "" when it has none.
func (v *LakeVector) Text(i int) string {
	switch {
	case !v.Has(i):
		return ""
	case len(v.Index) > 0:
		return v.Words[v.Index[i]]
	}
	return v.Words[i]
}

// Empty prepares b to be filled with rows of a kind: every column is there and has no value.
func (b *LakeBlock) Empty(k Kind, rows int) {
	b.Kind, b.Rows, b.filled = k, rows, 0
	for i := range b.columns {
		b.columns[i].None = true
	}
}

// Fill returns a column to write its values to, with room but without values. Whoever fills sets None or Present where rows
// have none.
func (b *LakeBlock) Fill(c LakeColumn) *LakeVector {
	v := &b.columns[c]
	v.Ints, v.Floats, v.Words, v.Index, v.Arena = v.Ints[:0], v.Floats[:0], v.Words[:0], v.Index[:0], v.Arena[:0]
	v.None, v.Present = false, nil
	b.filled |= 1 << c
	return v
}

// Column returns a column; one that was not read has no value.
func (b *LakeBlock) Column(c LakeColumn) *LakeVector { return &b.columns[c] }

// Field returns the column of a field.
func (b *LakeBlock) Field(f Field) *LakeVector { return &b.columns[f] }

// KeepText lets the text that rows of b were given outlive the next filling.
func (b *LakeBlock) KeepText() {
	for i := range b.columns {
		b.columns[i].Arena = nil
	}
}

// Row makes row i of b an event. Of r only the event, the offset and the time of ingestion are changed. The text belongs to b.
func (b *LakeBlock) Row(i int, r *LakeRow) error {
	e := &r.Event
	e.Reset()
	e.Kind = b.Kind
	for c := range numLakeColumns {
		v := &b.columns[c]
		if b.filled>>c&1 == 0 || !v.Has(i) {
			continue
		}
		switch c {
		case LakeID:
			e.ID = v.Text(i)
		case LakeSource:
			e.Source = v.Text(i)
		case LakeCorrelation:
			e.CorrelationID = v.Text(i)
		case LakeSchemaVersion:
			e.SchemaVersion = v.Text(i)
		case LakeMetadata:
			e.Metadata = []byte(v.Text(i))
		case LakeExtra:
			if err := b.SplitExtra(v.Text(i), e); err != nil {
				return fmt.Errorf("row %d: %w", i, err)
			}
		case LakeTime:
			e.Time, e.HasTime = v.Ints[i], true
		case LakeOffset:
			r.Offset = v.Ints[i]
		case LakeIngested:
			r.IngestedAt = v.Ints[i]
		default:
			b.field(i, Field(c), v, e)
		}
	}
	return nil
}

func (b *LakeBlock) field(i int, f Field, v *LakeVector, e *Event) {
	switch Catalogue[f].Type {
	case Text:
		e.SetText(f, v.Text(i))
	case Number:
		e.SetFloat(f, v.Floats[i])
	default:
		e.SetInt(f, v.Ints[i])
	}
}

// Identities appends the Identity of each row of b, whose columns LakeID and LakeSource must be filled.
func (b *LakeBlock) Identities(dst [][2]uint64) [][2]uint64 {
	id, source := &b.columns[LakeID], &b.columns[LakeSource]
	var room [1024]byte
	buf, before, n := append(room[:0], 0), "", 1 // source, a zero byte, id; the first part stays while the source does
	for i := range b.Rows {
		if s := source.Text(i); s != before {
			buf, before = append(append(buf[:0], s...), 0), s
			n = len(buf)
		}
		buf = append(buf[:n], id.Text(i)...)
		h := xxh3.Hash128(buf)
		dst = append(dst, [2]uint64{h.Hi, h.Lo})
	}
	return dst
}
