package live

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Object is a JSON object without null members: each value is an Object or a json.RawMessage that is no object (a string,
// a number, true, false or an array, compact). It is read-only once it was handed to the hub.
type Object map[string]any

var null = json.RawMessage("null")

// Tree turns a value that encodes to a JSON object into an Object, dropping members that are null at any depth outside of
// arrays.
func Tree(v any) (Object, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode a state: %w", err)
	}
	return tree(data)
}

func tree(data []byte) (Object, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, fmt.Errorf("a state must be a JSON object: %w", err)
	}
	o := make(Object, len(members))
	for name, raw := range members {
		switch {
		case bytes.Equal(raw, null):
		case raw[0] == '{':
			child, err := tree(raw)
			if err != nil {
				return nil, err
			}
			o[name] = child
		default:
			o[name] = raw
		}
	}
	return o, nil
}

// Diff returns the RFC 7396 merge patch that makes b out of a, and whether there is any difference. The patch shares what it
// can with b.
func Diff(a, b Object) (Object, bool) {
	patch := Object{}
	for name := range a {
		if _, ok := b[name]; !ok {
			patch[name] = null
		}
	}
	for name, now := range b {
		was, ok := a[name]
		if !ok {
			patch[name] = now
			continue
		}
		child, isObject := now.(Object)
		old, wasObject := was.(Object)
		switch {
		case isObject && wasObject:
			if p, changed := Diff(old, child); changed {
				patch[name] = p
			}
		case isObject || wasObject:
			patch[name] = now
		case !bytes.Equal(was.(json.RawMessage), now.(json.RawMessage)):
			patch[name] = now
		}
	}
	return patch, len(patch) > 0
}

// AppendJSON appends o on one line, members in the order of their names.
func (o Object) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(o)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, name)
		dst = append(dst, ':')
		switch v := o[name].(type) {
		case Object:
			dst = v.AppendJSON(dst)
		case json.RawMessage:
			dst = append(dst, v...)
		}
	}
	return append(dst, '}')
}

// appendString appends s as a JSON string. Names are nearly always plain; the rest goes the standard way.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			quoted, err := json.Marshal(s)
			if err != nil { // a string always encodes
				panic(err)
			}
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
