package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// wellFormed judges the text before its meaning.
func wellFormed(data []byte) *Invalid {
	if len(data) > MaxSize {
		return invalid(CodeSize, "", fmt.Sprintf("payload of %d bytes; at most %d are taken, so split it or leave texts out", len(data), MaxSize))
	}
	if !utf8.Valid(data) {
		return invalid(CodeUTF8, "", fmt.Sprintf("byte %d is not UTF-8; encode the payload as UTF-8", invalidByte(data)))
	}
	if v := withinLimits(data); v != nil {
		return v
	}
	if !json.Valid(data) {
		return invalid(CodeSyntax, "", syntaxDetail(data))
	}
	return nil
}

func invalidByte(data []byte) int {
	n := 0
	for n < len(data) {
		r, size := utf8.DecodeRune(data[n:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		n += size
	}
	return n
}

// withinLimits counts brackets and colons outside of strings, up to the first limit that is passed. In JSON they are the depth
// and the keys; of a text that is not JSON it need only be quick, because such a text is refused either way.
func withinLimits(data []byte) *Invalid {
	depth, keys := 0, 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			for i++; i < len(data) && data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			if depth++; depth > MaxDepth {
				return invalid(CodeDepth, "", fmt.Sprintf("nested deeper than %d; flatten the payload", MaxDepth))
			}
		case '}', ']':
			depth--
		case ':':
			if keys++; keys > MaxKeys {
				return invalid(CodeKeys, "", fmt.Sprintf("more than %d object keys; send fewer fields or several events", MaxKeys))
			}
		}
	}
	return nil
}

func syntaxDetail(data []byte) string {
	if len(bytes.TrimLeft(data, " \t\r\n")) == 0 {
		return "empty payload; send one JSON object"
	}
	err := json.Unmarshal(data, new(json.RawMessage))
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("not JSON at byte %d: %s", s.Offset, shorten(s.Error(), 200))
	}
	return fmt.Sprintf("not JSON: %v", err)
}
