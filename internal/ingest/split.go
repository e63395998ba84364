package ingest

import (
	"bytes"
	"fmt"
)

// span is one item of a body: body[from:to].
type span struct{ from, to int }

// splitError says that a body cannot be read as a whole.
type splitError struct {
	tooMany bool
	detail  string
}

func (e *splitError) Error() string { return e.detail }

func tooMany(max int) *splitError {
	return &splitError{true, fmt.Sprintf("the body has more than %d items; send them in several bodies", max)}
}

// splitLines finds the items of NDJSON: lines that are not blank.
func splitLines(body []byte, items []span, max int) ([]span, *splitError) {
	for from := 0; from < len(body); {
		to := len(body)
		if i := bytes.IndexByte(body[from:], '\n'); i >= 0 {
			to = from + i
		}
		next := to + 1
		for from < to && blank[body[from]] {
			from++
		}
		for from < to && blank[body[to-1]] {
			to--
		}
		if from < to {
			if len(items) == max {
				return items, tooMany(max)
			}
			items = append(items, span{from, to})
		}
		from = next
	}
	return items, nil
}

var blank = [256]bool{' ': true, '\t': true, '\r': true, '\n': true}

// splitJSON finds the items of a JSON body: the elements of an array, or the body itself. It looks at brackets and strings
// alone; whether an item is JSON is for its parser to say.
func splitJSON(body []byte, items []span, max int) ([]span, *splitError) {
	i := skipBlank(body, 0)
	if i == len(body) {
		return items, &splitError{detail: "the body is empty"}
	}
	if body[i] != '[' {
		end := len(body)
		for blank[body[end-1]] {
			end--
		}
		return append(items, span{i, end}), nil
	}
	i = skipBlank(body, i+1)
	for n := 0; ; n++ {
		if i < len(body) && body[i] == ']' && n == 0 {
			break
		}
		end, ok := skipValue(body, i)
		if !ok {
			return items, torn(body, i)
		}
		if len(items) == max {
			return items, tooMany(max)
		}
		items = append(items, span{i, end})
		i = skipBlank(body, end)
		if i == len(body) {
			return items, torn(body, i)
		}
		if body[i] == ']' {
			break
		}
		if body[i] != ',' {
			return items, &splitError{detail: fmt.Sprintf("byte %d of the array is %q where a comma belongs", i, body[i])}
		}
		i = skipBlank(body, i+1)
	}
	if i = skipBlank(body, i+1); i != len(body) {
		return items, &splitError{detail: fmt.Sprintf("byte %d follows the end of the array; send many events as one array or as application/x-ndjson", i)}
	}
	return items, nil
}

func torn(body []byte, i int) *splitError {
	if i < len(body) && (body[i] == ',' || body[i] == ']') {
		return &splitError{detail: fmt.Sprintf("byte %d of the array is %q where an event belongs", i, body[i])}
	}
	return &splitError{detail: "the array is not closed: the body was cut or is not JSON"}
}

func skipBlank(body []byte, i int) int {
	for i < len(body) && blank[body[i]] {
		i++
	}
	return i
}

// skipValue returns the end of the value at i; not ok when it does not end or there is none.
func skipValue(body []byte, i int) (end int, ok bool) {
	depth, from := 0, i
	for i < len(body) {
		switch body[i] {
		case '"':
			if i, ok = skipString(body, i); !ok {
				return i, false
			}
			if depth == 0 {
				return i, true
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 { // the end of the array behind a bare value
				return i, i > from
			}
			if depth--; depth == 0 {
				return i + 1, true
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i, i > from
			}
		}
		i++
	}
	return i, false
}

// skipString returns the index behind the string that starts at i.
func skipString(body []byte, i int) (int, bool) {
	for i++; ; i++ {
		n := bytes.IndexByte(body[i:], '"')
		if n < 0 {
			return len(body), false
		}
		escaped := false
		for j := i + n - 1; j >= i && body[j] == '\\'; j-- {
			escaped = !escaped
		}
		if i += n; !escaped {
			return i + 1, true
		}
	}
}
