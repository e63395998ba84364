package conf

import (
	"fmt"
	"strings"
)

// envLine is one assignment of an env file.
type envLine struct {
	key, value string
	line       int
}

// parseEnvFile reads assignments as systemd reads an EnvironmentFile: KEY=VALUE a line; empty lines and those that begin with
// # or ; are skipped; a backslash before a line break goes on with the next line; values may be put in single quotes (taken
// as they are) or double quotes (\" \\ \` \$ are escapes), and blanks around an unquoted value are dropped. Lines that are
// no assignment are told by their number; systemd skips them, too.
func parseEnvFile(text string) (lines []envLine, bad []envLine) {
	r := envReader{text: strings.ReplaceAll(text, "\r\n", "\n"), line: 1}
	for r.more() {
		r.skipBlank()
		if !r.more() {
			break
		}
		at := r.line
		if c := r.peek(); c == '#' || c == ';' {
			r.restOfLine()
			continue
		}
		key, ok := r.key()
		if !ok {
			bad = append(bad, envLine{key: key, value: "no KEY=VALUE", line: at})
			continue
		}
		value, closed := r.value()
		switch {
		case !closed:
			bad = append(bad, envLine{key: key, value: "the quote is not closed", line: at})
		case !validEnvName(key):
			bad = append(bad, envLine{key: key, value: "not a name of a variable", line: at})
		default:
			lines = append(lines, envLine{key, value, at})
		}
	}
	return lines, bad
}

type envReader struct {
	text string
	pos  int
	line int
}

func (r *envReader) more() bool { return r.pos < len(r.text) }
func (r *envReader) peek() byte { return r.text[r.pos] }

func (r *envReader) next() byte {
	c := r.text[r.pos]
	r.pos++
	if c == '\n' {
		r.line++
	}
	return c
}

func (r *envReader) skipBlank() {
	for r.more() && strings.IndexByte(" \t\r\n", r.peek()) >= 0 {
		r.next()
	}
}

// restOfLine takes everything up to the line break, which a backslash moves to the next one.
func (r *envReader) restOfLine() {
	for r.more() {
		switch r.next() {
		case '\n':
			return
		case '\\':
			if r.more() {
				r.next()
			}
		}
	}
}

func (r *envReader) key() (string, bool) {
	start := r.pos
	for r.more() {
		switch r.peek() {
		case '=':
			key := strings.TrimSpace(r.text[start:r.pos])
			r.next()
			return key, true
		case '\n':
			return strings.TrimSpace(r.text[start:r.pos]), false
		}
		r.next()
	}
	return strings.TrimSpace(r.text[start:r.pos]), false
}

// value takes the text after the =, in as many quoted and plain pieces as there are; false when a quote is not closed.
func (r *envReader) value() (string, bool) {
	var b strings.Builder
	keep := 0 // length up to which blanks at the end belong to the value
	for r.more() && (r.peek() == ' ' || r.peek() == '\t') {
		r.next()
	}
	for r.more() {
		switch c := r.next(); c {
		case '\n':
			return trimEnd(b.String(), keep), true
		case '\'', '"':
			if !r.quoted(&b, c) {
				return "", false
			}
			keep = b.Len()
		case '\\':
			if r.more() {
				if c := r.next(); c != '\n' {
					b.WriteByte(c)
				}
				keep = b.Len()
			}
		default:
			b.WriteByte(c)
		}
	}
	return trimEnd(b.String(), keep), true
}

func trimEnd(s string, keep int) string { return s[:keep] + strings.TrimRight(s[keep:], " \t\r") }

func (r *envReader) quoted(b *strings.Builder, quote byte) bool {
	for r.more() {
		c := r.next()
		switch {
		case c == quote:
			return true
		case c == '\\' && quote == '"' && r.more():
			switch e := r.next(); e {
			case '"', '\\', '`', '$':
				b.WriteByte(e)
			case '\n':
			default:
				b.WriteByte('\\')
				b.WriteByte(e)
			}
		default:
			b.WriteByte(c)
		}
	}
	return false
}

func validEnvName(s string) bool {
	for i, c := range s {
		if !(c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (i > 0 && c >= '0' && c <= '9')) {
			return false
		}
	}
	return s != ""
}

// EnvFile reads an env file into KEY=VALUE lines, and tells which of its lines are none.
func EnvFile(path string) (environ []string, doubts []string, err error) {
	text, err := readSmall(path)
	if err != nil {
		return nil, nil, err
	}
	lines, bad := parseEnvFile(string(text))
	for _, l := range lines {
		environ = append(environ, l.key+"="+l.value)
	}
	for _, l := range bad {
		doubts = append(doubts, fmt.Sprintf("%s:%d: %s", path, l.line, l.value))
	}
	return environ, doubts, nil
}
