package replay

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// shape says how the rows of a file lie in it.
type shape uint8

const (
	asTable  shape = iota // CSV with a header
	asLines               // one JSON value to a line
	asArray               // elements of one JSON array
	asObject              // members of one JSON object
	asStream              // JSON values one after another, over several lines each
)

// probe is what the head of a file tells.
type probe struct {
	shape  shape
	header []string        // of a table
	keys   map[string]byte // fields of the first row of JSON, with the first byte of each value
}

func (p *probe) has(names ...string) bool {
	for _, n := range names {
		if _, ok := p.keys[n]; !ok && !slices.Contains(p.header, n) {
			return false
		}
	}
	return true
}

// examine looks at the first bytes of the unpacked content. whole says that there are no more.
func examine(head []byte, whole bool) (*probe, error) {
	text := bytes.TrimLeft(head, " \t\r\n")
	switch {
	case len(text) == 0:
		return nil, errors.New("is empty")
	case text[0] == '[':
		p := &probe{shape: asArray}
		p.keys, _ = members(text[1:], false)
		return p, nil
	case text[0] == '{':
		return examineObjects(text, whole), nil
	}
	line, _, cut := bytes.Cut(text, []byte("\n"))
	if !cut && !whole {
		return nil, fmt.Errorf("has no line end in its first %d KiB", headBytes>>10)
	}
	t, err := newTable(bufio.NewReader(bytes.NewReader(line)))
	if err != nil {
		return nil, fmt.Errorf("has a first line that is neither JSON nor a CSV header: %w", err)
	}
	for i := range t.header {
		t.header[i] = strings.TrimSpace(t.header[i])
	}
	return &probe{shape: asTable, header: t.header}, nil
}

func examineObjects(text []byte, whole bool) *probe {
	keys, inner := members(text, true)
	if len(inner) > 0 {
		return &probe{shape: asObject, keys: inner}
	}
	line, rest, _ := bytes.Cut(text, []byte("\n"))
	if !json.Valid(line) && len(bytes.TrimSpace(rest)) > 0 {
		var first json.RawMessage
		if json.NewDecoder(bytes.NewReader(text)).Decode(&first) == nil || bytes.HasSuffix(bytes.TrimSpace(line), []byte("{")) || !whole && len(rest) == 0 {
			return &probe{shape: asStream, keys: keys}
		}
	}
	p := &probe{shape: asLines, keys: keys}
	for range 20 { // the first line may be torn: one of the next will do
		if json.Valid(line) {
			break
		}
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		if k, _ := members(bytes.TrimSpace(line), false); len(k) > 0 {
			p.keys = k
		}
	}
	return p
}

// members returns the names of the first object in text, which may be cut, with the first byte of each value. When every
// value of that object is an object too and it is asked for, inner are the members of the first one.
func members(text []byte, look bool) (keys, inner map[string]byte) {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, nil
	}
	keys = map[string]byte{}
	nested := true
	for d.More() {
		name, err := d.Token()
		if err != nil {
			break
		}
		var value json.RawMessage
		at := d.InputOffset()
		err = d.Decode(&value)
		if err != nil {
			value = bytes.TrimLeft(text[at:], " \t\r\n:")
		}
		if s, ok := name.(string); ok && len(value) > 0 {
			if keys[s] = value[0]; value[0] != '{' {
				nested = false
			} else if inner == nil && look {
				inner, _ = members(value, false) // one level: deeper ones would be read again and again
			}
		}
		if err != nil {
			break
		}
	}
	if !nested || keys["data"] != 0 {
		inner = nil
	}
	return keys, inner
}

// detect chooses the format of a file: the named one, or the one whose columns or fields it has.
func detect(name string, p *probe) (*format, error) {
	var named *format
	for i := range formats {
		f := &formats[i]
		if name != "" && f.name != name {
			continue
		}
		if f.match(p) {
			return f, nil
		}
		if named == nil {
			named = f
		}
	}
	seen := p.header
	if p.shape != asTable {
		seen = sortedKeys(p.keys)
	}
	found := clip(strings.Join(seen, ", "))
	if name == "" {
		return nil, fmt.Errorf("has none of the known formats (its first row has %s); name the format with --format (%s)", found, strings.Join(Formats(), ", "))
	}
	if named.name == "events" && p.shape != asTable {
		return named, nil
	}
	return nil, fmt.Errorf("is not %s: it wants %s, the first row has %s", name, named.wants, found)
}

func sortedKeys(m map[string]byte) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// reader opens the rows of a file of this shape.
func (p *probe) reader(r *bufio.Reader) (rows, error) {
	switch p.shape {
	case asTable:
		return newTable(r)
	case asArray:
		return newValues(r, '[')
	case asObject:
		return newValues(r, '{')
	case asStream:
		return newValues(r, 0)
	}
	return &lines{r: r}, nil
}
