package prom

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// TextOptions say how a text is read.
type TextOptions struct {
	OpenMetrics bool // times are seconds, not milliseconds
	MaxSeries   int
}

// The limits of one line.
const (
	maxLine   = 64 << 10
	maxLabels = 64
)

// ErrSeries says that a text holds more series than allowed.
var ErrSeries = errors.New("too many series")

// SyntaxError says what is wrong with a text, and in which line (from 1).
type SyntaxError struct {
	Line   int
	Detail string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Detail) }

// IsOpenMetrics tells by its Content-Type whether a text is OpenMetrics.
func IsOpenMetrics(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(media), "application/openmetrics-text")
}

// Parse reads a text to its end, or to "# EOF", and calls each for every sample. It stops at the first fault, a
// *SyntaxError, at the first error of r or each, and with ErrSeries.
func Parse(r io.Reader, o TextOptions, each func(*Sample) error) error {
	t := textReader{options: o, types: types{}}
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		raw, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return &SyntaxError{t.line + 1, fmt.Sprintf("longer than %d bytes", maxLine)}
		case err != nil && !errors.Is(err, io.EOF):
			return err
		}
		t.line++
		found, bad := t.read(string(raw)) // a copy: names and labels are kept by those who get them
		if bad != nil {
			return bad
		}
		if found {
			if t.series++; t.series > o.MaxSeries {
				return fmt.Errorf("%w: more than %d", ErrSeries, o.MaxSeries)
			}
			if err := each(&t.sample); err != nil {
				return err
			}
		}
		if err != nil || t.ended {
			return nil
		}
	}
}

// textReader reads line by line.
type textReader struct {
	options TextOptions
	types   types
	sample  Sample
	line    int
	series  int
	ended   bool

	rest string // of the line
}

func (t *textReader) fault(format string, args ...any) error {
	return &SyntaxError{t.line, fmt.Sprintf(format, args...)}
}

// read takes one line and tells whether it held a sample.
func (t *textReader) read(line string) (found bool, err error) {
	t.rest = strings.TrimRight(line, "\r\n")
	t.blanks()
	switch {
	case t.rest == "":
		return false, nil
	case t.rest[0] == '#':
		return false, t.comment()
	case !utf8.ValidString(t.rest):
		return false, t.fault("not UTF-8")
	}
	return true, t.seriesLine()
}

func (t *textReader) blanks() { t.rest = strings.TrimLeft(t.rest, " \t") }

// word takes everything up to the next blank.
func (t *textReader) word() string {
	t.blanks()
	i := strings.IndexAny(t.rest, " \t")
	if i < 0 {
		i = len(t.rest)
	}
	w := t.rest[:i]
	t.rest = t.rest[i:]
	return w
}

// maxTypes bounds the families whose types are remembered within one text.
const maxTypes = 20_000

// comment reads the two comments that mean something.
func (t *textReader) comment() error {
	t.rest = t.rest[1:]
	switch t.word() {
	case "EOF":
		t.ended = t.options.OpenMetrics
	case "TYPE":
		t.blanks()
		name := ""
		if strings.HasPrefix(t.rest, `"`) {
			var err error
			if name, err = t.quoted(); err != nil {
				return err
			}
		} else {
			name = t.word()
		}
		word := t.word()
		typ, ok := typeOf(word)
		switch {
		case name == "":
			return t.fault("TYPE without a name")
		case !ok:
			return t.fault("TYPE %s of %s is none that Prometheus has", clip(word), clip(name))
		case len(t.types) >= maxTypes && typ != Unknown:
			return t.fault("more than %d families", maxTypes)
		}
		t.types[name] = typ
	}
	return nil
}

// seriesLine reads name, labels, value and time.
func (t *textReader) seriesLine() error {
	s := &t.sample
	*s = Sample{Labels: s.Labels[:0]}
	name := t.identifier(true)
	if strings.HasPrefix(t.rest, "{") || t.skipTo('{') {
		inner, err := t.labels(name == "")
		if err != nil {
			return err
		}
		if name == "" {
			name = inner
		}
	}
	if name == "" {
		return t.fault("a series begins with its name, this with %s", clip(t.rest))
	}
	s.named(name, t.types.of)
	if err := t.number(name); err != nil {
		return err
	}
	return t.time(name)
}

// skipTo takes blanks before c, if they are followed by it.
func (t *textReader) skipTo(c byte) bool {
	rest := strings.TrimLeft(t.rest, " \t")
	if rest == "" || rest[0] != c {
		return false
	}
	t.rest = rest
	return true
}

