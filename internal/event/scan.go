package event

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// member is one key with its value, as places in the payload.
type member struct {
	keyStart, keyEnd     uint32 // without quotes
	valueStart, valueEnd uint32 // strings without quotes
	name                 uint8  // index into names.entries, 0 = unknown
	token                token
	special              bool // string: has escapes; object, array: has whitespace outside of strings
}

type token uint8

const (
	tokenString token = iota
	tokenNumber
	tokenTrue
	tokenFalse
	tokenNull
	tokenObject
	tokenArray
)

// scanner reads JSON text. Its methods take the place where they begin and return the place behind what they read, or fault;
// they do not say why, that is for Reference.
type scanner struct {
	limit   Limits
	keys    int // object keys so far
	deepest int // nesting so far, below the members of an object
	spaced  bool
}

// begin makes the scanner ready for another text.
func (s *scanner) begin(l *Limits) { s.limit, s.keys, s.deepest = *l, 0, 0 }

const fault = -1

// members reads an object from behind its brace at nesting depth and appends its members to list. A value of the key "data"
// that is an object is read into inner at once when that is not nil.
func (s *scanner) members(data []byte, i, depth int, list []member, inner *[]member) ([]member, int) {
	if i = skipSpace(data, i); i < len(data) && data[i] == '}' {
		return list, i + 1
	}
	for {
		if i >= len(data) || data[i] != '"' {
			return list, fault
		}
		var m member
		start := i + 1
		first := load8(data, start)
		end := start
		if stop := stops(first); stop != 0 {
			n := bits.TrailingZeros64(stop) &^ 7
			end += n >> 3
			first &= 1<<n - 1
		} else {
			end = scanPlain(data, start+8)
		}
		if end >= len(data) || data[end] != '"' {
			return list, fault // an escape, a control character, or the end
		}
		s.keys++
		m.keyStart, m.keyEnd = uint32(start), uint32(end)
		m.name = names.find(data, start, end, first)
		i = end + 1
		if i < len(data) && data[i] != ':' {
			i = skipSpace(data, i)
		}
		if i >= len(data) || data[i] != ':' {
			return list, fault
		}
		if i++; i < len(data) && data[i] <= ' ' {
			i = skipSpace(data, i)
		}
		if inner != nil && i < len(data) && data[i] == '{' && m.name != 0 && int(names.entries[m.name].place) == placeData {
			m.token, m.valueStart = tokenObject, uint32(i)
			*inner, i = s.members(data, i+1, depth+1, (*inner)[:0], nil)
			m.valueEnd = uint32(i)
		} else {
			i = s.value(data, i, depth, &m)
		}
		if i == fault {
			return list, fault
		}
		list = append(list, m)
		if i < len(data) && data[i] <= ' ' {
			i = skipSpace(data, i)
		}
		if i >= len(data) {
			return list, fault
		}
		switch data[i] {
		case ',':
			if i++; i < len(data) && data[i] <= ' ' {
				i = skipSpace(data, i)
			}
		case '}':
			return list, i + 1
		default:
			return list, fault
		}
	}
}

// value reads any value at data[i:] into m; depth is that of the object around it.
func (s *scanner) value(data []byte, i, depth int, m *member) int {
	if i >= len(data) {
		return fault
	}
	m.valueStart = uint32(i)
	switch c := data[i]; c {
	case '"':
		end, escaped := scanString(data, i+1)
		if end == fault {
			return fault
		}
		m.token, m.special = tokenString, escaped
		m.valueStart, m.valueEnd = uint32(i+1), uint32(end-1)
		return end
	case '{', '[':
		m.token = tokenArray
		if c == '{' {
			m.token = tokenObject
		}
		s.spaced = false
		i = s.nested(data, i, depth)
		m.special = s.spaced
	case 't':
		m.token = tokenTrue
		i = scanWord(data, i, "true")
	case 'f':
		m.token = tokenFalse
		i = scanWord(data, i, "false")
	case 'n':
		m.token = tokenNull
		i = scanWord(data, i, "null")
	default:
		m.token = tokenNumber
		i = scanNumber(data, i)
	}
	m.valueEnd = uint32(i)
	return i
}

