package replay

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// named are the values of one row by name, for formats that come as tables and as JSON: the cells under a header, or the
// members of an object. What is null, empty or missing is "". The first value that is a list or an object where one value
// belongs stands in err.
type named struct {
	header  []string
	fields  []string
	members map[string]json.RawMessage
	err     error
}

// named reads a row. The members of the object called within are taken for members of the row, where there is one.
func (o opening) named(r row, within string) (*named, error) {
	v := &named{header: o.header, fields: r.fields}
	if r.json == nil {
		return v, nil
	}
	if err := unmarshal(r, &v.members); err != nil {
		return nil, err
	}
	var inner map[string]json.RawMessage
	if raw, has := v.members[within]; has && within != "" && string(raw) != "null" {
		if err := json.Unmarshal(raw, &inner); err != nil {
			return nil, fmt.Errorf("%s is not an object", within)
		}
	}
	for name, raw := range inner {
		if _, has := v.members[name]; !has {
			v.members[name] = raw
		}
	}
	return v, nil
}

// get returns the first of the names that has a value, and the value.
func (v *named) get(names ...string) (name, value string) {
	for _, n := range names {
		if s := v.one(n); s != "" {
			return n, s
		}
	}
	return names[0], ""
}

// text is get without the name.
func (v *named) text(names ...string) string {
	_, s := v.get(names...)
	return s
}

func (v *named) one(name string) string {
	if v.members == nil {
		return at(row{fields: v.fields}, slices.IndexFunc(v.header, func(h string) bool { return strings.TrimSpace(h) == name }))
	}
	raw, has := v.members[name]
	if !has || string(raw) == "null" {
		return ""
	}
	switch raw[0] {
	case '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			v.fail(fmt.Errorf("%s is no text: %w", name, err))
		}
		return s
	case '[', '{':
		v.fail(fmt.Errorf("%s holds %s, not one value", name, map[byte]string{'[': "a list", '{': "an object"}[raw[0]]))
		return ""
	}
	return string(raw)
}

func (v *named) fail(err error) {
	if v.err == nil {
		v.err = err
	}
}

// reason is why the row is refused: a value that is none goes before what follows from it.
func (v *named) reason(err error) error {
	if v.err != nil {
		return v.err
	}
	return err
}