func (t *textReader) identifier(colon bool) string {
	i := 0
	for i < len(t.rest) {
		c := t.rest[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || colon && c == ':' || i > 0 && c >= '0' && c <= '9') {
			break
		}
		i++
	}
	name := t.rest[:i]
	t.rest = t.rest[i:]
	return name
}

// labels takes everything between braces. A quoted text that stands alone is the name of the series.
func (t *textReader) labels(nameless bool) (name string, err error) {
	t.rest = t.rest[1:]
	for {
		t.blanks()
		if strings.HasPrefix(t.rest, "}") {
			t.rest = t.rest[1:]
			return name, nil
		}
		key, quoted := "", strings.HasPrefix(t.rest, `"`)
		if quoted {
			if key, err = t.quoted(); err != nil {
				return "", err
			}
		} else {
			key = t.identifier(false)
		}
		switch {
		case t.skipTo('='):
			if key == "" {
				return "", t.fault("a label without a name")
			}
			t.rest = t.rest[1:]
			if err := t.label(key); err != nil {
				return "", err
			}
		case quoted && nameless && name == "" && key != "":
			name = key
		default:
			return "", t.fault("a label is NAME=\"VALUE\"; here stands %s", clip(key+t.rest))
		}
		t.blanks()
		switch {
		case strings.HasPrefix(t.rest, ","):
			t.rest = t.rest[1:]
		case !strings.HasPrefix(t.rest, "}"):
			return "", t.fault("labels end with }, here stands %s", clip(t.rest))
		}
	}
}

func (t *textReader) label(key string) error {
	t.blanks()
	if !strings.HasPrefix(t.rest, `"`) {
		return t.fault("the value of label %s is not in quotes", clip(key))
	}
	value, err := t.quoted()
	if err != nil {
		return err
	}
	for _, l := range t.sample.Labels {
		if l.Name == key {
			return t.fault("label %s stands twice", clip(key))
		}
	}
	if len(t.sample.Labels) == maxLabels {
		return t.fault("more than %d labels", maxLabels)
	}
	t.sample.Labels = append(t.sample.Labels, Label{key, value})
	return nil
}

// quoted takes a text in quotes, with the escapes \\, \" and \n.
func (t *textReader) quoted() (string, error) {
	s := t.rest[1:]
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			t.rest = s[i+1:]
			return s[:i], nil
		case '\\':
			return t.escaped(s, i)
		}
	}
	return "", t.fault("a quote is not closed")
}

func (t *textReader) escaped(s string, from int) (string, error) {
	var b strings.Builder
	b.WriteString(s[:from])
	for i := from; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"':
			t.rest = s[i+1:]
			return b.String(), nil
		case c != '\\' || i+1 == len(s):
			b.WriteByte(c)
		default:
			i++
			switch s[i] {
			case 'n':
				b.WriteByte('\n')
			case '"', '\\':
				b.WriteByte(s[i])
			default: // as Prometheus does
				b.WriteByte('\\')
				b.WriteByte(s[i])
			}
		}
	}
	return "", t.fault("a quote is not closed")
}

func (t *textReader) number(name string) error {
	word := t.word()
	if word == "" {
		return t.fault("%s has no value", clip(name))
	}
	v, err := parseFloat(word)
	if err != nil {
		return t.fault("the value of %s is %s, which is no number", clip(name), clip(word))
	}
	t.sample.Value = v
	return nil
}

// parseFloat reads a decimal number, Inf or NaN; hexadecimal ones and digits joined by _ are Go's, not Prometheus'.
func parseFloat(s string) (float64, error) {
	if strings.ContainsAny(s, "xXpP_") {
		return 0, strconv.ErrSyntax
	}
	v, err := strconv.ParseFloat(s, 64)
	if errors.Is(err, strconv.ErrRange) {
		return v, nil // ±Inf, which no event takes
	}
	return v, err
}

// time reads the time, if there is one; an exemplar may follow and says nothing here.
func (t *textReader) time(name string) error {
	word := t.word()
	if word == "" || word[0] == '#' {
		return nil
	}
	v, err := parseFloat(word)
	unit := 1e3
	if t.options.OpenMetrics {
		unit = 1e6
	}
	if err != nil || math.IsNaN(v) || math.Abs(v*unit) > maxMicros {
		return t.fault("the time of %s is %s, which is none", clip(name), clip(word))
	}
	t.sample.Time = int64(math.Round(v * unit))
	if t.blanks(); t.rest != "" && t.rest[0] != '#' {
		return t.fault("after value and time of %s stands %s", clip(name), clip(t.rest))
	}
	return nil
}

// maxMicros is the end of the year 9999.
const maxMicros = 253_402_300_799_999_999

// clip shows a piece of the input.
func clip(s string) string {
	return strconv.Quote(words.Clip(s, 60))
}
