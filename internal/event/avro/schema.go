package avro

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// The limits of a schema.
const (
	MaxSchemaDepth = 64     // nested types
	MaxSchemaTypes = 10_000 // types, fields and symbols together
)

// Kind is one of Avro's types.
type Kind uint8

// The kinds.
const (
	Null Kind = iota
	Boolean
	Int
	Long
	Float
	Double
	Bytes
	String
	Record
	Enum
	Array
	Map
	Union
	Fixed
)

var kindNames = [...]string{"null", "boolean", "int", "long", "float", "double", "bytes", "string", "record", "enum", "array", "map", "union", "fixed"}

func (k Kind) String() string { return kindNames[k] }

// primitive returns the kind of a primitive's name.
func primitive(name string) (Kind, bool) {
	i := slices.Index(kindNames[:Record], name)
	return Kind(max(i, 0)), i >= 0
}

// Schema is one type. Types that name themselves make a graph with circles.
type Schema struct {
	Kind    Kind
	Name    string   // full name of a record, enum or fixed
	Aliases []string // full names
	Logical string   // logicalType, where this package knows it for the kind
	Scale   int      // of the logical type decimal
	Fields  []Field  // of a record
	Symbols []string // of an enum
	Default string   // of an enum, "" = none
	Items   *Schema  // of an array; the values of a map
	Types   []*Schema
	Size    int // of a fixed
}

// Field is one field of a record.
type Field struct {
	Name       string
	Aliases    []string
	Type       *Schema
	HasDefault bool
}

// Parse reads the text of a schema.
func Parse(text []byte) (*Schema, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not JSON: something follows the schema")
	}
	p := parser{named: map[string]*Schema{}}
	return p.schema(tree, "", "", 1)
}

type parser struct {
	named map[string]*Schema
	types int
}

func wrong(at, format string, args ...any) error {
	if at == "" {
		at = "the schema"
	}
	return fmt.Errorf("%s: %s", at, fmt.Sprintf(format, args...))
}

// schema reads a type at a pointer, within a namespace.
func (p *parser) schema(tree any, at, space string, depth int) (*Schema, error) {
	if depth > MaxSchemaDepth {
		return nil, wrong(at, "nested deeper than %d types", MaxSchemaDepth)
	}
	if err := p.count(1); err != nil {
		return nil, err
	}
	switch t := tree.(type) {
	case string:
		return p.reference(t, at, space)
	case []any:
		return p.union(t, at, space, depth)
	case map[string]any:
		return p.object(t, at, space, depth)
	}
	return nil, wrong(at, "a type is a name, an object or a union, not %s", clip(tree))
}

func (p *parser) count(n int) error {
	if p.types += n; p.types > MaxSchemaTypes {
		return fmt.Errorf("the schema has more than %d types, fields and symbols", MaxSchemaTypes)
	}
	return nil
}

func (p *parser) reference(name, at, space string) (*Schema, error) {
	if k, ok := primitive(name); ok {
		return &Schema{Kind: k}, nil
	}
	if s, ok := p.named[qualify(name, space)]; ok {
		return s, nil
	}
	if s, ok := p.named[name]; ok {
		return s, nil
	}
	return nil, wrong(at, "there is no type %q; name it before it is used", clip(name))
}

func qualify(name, space string) string {
	if space == "" || strings.Contains(name, ".") {
		return name
	}
	return space + "." + name
}

func (p *parser) union(branches []any, at, space string, depth int) (*Schema, error) {
	u := &Schema{Kind: Union}
	seen := map[string]bool{}
	for i, b := range branches {
		s, err := p.schema(b, fmt.Sprintf("%s/%d", at, i), space, depth+1)
		if err != nil {
			return nil, err
		}
		if s.Kind == Union {
			return nil, wrong(at, "a union stands directly in a union")
		}
		what := s.Kind.String()
		if s.Name != "" {
			what = s.Name
		}
		if seen[what] {
			return nil, wrong(at, "the union has %s twice", what)
		}
		seen[what] = true
		u.Types = append(u.Types, s)
	}
	if len(u.Types) == 0 {
		return nil, wrong(at, "an empty union holds nothing")
	}
	return u, nil
}

