package format

import (
	"bytes"
	"encoding/json"
	"iter"
	"math"
	"strconv"
)

// These walk over JSON text that json.Valid has judged, so they need not tell what is wrong, and copy nothing.

// skipBlank returns the index of the first byte at or behind i that is no white space.
func skipBlank(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		i++
	}
	return i
}

// valueEnd returns the index behind the value that starts at i.
func valueEnd(text []byte, i int) int {
	for depth := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i = stringEnd(text, i) - 1
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth--; depth < 0 {
				return i // behind a bare value at the end of its container
			}
		case ',', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(text)
}

// stringEnd returns the index behind the string that starts at i.
func stringEnd(text []byte, i int) int {
	for i++; i < len(text); i++ {
		n := bytes.IndexByte(text[i:], '"')
		if n < 0 {
			break
		}
		escaped := false
		for j := i + n - 1; j >= i && text[j] == '\\'; j-- {
			escaped = !escaped
		}
		if i += n; !escaped {
			return i + 1
		}
	}
	return len(text)
}

// members yields the names and values of an object; of anything else, nothing. Names have no escapes but in strange input,
// whose names mean nothing here.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		i := skipBlank(object, 0)
		if i >= len(object) || object[i] != '{' {
			return
		}
		for i = skipBlank(object, i+1); i < len(object) && object[i] == '"'; i = skipBlank(object, i+1) {
			end := stringEnd(object, i)
			name := object[i+1 : max(end-1, i+1)]
			i = skipBlank(object, skipBlank(object, end)+1)
			end = valueEnd(object, i)
			if !yield(name, object[min(i, end):end]) {
				return
			}
			if i = skipBlank(object, end); i >= len(object) || object[i] != ',' {
				return
			}
		}
	}
}

// elements yields the values of an array; of anything else, nothing.
func elements(array []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		i := skipBlank(array, 0)
		if i >= len(array) || array[i] != '[' {
			return
		}
		for i = skipBlank(array, i+1); i < len(array) && array[i] != ']'; i = skipBlank(array, i+1) {
			end := valueEnd(array, i)
			if end == i || !yield(array[i:end]) {
				return
			}
			if i = skipBlank(array, end); i >= len(array) || array[i] != ',' {
				return
			}
		}
	}
}

// member returns the value of one name, nil when it is absent or null.
func member(object []byte, name string) []byte {
	for n, v := range members(object) {
		if string(n) == name {
			if string(v) == "null" {
				return nil
			}
			return v
		}
	}
	return nil
}

// at walks down the names.
func at(object []byte, names ...string) []byte {
	for _, n := range names {
		object = member(object, n)
	}
	return object
}

// indexed is an object whose members were found once, for objects that are asked for many.
type indexed []struct{ name, value []byte }

func index(object []byte) (o indexed) {
	o = make(indexed, 0, 64)
	for n, v := range members(object) {
		o = append(o, struct{ name, value []byte }{n, v})
	}
	return o
}

// get is member of the object.
func (o indexed) get(name string) []byte {
	for i := range o {
		if string(o[i].name) == name {
			if string(o[i].value) == "null" {
				return nil
			}
			return o[i].value
		}
	}
	return nil
}

// at walks down the names.
func (o indexed) at(names ...string) []byte { return at(o.get(names[0]), names[1:]...) }

// text returns the text of a string; not ok when the value is none.
func text(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), true
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// textOr is the text of a string, or else "".
func textOr(raw []byte) string {
	s, _ := text(raw)
	return s
}

// float reads a number, or a string that holds one, as JSON of protobuf writes 64-bit numbers. NaN and the infinities are
// numbers there.
func float(raw []byte) (float64, bool) {
	if len(raw) == 0 {
		return 0, false
	}
	if raw[0] == '"' {
		s, _ := text(raw)
		raw = []byte(s)
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

// integer reads a number without a fraction, or a string that holds one.
func integer(raw []byte) (int64, bool) {
	if len(raw) == 0 {
		return 0, false
	}
	if raw[0] == '"' {
		s, _ := text(raw)
		raw = []byte(s)
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
		return 0, false
	}
	return int64(f), true
}

// unsigned reads a number of 64 bits without a sign.
func unsigned(raw []byte) uint64 {
	if len(raw) > 1 && raw[0] == '"' {
		raw = raw[1 : len(raw)-1]
	}
	n, err := strconv.ParseUint(string(raw), 10, 64)
	if err != nil {
		f, _ := float(raw)
		return uint64(min(max(f, 0), 1<<63))
	}
	return n
}

// truth reads true, or a number that is not 0.
func truth(raw []byte) bool {
	if string(raw) == "true" {
		return true
	}
	n, ok := integer(raw)
	return ok && n != 0
}

// quoted makes a JSON string.
func quoted(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		return []byte(`""`)
	}
	return b
}
