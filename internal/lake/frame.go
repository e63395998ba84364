package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/parquet-go/parquet-go"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// frames are rows of files of one kind in memory, column by column, as they were decoded: nothing is copied on the way from file
// to file. They are a rowSource; their rows are numbered through.
type frames struct {
	table *table
	list  []frame
	of    []uint32 // by row: its frame
	order []int32  // rows that stay
	bytes int64    // estimate of the memory in use
	spare []*event.LakeBlock
}

// frame is one block of a file.
type frame struct {
	start int // number of its first row
	*event.LakeBlock
}

// add appends a block of a file; of its rows, which begin at number row of the file, those in drop do not stay.
func (f *frames) add(ctx context.Context, r event.LakeReader, block, row int, drop bitset) (rows int, err error) {
	b := f.block()
	if err := r.Read(ctx, block, event.AllLakeColumns, b); err != nil {
		return 0, err
	}
	start := len(f.of)
	for j := range b.Rows {
		if !drop.has(row + j) {
			f.order = append(f.order, int32(start+j))
		}
		f.of = append(f.of, uint32(len(f.list)))
	}
	f.list = append(f.list, frame{start, b})
	f.bytes += f.memory(b)
	return b.Rows, nil
}

// block returns one to read into.
func (f *frames) block() *event.LakeBlock {
	if n := len(f.spare); n > 0 {
		b := f.spare[n-1]
		f.spare = f.spare[:n-1]
		return b
	}
	return new(event.LakeBlock)
}

// memory estimates what a block holds.
func (f *frames) memory(b *event.LakeBlock) int64 {
	const itself = 10 << 10
	n := int64(itself)
	for i := range f.table.columns {
		c, ok := f.table.columns[i].blockColumn()
		if v := b.Column(c); ok && !v.None {
			n += 8*int64(len(v.Ints)+len(v.Floats)) + 16*int64(len(v.Words)) + 4*int64(len(v.Index)) + int64(len(v.Present)+len(v.Arena))
		}
	}
	return n
}

// reset empties f and keeps its memory.
func (f *frames) reset() {
	for i := range f.list {
		f.spare = append(f.spare, f.list[i].LakeBlock)
	}
	clear(f.list)
	f.list, f.of, f.order, f.bytes = f.list[:0], f.of[:0], f.order[:0], 0
}

// walk finds the values of one column for rows in any order. Neighbours often lie in one frame, so it remembers the last.
type walk struct {
	f      *frames
	column event.LakeColumn
	v      *event.LakeVector
	frame  uint32
	start  int
}

func (f *frames) walk(c event.LakeColumn) walk {
	return walk{f: f, column: c, frame: math.MaxUint32}
}

// to returns the vector that holds a row and the place of the row in it.
func (w *walk) to(row int32) (*event.LakeVector, int) {
	if n := w.f.of[row]; n != w.frame {
		w.frame, w.v, w.start = n, w.f.list[n].Column(w.column), w.f.list[n].start
	}
	return w.v, int(row) - w.start
}

var errOtherHour = errors.New("a row does not belong to the hour")

// sort orders the rows that stay by model, those without one first, and time; rows that are equal in both stay in the order in
// which they were loaded. It returns the oldest and the newest time.
func (f *frames) sort(hour int64) (oldest, newest int64, err error) {
	keys := make([]int64, len(f.order))
	time := f.walk(event.LakeTime)
	oldest, newest = math.MaxInt64, math.MinInt64
	for i, row := range f.order {
		v, j := time.to(row)
		t := v.Int(j)
		oldest, newest = min(oldest, t), max(newest, t)
		keys[i] = t - hour*1e6 // below 2^32
	}
	if hourOf(oldest) != hour || hourOf(newest) != hour {
		return 0, 0, errOtherHour
	}
	ranks, model := f.models(), f.walk(event.LakeColumn(event.Model))
	for i, row := range f.order {
		if v, j := model.to(row); v.Has(j) {
			keys[i] |= ranks[v.Text(j)] << 32
		}
	}
	by := sortedBy(keys)
	sorted := make([]int32, len(by))
	for i, at := range by {
		sorted[i] = f.order[at]
	}
	f.order = sorted
	return oldest, newest, nil
}

