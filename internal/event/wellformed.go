package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// wellFormed judges the text before its meaning.
func (l Limits) wellFormed(data []byte) *Invalid {
	if v := l.sized(data); v != nil {
		return v
	}
	if !utf8.Valid(data) {
		return invalid(CodeUTF8, "", fmt.Sprintf("byte %d is not UTF-8; encode the payload as UTF-8", invalidByte(data)))
	}
	if v := l.nested(data); v != nil {
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
