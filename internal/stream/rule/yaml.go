package rule

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// YAML writes a rule as people write it; Decode reads the same rule from it.
func (r *Rule) YAML() []byte { return yamlOf(r) }

// yamlOf writes what json.Marshal makes of v as YAML.
func yamlOf(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("rule: " + err.Error()) // only finite numbers and texts are decoded
	}
	root, fault := parse(text)
	if fault != nil {
		panic("rule: " + fault.Error()) // it was written above
	}
	var w yamlWriter
	w.block(root, 0)
	return []byte(w.String())
}

// YAML writes rules as a file of rules.
func YAML(rules []Rule) []byte {
	var out []byte
	for i := range rules {
		lines := strings.TrimSuffix(string(rules[i].YAML()), "\n")
		out = append(out, "- "+strings.ReplaceAll(lines, "\n", "\n  ")+"\n"...)
	}
	return out
}

// yamlWriter writes small values in one line and larger ones as blocks.
type yamlWriter struct{ strings.Builder }

const (
	inlineWidth = 140 // bytes of a value that is written in one line
	inlineDepth = 2
)

// block writes the entries of a list or an object, each on lines of its own.
func (w *yamlWriter) block(n *node, indent int) {
	for i, item := range n.items {
		w.WriteString(strings.Repeat(" ", indent))
		if n.kind == listNode {
			w.WriteByte('-')
		} else {
			w.WriteString(yamlText(n.keys[i].text) + ":")
		}
		w.value(item, n.kind, indent)
	}
}

func (w *yamlWriter) value(n *node, in nodeKind, indent int) {
	if text := inline(n); n.leaf() || n.depth() <= inlineDepth && len(text) <= inlineWidth {
		w.WriteString(" " + text + "\n")
		return
	}
	if in == mapNode || n.kind == listNode {
		w.WriteByte('\n')
		w.block(n, indent+2)
		return
	}
	var inner yamlWriter // an object in a list begins on the line of its dash
	inner.block(n, indent+2)
	w.WriteString(" " + strings.TrimLeft(inner.String(), " "))
}

func (n *node) leaf() bool { return len(n.items) == 0 }

func (n *node) depth() int {
	deepest := 0
	for _, item := range n.items {
		deepest = max(deepest, item.depth())
	}
	if n.leaf() {
		return 0
	}
	return deepest + 1
}

// inline writes a value in one line.
func inline(n *node) string {
	switch n.kind {
	case nullNode:
		return "null"
	case boolNode, numberNode:
		return n.text
	case textNode:
		return yamlText(n.text)
	}
	parts := make([]string, len(n.items))
	for i, item := range n.items {
		parts[i] = inline(item)
		if n.kind == mapNode {
			parts[i] = yamlText(n.keys[i].text) + ": " + parts[i]
		}
	}
	if n.kind == listNode {
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

var (
	plainText = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./-]*( [A-Za-z0-9_./%-]+)*\.?$`)
	plainSpan = regexp.MustCompile(`^([0-9]+(h|ms|m|s))+$`)
	notTexts  = []string{"true", "false", "yes", "no", "on", "off", "y", "n", "null"}
)

// yamlText writes a text plainly where it can be taken for nothing else, else in quotes.
func yamlText(s string) string {
	plain := plainText.MatchString(s) && !slices.Contains(notTexts, strings.ToLower(s)) || plainSpan.MatchString(s)
	switch {
	case plain:
		return s
	case strings.ContainsAny(s, `"\`) && !strings.ContainsFunc(s, special):
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case special(c) && c <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, c)
		case special(c):
			fmt.Fprintf(&b, `\U%08x`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// special tells the characters that YAML does not take, or takes for something else, as they are.
func special(c rune) bool { return !unicode.IsPrint(c) || c == '\ufeff' }
