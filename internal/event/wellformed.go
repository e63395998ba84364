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

// withinLimits walks the tokens up to the first limit that is passed; a syntax error ends the walk and is judged elsewhere.
func withinLimits(data []byte) *Invalid {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	type level struct {
		object bool
		tokens int
	}
	var stack []level
	keys := 0
	for {
		token, err := dec.Token()
		if err != nil || len(stack) == 0 && token == nil {
			return nil
		}
		if n := len(stack); n > 0 && token != json.Delim('}') && token != json.Delim(']') {
			if stack[n-1].object && stack[n-1].tokens%2 == 0 {
				keys++
			}
			stack[n-1].tokens++
		}
		if keys > MaxKeys {
			return invalid(CodeKeys, "", fmt.Sprintf("more than %d object keys; send fewer fields or several events", MaxKeys))
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			stack = append(stack, level{object: token == json.Delim('{')})
			if len(stack) > MaxDepth {
				return invalid(CodeDepth, "", fmt.Sprintf("nested deeper than %d; flatten the payload", MaxDepth))
			}
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
		}
		if len(stack) == 0 {
			return nil
		}
	}
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
