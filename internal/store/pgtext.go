package store

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// rebind numbers the parameters of a query: every "?" outside quotes becomes $1, $2, …
func rebind(query string, args int) string {
	if args == 0 {
		return query
	}
	var b strings.Builder
	b.Grow(len(query) + 2*args)
	n, quoted := 0, false
	for i := range len(query) {
		switch c := query[i]; {
		case c == '?' && !quoted:
			n++
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(n))
		default:
			quoted = quoted != (c == '\'')
			b.WriteByte(c)
		}
	}
	return b.String()
}

// escape begins what stands for a byte that PostgreSQL does not take in text: escape and two hexadecimal digits. Doubled it
// stands for itself. People see "a␀00b" for a, NUL, b.
const escape = "\u2400"

// storable returns s as PostgreSQL takes it; equal strings stay equal and different ones different.
func storable(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, "\x00") && !strings.Contains(s, escape) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == 0 || r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, "%s%02x", escape, s[0])
		case s[:n] == escape:
			b.WriteString(escape + escape)
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// original undoes storable. What storable cannot have made, because another program wrote it, stays as it is.
func original(s string) string {
	before, s, found := strings.Cut(s, escape)
	if !found {
		return before
	}
	var b strings.Builder
	for {
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if rest, doubled := strings.CutPrefix(s, escape); doubled {
			b.WriteString(escape)
			s = rest
		} else if c, err := strconv.ParseUint(s[:min(2, len(s))], 16, 8); err == nil && len(s) >= 2 {
			b.WriteByte(byte(c))
			s = s[2:]
		} else {
			b.WriteString(escape)
		}
		before, s, found = strings.Cut(s, escape)
	}
}
