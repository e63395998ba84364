// Package tmpl is the small language of the texts of notifications: the part of Alertmanager's templates that is used to say what
// happened, written anew, because the library that Alertmanager takes would keep every method of the program in the binary.
//
// In comes a text with actions in double braces; out comes a text about one message. Values are texts, numbers, times, labels and lists
// of alerts, and nothing else: a template can call no code, read no file, and reach nothing but the message.
//
// Promised: a template that parses always ends, within bounds of steps and of bytes. A field or label that is not there is the empty
// text, as in Alertmanager; a name of a field, function or template that there never is, is an error when it is parsed.
//
//	{{ .Status | toUpper }}  {{ .CommonLabels.alertname }}  {{ index .CommonLabels "service.name" }}
//	{{ range .Alerts.Firing }}{{ .Annotations.summary }} since {{ .StartsAt }}{{ else }}nothing{{ end }}
//	{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value }} {{ end }}
//	{{ if eq .Status "firing" }}…{{ else if .CommonAnnotations.runbook }}…{{ else }}…{{ end }}
//	{{ template "name" . }}  {{ len .Alerts }}  {{ $.ExternalURL }}  {{/* a remark */}}  {{- of spaces -}}
package tmpl

import (
	"fmt"
	"strings"
)

// The limits of templates.
const (
	maxText   = 64 << 10 // bytes of one template
	maxDepth  = 16       // of nesting, and of templates in templates
	maxOutput = 64 << 10 // bytes of what comes out
	maxSteps  = 100_000  // actions that are carried out
)

// Template is a text that was parsed.
type Template struct {
	body []node
	set  Set
}

// Set are the templates that others may name. The texts in it are parsed by ParseSet.
type Set map[string]*Template

// ParseSet parses templates that may name each other. On an error, name says in which one it lies.
func ParseSet(texts map[string]string) (set Set, name string, err error) {
	set = Set{}
	for n := range texts {
		set[n] = &Template{set: set}
	}
	for n, text := range texts {
		if set[n].body, err = parse(text, set); err != nil {
			return nil, n, err
		}
	}
	return set, "", nil
}

// Parse reads a text; set has the templates that it may name.
func Parse(text string, set Set) (*Template, error) {
	body, err := parse(text, set)
	if err != nil {
		return nil, err
	}
	return &Template{body, set}, nil
}

