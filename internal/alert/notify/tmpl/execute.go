package tmpl

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var (
	errSteps  = fmt.Errorf("it takes more than %d steps", maxSteps)
	errOutput = fmt.Errorf("it makes more than %d bytes", maxOutput)
	errCalls  = errors.New("templates call each other without end")
)

// Execute makes the text about a message.
func (t *Template) Execute(d *Data) (string, error) {
	r := run{root: d}
	if err := r.nodes(t.body, d, t.set, 0); err != nil {
		return "", err
	}
	return r.out.String(), nil
}

// pair is a name and its value, of SortedPairs.
type pair struct{ name, value string }

type run struct {
	root  *Data
	out   strings.Builder
	steps int
}

func (r *run) nodes(body []node, dot any, set Set, depth int) error {
	for i := range body {
		if r.steps++; r.steps > maxSteps {
			return errSteps
		}
		if err := r.node(&body[i], dot, set, depth); err != nil {
			return err
		}
		if r.out.Len() > maxOutput {
			return errOutput
		}
	}
	return nil
}

func (r *run) node(n *node, dot any, set Set, depth int) error {
	if n.kind == 't' {
		r.out.WriteString(n.text)
		return nil
	}
	v, err := r.eval(n.expr, dot)
	if err != nil {
		return err
	}
	switch n.kind {
	case 'p':
		r.out.WriteString(text(v))
	case 'i':
		if truth(v) {
			return r.nodes(n.body, dot, set, depth)
		}
		return r.nodes(n.rest, dot, set, depth)
	case 'r':
		items := list(v)
		if len(items) == 0 {
			return r.nodes(n.rest, dot, set, depth)
		}
		for _, item := range items {
			if err := r.nodes(n.body, item, set, depth); err != nil {
				return err
			}
		}
	case 'c':
		if depth >= maxDepth {
			return errCalls
		}
		return r.nodes(set[n.text].body, v, set, depth+1)
	}
	return nil
}

func (r *run) eval(e *expr, dot any) (any, error) {
	if r.steps++; r.steps > maxSteps {
		return nil, errSteps
	}
	switch e.kind {
	case literal:
		return e.value, nil
	case path:
		v := dot
		if e.root {
			v = r.root
		}
		for _, name := range e.names {
			v = field(v, name)
		}
		return v, nil
	}
	args := make([]any, len(e.args))
	for i, a := range e.args {
		v, err := r.eval(a, dot)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	return apply(e.fn, args)
}

// field is a field of a value, the empty text where there is none.
func field(v any, name string) any {
	switch x := v.(type) {
	case *Data:
		return dataField(x, name)
	case Alert:
		return alertField(&x, name)
	case []Alert:
		if name == "Firing" || name == "Resolved" {
			return (&Data{Alerts: x}).With(strings.ToLower(name))
		}
	case pair:
		switch name {
		case "Name":
			return x.name
		case "Value":
			return x.value
		}
	case map[string]string:
		return labelsField(x, name)
	}
	return ""
}

func dataField(d *Data, name string) any {
	switch name {
	case "Status":
		return d.Status
	case "Receiver":
		return d.Receiver
	case "Alerts":
		return d.Alerts
	case "GroupLabels":
		return d.GroupLabels
	case "CommonLabels":
		return d.CommonLabels
	case "CommonAnnotations":
		return d.CommonAnnotations
	case "ExternalURL":
		return d.ExternalURL
	case "GroupKey":
		return d.GroupKey
	case "TruncatedAlerts":
		return d.TruncatedAlerts
	}
	return ""
}

func alertField(a *Alert, name string) any {
	switch name {
	case "Status":
		return a.Status
	case "Labels":
		return a.Labels
	case "Annotations":
		return a.Annotations
	case "StartsAt":
		return a.StartsAt
	case "EndsAt":
		return a.EndsAt
	case "GeneratorURL":
		return a.GeneratorURL
	case "Fingerprint":
		return a.Fingerprint
	}
	return ""
}

// labelsField is a label, or what can be done with all of them. A label with such a name is reached by index.
func labelsField(m map[string]string, name string) any {
	names := slices.Sorted(maps.Keys(m))
	switch name {
	case "SortedPairs":
		var out []pair
		for _, n := range names {
			out = append(out, pair{n, m[n]})
		}
		return out
	case "Names":
		return names
	case "Values":
		var out []string
		for _, n := range names {
			out = append(out, m[n])
		}
		return out
	}
	return m[name]
}

// text is a value in words.
func text(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case int:
		return strconv.Itoa(x)
	case bool:
		return strconv.FormatBool(x)
	case time.Time:
		if x.IsZero() {
			return ""
		}
		return x.UTC().Format(time.RFC3339)
	case []string:
		return strings.Join(x, ", ")
	case map[string]string:
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(x)) {
			parts = append(parts, name+"="+x[name])
		}
		return strings.Join(parts, ", ")
	case []Alert:
		return strconv.Itoa(len(x)) + " alerts"
	}
	return ""
}

