package conf

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Setting is one value of the tree with all that is known of it.
type Setting struct {
	Path string // in the tree, unique: "batch_processing.timeout", "kafka-api.service.port"
	Key  string // in its file: "service.port"
	File string // name of its file root; "" when no file holds it

	Env     []string
	Flag    string
	Default string
	Doc     string
	Min     string
	Max     string
	Unit    string
	Enum    []string
	Secret  bool // shown as ***

	place bool // it says where a secret is, and whoever uses it reads that
	url   bool // it may hold a password, which alone is hidden

	value  reflect.Value
	origin origin
	items  *section // schema of the elements of a list of structs
}

// section is a mapping of a YAML file.
type section struct {
	keys     []string // of both, in the order of the structs
	sections map[string]*section
	settings map[string]*Setting
	doc      string
}

func newSection() *section {
	return &section{sections: map[string]*section{}, settings: map[string]*Setting{}}
}

// holder is a struct that checks itself, with the path of its keys.
type holder struct {
	value  reflect.Value
	file   string
	prefix string // key prefix within the file, "" or ending in a dot
}

// schema is the whole tree.
type schema struct {
	files    []string            // names of the file roots, in order
	roots    map[string]*section // file → its root
	fileDocs map[string]string
	settings []*Setting
	holders  []holder // inner structs before outer ones
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	stringsType  = reflect.TypeFor[[]string]()
	mapType      = reflect.TypeFor[map[string]string]()
)

// newSchema reads the struct that target points to and sets its defaults. A tree that cannot work is a mistake of the
// program and panics.
func newSchema(target any) *schema {
	v := reflect.ValueOf(target)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("conf: %T is no pointer to a struct", target))
	}
	v = v.Elem()
	s := &schema{roots: map[string]*section{}, fileDocs: map[string]string{}}
	loose := newSection() // settings of no file
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := f.Tag.Get("file")
		if name == "" {
			s.field(v, i, loose, "", "")
			continue
		}
		root := newSection()
		s.files, s.roots[name], s.fileDocs[name] = append(s.files, name), root, f.Tag.Get("doc")
		s.walk(v.Field(i), root, name, "")
	}
	s.holders = append(s.holders, holder{value: v})
	s.setPaths()
	return s
}

// walk adds the fields of a struct to a section.
func (s *schema) walk(v reflect.Value, sec *section, file, prefix string) {
	for i := range v.NumField() {
		s.field(v, i, sec, file, prefix)
	}
	s.holders = append(s.holders, holder{v, file, prefix})
}

func (s *schema) field(parent reflect.Value, i int, sec *section, file, prefix string) {
	f, v := parent.Type().Field(i), parent.Field(i)
	key, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	switch {
	case key == "-" || (!f.IsExported() && !f.Anonymous):
	case opts == "inline" || (f.Anonymous && key == ""):
		s.walk(v, sec, file, prefix)
	case key == "":
		panic(fmt.Sprintf("conf: %s.%s has no yaml key", parent.Type(), f.Name))
	case v.Kind() == reflect.Struct:
		sub := sec.sections[key]
		if sub == nil {
			sub = newSection()
			sec.add(key)
			sec.sections[key] = sub
		}
		if d := f.Tag.Get("doc"); d != "" && sub.doc == "" {
			sub.doc = d
		}
		s.walk(v, sub, file, prefix+key+".")
	default:
		st := newSetting(f, v, file, prefix+key)
		sec.add(key)
		sec.settings[key] = st
		s.settings = append(s.settings, st)
	}
}

// add notes a key; the same one twice is a mistake of the program.
func (sec *section) add(key string) {
	if slices.Contains(sec.keys, key) {
		panic(fmt.Sprintf("conf: the key %q is defined twice in one section", key))
	}
	sec.keys = append(sec.keys, key)
}

func newSetting(f reflect.StructField, v reflect.Value, file, key string) *Setting {
	t := f.Tag
	st := &Setting{Key: key, Path: key, File: file, Env: list(t.Get("env")), Flag: t.Get("flag"), Default: t.Get("default"), Doc: t.Get("doc"),
		Min: t.Get("min"), Max: t.Get("max"), Unit: t.Get("unit"), Enum: list(t.Get("enum")), value: v}
	st.guard(t.Get("secret"))
	switch {
	case v.Type() == durationType, v.Type() == stringsType, v.Type() == mapType:
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		st.items = newSection()
		(&schema{}).walk(reflect.New(v.Type().Elem()).Elem(), st.items, file, "")
	default:
		switch v.Kind() {
		case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		default:
			panic(fmt.Sprintf("conf: %s: no settings of type %s", key, v.Type()))
		}
	}
	st.reset()
	return st
}

// guard reads the tag secret.
func (st *Setting) guard(tag string) {
	switch tag {
	case "":
	case "true":
		st.Secret = true
	case "place":
		st.Secret, st.place = true, true
	case "url":
		st.url = true
	default:
		panic(fmt.Sprintf("conf: %s: no secrets of the kind %q", st.Key, tag))
	}
	if tag != "" && st.value.Kind() != reflect.String && (tag != "true" || st.value.Type() != mapType) {
		panic(fmt.Sprintf("conf: %s: a secret is a text, or texts by name", st.Key))
	}
}

// reset sets the default.
func (st *Setting) reset() {
	st.origin = origin{}
	if st.Default == "" {
		st.value.SetZero()
		return
	}
	if err := st.setText(st.Default); err != nil {
		panic(fmt.Sprintf("conf: default of %s: %v", st.Key, err))
	}
}

// setPaths makes paths unique: a section that several files have keeps its plain path in the last of them, and begins with the
// file's name in the others.
func (s *schema) setPaths() {
	last := map[string]string{} // top key → last file that has it
	for _, name := range s.files {
		for _, key := range s.roots[name].keys {
			last[key] = name
		}
	}
	for _, st := range s.settings {
		top, _, _ := strings.Cut(st.Key, ".")
		if st.File != "" && last[top] != st.File {
			st.Path = st.File + "." + st.Key
		}
	}
}

// typeName is the type of a setting in words.
func (st *Setting) typeName() string {
	switch {
	case st.value.Type() == durationType:
		return "duration"
	case st.value.Type() == stringsType:
		return "list"
	case st.items != nil:
		return "list of sections"
	case st.value.Type() == mapType:
		return "names and values"
	}
	switch st.value.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "whole number"
	case reflect.Float64:
		return "number"
	}
	return "text"
}

// list splits a tag or a variable at commas and drops blanks and empty items.
func list(s string) []string {
	var out []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}