// Error is a fault of a template.
type Error struct {
	Line   int
	Detail string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d of the template: %s", e.Line, e.Detail) }

// node is a piece of text or an action.
type node struct {
	kind       byte // 't' text, 'p' print, 'i' if, 'r' range, 'c' call of a template
	text       string
	expr       *expr
	body, rest []node // rest is that of else
	line       int
}

// token is a piece of text, or what stands between braces.
type token struct {
	text   string
	action bool
	line   int
}

// split cuts a text at its braces, and takes the spaces away at which {{- and -}} stand.
func split(text string) ([]token, error) {
	var out []token
	line, trim := 1, false
	for text != "" {
		plain, rest, found := strings.Cut(text, "{{")
		at := line + strings.Count(plain, "\n")
		if trim {
			plain = strings.TrimLeft(plain, " \t\r\n")
			trim = false
		}
		if !found {
			return append(out, token{plain, false, line}), nil
		}
		inside, after, closed := strings.Cut(rest, "}}")
		if strings.HasPrefix(strings.TrimLeft(strings.TrimPrefix(rest, "-"), " "), "/*") {
			var remark string
			if remark, after, closed = strings.Cut(rest, "*/"); closed {
				var tail string
				if tail, after, closed = strings.Cut(after, "}}"); closed {
					inside = remark + "*/" + tail
				}
			}
		}
		if !closed {
			return nil, &Error{at, "{{ is not closed by }}"}
		}
		line = at + strings.Count(inside, "\n")
		if cut, ok := strings.CutPrefix(inside, "- "); ok {
			inside, plain = cut, strings.TrimRight(plain, " \t\r\n")
		}
		if cut, ok := strings.CutSuffix(inside, " -"); ok {
			inside, trim = cut, true
		}
		if plain != "" {
			out = append(out, token{plain, false, at})
		}
		if inside = strings.TrimSpace(inside); !strings.HasPrefix(inside, "/*") {
			out = append(out, token{inside, true, at})
		}
		text = after
	}
	return out, nil
}

func parse(text string, set Set) ([]node, error) {
	if len(text) > maxText {
		return nil, &Error{1, fmt.Sprintf("it has more than %d bytes", maxText)}
	}
	tokens, err := split(text)
	if err != nil {
		return nil, err
	}
	p := parser{tokens: tokens, set: set}
	body, end, err := p.block(0)
	if err == nil && end.action {
		err = &Error{end.line, "{{ " + end.text + " }} ends nothing"}
	}
	return body, err
}

type parser struct {
	tokens []token
	set    Set
}

// block reads up to the else or end of the block, or to the end of the text; end is what it met.
func (p *parser) block(depth int) (body []node, end token, err error) {
	for len(p.tokens) > 0 {
		t := p.tokens[0]
		p.tokens = p.tokens[1:]
		word, rest, _ := strings.Cut(t.text, " ")
		switch {
		case !t.action:
			body = append(body, node{kind: 't', text: t.text})
			continue
		case depth > maxDepth:
			return nil, t, &Error{t.line, fmt.Sprintf("blocks lie more than %d deep", maxDepth)}
		case word == "end" || word == "else":
			return body, t, nil
		}
		n := node{kind: 'p', line: t.line}
		switch word {
		case "if", "range":
			n.kind = word[0]
			err = p.conditional(&n, rest, depth)
		case "template":
			n.kind = 'c'
			err = p.call(&n, rest)
		case "define", "block", "with", "break", "continue":
			err = &Error{t.line, "{{ " + word + " }} is not known here; templates with a name belong under templates"}
		default:
			n.expr, err = parseExpr(t.text, t.line)
		}
		if err != nil {
			return nil, t, err
		}
		body = append(body, n)
	}
	return body, token{}, nil
}

func (p *parser) conditional(n *node, condition string, depth int) (err error) {
	if n.expr, err = parseExpr(condition, n.line); err != nil {
		return err
	}
	body, end, err := p.block(depth + 1)
	if err != nil {
		return err
	}
	n.body = body
	word, rest, _ := strings.Cut(end.text, " ")
	switch {
	case !end.action:
		return &Error{n.line, "the block has no {{ end }}"}
	case word == "end" && strings.TrimSpace(rest) == "":
		return nil
	case word == "else" && strings.TrimSpace(rest) == "":
		body, end, err := p.block(depth + 1)
		if err == nil && end.text != "end" {
			err = &Error{n.line, "the block has no {{ end }}"}
		}
		n.rest = body
		return err
	case word == "else" && strings.HasPrefix(rest, "if "):
		inner := node{kind: 'i', line: end.line}
		n.rest = []node{{}}
		err := p.conditional(&inner, strings.TrimPrefix(rest, "if "), depth+1)
		n.rest[0] = inner
		return err
	}
	return &Error{end.line, "{{ " + end.text + " }} is not understood; write else, else if CONDITION, or end"}
}

func (p *parser) call(n *node, rest string) error {
	e, err := parseExpr("template "+rest, n.line)
	if err != nil {
		return err
	}
	if len(e.args) == 0 || e.args[0].kind != literal {
		return &Error{n.line, `write {{ template "name" . }}`}
	}
	name, _ := e.args[0].value.(string)
	if p.set[name] == nil {
		return &Error{n.line, fmt.Sprintf("there is no template %q under templates", name)}
	}
	n.text, n.expr = name, &expr{kind: path}
	if len(e.args) > 1 {
		n.expr = e.args[1]
	}
	return nil
}