func truth(v any) bool {
	switch x := v.(type) {
	case bool:
		return x
	case int:
		return x != 0
	case time.Time:
		return !x.IsZero()
	case string:
		return x != ""
	case *Data, Alert, pair:
		return true
	}
	return size(v) > 0
}

func size(v any) int {
	switch x := v.(type) {
	case string:
		return len(x)
	case []string:
		return len(x)
	case []pair:
		return len(x)
	case []Alert:
		return len(x)
	case map[string]string:
		return len(x)
	}
	return 0
}

func list(v any) (out []any) {
	switch x := v.(type) {
	case []string:
		for _, e := range x {
			out = append(out, e)
		}
	case []pair:
		for _, e := range x {
			out = append(out, e)
		}
	case []Alert:
		for _, e := range x {
			out = append(out, e)
		}
	}
	return out
}

// apply calls a function. The last value is the one that a bar hands on.
func apply(fn string, args []any) (any, error) {
	last := args[len(args)-1]
	switch fn {
	case "toUpper":
		return strings.ToUpper(text(last)), nil
	case "toLower":
		return strings.ToLower(text(last)), nil
	case "title":
		return titled(text(last)), nil
	case "trimSpace":
		return strings.TrimSpace(text(last)), nil
	case "len":
		return size(last), nil
	case "join":
		if l, ok := last.([]string); ok {
			return strings.Join(l, text(args[0])), nil
		}
		return text(last), nil
	case "default":
		if truth(last) {
			return last, nil
		}
		return args[0], nil
	case "index":
		if m, ok := args[0].(map[string]string); ok {
			return m[text(args[1])], nil
		}
		return "", nil
	case "eq":
		return text(args[0]) == text(args[1]), nil
	case "ne":
		return text(args[0]) != text(args[1]), nil
	case "not":
		return !truth(last), nil
	case "and":
		return firstThat(args, false), nil
	case "or":
		return firstThat(args, true), nil
	case "truncate":
		n, _ := args[0].(int)
		return Shorten(text(last), n), nil
	case "date":
		return text(last), nil
	case "reReplaceAll":
		return replaced(text(args[0]), text(args[1]), text(last))
	}
	return "", nil
}

// firstThat is the first value with a truth, or the last one.
func firstThat(args []any, is bool) any {
	for _, a := range args {
		if truth(a) == is {
			return a
		}
	}
	return args[len(args)-1]
}

const maxPattern = 1 << 10

func replaced(pattern, by, in string) (any, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("the regular expression has more than %d bytes", maxPattern)
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("reReplaceAll: %w", err)
	}
	if mostReplaced(re, by, in) > 16*maxOutput {
		return nil, errOutput
	}
	if out := re.ReplaceAllString(in, by); len(out) <= maxOutput {
		return out, nil
	}
	return nil, errOutput
}

// mostReplaced is how many bytes a replacement makes at most: each match becomes the text with itself in place of each reference. It is
// reckoned before, because a short template could fill the memory.
func mostReplaced(re *regexp.Regexp, by, in string) int {
	references, most := strings.Count(by, "$"), len(in)
	for _, m := range re.FindAllStringIndex(in, -1) {
		most += len(by) + references*(m[1]-m[0])
	}
	return most
}

func titled(s string) string {
	parts := strings.Fields(s)
	for i, w := range parts {
		_, n := utf8.DecodeRuneInString(w)
		parts[i] = strings.ToUpper(w[:n]) + w[n:]
	}
	return strings.Join(parts, " ")
}

// Shorten cuts a text to so many bytes of whole characters; what was cut ends with a sign of it.
func Shorten(s string, most int) string {
	const sign = "…"
	if len(s) <= most {
		return s
	}
	if most < len(sign) {
		return ""
	}
	return strings.ToValidUTF8(s[:most-len(sign)], "") + sign
}