// nested passes over an object or array whose first byte is data[i], inside of depth others.
func (s *scanner) nested(data []byte, i, depth int) int {
	var objects uint64 // bit d tells whether the level d is an object
	base := depth
	for {
		// A value begins at i.
		if i = s.gap(data, i); i >= len(data) {
			return fault
		}
		switch c := data[i]; c {
		case '{', '[':
			if depth++; depth > s.deepest {
				if s.deepest = depth; depth > s.limit.Depth {
					return fault
				}
			}
			objects &^= 1 << depth
			closing := byte(']')
			if c == '{' {
				objects |= 1 << depth
				closing = '}'
			}
			if i = s.gap(data, i+1); i >= len(data) {
				return fault
			}
			if data[i] == closing {
				depth--
				i++
				break
			}
			if c == '{' {
				if i = s.key(data, i); i == fault {
					return fault
				}
			}
			continue
		case '"':
			i, _ = scanString(data, i+1)
		case 't':
			i = scanWord(data, i, "true")
		case 'f':
			i = scanWord(data, i, "false")
		case 'n':
			i = scanWord(data, i, "null")
		default:
			i = scanNumber(data, i)
		}
		if i == fault {
			return fault
		}
		// A value ended before i.
		for depth > base {
			if i = s.gap(data, i); i >= len(data) {
				return fault
			}
			object := objects>>depth&1 != 0
			if c := data[i]; c == '}' && object || c == ']' && !object {
				depth--
				i++
				continue
			} else if c != ',' {
				return fault
			}
			i++
			if object {
				if i = s.key(data, s.gap(data, i)); i == fault {
					return fault
				}
			}
			break
		}
		if depth == base {
			return i
		}
	}
}

// key reads a key and its colon at data[i:].
func (s *scanner) key(data []byte, i int) int {
	if i >= len(data) || data[i] != '"' {
		return fault
	}
	s.keys++
	if i, _ = scanString(data, i+1); i == fault {
		return fault
	}
	if i = s.gap(data, i); i >= len(data) || data[i] != ':' {
		return fault
	}
	return i + 1
}

// gap passes over whitespace and notes that there was some.
func (s *scanner) gap(data []byte, i int) int {
	if i < len(data) && data[i] <= ' ' {
		j := skipSpace(data, i)
		s.spaced = s.spaced || j > i
		return j
	}
	return i
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\r' || data[i] == '\t') {
		i++
	}
	return i
}

func scanWord(data []byte, i int, word string) int {
	if len(data)-i < len(word) || string(data[i:i+len(word)]) != word {
		return fault
	}
	return i + len(word)
}

func scanNumber(data []byte, i int) int {
	if data[i] == '-' {
		i++
	}
	if i >= len(data) {
		return fault
	}
	if data[i] == '0' {
		i++
	} else if i = scanDigits(data, i); i == fault {
		return fault
	}
	if i < len(data) && data[i] == '.' {
		if i = scanDigits(data, i+1); i == fault {
			return fault
		}
	}
	if i < len(data) && data[i]|0x20 == 'e' {
		if i++; i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		return scanDigits(data, i)
	}
	return i
}

func scanDigits(data []byte, i int) int {
	start := i
	for i < len(data) && data[i]-'0' <= 9 {
		i++
	}
	if i == start {
		return fault
	}
	return i
}

// scanString reads a string from behind its opening quote.
func scanString(data []byte, i int) (end int, escaped bool) {
	for {
		i = scanPlain(data, i)
		if i >= len(data) {
			return fault, escaped
		}
		switch data[i] {
		case '"':
			return i + 1, escaped
		case '\\':
			escaped = true
			if i = scanEscape(data, i+1); i == fault {
				return fault, true
			}
		default:
			return fault, escaped
		}
	}
}

// scanEscape reads what follows a backslash.
func scanEscape(data []byte, i int) int {
	if i >= len(data) {
		return fault
	}
	switch data[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		if len(data)-i < 5 || hex4(data[i+1:i+5]) < 0 {
			return fault
		}
		return i + 5
	}
	return fault
}

// hex4 reads four hexadecimal digits, negative when they are none.
func hex4(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// scanPlain returns the place of the first quote, backslash or control character, or len(data) or more.
func scanPlain(data []byte, i int) int {
	for ; i+8 <= len(data); i += 8 {
		if stop := stops(binary.LittleEndian.Uint64(data[i:])); stop != 0 {
			return i + bits.TrailingZeros64(stop)>>3
		}
	}
	for i < len(data) && data[i] >= ' ' && data[i] != '"' && data[i] != '\\' {
		i++
	}
	return i
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// stops marks quotes, backslashes and control characters among eight bytes; the lowest mark is exact, those above it may
// be wrong.
func stops(w uint64) uint64 {
	quote, slash := w^ones*'"', w^ones*'\\'
	return ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w) & highs
}

// load8 loads eight bytes, zeros behind the end of data.
func load8(data []byte, i int) uint64 {
	if i+8 <= len(data) {
		return binary.LittleEndian.Uint64(data[i:])
	}
	var w uint64
	for j := len(data) - 1; j >= i; j-- {
		w = w<<8 | uint64(data[j])
	}
	return w
}

// valid tells whether data is UTF-8. Nearly all events are ASCII, which is seen thirty-two bytes at a time.
func valid(data []byte) bool {
	rest := data
	for ; len(rest) >= 32; rest = rest[32:] {
		some := binary.LittleEndian.Uint64(rest) | binary.LittleEndian.Uint64(rest[8:]) | binary.LittleEndian.Uint64(rest[16:]) | binary.LittleEndian.Uint64(rest[24:])
		if some&highs != 0 {
			break
		}
	}
	return utf8.Valid(rest)
}