func (p *parser) object(o map[string]any, at, space string, depth int) (*Schema, error) {
	name, ok := o["type"].(string)
	if !ok { // {"type": {…}} and {"type": […]} stand for what is inside
		if o["type"] == nil {
			return nil, wrong(at, "\"type\" is missing")
		}
		return p.schema(o["type"], at+"/type", space, depth+1)
	}
	var s *Schema
	var err error
	switch name {
	case "record", "error":
		return p.record(o, at, space, depth)
	case "enum":
		return p.enum(o, at, space)
	case "array", "map":
		s = &Schema{Kind: Array}
		part := "items"
		if name == "map" {
			s.Kind, part = Map, "values"
		}
		if o[part] == nil {
			return nil, wrong(at, "%q is missing in the %s", part, name)
		}
		s.Items, err = p.schema(o[part], at+"/"+part, space, depth+1)
		return s, err
	case "fixed":
		s, err = p.fixed(o, at, space)
	default:
		s, err = p.reference(name, at, space)
		if err == nil && s.Name != "" {
			return s, nil // a named type, with attributes that change nothing
		}
	}
	if err != nil {
		return nil, err
	}
	s.logical(o)
	return s, nil
}

// define gives a named type its full name, so that what follows can refer to it. It returns the namespace inside of it.
func (p *parser) define(s *Schema, o map[string]any, at, space string) (string, error) {
	name, _ := o["name"].(string)
	if given, ok := o["namespace"].(string); ok && !strings.Contains(name, ".") {
		space = given
	}
	full := qualify(name, space)
	if !fullName.MatchString(full) || len(full) > maxName {
		return "", wrong(at, "%q is not a name; names are letters, digits and _, joined by dots, and at most %d long", clip(full), maxName)
	}
	if _, twice := p.named[full]; twice {
		return "", wrong(at, "the type %s is defined twice", full)
	}
	s.Name = full
	space = ""
	if i := strings.LastIndexByte(full, '.'); i >= 0 {
		space = full[:i]
	}
	var err error
	if s.Aliases, err = texts(o["aliases"], at+"/aliases"); err != nil {
		return "", err
	}
	for i, a := range s.Aliases {
		s.Aliases[i] = qualify(a, space)
	}
	p.named[full] = s
	return space, nil
}

const maxName = 512

