package conf

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Reference writes the page of all settings in Markdown from the struct that root points to. intro stands at its head, and effect tells of a path
// when a change of its value takes effect.
func Reference(root any, intro string, effect func(path string) string) []byte {
	s := newSchema(root)
	var b bytes.Buffer
	b.WriteString(strings.TrimSpace(intro) + "\n")
	s.table(&b, "Settings of no file", "Set by environment and flags.", "", effect)
	for _, name := range s.files {
		s.table(&b, "services/"+name+".yaml", s.fileDocs[name], name, effect)
	}
	s.variables(&b)
	return b.Bytes()
}

func (s *schema) table(b *bytes.Buffer, title, doc, file string, effect func(path string) string) {
	top := "\x00"
	for _, st := range s.settings {
		if st.File != file {
			continue
		}
		if top == "\x00" {
			fmt.Fprintf(b, "\n## %s\n", title)
			if doc != "" {
				fmt.Fprintf(b, "\n%s\n", doc)
			}
		}
		section := ""
		if file != "" && strings.Contains(st.Key, ".") {
			section, _, _ = strings.Cut(st.Key, ".")
		}
		if section != top {
			top = section
			if section != "" {
				fmt.Fprintf(b, "\n### `%s`\n", section)
				if d := s.roots[file].sections[section].doc; d != "" {
					fmt.Fprintf(b, "\n%s\n", d)
				}
			}
			b.WriteString("\n| setting | environment, flag | default | value | effect | takes effect |\n|---|---|---|---|---|---|\n")
		}
		st.row(b, effect(st.Path))
		if st.items != nil {
			for _, key := range st.items.keys {
				if item := st.items.settings[key]; item != nil {
					sub := *item
					sub.Key = st.Key + "[]." + item.Key
					sub.row(b, effect(st.Path))
				}
			}
		}
	}
}

func (st *Setting) row(b *bytes.Buffer, effect string) {
	var set []string
	for _, e := range st.Env {
		set = append(set, "`"+e+"`")
	}
	if st.Flag != "" {
		set = append(set, "`--"+st.Flag+"`")
	}
	fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s |\n", st.Key, strings.Join(set, " "), code(st.Default), cell(st.values()), cell(st.Doc), effect)
}

// values describes what may be written.
func (st *Setting) values() string {
	t := st.typeName()
	if len(st.Enum) > 0 {
		t += ": " + strings.Join(st.Enum, ", ")
	}
	if st.value.Type() == durationType {
		unit := "s"
		if st.Unit != "" {
			unit = st.Unit
		}
		t += " (plain number: " + unit + ")"
	}
	if r := st.rangeText(); r != "" {
		t += ", " + r
	}
	switch {
	case st.place:
		t += ", secret: file:PATH or env:NAME"
	case st.Secret:
		t += ", secret; file:PATH or env:NAME"
	case st.url:
		t += "; file:PATH or env:NAME"
	}
	return t
}

// variables lists every name of the environment with the settings that it sets.
func (s *schema) variables(b *bytes.Buffer) {
	b.WriteString("\n## Environment\n\n| variable | sets |\n|---|---|\n")
	var names []string
	sets := map[string][]string{}
	for _, st := range s.settings {
		for _, e := range st.Env {
			if sets[e] == nil {
				names = append(names, e)
			}
			sets[e] = append(sets[e], "`"+st.Path+"`")
		}
	}
	slices.Sort(names)
	for _, n := range names {
		fmt.Fprintf(b, "| `%s` | %s |\n", n, strings.Join(sets[n], ", "))
	}
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + cell(s) + "`"
}

func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(s)
}