// models ranks the names of models by their bytes, from 1 on.
func (f *frames) models() map[string]int64 {
	ranks := make(map[string]int64)
	for i := range f.list {
		if v := f.list[i].Field(event.Model); !v.None {
			for _, name := range v.Words { // one that no row has does no harm
				ranks[name] = 0
			}
		}
	}
	for i, name := range slices.SortedFunc(maps.Keys(ranks), cmp.Compare[string]) {
		ranks[name] = int64(i) + 1
	}
	return ranks
}

// present is false for a column in which no row has a value.
func (f *frames) present(c *column) bool {
	into, _ := c.blockColumn()
	for i := range f.list {
		if !f.list[i].Column(into).None {
			return true
		}
	}
	return false
}

// gather makes the library's values of one column, run by run: neighbours in the order often lie in one frame.
func (f *frames) gather(values []parquet.Value, order []int32, c *column) []parquet.Value {
	into, _ := c.blockColumn()
	for len(order) > 0 {
		frame, n := f.of[order[0]], 1
		for n < len(order) && f.of[order[n]] == frame {
			n++
		}
		g := &f.list[frame]
		values = c.values(values, g.Column(into), order[:n], int32(g.start))
		order = order[n:]
	}
	return values
}

// values appends the library's values of rows of one block, whose first row has the number start.
func (c *column) values(values []parquet.Value, v *event.LakeVector, rows []int32, start int32) []parquet.Value {
	level := 0
	if c.optional {
		level = 1
	}
	for _, row := range rows {
		i := int(row - start)
		if !v.Has(i) {
			values = append(values, parquet.Value{})
			continue
		}
		var value parquet.Value
		switch {
		case c.kind == parquet.ByteArray:
			value = parquet.ByteArrayValue(unsafeBytes(v.Text(i)))
		case c.duration:
			value = parquet.DoubleValue(toMS(v.Ints[i]))
		case c.kind == parquet.Double:
			value = parquet.DoubleValue(v.Floats[i])
		case c.kind == parquet.Boolean:
			value = parquet.BooleanValue(v.Ints[i] != 0)
		default:
			value = parquet.Int64Value(v.Ints[i])
		}
		values = append(values, value.Level(0, level, c.index))
	}
	return values
}

// compare reads a file that was written from f and tells whether it holds what it should, value by value.
func (f *frames) compare(ctx context.Context, l *Lake, lf *event.LakeFile) error {
	r, err := l.OpenFile(ctx, *lf)
	if err != nil {
		return err
	}
	defer r.Close()
	b := f.block()
	defer func() { f.spare = append(f.spare, b) }()
	row := 0
	for i := range r.Blocks() {
		if err := r.Read(ctx, i, event.AllLakeColumns, b); err != nil {
			return err
		}
		for j := range f.table.columns {
			c := &f.table.columns[j]
			if at := f.differs(c, f.order[row:row+b.Rows], b); at >= 0 {
				return fmt.Errorf("verify %s: row %d of column %s is not what was written", lf.Path, row+at, c.name)
			}
		}
		row += b.Rows
	}
	return nil
}

// differs returns the first of some rows whose value in a column is not that of b, -1 when there is none.
func (f *frames) differs(c *column, order []int32, b *event.LakeBlock) int {
	into, ok := c.blockColumn()
	if !ok {
		return -1 // the same in all rows
	}
	got, w := b.Column(into), f.walk(into)
	for k, row := range order {
		v, i := w.to(row)
		if got.Has(k) != v.Has(i) {
			return k
		}
		if !v.Has(i) {
			continue
		}
		same := false
		switch {
		case c.kind == parquet.ByteArray:
			same = v.Text(i) == got.Text(k)
		case c.kind == parquet.Double && !c.duration:
			same = math.Float64bits(v.Floats[i]) == math.Float64bits(got.Floats[k])
		default:
			same = v.Ints[i] == got.Ints[k]
		}
		if !same {
			return k
		}
	}
	return -1
}
