package conf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// MaxFileBytes bounds a configuration file.
const MaxFileBytes = 1 << 20

// maxFaults bounds what is told of one file: this is not the file that was meant.
const maxFaults = 100

// readSmall reads a regular file of at most MaxFileBytes.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err == nil && len(data) > MaxFileBytes {
		err = fmt.Errorf("%s is larger than %d bytes", path, MaxFileBytes)
	}
	return data, err
}

// yamlFile reads one YAML file into the settings of its root.
type yamlFile struct {
	schema *schema
	name   string // of the root
	path   string
	faults Faults

	environ map[string]string // for secrets of elements of lists
}

// load takes the text of the file.
func (y *yamlFile) load(data []byte) {
	root, at, err := parse(data)
	if err != "" {
		y.faults = append(y.faults, fault(origin{kind: byFile, file: y.path, line: at.Line, col: at.Column}, "", "this is no YAML: %s", err))
		return
	}
	if root == nil || isNull(root) {
		return // empty, or nothing but comments
	}
	y.section(root, y.schema.roots[y.name], "")
	if n := len(y.faults); n > maxFaults {
		y.faults = append(y.faults[:maxFaults:maxFaults], fault(origin{kind: byFile, file: y.path, line: 1 << 30}, "", "and %d more faults", n-maxFaults))
		y.faults[maxFaults].Where = y.path
	}
}

// parse makes the tree of nodes. The library's texts are cut to what cannot hold a piece of the file.
func parse(data []byte) (root *yaml.Node, at yaml.Mark, fault string) {
	defer func() {
		if v := recover(); v != nil { // a defect of the library must not end the process
			root, fault = nil, "the reader of YAML failed on it"
		}
	}()
	var doc yaml.Node
	loader, err := yaml.NewLoader(bytes.NewReader(data), yaml.WithV3Defaults())
	if err == nil {
		err = loader.Load(&doc)
	}
	if errors.Is(err, io.EOF) {
		return nil, at, ""
	}
	if err == nil {
		var second yaml.Node
		if next := loader.Load(&second); next == nil {
			return nil, yaml.Mark{Line: second.Line, Column: second.Column}, "a second document begins here; one file holds one"
		} else if !errors.Is(next, io.EOF) {
			err = next
		}
	}
	if err != nil {
		return nil, markOf(err), message(err)
	}
	if len(doc.Content) == 0 {
		return nil, at, ""
	}
	return doc.Content[0], at, ""
}

func markOf(err error) yaml.Mark {
	if le, ok := errors.AsType[*yaml.LoadError](err); ok {
		return le.Mark
	}
	return yaml.Mark{}
}

func message(err error) string {
	text := err.Error()
	if le, ok := errors.AsType[*yaml.LoadError](err); ok {
		text = le.Message
	}
	text, _, _ = strings.Cut(text, "\n")
	if strings.Contains(text, "anchor") {
		return "an alias (*name) leads nowhere; put text that begins with * in quotes"
	}
	if strings.Contains(text, "cannot start any token") {
		text += " (YAML is indented with spaces, never with tabs; text that begins with @ or ` stands in quotes)"
	}
	return Redact(text)
}

func (y *yamlFile) at(n *yaml.Node) origin {
	return origin{kind: byFile, file: y.path, line: n.Line, col: n.Column}
}

func (y *yamlFile) fault(n *yaml.Node, path, format string, args ...any) {
	y.faults = append(y.faults, fault(y.at(n), path, format, args...))
}

// section takes a mapping.
func (y *yamlFile) section(n *yaml.Node, sec *section, prefix string) {
	n = follow(n)
	if n.Kind != yaml.MappingNode {
		y.fault(n, strings.TrimSuffix(prefix, "."), "%s stands here, but keys belong here: %s", kindName(n), strings.Join(sec.keys, ", "))
		return
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		key := k.Value
		path := prefix + key
		switch {
		case k.Kind != yaml.ScalarNode:
			y.fault(k, strings.TrimSuffix(prefix, "."), "a key must be a plain word")
			continue
		case k.Tag == "!!merge":
			y.fault(k, path, "keys cannot be merged; write them out")
			continue
		case seen[key] != nil:
			y.fault(k, y.shownKey(path), "this key stands in line %d already", seen[key].Line)
			continue
		}
		seen[key] = k
		if sub := sec.sections[key]; sub != nil {
			if !isNull(follow(v)) {
				y.section(v, sub, path+".")
			}
		} else if st := sec.settings[key]; st != nil {
			y.setting(v, st, path)
		} else {
			y.fault(k, y.shownKey(path), "unknown key%s", y.hint(key, sec))
		}
	}
}

// shownKey keeps an unknown key of a stranger's length or with control characters out of the log.
func (y *yamlFile) shownKey(path string) string {
	path = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, path)
	if len(path) > 200 {
		path = path[:200] + "…"
	}
	return Redact(path)
}

