package table

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Limits of a table.
const (
	MaxValues = 100_000 // of a series, gaps included
	MaxSeries = 100_000
	maxLine   = 4 << 20 // bytes
	maxID     = 256     // bytes
)

// Series is one series of a table. Missing values are NaN. Err is why it cannot be used, with the line.
type Series struct {
	ID     string
	Values []float64
	Err    error
}

// Reader reads the series of a table.
type Reader struct {
	name  string
	lines *bufio.Reader
	line  int // of the last one read, from 1
	seen  map[string]int
	timed bool // the form t,value
	done  bool
}

// NewReader reads the first line of a table; name stands in errors.
func NewReader(name string, in io.Reader) (*Reader, error) {
	r := &Reader{name: name, lines: bufio.NewReaderSize(in, 64<<10), seen: map[string]int{}}
	if magic, _ := r.lines.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		plain, err := gzip.NewReader(r.lines)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		r.lines = bufio.NewReaderSize(plain, 64<<10)
	}
	head, err := r.next()
	if errors.Is(err, io.EOF) {
		return nil, r.at(1, "the table is empty; its first line is id,part,values or t,value")
	}
	if err != nil {
		return nil, err
	}
	switch head = strings.TrimPrefix(head, "\ufeff"); head {
	case "id,part,values":
	case "t,value":
		r.timed = true
	default:
		return nil, r.at(r.line, "the header is %.80q, neither id,part,values nor t,value", head)
	}
	return r, nil
}

// at returns an error of a line.
func (r *Reader) at(line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", r.name, line, fmt.Sprintf(format, args...))
}

// Next returns the next series, io.EOF after the last. Any other error is of the whole table.
func (r *Reader) Next() (Series, error) {
	if r.timed {
		if r.done {
			return Series{}, io.EOF
		}
		r.done = true
		return r.timedSeries()
	}
	for {
		text, err := r.next()
		if errors.Is(err, io.EOF) && len(r.seen) == 0 {
			return Series{}, r.at(r.line, "no series: no line has the part train")
		}
		if err != nil {
			return Series{}, err
		}
		cells, err := csv.NewReader(strings.NewReader(text)).Read()
		if err != nil {
			return Series{}, r.at(r.line, "this is no line of CSV: %v", errors.Unwrap(err))
		}
		if len(cells) != 3 {
			return Series{}, r.at(r.line, "a line has three cells, id, part and values; this has %d", len(cells))
		}
		if cells[1] != "train" {
			continue
		}
		return r.series(cells[0], cells[2])
	}
}

func (r *Reader) series(id, values string) (Series, error) {
	if id == "" || len(id) > maxID {
		return Series{}, r.at(r.line, "an id has 1 to %d bytes; this has %d", maxID, len(id))
	}
	if first, ok := r.seen[id]; ok {
		return Series{ID: id, Err: fmt.Errorf("line %d: the id was there on line %d already", r.line, first)}, nil
	}
	if len(r.seen) == MaxSeries {
		return Series{}, r.at(r.line, "more than %d series", MaxSeries)
	}
	r.seen[id] = r.line
	s := Series{ID: id}
	for field := range strings.FieldsSeq(values) {
		if len(s.Values) == MaxValues {
			return Series{ID: id, Err: fmt.Errorf("line %d: more than %d values", r.line, MaxValues)}, nil
		}
		v, reason := number(field)
		if reason != "" {
			return Series{ID: id, Err: fmt.Errorf("line %d, value %d: %s", r.line, len(s.Values)+1, reason)}, nil
		}
		s.Values = append(s.Values, v)
	}
	return s, nil
}

func number(s string) (v float64, reason string) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Sprintf("%.40q is not a finite number", s)
	}
	return v, ""
}

// next returns the next line that is not empty, without blanks around it.
func (r *Reader) next() (string, error) {
	for {
		r.line++
		text, err := r.readLine()
		if text = strings.TrimSpace(text); text != "" {
			return text, nil
		}
		if err != nil {
			r.line--
			return "", err
		}
	}
}

// readLine returns a line, also the last one without an end; then the text is not empty and the error comes with the next call.
func (r *Reader) readLine() (string, error) {
	var long []byte
	for {
		part, err := r.lines.ReadSlice('\n')
		if len(long)+len(part) > maxLine {
			return "", r.at(r.line, "the line is longer than %d bytes", maxLine)
		}
		long = append(long, part...)
		switch {
		case err == nil, errors.Is(err, io.EOF) && len(long) > 0:
			return string(long), nil
		case errors.Is(err, io.EOF):
			return "", io.EOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", fmt.Errorf("%s:%d: %w", r.name, r.line, err)
		}
	}
}
