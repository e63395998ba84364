package sdk

import (
	"bytes"
	"encoding/json"
)

// Limits of what a scanner keeps. Beyond them it goes on, and what is too long is no value of interest.
const (
	scanDepth = 12  // nested objects and arrays whose paths are told apart
	scanPath  = 96  // bytes of a path
	scanText  = 600 // bytes of a key or value
)

// visitor is told the scalars that it wants. A path is the keys joined by dots, with [] for the items of an array:
// "choices[].finish_reason".
type visitor interface {
	wants(path []byte) bool
	value(path, text []byte, quoted bool) // text is only lent
}

// scanner reads one JSON text after another in pieces of any size, in constant memory, and tells a visitor the few values
// that it wants; all others are skipped and never copied. It judges nothing: from a text that is no JSON come wrong values or
// none.
type scanner struct {
	to      visitor
	state   scanState
	escaped bool // the byte before was a backslash within a string
	isKey   bool // the next string is a key
	keep    bool // the string or literal that is being read is wanted, or a key
	special bool // it holds escapes
	closed  bool // an object or array came to its end, and nothing is open
	depth   int
	array   [scanDepth]bool
	parent  [scanDepth]int // length of the path of the object or array around
	path    []byte
	text    []byte
}

type scanState uint8

const (
	between scanState = iota
	inString
	inLiteral
)

func newScanner(to visitor) *scanner {
	return &scanner{to: to, path: make([]byte, 0, scanPath), text: make([]byte, 0, scanText)}
}

func (s *scanner) reset() {
	s.state, s.escaped, s.isKey, s.keep, s.closed, s.depth = between, false, false, false, false, 0
	s.path, s.text = s.path[:0], s.text[:0]
}

// feed reads on.
func (s *scanner) feed(b []byte) {
	for len(b) > 0 {
		switch s.state {
		case inString:
			b = s.str(b)
		case inLiteral:
			b = s.literal(b)
		default:
			b = s.structure(b)
		}
	}
}

// structure reads up to the beginning of a string or literal.
func (s *scanner) structure(b []byte) []byte {
	for i, c := range b {
		switch c {
		case ' ', '\n', '\r', '\t', ':':
		case '{', '[':
			s.push(c == '[')
		case '}', ']':
			s.pop()
		case ',':
			s.isKey = s.inObject()
			s.back()
		case '"':
			s.begin(inString, s.isKey || s.to.wants(s.path))
			return b[i+1:]
		default:
			s.begin(inLiteral, s.to.wants(s.path))
			return b[i:]
		}
	}
	return nil
}

func (s *scanner) begin(state scanState, keep bool) {
	s.state, s.keep, s.special, s.escaped = state, keep && s.depth <= scanDepth, false, false
	s.text = s.text[:0]
}

func (s *scanner) push(array bool) {
	if s.depth < scanDepth {
		s.array[s.depth], s.parent[s.depth] = array, len(s.path)
		if array {
			s.extend("[]")
		}
	}
	s.depth++
	s.isKey, s.closed = !array, false
}

func (s *scanner) pop() {
	s.depth = max(s.depth-1, 0)
	s.closed = s.depth == 0
	if s.depth < scanDepth {
		s.path = s.path[:min(s.parent[s.depth], len(s.path))]
	}
	s.isKey = false
}

func (s *scanner) inObject() bool {
	return s.depth > 0 && s.depth <= scanDepth && !s.array[s.depth-1]
}

// back drops the key of the member that just ended.
func (s *scanner) back() {
	if s.inObject() {
		s.path = s.path[:min(s.parent[s.depth-1], len(s.path))]
	}
}

// extend makes the path longer; beyond its limit it becomes one that nobody wants.
func (s *scanner) extend(part string) {
	if len(s.path)+len(part) > scanPath-1 {
		s.path = append(s.path[:min(len(s.path), scanPath-1)], '!')
		return
	}
	s.path = append(s.path, part...)
}

// str reads a string up to its end, most of it without looking at each byte.
func (s *scanner) str(b []byte) []byte {
	for len(b) > 0 {
		if s.escaped {
			s.take(b[:1])
			s.escaped, b = false, b[1:]
			continue
		}
		end := bytes.IndexByte(b, '"')
		plain := b
		if end >= 0 {
			plain = b[:end]
		}
		if i := bytes.IndexByte(plain, '\\'); i >= 0 {
			s.take(b[:i+1])
			s.escaped, s.special, b = true, true, b[i+1:]
			continue
		}
		s.take(plain)
		if end < 0 {
			return nil
		}
		s.endString()
		return b[end+1:]
	}
	return nil
}

func (s *scanner) endString() {
	s.state = between
	text := s.text
	if s.keep && s.special {
		var plain string
		if json.Unmarshal(append(append([]byte{'"'}, text...), '"'), &plain) != nil {
			s.keep = false
		}
		text = []byte(plain)
	}
	switch {
	case s.isKey:
		s.isKey = false
		if s.depth > scanDepth {
			return
		}
		if len(s.path) > 0 {
			s.extend(".")
		}
		if !s.keep {
			s.extend("!")
			return
		}
		s.extend(string(text))
	case s.keep:
		s.to.value(s.path, text, true)
	}
}

// take keeps bytes of a string or literal; of one that is too long nothing is kept.
func (s *scanner) take(b []byte) {
	if !s.keep {
		return
	}
	if len(s.text)+len(b) > scanText {
		s.keep = false
		return
	}
	s.text = append(s.text, b...)
}

// literal reads a number, true, false or null.
func (s *scanner) literal(b []byte) []byte {
	for i, c := range b {
		switch c {
		case ',', '}', ']', ' ', '\n', '\r', '\t', '{', '[', '"', ':':
			s.take(b[:i])
			s.state = between
			if s.keep && string(s.text) != "null" {
				s.to.value(s.path, s.text, false)
			}
			return b[i:]
		}
	}
	s.take(b)
	return nil
}