// hint says what an unknown key may have meant: a key beside it, the same key elsewhere in this file, or in another one.
func (y *yamlFile) hint(key string, sec *section) string {
	if h := words.DidYouMean(key, sec.keys); h != "" {
		return h
	}
	var here, elsewhere string
	for _, st := range y.schema.settings {
		last := st.Key[strings.LastIndexByte(st.Key, '.')+1:]
		top, _, nested := strings.Cut(st.Key, ".")
		if last != key && (!nested || top != key) {
			continue
		}
		place := st.Key
		if last != key {
			place = top
		}
		if st.File == y.name && here == "" {
			here = place
		} else if st.File != "" && elsewhere == "" {
			elsewhere = fmt.Sprintf("%s in %s.yaml", place, st.File)
		}
	}
	switch {
	case here != "":
		return fmt.Sprintf("; did you mean %q?", here)
	case elsewhere != "":
		return fmt.Sprintf("; did you mean %s?", elsewhere)
	}
	return "; known here: " + strings.Join(sec.keys, ", ")
}

// setting takes the value of one setting. An empty value (null) leaves the default.
func (y *yamlFile) setting(n *yaml.Node, st *Setting, path string) {
	n = follow(n)
	if isNull(n) {
		return
	}
	before := len(y.faults)
	switch {
	case st.items != nil:
		y.items(n, st, path)
	case st.value.Type() == stringsType && n.Kind == yaml.SequenceNode:
		y.list(n, st, path)
	case st.value.Type() == mapType && n.Kind == yaml.MappingNode:
		y.pairs(n, st, path)
	case n.Kind != yaml.ScalarNode:
		y.fault(n, path, "%s stands here, but %s belongs here", kindName(n), article(st.typeName()))
	default:
		if err := st.setText(n.Value); err != nil {
			y.fault(n, path, "%v", err)
		}
	}
	if len(y.faults) == before {
		st.origin = y.at(n)
	}
}

func (y *yamlFile) list(n *yaml.Node, st *Setting, path string) {
	items := make([]string, 0, len(n.Content))
	for i, c := range n.Content {
		c = follow(c)
		if c.Kind != yaml.ScalarNode {
			y.fault(c, fmt.Sprintf("%s[%d]", path, i), "%s stands here, but a text belongs here", kindName(c))
			return
		}
		if _, err := st.choice(c.Value); err != nil {
			y.fault(c, fmt.Sprintf("%s[%d]", path, i), "%v", err)
			return
		}
		items = append(items, c.Value)
	}
	_ = st.setList(items) // each item is checked above
}

func (y *yamlFile) pairs(n *yaml.Node, st *Setting, path string) {
	m := map[string]string{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], follow(n.Content[i+1])
		switch _, twice := m[k.Value]; {
		case k.Kind != yaml.ScalarNode || v.Kind != yaml.ScalarNode:
			y.fault(v, path, "only names with texts belong here")
			return
		case twice:
			y.fault(k, path, "the name %s stands here twice", st.quote(k.Value))
			return
		}
		m[k.Value] = v.Value
	}
	st.value.Set(reflect.ValueOf(m))
}

// items takes a list of sections. Each element starts from its defaults.
func (y *yamlFile) items(n *yaml.Node, st *Setting, path string) {
	if n.Kind != yaml.SequenceNode {
		y.fault(n, path, "%s stands here, but a list of sections belongs here", kindName(n))
		return
	}
	out := reflect.MakeSlice(st.value.Type(), 0, len(n.Content))
	for i, c := range n.Content {
		el := reflect.New(st.value.Type().Elem()).Elem()
		sub, sec := &schema{}, newSection()
		sub.walk(el, sec, st.File, "")
		y.section(c, sec, fmt.Sprintf("%s[%d].", path, i))
		if follow(c).Kind != yaml.MappingNode {
			continue // said already
		}
		for _, s := range sub.settings {
			if err := s.reveal(y.environ); err != nil {
				y.faults = append(y.faults, fault(s.origin, fmt.Sprintf("%s[%d].%s", path, i, s.Key), "the secret cannot be read: %v", err))
			}
		}
		for _, h := range sub.holders {
			y.validate(h, c, fmt.Sprintf("%s[%d].", path, i))
		}
		out = reflect.Append(out, el)
	}
	st.value.Set(out)
}

// validate asks an element of a list what is wrong with it.
func (y *yamlFile) validate(h holder, n *yaml.Node, prefix string) {
	for _, m := range complaints(h.value) {
		y.fault(follow(n), prefix+h.prefix+m.key, "%s", m.text)
	}
}

// follow resolves aliases.
func follow(n *yaml.Node) *yaml.Node {
	for range 8 {
		if n.Kind != yaml.AliasNode || n.Alias == nil {
			break
		}
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null"
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a section"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		return "a single value"
	}
	return "something else"
}

func article(s string) string {
	if s == "true or false" || s == "names and values" {
		return s
	}
	return "a " + s
}
