package replay

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
)

// maxRow bounds one row or JSON value; a longer one is refused.
const maxRow = 16 << 20

// row is one row of a file: fields of a table, or the bytes of a JSON value. Both are valid until the next row is read.
type row struct {
	line   int // where it starts; the first line of a file is 1
	fields []string
	json   []byte
	err    error // this row cannot be read, the next ones may
}

// rows yields the rows of a file one after another; io.EOF after the last. A row that can't be read has err set. An error
// from next itself means that nothing further can be read.
type rows interface {
	next() (row, error)
}

// table reads CSV. The header has been read already when newTable returns.
type table struct {
	csv    *csv.Reader
	header []string
}

func newTable(r *bufio.Reader) (*table, error) {
	c := csv.NewReader(r)
	c.ReuseRecord = true
	c.FieldsPerRecord = -1
	header, err := c.Read()
	if err != nil {
		return nil, fmt.Errorf("read header: %w", err)
	}
	t := &table{csv: c, header: append([]string(nil), header...)}
	if len(t.header) > 0 {
		t.header[0] = string(bytes.TrimPrefix([]byte(t.header[0]), bom))
	}
	return t, nil
}

func (t *table) next() (row, error) {
	fields, err := t.csv.Read()
	var bad *csv.ParseError
	switch {
	case errors.As(err, &bad):
		return row{line: bad.StartLine, err: bad.Err}, nil
	case err != nil:
		return row{}, err
	}
	line, _ := t.csv.FieldPos(0)
	r := row{line: line, fields: fields}
	if len(fields) != len(t.header) {
		r.err = fmt.Errorf("has %d fields, the header has %d", len(fields), len(t.header))
	}
	return r, nil
}

// lines reads JSON values, one to a line. Blank lines are skipped.
type lines struct {
	r    *bufio.Reader
	line int
	buf  []byte
}

func (l *lines) next() (row, error) {
	for {
		l.line++
		long, err := l.read()
		text := bytes.TrimSpace(l.buf)
		switch {
		case long:
			return row{line: l.line, err: fmt.Errorf("is longer than %d MiB", maxRow>>20)}, nil
		case len(text) > 0:
			if l.line == 1 {
				text = bytes.TrimPrefix(text, bom)
			}
			return row{line: l.line, json: text}, nil
		case err != nil:
			return row{}, err
		}
	}
}

// read fills buf with one line; of one that is too long it keeps nothing.
func (l *lines) read() (long bool, err error) {
	l.buf = l.buf[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		if long = long || len(l.buf)+len(part) > maxRow; long {
			l.buf = l.buf[:0]
		} else {
			l.buf = append(l.buf, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return long, err
		}
	}
}

// values reads the JSON values of an array, the members of an object, or values that merely follow each other, without
// holding more than one of them.
type values struct {
	r    *bufio.Reader
	open byte // '[', '{', or 0 for values one after another
	line int
	n    int
	buf  []byte
	done bool
}

func newValues(r *bufio.Reader, open byte) (*values, error) {
	v := &values{r: r, open: open, line: 1}
	if mark, err := r.Peek(3); err == nil && bytes.Equal(mark, bom) {
		_, _ = r.Discard(3)
	}
	if open == 0 {
		return v, nil
	}
	b, err := v.skip()
	if err != nil || b != open {
		return nil, fmt.Errorf("does not start with %q", open)
	}
	_, err = v.byte()
	return v, err
}

func (v *values) byte() (byte, error) {
	b, err := v.r.ReadByte()
	if b == '\n' && err == nil {
		v.line++
	}
	return b, err
}

// skip passes over blanks and returns the next byte without taking it.
func (v *values) skip() (byte, error) {
	for {
		b, err := v.r.Peek(1)
		if err != nil {
			return 0, err
		}
		switch b[0] {
		case ' ', '\t', '\r', '\n':
			_, _ = v.byte()
		default:
			return b[0], nil
		}
	}
}

func (v *values) next() (row, error) {
	if v.done {
		return row{}, io.EOF
	}
	v.buf = v.buf[:0]
	b, err := v.skip()
	if err == nil && v.open != 0 {
		if b == v.open+2 { // ']' and '}' come two after their openers
			v.done = true
			return row{}, io.EOF
		}
		if err = v.separator(b); err == nil {
			b, err = v.skip()
		}
	}
	if err != nil {
		return v.torn(err)
	}
	v.n++
	r := row{line: v.line}
	if err := v.value(b); err != nil {
		if errors.Is(err, errLong) {
			r.err = err
			return r, nil
		}
		return v.torn(err)
	}
	r.json = v.buf
	return r, nil
}

// separator takes what stands between values: a comma, and in an object the name.
func (v *values) separator(b byte) error {
	if v.n > 0 {
		if b != ',' {
			return fmt.Errorf("has %q where a comma belongs", b)
		}
		_, _ = v.byte()
		var err error
		if b, err = v.skip(); err != nil {
			return err
		}
	}
	if v.open != '{' {
		return nil
	}
	if b != '"' {
		return fmt.Errorf("has %q where a name belongs", b)
	}
	if err := v.value(b); err != nil {
		return err
	}
	b, err := v.skip()
	if err == nil && b != ':' {
		return fmt.Errorf("has %q where a colon belongs", b)
	}
	_, _ = v.byte()
	return err
}

// torn ends the reading: at the end of the input when values merely follow each other, else with a row that says why.
func (v *values) torn(err error) (row, error) {
	v.done = true
	if errors.Is(err, io.EOF) {
		if v.open == 0 && len(v.buf) == 0 {
			return row{}, io.EOF
		}
		err = errors.New("the file ends inside a JSON value")
	}
	return row{line: v.line, err: fmt.Errorf("%w; the rest of the file cannot be read", err)}, nil
}

var errLong = fmt.Errorf("is longer than %d MiB", maxRow>>20)

// value takes one JSON value into buf, looking no deeper than brackets and strings. first is its first byte.
func (v *values) value(first byte) error {
	v.buf = v.buf[:0]
	depth, quoted, escaped, long := 0, false, false, false
	for {
		b, err := v.r.Peek(1)
		if err != nil {
			if errors.Is(err, io.EOF) && depth == 0 && !quoted && len(v.buf) > 0 && v.open == 0 {
				break // a bare number at the very end
			}
			v.buf = append(v.buf, 0) // not empty: there was a value
			return err
		}
		c := b[0]
		bare := depth == 0 && !quoted && first != '"' && first != '{' && first != '['
		if bare && (c == ',' || c == ']' || c == '}' || c <= ' ') && len(v.buf) > 0 {
			break
		}
		_, _ = v.byte()
		if long = long || len(v.buf) >= maxRow; !long {
			v.buf = append(v.buf, c)
		}
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = c == '\\', c != '"'
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
		if depth <= 0 && !quoted && !bare {
			break
		}
	}
	if long {
		return errLong
	}
	return nil
}
