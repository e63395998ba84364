package event

import (
	"strconv"
	"unicode/utf8"
)

// AppendJSON writes e in the canonical form: envelope, data fields in the order of the catalogue, metrics, unknown fields,
// metadata; no whitespace; durations in milliseconds and money in USD, exact to the last digit. What is absent is left out,
// so equal events give equal bytes, and Parse gives back an equal event.
func AppendJSON(dst []byte, e *Event) []byte {
	dst = append(dst, '{')
	if e.ID != "" {
		dst = append(appendString(append(dst, `"event_id":`...), e.ID), ',')
	}
	dst = append(append(append(dst, `"event_type":"`...), e.Kind.String()...), '"')
	if e.HasTime {
		dst = append(AppendTime(append(dst, `,"timestamp":"`...), e.Time), '"')
	}
	if e.Source != "" {
		dst = appendString(append(dst, `,"source":`...), e.Source)
	}
	if e.SchemaVersion != "" {
		dst = appendString(append(dst, `,"schema_version":`...), e.SchemaVersion)
	}
	if e.CorrelationID != "" {
		dst = appendString(append(dst, `,"correlation_id":`...), e.CorrelationID)
	}
	dst = e.AppendData(append(dst, `,"data":`...))
	if len(e.Metadata) > 0 {
		dst = append(append(dst, `,"metadata":`...), e.Metadata...)
	}
	return append(dst, '}')
}

// AppendData writes the object "data" of the canonical form.
func (e *Event) AppendData(dst []byte) []byte {
	dst = append(dst, '{')
	start := len(dst)
	for f := range numFields {
		if !e.Has(f) {
			continue
		}
		s := &Catalogue[f]
		dst = append(append(append(dst, '"'), s.Name...), '"', ':')
		dst = append(e.appendValue(dst, f, s.Type), ',')
	}
	for i := range e.Metrics {
		dst = append(appendString(dst, e.Metrics[i].Name), ':')
		dst = append(appendFloat(dst, e.Metrics[i].Value), ',')
	}
	if len(e.Extra) > 2 {
		dst = append(append(dst, e.Extra[1:len(e.Extra)-1]...), ',')
	}
	if len(dst) > start {
		dst = dst[:len(dst)-1]
	}
	return append(dst, '}')
}

func (e *Event) appendValue(dst []byte, f Field, t Type) []byte {
	switch t {
	case Text:
		return appendString(dst, e.text[f])
	case Number:
		return appendFloat(dst, e.Float(f))
	case Boolean:
		return strconv.AppendBool(dst, e.Bool(f))
	}
	return appendScaled(dst, e.Int(f), t.digits())
}

// appendString writes s as a JSON string. Only what must be escaped is; bytes that are not UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			if r, n := utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, "\uFFFD"...)
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// plain marks the bytes of ASCII that stand for themselves in a JSON string.
var plain = func() (t [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()
