package httpx

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Schema is a JSON Schema (2020-12) of a parameter or of a body.
type Schema map[string]any

// Schemas of parameters.

// Whole is a whole number within bounds, both included.
func Whole(least, most int64) Schema {
	return Schema{"type": "integer", "minimum": least, "maximum": most}
}

// Text is a text of so many characters.
func Text(least, most int) Schema {
	return Schema{"type": "string", "minLength": least, "maxLength": most}
}

// OneOf is one of some words.
func OneOf(words ...string) Schema { return Schema{"type": "string", "enum": words} }

// Flag is true or false.
func Flag() Schema { return Schema{"type": "boolean"} }

// Time is RFC 3339; empty is as good as absent.
func Time() Schema {
	return orEmpty(Schema{"type": "string", "format": "date-time"})
}

func orEmpty(s Schema) Schema {
	return Schema{"anyOf": []Schema{s, {"type": "string", "maxLength": 0}}}
}

// List is an array of items.
func List(items any) Schema { return Schema{"type": "array", "items": items} }

// usual is the schema of a parameter that everywhere means the same, or else of a text.
func usual(name, doc string) Schema {
	switch {
	case name == "limit":
		return orEmpty(Whole(1, 1000))
	case name == "cursor":
		return Schema{"type": "string", "pattern": base64Pattern, "maxLength": 4096}
	case strings.Contains(doc, "RFC 3339"):
		return Time()
	}
	return Schema{"type": "string"}
}

// Paging are the parameters of every list.
func Paging() Option {
	return func(r *Route) {
		Query("limit", "items of a page, 100 by default")(r)
		Query("cursor", "next_cursor of the page before")(r)
		Answer("400", "a wrong parameter")(r)
	}
}

// base64Pattern is what cursors look like.
const base64Pattern = "^(([A-Za-z0-9_-]{4})*[A-Za-z0-9_-]{2,4})?$"

// Described is a type that describes its own JSON, because encoding/json writes it by a method.
type Described interface{ JSONSchema() map[string]any }

var (
	describedType = reflect.TypeFor[Described]()
	timeType      = reflect.TypeFor[time.Time]()
	rawType       = reflect.TypeFor[json.RawMessage]()
	marshalerType = reflect.TypeFor[json.Marshaler]()
	textType      = reflect.TypeFor[encoding.TextMarshaler]()
)

// of is the schema of a value's type; a Schema stands for itself, with values in it described.
func (d *describer) of(v any) any {
	switch v := v.(type) {
	case Schema:
		out := object{}
		for k, x := range v {
			out[k] = d.inside(k, x)
		}
		return out
	case nil:
		return object{}
	}
	return d.typed(reflect.TypeOf(v))
}

// inside describes the values that stand for types inside of a Schema.
func (d *describer) inside(keyword string, v any) any {
	switch x := v.(type) {
	case Schema:
		return d.of(x)
	case map[string]any:
		out := object{}
		for k, v := range x {
			out[k] = d.inside(k, v)
		}
		return out
	case []any: // alternatives
		out := make([]any, len(x))
		for i := range x {
			out[i] = d.inside("", x[i])
		}
		return out
	case []Schema:
		out := make([]any, len(x))
		for i := range x {
			out[i] = d.of(x[i])
		}
		return out
	}
	if t := reflect.TypeOf(v); keyword == "items" || t != nil && t.Kind() == reflect.Struct {
		return d.of(v)
	}
	return v
}

// typed is the schema of what encoding/json writes for a type.
func (d *describer) typed(t reflect.Type) any {
	switch {
	case t.Implements(describedType):
		return object(reflect.Zero(t).Interface().(Described).JSONSchema())
	case t == timeType:
		return object{"type": "string", "format": "date-time"}
	case t == rawType:
		return object{}
	case t.Kind() == reflect.Pointer:
		return nullable(d.typed(t.Elem()))
	case t.Implements(marshalerType):
		return object{}
	case t.Implements(textType):
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 && t.Kind() == reflect.Slice {
			return object{"type": "string", "contentEncoding": "base64"}
		}
		return object{"type": "array", "items": d.typed(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.typed(t.Elem())}
	case reflect.Struct:
		return d.structure(t)
	}
	return object{}
}

func nullable(schema any) any {
	if o, ok := schema.(object); ok {
		if t, ok := o["type"].(string); ok && o["enum"] == nil {
			o["type"] = []string{t, "null"}
			return o
		}
		if len(o) == 0 {
			return o
		}
	}
	return object{"anyOf": []any{schema, object{"type": "null"}}}
}

// structure gives a named struct a place of its own, to which others refer.
func (d *describer) structure(t reflect.Type) any {
	name := t.Name()
	if name == "" {
		return d.fields(t)
	}
	name = strings.ToUpper(name[:1]) + name[1:]
	if i := strings.IndexByte(name, '['); i >= 0 { // of a generic type
		name = name[:i] + d.argument(t.Name())
	}
	room := t.PkgPath()[strings.LastIndexByte(t.PkgPath(), '/')+1:]
	for try, plain := 0, name; ; try++ {
		have, taken := d.schemas[name].(named)
		if taken && have.of == t {
			break
		}
		if !taken {
			d.schemas[name] = named{of: t} // before its fields, which may refer to it
			d.schemas[name] = named{of: t, object: d.fields(t)}
			break
		}
		name = strings.ToUpper(room[:1]) + room[1:] + plain
		if try > 0 {
			name += strconv.Itoa(try + 1)
		}
	}
	return object{"$ref": "#/components/schemas/" + name}
}

// argument is the short name of the types that a generic type was made with.
func (d *describer) argument(name string) string {
	arg := name[strings.IndexByte(name, '[')+1 : len(name)-1]
	return "Of" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, arg[strings.LastIndexAny(arg, "./")+1:])
}

// named is a schema that remembers its type, so that two types of one name are told apart.
type named struct {
	of     reflect.Type
	object object
}

// MarshalJSON writes the schema.
func (n named) MarshalJSON() ([]byte, error) { return json.Marshal(n.object) }

func (d *describer) fields(t reflect.Type) object {
	props, required := object{}, []string{}
	d.addFields(t, props, &required)
	out := object{"type": "object", "properties": props}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func (d *describer) addFields(t reflect.Type, props object, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
			continue
		case f.Anonymous && name == "":
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct {
				d.addFields(inner, props, required)
			}
			continue
		case !f.IsExported():
			continue
		case name == "":
			name = f.Name
		}
		s := d.typed(f.Type)
		if strings.Contains(opts, "string") {
			s = object{"type": "string"}
		}
		if doc := f.Tag.Get("doc"); doc != "" {
			if o, ok := s.(object); ok && o["$ref"] == nil {
				o["description"] = doc
			}
		}
		props[name] = s
		if !strings.Contains(opts, "omitempty") && !strings.Contains(opts, "omitzero") {
			*required = append(*required, name)
		}
	}
}