var (
	simpleName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	fullName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$`)
)

func texts(v any, at string) ([]string, error) {
	list, ok := v.([]any)
	if !ok && v != nil {
		return nil, wrong(at, "must be a list of texts, not %s", clip(v))
	}
	out := make([]string, 0, len(list))
	for _, x := range list {
		s, ok := x.(string)
		if !ok || len(s) > maxName {
			return nil, wrong(at, "must be a list of texts, not %s", clip(v))
		}
		out = append(out, s)
	}
	return out, nil
}

func (p *parser) record(o map[string]any, at, space string, depth int) (*Schema, error) {
	s := &Schema{Kind: Record}
	space, err := p.define(s, o, at, space)
	if err != nil {
		return nil, err
	}
	list, ok := o["fields"].([]any)
	if !ok {
		return nil, wrong(at, "\"fields\" is missing in the record")
	}
	seen := map[string]bool{}
	for i, v := range list {
		f, err := p.field(v, fmt.Sprintf("%s/fields/%d", at, i), space, depth)
		if err != nil {
			return nil, err
		}
		if seen[f.Name] {
			return nil, wrong(at, "the field %s stands twice", f.Name)
		}
		seen[f.Name] = true
		s.Fields = append(s.Fields, f)
	}
	return s, nil
}

func (p *parser) field(v any, at, space string, depth int) (f Field, err error) {
	o, ok := v.(map[string]any)
	if !ok {
		return f, wrong(at, "a field is an object, not %s", clip(v))
	}
	f.Name, _ = o["name"].(string)
	if !simpleName.MatchString(f.Name) || len(f.Name) > maxName {
		return f, wrong(at, "%q is not the name of a field", clip(f.Name))
	}
	if o["type"] == nil {
		return f, wrong(at, "\"type\" is missing in the field %s", f.Name)
	}
	if f.Aliases, err = texts(o["aliases"], at+"/aliases"); err != nil {
		return f, err
	}
	if f.Type, err = p.schema(o["type"], at+"/type", space, depth+1); err != nil {
		return f, err
	}
	given, has := o["default"]
	if f.HasDefault = has; has && !f.Type.defaults(given, 0) {
		return f, wrong(at, "the default %s does not fit the type of the field %s", clip(given), f.Name)
	}
	return f, nil
}

func (p *parser) enum(o map[string]any, at, space string) (*Schema, error) {
	s := &Schema{Kind: Enum}
	if _, err := p.define(s, o, at, space); err != nil {
		return nil, err
	}
	var err error
	if s.Symbols, err = texts(o["symbols"], at+"/symbols"); err != nil {
		return nil, err
	}
	if err := p.count(len(s.Symbols)); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, sym := range s.Symbols {
		if seen[sym] || !simpleName.MatchString(sym) {
			return nil, wrong(at, "%q is not a symbol, or stands twice", clip(sym))
		}
		seen[sym] = true
	}
	if len(s.Symbols) == 0 {
		return nil, wrong(at, "an enum needs symbols")
	}
	if d, has := o["default"]; has {
		if s.Default, _ = d.(string); !seen[s.Default] {
			return nil, wrong(at, "the default %s is none of the symbols", clip(d))
		}
	}
	return s, nil
}

func (p *parser) fixed(o map[string]any, at, space string) (*Schema, error) {
	s := &Schema{Kind: Fixed}
	if _, err := p.define(s, o, at, space); err != nil {
		return nil, err
	}
	n, ok := whole(o["size"])
	if !ok || n < 0 || n > MaxJSON {
		return nil, wrong(at, "\"size\" must be a number from 0 to %d, not %s", MaxJSON, clip(o["size"]))
	}
	s.Size = int(n)
	return s, nil
}

func whole(v any) (int64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	i, err := n.Int64()
	return i, err == nil
}

// logical notes the logical type where it fits what carries it; Avro wants others to be passed over.
func (s *Schema) logical(o map[string]any) {
	name, _ := o["logicalType"].(string)
	switch {
	case s.Kind == Long && (name == "timestamp-millis" || name == "timestamp-micros" || name == "timestamp-nanos"), s.Kind == Int && name == "date":
		s.Logical = name
	case (s.Kind == Bytes || s.Kind == Fixed) && name == "decimal":
		precision, ok := whole(o["precision"])
		scale, given := whole(o["scale"])
		if ok && precision > 0 && precision <= maxDigits && scale >= 0 && scale <= precision && (given || o["scale"] == nil) {
			s.Logical, s.Scale = name, int(scale)
		}
	}
}

// maxDigits is the greatest precision of a decimal: no event has a number that is longer.
const maxDigits = 200

// defaults tells whether v, from the text of a schema, is a value of s. The default of a union is one of any branch, as newer
// versions of Avro have it.
func (s *Schema) defaults(v any, depth int) bool {
	if depth > MaxSchemaDepth {
		return false
	}
	switch s.Kind {
	case Null:
		return v == nil
	case Boolean:
		_, ok := v.(bool)
		return ok
	case Int:
		n, ok := whole(v)
		return ok && n >= math.MinInt32 && n <= math.MaxInt32
	case Long:
		_, ok := whole(v)
		return ok
	case Float, Double:
		_, ok := v.(json.Number)
		return ok
	case Bytes, String:
		_, ok := v.(string)
		return ok
	case Fixed:
		t, ok := v.(string)
		return ok && len([]rune(t)) == s.Size
	case Enum:
		t, ok := v.(string)
		return ok && slices.Contains(s.Symbols, t)
	case Array:
		list, ok := v.([]any)
		return ok && !slices.ContainsFunc(list, func(x any) bool { return !s.Items.defaults(x, depth+1) })
	case Map:
		m, ok := v.(map[string]any)
		for _, x := range m {
			ok = ok && s.Items.defaults(x, depth+1)
		}
		return ok
	case Union:
		return slices.ContainsFunc(s.Types, func(b *Schema) bool { return b.defaults(v, depth+1) })
	}
	m, ok := v.(map[string]any)
	for _, f := range s.Fields {
		x, has := m[f.Name]
		ok = ok && (has && f.Type.defaults(x, depth+1) || !has && f.HasDefault)
	}
	return ok
}

// clip shows a piece of a schema inside a sentence.
func clip(v any) string {
	s, ok := v.(string)
	if !ok {
		b, _ := json.Marshal(v)
		s = string(b)
	}
	return words.Clip(s, 60)
}
