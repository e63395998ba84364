package lake

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding"
)

// vector is one column of a row group, decoded: one of ints, floats and text has an entry for each row. Its arrays are used
// again by the next load; the text itself is not, so it may be kept.
type vector struct {
	ints    []int64
	floats  []float64
	text    []string
	present []bool // by row; valid when some
	some    bool   // some rows have no value
	none    bool   // no row has one
	n       int    // rows loaded so far
	dict    []string
	values  []parquet.Value // scratch
}

func (v *vector) has(i int) bool { return !v.some || !v.none && v.present[i] }

// clear makes v a column of n rows without any value.
func (v *vector) clear(n int) { v.n, v.some, v.none = n, true, true }

// load decodes a column chunk of n rows.
func (v *vector) load(chunk parquet.ColumnChunk, n int) error {
	v.ints, v.floats, v.text = v.ints[:0], v.floats[:0], v.text[:0]
	v.dict, v.some, v.none, v.n = nil, false, false, 0
	pages := chunk.Pages()
	defer pages.Close()
	for v.n < n {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("ends after %d of %d rows", v.n, n)
		}
		if err != nil {
			return err
		}
		err = v.page(page, n)
		parquet.Release(page)
		if err != nil {
			return err
		}
	}
	return nil
}

// page appends the rows of one page.
func (v *vector) page(page parquet.Page, n int) error {
	rows := int(page.NumRows())
	if rows > n-v.n || int(page.NumValues()) != rows {
		return fmt.Errorf("a page of %d rows and %d values at row %d of %d", rows, page.NumValues(), v.n, n)
	}
	nulls := int(page.NumNulls())
	v.mark(page.DefinitionLevels(), rows, nulls, n)
	data := page.Data()
	var err error
	switch data.Kind() {
	case encoding.Int64:
		v.ints, err = spread(v.ints, data.Int64(), v.missing(rows, nulls))
	case encoding.Double:
		v.floats, err = spread(v.floats, data.Double(), v.missing(rows, nulls))
	case encoding.Int32:
		if page.Dictionary() == nil {
			return errors.New("not a column of ours")
		}
		err = v.words(page.Dictionary(), data.Int32(), rows, nulls)
	case encoding.ByteArray:
		err = v.strings(data, rows, nulls)
	case encoding.Boolean:
		err = v.booleans(page, rows)
	default:
		return fmt.Errorf("values of type %s", data.Kind())
	}
	v.n += rows
	return err
}

// mark notes which of the next rows have a value. Until the first null it only counts.
func (v *vector) mark(levels []byte, rows, nulls, n int) {
	if nulls == 0 && !v.some {
		return
	}
	if !v.some {
		v.some = true
		v.present = slices.Grow(v.present[:0], n)[:v.n]
		for i := range v.present {
			v.present[i] = true
		}
	}
	if nulls == 0 {
		for range rows {
			v.present = append(v.present, true)
		}
		return
	}
	for _, l := range levels {
		v.present = append(v.present, l == 1)
	}
}

// missing returns the marks of the rows being read, nil when none is missing.
func (v *vector) missing(rows, nulls int) []bool {
	if nulls == 0 {
		return nil
	}
	return v.present[v.n : v.n+rows]
}

// spread appends the values of the rows that are present, and zeros for the others.
func spread[T any](dst, values []T, present []bool) ([]T, error) {
	if present == nil {
		return append(dst, values...), nil
	}
	var zero T
	for _, p := range present {
		switch {
		case !p:
			dst = append(dst, zero)
		case len(values) == 0:
			return dst, errors.New("fewer values than rows")
		default:
			dst, values = append(dst, values[0]), values[1:]
		}
	}
	return dst, nil
}

// strings takes plain text: one copy of the page, cut into pieces.
func (v *vector) strings(data encoding.Values, rows, nulls int) error {
	raw, offsets := data.ByteArray()
	if len(offsets) < rows-nulls+1 && rows > nulls {
		return errors.New("fewer values than rows")
	}
	all := string(raw)
	next := 0
	present := v.missing(rows, nulls)
	for i := range rows {
		if present != nil && !present[i] {
			v.text = append(v.text, "")
			continue
		}
		v.text = append(v.text, all[offsets[next]:offsets[next+1]])
		next++
	}
	return nil
}

// words takes text by its numbers in the dictionary of the chunk.
func (v *vector) words(dict parquet.Dictionary, indexes []int32, rows, nulls int) error {
	if v.dict == nil {
		v.dict = make([]string, dict.Len())
		for i := range v.dict {
			v.dict[i] = string(dict.Index(int32(i)).ByteArray())
		}
	}
	present := v.missing(rows, nulls)
	next := 0
	for i := range rows {
		if present != nil && !present[i] {
			v.text = append(v.text, "")
			continue
		}
		if next >= len(indexes) || int(indexes[next]) >= len(v.dict) {
			return errors.New("fewer values than rows, or a word that is not in the dictionary")
		}
		v.text = append(v.text, v.dict[indexes[next]])
		next++
	}
	return nil
}

// booleans takes the slow road: they are bits, and few.
func (v *vector) booleans(page parquet.Page, rows int) error {
	v.values = slices.Grow(v.values[:0], rows)[:rows]
	for got, r := 0, page.Values(); got < rows; {
		n, err := r.ReadValues(v.values[got:])
		got += n
		if got < rows && (err != nil || n == 0) {
			return fmt.Errorf("%d of %d values: %w", got, rows, err)
		}
	}
	for _, b := range v.values {
		n := int64(0)
		if !b.IsNull() && b.Boolean() {
			n = 1
		}
		v.ints = append(v.ints, n)
	}
	return nil
}
