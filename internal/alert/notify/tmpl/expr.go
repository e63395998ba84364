package tmpl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// The kinds of expressions.
const (
	path    = iota // .A.b or $.A.b
	literal        // "text" or 1
	call           // a function
)

// expr is an expression.
type expr struct {
	kind  int
	root  bool     // of a path that begins with $
	names []string // of a path
	value any      // of a literal
	fn    string
	args  []*expr
	line  int
}

// functions by name, with how many values they take.
var functions = map[string][2]int{
	"toUpper": {1, 1}, "toLower": {1, 1}, "title": {1, 1}, "trimSpace": {1, 1}, "len": {1, 1}, "join": {2, 2}, "default": {2, 2}, "index": {2, 2}, "eq": {2, 2}, "ne": {2, 2},
	"not": {1, 1}, "and": {2, 8}, "or": {2, 8}, "truncate": {2, 2}, "date": {1, 1}, "reReplaceAll": {3, 3}, "template": {1, 2},
}

// fields are the names that can follow on a point, beside those of labels and annotations.
var fields = []string{
	"Status", "Receiver", "Alerts", "GroupLabels", "CommonLabels", "CommonAnnotations", "ExternalURL", "GroupKey", "TruncatedAlerts",
	"Firing", "Resolved", "Labels", "Annotations", "StartsAt", "EndsAt", "GeneratorURL", "Fingerprint", "SortedPairs", "Names", "Values", "Name", "Value",
}

type exprParser struct {
	rest string
	line int
	deep int
}

func parseExpr(text string, line int) (*expr, error) {
	p := exprParser{rest: text, line: line}
	e, err := p.pipeline()
	if err == nil && p.rest != "" {
		err = p.wrong("%q is not understood", clip(p.rest))
	}
	return e, err
}

func (p *exprParser) wrong(format string, args ...any) error {
	return &Error{p.line, fmt.Sprintf(format, args...)}
}

func (p *exprParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// pipeline reads commands with bars between; the value of each is the last argument of the next.
func (p *exprParser) pipeline() (*expr, error) {
	if p.deep++; p.deep > maxDepth {
		return nil, p.wrong("parentheses lie more than %d deep", maxDepth)
	}
	defer func() { p.deep-- }()
	var last *expr
	for {
		e, err := p.command(last)
		if err != nil {
			return nil, err
		}
		last = e
		p.space()
		rest, piped := strings.CutPrefix(p.rest, "|")
		if !piped {
			return last, nil
		}
		p.rest = rest
	}
}

func (p *exprParser) command(piped *expr) (*expr, error) {
	p.space()
	n := 0
	for n < len(p.rest) && (p.rest[n] >= 'a' && p.rest[n] <= 'z' || p.rest[n] >= 'A' && p.rest[n] <= 'Z') {
		n++
	}
	if n == 0 {
		if piped != nil {
			return nil, p.wrong("a function must follow on |")
		}
		return p.operand()
	}
	e := &expr{kind: call, fn: p.rest[:n], line: p.line}
	takes, known := functions[e.fn]
	if !known {
		names := make([]string, 0, len(functions))
		for name := range functions {
			names = append(names, name)
		}
		slices.Sort(names)
		return nil, p.wrong("there is no function %q%s; there are %s. A field begins with a point", e.fn, words.DidYouMean(e.fn, names), strings.Join(names, ", "))
	}
	p.rest = p.rest[n:]
	for p.space(); p.rest != "" && p.rest[0] != '|' && p.rest[0] != ')'; p.space() {
		a, err := p.operand()
		if err != nil {
			return nil, err
		}
		e.args = append(e.args, a)
	}
	if piped != nil {
		e.args = append(e.args, piped)
	}
	if len(e.args) < takes[0] || len(e.args) > takes[1] {
		return nil, p.wrong("%s takes %d to %d values, not %d", e.fn, takes[0], takes[1], len(e.args))
	}
	return e, nil
}

func (p *exprParser) operand() (*expr, error) {
	p.space()
	if p.rest == "" {
		return nil, p.wrong("a value is missing")
	}
	switch c := p.rest[0]; {
	case c == '.' || c == '$':
		return p.path()
	case c == '"' || c == '`':
		quoted, err := strconv.QuotedPrefix(p.rest)
		if err != nil {
			return nil, p.wrong("the quotes of %s are not closed", clip(p.rest))
		}
		text, _ := strconv.Unquote(quoted) // it is a quoted prefix
		p.rest = p.rest[len(quoted):]
		return &expr{kind: literal, value: text}, nil
	case c == '(':
		p.rest = p.rest[1:]
		e, err := p.pipeline()
		if err != nil {
			return nil, err
		}
		rest, closed := strings.CutPrefix(p.rest, ")")
		if !closed {
			return nil, p.wrong("a parenthesis is not closed")
		}
		p.rest = rest
		return e, nil
	case c >= '0' && c <= '9':
		n := len(p.rest) - len(strings.TrimLeft(p.rest, "0123456789"))
		i, err := strconv.Atoi(p.rest[:n])
		if err != nil {
			return nil, p.wrong("%s is no number that is known here", clip(p.rest[:n]))
		}
		p.rest = p.rest[n:]
		return &expr{kind: literal, value: i}, nil
	}
	return nil, p.wrong("%q is not understood; a field begins with a point, a text with a quote", clip(p.rest))
}

func (p *exprParser) path() (*expr, error) {
	e := &expr{kind: path}
	if rest, ok := strings.CutPrefix(p.rest, "$"); ok {
		e.root, p.rest = true, rest
		if p.rest != "" && isName(p.rest[0]) {
			return nil, p.wrong("variables are not known here; $ is the message")
		}
	}
	for strings.HasPrefix(p.rest, ".") {
		n := 1
		for n < len(p.rest) && isName(p.rest[n]) {
			n++
		}
		name := p.rest[1:n]
		p.rest = p.rest[n:]
		if name == "" {
			break
		}
		e.names = append(e.names, name)
	}
	return e, p.check(e)
}

// check refuses a first name that no value has, and what follows on texts.
func (p *exprParser) check(e *expr) error {
	for i, name := range e.names {
		if i > 0 && slices.Contains([]string{"Labels", "Annotations", "GroupLabels", "CommonLabels", "CommonAnnotations"}, e.names[i-1]) {
			return nil
		}
		if !slices.Contains(fields, name) {
			return p.wrong("there is no field .%s%s; labels are reached by .CommonLabels.%s, or by .Labels.%s of an alert", name, words.DidYouMean(name, fields), name, name)
		}
	}
	return nil
}

func isName(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func clip(s string) string { return words.Clip(s, 60) }
