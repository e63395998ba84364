package label

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// Matcher is a condition on one label: name="value", !=, =~ and !~. Make it with NewMatcher or Parse.
type Matcher struct {
	Name, Value string
	Regex, Not  bool
	re          *regexp.Regexp
}

const maxPattern = 1 << 10

// NewMatcher checks a condition. A regular expression (RE2) must match the whole value.
func NewMatcher(name, value string, regex, not bool) (Matcher, error) {
	m := Matcher{Name: name, Value: value, Regex: regex, Not: not}
	switch {
	case name == "" || len(name) > MaxName || !utf8.ValidString(name):
		return m, fmt.Errorf("the name of the label has not 1 to %d bytes of UTF-8", MaxName)
	case len(value) > MaxValue || !utf8.ValidString(value):
		return m, fmt.Errorf("the value has more than %d bytes, or is not UTF-8", MaxValue)
	}
	if regex {
		if len(value) > maxPattern {
			return m, fmt.Errorf("the regular expression has more than %d bytes", maxPattern)
		}
		re, err := regexp.Compile("^(?:" + value + ")$")
		if err != nil {
			return m, fmt.Errorf("%q is no regular expression (RE2): %s", value, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		m.re = re
	}
	return m, nil
}

// Matches tells whether a value is what the condition asks for.
func (m *Matcher) Matches(value string) bool {
	if m.Regex {
		return m.re.MatchString(value) != m.Not
	}
	return (value == m.Value) != m.Not
}

// Op is the sign of the condition.
func (m *Matcher) Op() string {
	switch {
	case m.Regex && m.Not:
		return "!~"
	case m.Regex:
		return "=~"
	case m.Not:
		return "!="
	}
	return "="
}

func (m Matcher) String() string {
	name := m.Name
	if strings.ContainsAny(name, "=!~,{}\" \t\r\n") || name != strings.TrimSpace(name) {
		name = strconv.Quote(name)
	}
	return name + m.Op() + strconv.Quote(m.Value)
}

// Matchers are conditions that must all hold.
type Matchers []Matcher

// Match tells whether they hold for labels.
func (ms Matchers) Match(s Set) bool {
	for i := range ms {
		if !ms[i].Matches(s[ms[i].Name]) {
			return false
		}
	}
	return true
}

// String writes them as {a="b",c=~"d"}, in the order of their names.
func (ms Matchers) String() string {
	texts := make([]string, len(ms))
	for i, m := range ms.Sorted() {
		texts[i] = m.String()
	}
	return "{" + strings.Join(texts, ",") + "}"
}

// Sorted are the same by name, value and kind.
func (ms Matchers) Sorted() Matchers {
	out := slices.Clone(ms)
	sorting.By(out, func(a, b Matcher) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		if c := strings.Compare(a.Value, b.Value); c != 0 {
			return c
		}
		return strings.Compare(a.Op(), b.Op())
	})
	return out
}

// Equal tells whether they are the same conditions, in any order.
func (ms Matchers) Equal(other Matchers) bool {
	return slices.EqualFunc(ms.Sorted(), other.Sorted(), func(a, b Matcher) bool {
		return a.Name == b.Name && a.Value == b.Value && a.Regex == b.Regex && a.Not == b.Not
	})
}

// Parse reads conditions as Alertmanager writes them: severity="critical", or several of them within braces or not, with commas
// between: {team=~"a|b", env!="dev"}. Quotes may be left out around what has none of the signs.
func Parse(text string) (Matchers, error) {
	s := scanner{rest: strings.TrimSpace(text)}
	if len(text) > 16<<10 {
		return nil, errors.New("it has more than 16 KiB")
	}
	if inner, ok := strings.CutPrefix(s.rest, "{"); ok {
		if s.rest, ok = strings.CutSuffix(inner, "}"); !ok {
			return nil, errors.New("the brace is not closed")
		}
	}
	var out Matchers
	for s.space(); s.rest != ""; {
		m, err := s.matcher()
		if err != nil {
			return nil, err
		}
		if out = append(out, m); len(out) > MaxLabels {
			return nil, fmt.Errorf("there are more than %d conditions", MaxLabels)
		}
		if s.space(); s.rest == "" {
			break
		}
		if s.rest[0] != ',' {
			return nil, fmt.Errorf("a comma is missing before %q", clip(s.rest))
		}
		s.rest = s.rest[1:]
		s.space()
	}
	if len(out) == 0 {
		return nil, errors.New(`it has no condition; write one such as severity="critical"`)
	}
	return out, nil
}

type scanner struct{ rest string }

func (s *scanner) space() { s.rest = strings.TrimLeft(s.rest, " \t\r\n") }

func (s *scanner) matcher() (Matcher, error) {
	name, err := s.word("=!~,{} \t\r\n")
	if err != nil {
		return Matcher{}, err
	}
	s.space()
	var op string
	for _, o := range []string{"=~", "!~", "!=", "="} {
		if strings.HasPrefix(s.rest, o) {
			op = o
			break
		}
	}
	if op == "" {
		return Matcher{}, fmt.Errorf("one of = != =~ !~ must follow on %q", clip(name))
	}
	s.rest = s.rest[len(op):]
	s.space()
	value, err := s.word(",{}\"")
	if err != nil {
		return Matcher{}, err
	}
	return NewMatcher(name, value, strings.HasSuffix(op, "~"), op[0] == '!')
}

// word reads a quoted text, or everything up to one of some signs.
func (s *scanner) word(until string) (string, error) {
	if strings.HasPrefix(s.rest, `"`) {
		quoted, err := strconv.QuotedPrefix(s.rest)
		if err != nil {
			return "", fmt.Errorf("the quotes of %s are not closed", clip(s.rest))
		}
		text, err := strconv.Unquote(quoted)
		if err != nil {
			return "", fmt.Errorf("%s is not quoted as it should be", clip(quoted))
		}
		s.rest = s.rest[len(quoted):]
		return text, nil
	}
	n := strings.IndexAny(s.rest, until)
	if n < 0 {
		n = len(s.rest)
	}
	text := strings.TrimSpace(s.rest[:n])
	s.rest = s.rest[n:]
	return text, nil
}

func clip(s string) string { return words.Clip(s, 60) }
