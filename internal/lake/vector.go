package lake

import (
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// vector decodes one column chunk into a column of a block.
type vector struct {
	*event.LakeVector
	duration bool // milliseconds in the file, nanoseconds in memory
	n        int  // rows decoded so far
	rows     int  // of the chunk
	words    bool // Words are the dictionary of the chunk
}

// load decodes a column chunk.
func (v *vector) load(chunk parquet.ColumnChunk) error {
	pages := chunk.Pages()
	defer pages.Close()
	for v.n < v.rows {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("ends after %d of %d rows", v.n, v.rows)
		}
		if err != nil {
			return err
		}
		err = v.page(page)
		parquet.Release(page)
		if err != nil {
			return err
		}
	}
	return nil
}

// page appends the rows of one page.
func (v *vector) page(page parquet.Page) error {
	rows, nulls := int(page.NumRows()), int(page.NumNulls())
	if rows > v.rows-v.n || int(page.NumValues()) != rows || nulls > rows {
		return fmt.Errorf("a page of %d rows, %d values and %d nulls at row %d of %d", rows, page.NumValues(), nulls, v.n, v.rows)
	}
	v.mark(page.DefinitionLevels(), rows, nulls)
	present := v.marks(rows, nulls)
	data := page.Data()
	var err error
	switch data.Kind() {
	case encoding.Int64:
		v.Ints, err = spread(v.Ints, data.Int64(), rows, present)
	case encoding.Double:
		err = v.doubles(data.Double(), rows, present)
	case encoding.Int32:
		if page.Dictionary() == nil {
			return errors.New("not a column of ours")
		}
		err = v.indexes(page.Dictionary(), data.Int32(), rows, present)
	case encoding.ByteArray:
		err = v.strings(data, rows, present)
	case encoding.Boolean:
		err = v.booleans(data.Boolean(), rows, present)
	default:
		return fmt.Errorf("values of type %s", data.Kind())
	}
	v.n += rows
	return err
}

// mark notes which of the next rows have a value. Until the first null there is nothing to note.
func (v *vector) mark(levels []byte, rows, nulls int) {
	if nulls == 0 && v.Present == nil {
		return
	}
	if v.Present == nil {
		v.MarkPresent(v.n, v.rows)
	}
	if nulls == 0 {
		for range rows {
			v.Present = append(v.Present, true)
		}
		return
	}
	for _, l := range levels[:min(rows, len(levels))] {
		v.Present = append(v.Present, l == 1)
	}
	for len(v.Present) < v.n+rows { // a page that says nothing of its nulls is damaged; they are told apart by the values
		v.Present = append(v.Present, false)
	}
}

// marks returns what was noted of the rows being read, nil when each has a value.
func (v *vector) marks(rows, nulls int) []bool {
	if nulls == 0 {
		return nil
	}
	return v.Present[v.n : v.n+rows]
}

var errFewer = errors.New("fewer values than rows")

// spread appends the values of the rows that are present, and zeros for the others.
func spread[T any](dst, values []T, rows int, present []bool) ([]T, error) {
	if present == nil {
		if len(values) < rows {
			return dst, errFewer
		}
		return append(dst, values[:rows]...), nil
	}
	var zero T
	for _, p := range present {
		switch {
		case !p:
			dst = append(dst, zero)
		case len(values) == 0:
			return dst, errFewer
		default:
			dst, values = append(dst, values[0]), values[1:]
		}
	}
	return dst, nil
}

func (v *vector) doubles(values []float64, rows int, present []bool) (err error) {
	if !v.duration {
		v.Floats, err = spread(v.Floats, values, rows, present)
		return err
	}
	if v.Floats, err = spread(v.Floats[:0], values, rows, present); err != nil {
		return err
	}
	for _, ms := range v.Floats {
		v.Ints = append(v.Ints, fromMS(ms))
	}
	return nil
}

// strings takes plain text: one copy of the page, cut into pieces.
func (v *vector) strings(data encoding.Values, rows int, present []bool) error {
	if v.words {
		v.unroll()
	}
	raw, offsets := data.ByteArray()
	at := len(v.Arena)
	v.Arena = append(v.Arena, raw...) // the words of earlier pages keep the array that they lie in
	all := unsafeString(v.Arena[at:])
	if present == nil {
		if len(offsets) < rows+1 {
			return errFewer
		}
		from := offsets[0]
		for _, to := range offsets[1 : rows+1] {
			v.Words = append(v.Words, all[from:to])
			from = to
		}
		return nil
	}
	for _, p := range present {
		switch {
		case !p:
			v.Words = append(v.Words, "")
		case len(offsets) < 2:
			return errFewer
		default:
			v.Words, offsets = append(v.Words, all[offsets[0]:offsets[1]]), offsets[1:]
		}
	}
	return nil
}

// indexes takes text by its numbers in the dictionary of the chunk.
func (v *vector) indexes(dict parquet.Dictionary, numbers []int32, rows int, present []bool) (err error) {
	if !v.words {
		if v.n > 0 {
			return errors.New("text with a dictionary behind plain text")
		}
		v.words = true
		v.dictionary(dict)
	}
	at := len(v.Index)
	if v.Index, err = spread(v.Index, numbers, rows, present); err != nil {
		return err
	}
	for i, n := range v.Index[at:] {
		if uint(n) >= uint(len(v.Words)) && (present == nil || present[i]) {
			return fmt.Errorf("word %d of a dictionary of %d", n, len(v.Words))
		}
	}
	return nil
}

func (v *vector) dictionary(dict parquet.Dictionary) {
	ends := make([]int, dict.Len())
	for i := range ends {
		v.Arena = append(v.Arena, dict.Index(int32(i)).ByteArray()...)
		ends[i] = len(v.Arena)
	}
	all, from := unsafeString(v.Arena), 0
	for _, to := range ends {
		v.Words, from = append(v.Words, all[from:to]), to
	}
}

// unroll gives each row its own word: a writer may give up a dictionary that grows too large in the middle of a chunk.
func (v *vector) unroll() {
	words := make([]string, v.n, v.rows)
	for i := range words {
		words[i] = v.Text(i)
	}
	v.Words, v.Index, v.words = words, v.Index[:0], false
}

// booleans takes bits, the first value in the lowest of the first byte.
func (v *vector) booleans(packed []byte, rows int, present []bool) error {
	next := 0
	for i := range rows {
		if present != nil && !present[i] {
			v.Ints = append(v.Ints, 0)
			continue
		}
		if next>>3 >= len(packed) {
			return errFewer
		}
		v.Ints = append(v.Ints, int64(packed[next>>3]>>(next&7)&1))
		next++
	}
	return nil
}
