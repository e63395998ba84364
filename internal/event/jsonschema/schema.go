package jsonschema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// MaxDepth is how deep a schema may be nested.
const MaxDepth = 64

// Schema is a document.
type Schema struct {
	root any // bool or map[string]any
}

// Parse reads a document and judges its shape: the keywords that this package compares have values of their types, and every
// $ref leads to a place inside.
func Parse(text []byte) (*Schema, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var root any
	if err := dec.Decode(&root); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not JSON: something follows the schema")
	}
	s := &Schema{root}
	return s, s.judge(root, "", 1)
}

// What kind of value a keyword has.
const (
	aSchema  = iota
	schemas  // a list
	byName   // an object of schemas
	anItem   // a schema, or before 2020-12 a list of them
	names    // a list of texts
	number   //
	text     //
	flag     //
	aType    // a type or a list of types
	lists    // an object of lists of texts
	eitherOf // an object of schemas or lists of texts
)

var keywords = map[string]int{
	"not": aSchema, "if": aSchema, "then": aSchema, "else": aSchema, "additionalProperties": aSchema, "additionalItems": aSchema, "propertyNames": aSchema, "contains": aSchema,
	"unevaluatedProperties": aSchema, "unevaluatedItems": aSchema, "items": anItem, "allOf": schemas, "anyOf": schemas, "oneOf": schemas, "prefixItems": schemas,
	"properties": byName, "patternProperties": byName, "definitions": byName, "$defs": byName, "dependentSchemas": byName, "required": names,
	"minimum": number, "maximum": number, "multipleOf": number, "minLength": number, "maxLength": number, "minItems": number, "maxItems": number,
	"minProperties": number, "maxProperties": number, "minContains": number, "maxContains": number,
	"pattern": text, "format": text, "$ref": text, "$id": text, "$schema": text, "title": text, "description": text,
	"uniqueItems": flag, "type": aType, "dependentRequired": lists, "dependencies": eitherOf,
}

var types = []string{"null", "boolean", "object", "array", "number", "string", "integer"}

func wrong(at, format string, args ...any) error {
	if at == "" {
		at = "/"
	}
	return fmt.Errorf("%s: %s", at, fmt.Sprintf(format, args...))
}

// judge judges one schema of the document.
func (s *Schema) judge(v any, at string, depth int) error {
	if depth > MaxDepth {
		return wrong(at, "nested deeper than %d", MaxDepth)
	}
	if _, ok := v.(bool); ok {
		return nil
	}
	o, ok := v.(map[string]any)
	if !ok {
		return wrong(at, "a schema is an object, true or false")
	}
	for _, name := range sorted(o) {
		kind, known := keywords[name]
		if !known {
			continue
		}
		if err := s.keyword(kind, o[name], at+"/"+name, depth); err != nil {
			return err
		}
	}
	if ref, ok := o["$ref"].(string); ok {
		if _, err := s.resolve(ref); err != nil {
			return wrong(at+"/$ref", "%v", err)
		}
	}
	return nil
}

func sorted[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func (s *Schema) keyword(kind int, v any, at string, depth int) error {
	switch kind {
	case aSchema:
		return s.judge(v, at, depth+1)
	case anItem:
		if _, list := v.([]any); list {
			return s.keyword(schemas, v, at, depth)
		}
		return s.judge(v, at, depth+1)
	case schemas:
		list, ok := v.([]any)
		if !ok || len(list) == 0 && !strings.HasSuffix(at, "tems") {
			return wrong(at, "must be a list of schemas")
		}
		for i, x := range list {
			if err := s.judge(x, at+"/"+strconv.Itoa(i), depth+1); err != nil {
				return err
			}
		}
	case byName, eitherOf:
		o, ok := v.(map[string]any)
		if !ok {
			return wrong(at, "must be an object of schemas")
		}
		for _, name := range sorted(o) {
			if kind == eitherOf && isTexts(o[name]) {
				continue
			}
			if err := s.judge(o[name], at+"/"+escape(name), depth+1); err != nil {
				return err
			}
		}
	default:
		return scalar(kind, v, at)
	}
	return nil
}

// scalar judges the keywords that hold no schemas.
func scalar(kind int, v any, at string) error {
	ok, want := false, ""
	switch kind {
	case names:
		ok, want = isTexts(v), "a list of texts"
	case number:
		_, ok = v.(json.Number)
		want = "a number"
	case text:
		_, ok = v.(string)
		want = "a text"
	case flag:
		_, ok = v.(bool)
		want = "true or false"
	case aType:
		list, many := v.([]any)
		if !many {
			list = []any{v}
		}
		ok, want = len(list) > 0, "one or some of "+strings.Join(types, ", ")
		for _, t := range list {
			name, is := t.(string)
			ok = ok && is && slices.Contains(types, name)
		}
	case lists:
		o, is := v.(map[string]any)
		ok, want = is, "an object of lists of texts"
		for _, x := range o {
			ok = ok && isTexts(x)
		}
	}
	if !ok {
		return wrong(at, "must be %s", want)
	}
	return nil
}

func isTexts(v any) bool {
	list, ok := v.([]any)
	for _, x := range list {
		_, is := x.(string)
		ok = ok && is
	}
	return ok
}

func escape(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

// resolve follows a reference inside of the document.
func (s *Schema) resolve(ref string) (any, error) {
	path, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil, fmt.Errorf("%q leads to another document; write it in here under $defs", clip(ref))
	}
	at := s.root
	for _, step := range strings.Split(path, "/")[1:] {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		switch v := at.(type) {
		case map[string]any:
			at, ok = v[step]
		case []any:
			var i int
			if i, ok = index(step, len(v)); ok {
				at = v[i]
			}
		default:
			ok = false
		}
		if !ok {
			return nil, fmt.Errorf("%q leads nowhere", clip(ref))
		}
	}
	if path != "" && path[0] != '/' {
		return nil, fmt.Errorf("%q is an anchor; give a path like #/$defs/name", clip(ref))
	}
	return at, nil
}

func index(step string, n int) (int, bool) {
	i, err := strconv.Atoi(step)
	return i, err == nil && i >= 0 && i < n
}

func clip(s string) string { return words.Clip(s, 60) }
