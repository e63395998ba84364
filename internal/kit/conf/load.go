package conf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/secret"
	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// Options say where values come from. Later ones win: files, EnvFile, Environ, Flags.
type Options struct {
	Dir     string            // folder with <name>.yaml for each file root; "" = no files
	EnvFile string            // KEY=VALUE lines as systemd reads them; the environment wins over them
	Environ []string          // as of os.Environ
	Flags   map[string]string // flag name → text, only those that were given
	Others  []string          // variables that are no settings, and no typing errors either
}

// Tree is the loaded configuration with its origins.
type Tree struct {
	schema   *schema
	Warnings []Fault // legal but doubtful, sorted
	// Effect, when set, tells of a path when a change of its value takes effect.
	Effect func(path string) string
}

// Notices are the warnings for a log: those that say the same of several settings are one line, which ends with their places.
func (t *Tree) Notices() []string {
	var texts []string
	places := map[string][]string{}
	for _, w := range t.Warnings {
		if places[w.Message] == nil {
			texts = append(texts, w.Message)
		}
		place := w.Where
		if w.at.kind == byFile && w.Path != "" {
			place += " " + w.Path
		}
		places[w.Message] = append(places[w.Message], place)
	}
	for i, text := range texts {
		texts[i] = text + " (" + strings.Join(places[text], ", ") + ")"
	}
	return texts
}

// Load fills target. The error is of type Faults; with it, target is not to be used. The Tree is there in both cases.
func Load(target any, o Options) (*Tree, error) {
	l := &loader{schema: newSchema(target)}
	from := l.read(o)
	l.files(o.Dir)
	l.environment(o, from)
	l.flags(o.Flags)
	l.secrets()
	l.validate()
	t := &Tree{schema: l.schema, Warnings: sorted(l.warnings)}
	if len(l.faults) > 0 {
		return t, sorted(l.faults)
	}
	return t, nil
}

// LoadFile fills target, which has one file root, from one YAML file: for what a person names on a command line. The error is of
// type Faults; with it, target is not to be used.
func LoadFile(target any, path string) error {
	l := &loader{schema: newSchema(target)}
	l.file(l.schema.files[0], path)
	if l.validate(); len(l.faults) > 0 {
		return sorted(l.faults)
	}
	return nil
}

type loader struct {
	schema           *schema
	faults, warnings Faults
	environ          map[string]string // what EnvFile and Environ say
}

// files reads <dir>/<name>.yaml of every root; a missing one is no fault.
func (l *loader) files(dir string) {
	if dir == "" {
		return
	}
	for _, name := range l.schema.files {
		path := filepath.Join(dir, name+".yaml")
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			l.file(name, path)
		}
	}
	l.strangeFiles(dir)
}

// file reads one file into the settings of a root.
func (l *loader) file(name, path string) {
	data, err := readSmall(path)
	if err != nil {
		l.faults = append(l.faults, fault(origin{kind: byFile, file: path}, "", "cannot be read: %v", reason(err)))
		return
	}
	y := &yamlFile{schema: l.schema, name: name, path: path, environ: l.environ}
	y.load(data)
	l.faults = append(l.faults, y.faults...)
}

// strangeFiles warns of YAML files that nobody reads, since a misspelt name would silently change nothing.
func (l *loader) strangeFiles(dir string) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		l.warnings = append(l.warnings, fault(origin{kind: byFile, file: dir}, "", "there is no such folder, so no file is read; put %s.yaml there", strings.Join(l.schema.files, ".yaml, ")))
		return
	}
	for _, e := range entries {
		name, ext, _ := strings.Cut(e.Name(), ".")
		if (ext == "yaml" || ext == "yml") && (ext == "yml" || !slices.Contains(l.schema.files, name)) {
			l.warnings = append(l.warnings, fault(origin{kind: byFile, file: filepath.Join(dir, e.Name())}, "", "nobody reads this file; the names are %s.yaml", strings.Join(l.schema.files, ".yaml, ")))
		}
	}
}

func reason(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// read reads the env file and then the environment. An empty value is as good as none.
func (l *loader) read(o Options) (from map[string]origin) {
	values := map[string]string{}
	from = map[string]origin{}
	if o.EnvFile != "" {
		text, err := readSmall(o.EnvFile)
		if err != nil {
			l.faults = append(l.faults, fault(origin{kind: byEnv, file: o.EnvFile, name: "--env-file"}, "", "cannot be read: %v", reason(err)))
		}
		lines, bad := parseEnvFile(string(text))
		for _, e := range lines {
			values[e.key], from[e.key] = e.value, origin{kind: byEnv, name: e.key, file: o.EnvFile, line: e.line}
		}
		for _, e := range bad {
			l.warnings = append(l.warnings, fault(origin{kind: byFile, file: o.EnvFile, line: e.line}, "", "this line is skipped: %s", e.value))
		}
	}
	for _, kv := range o.Environ {
		if k, v, ok := strings.Cut(kv, "="); ok && v != "" {
			values[k], from[k] = v, origin{kind: byEnv, name: k}
		}
	}
	l.environ = values
	return from
}

// environment sets what was read from the environment.
func (l *loader) environment(o Options, from map[string]origin) {
	values := l.environ
	var known []string
	for _, st := range l.schema.settings {
		for _, name := range st.Env {
			known = append(known, name)
			if v := values[name]; v != "" {
				l.set(st, v, from[name])
				break // the first name of a setting wins over its other ones
			}
		}
	}
	for name := range values {
		edits := 1 // the names of others are not ours to judge, but such a one is nobody's
		if strings.HasPrefix(name, "HXP_") {
			edits = 2
		}
		if (edits == 2 || len(name) >= 12) && !slices.Contains(known, name) && !slices.Contains(o.Others, name) {
			if k := words.Nearest(name, known); k != "" && words.Distance(name, k) <= edits {
				l.warnings = append(l.warnings, fault(from[name], "", "no setting has this name; did you mean %s?", k))
			}
		}
	}
}

// flags sets what was given on the command line.
func (l *loader) flags(given map[string]string) {
	for name, text := range given {
		found := false
		for _, st := range l.schema.settings {
			if st.Flag == name {
				found = true
				l.set(st, text, origin{kind: byFlag, name: name})
			}
		}
		if !found {
			l.faults = append(l.faults, fault(origin{kind: byFlag, name: name}, "", "no setting has this flag"))
		}
	}
}

func (l *loader) set(st *Setting, text string, from origin) {
	if err := st.setText(text); err != nil {
		l.faults = append(l.faults, fault(from, st.Path, "%v", err))
		return
	}
	st.origin = from
}

// secrets puts what is at the place into each secret that names one.
func (l *loader) secrets() {
	for _, st := range l.schema.settings {
		if err := st.reveal(l.environ); err != nil {
			l.faults = append(l.faults, fault(st.origin, st.shown(), "the secret cannot be read: %v", err))
		}
	}
}

// reveal puts what is at the place into a secret that names one.
func (st *Setting) reveal(environ map[string]string) error {
	if (!st.Secret && !st.url) || st.place {
		return nil
	}
	read := func(text string) (string, error) {
		if !secret.Named(text) {
			return text, nil
		}
		return secret.ReadWith(text, func(name string) (string, bool) {
			v, ok := environ[name]
			return v, ok
		})
	}
	if st.value.Type() != mapType {
		text, err := read(st.value.String())
		if err == nil {
			st.value.SetString(text)
		}
		return err
	}
	for _, name := range st.value.MapKeys() {
		text, err := read(st.value.MapIndex(name).String())
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		st.value.SetMapIndex(name, reflect.ValueOf(text))
	}
	return nil
}

// complaint is a message of a struct about one of its keys.
type complaint struct{ key, text string }

// face is the struct as its methods see it; nil when it is embedded without being exported.
func face(v reflect.Value) any {
	if !v.CanInterface() {
		return nil
	}
	return v.Addr().Interface()
}

// complaints asks a struct what is wrong with its values.
func complaints(v reflect.Value) []complaint {
	c, ok := face(v).(interface{ Validate() error })
	if !ok {
		return nil
	}
	var out []complaint
	for _, err := range flatten(c.Validate()) {
		out = append(out, split(err.Error()))
	}
	return out
}

// doubts asks a struct what is doubtful about its values.
func doubts(v reflect.Value) []complaint {
	c, ok := face(v).(interface{ Doubts() []string })
	if !ok {
		return nil
	}
	var out []complaint
	for _, s := range c.Doubts() {
		out = append(out, split(s))
	}
	return out
}

func split(text string) complaint {
	text = Redact(text)
	key, rest, ok := strings.Cut(text, ": ")
	if !ok || strings.ContainsAny(key, " \t") {
		return complaint{"", text}
	}
	return complaint{key, rest}
}

func flatten(err error) []error {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range many.Unwrap() {
			out = append(out, flatten(e)...)
		}
		return out
	}
	return []error{err}
}

// validate lets every struct check itself and puts each message where its key was set. What is at fault already is not
// checked again: its value is still the one before.
func (l *loader) validate() {
	for _, h := range l.schema.holders {
		for _, m := range complaints(h.value) {
			l.faults = append(l.faults, l.place(h, m))
		}
		for _, m := range doubts(h.value) {
			l.warnings = append(l.warnings, l.place(h, m))
		}
	}
}

// place finds the setting that a message speaks of.
func (l *loader) place(h holder, m complaint) Fault {
	key := h.prefix + m.key
	for _, st := range l.schema.settings {
		if (st.File == h.file && st.Key == key) || (h.file == "" && st.Path == key) {
			return fault(st.origin, st.shown(), "%s", m.text)
		}
	}
	if m.key == "" {
		return fault(origin{}, strings.TrimSuffix(h.prefix, "."), "%s", m.text)
	}
	return fault(origin{}, key, "%s", m.text)
}

// shown is the path that a message about the setting names: the key of its file beside the file's name, else the tree's path.
func (st *Setting) shown() string {
	if st.origin.kind == byFile {
		return st.Key
	}
	return st.Path
}

// Names lists every known variable, sorted.
func (t *Tree) Names() []string {
	var out []string
	for _, st := range t.schema.settings {
		out = append(out, st.Env...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Origin tells where the value at a path came from: default, file:PATH:LINE, env:NAME or flag:--x; "" for an unknown path.
func (t *Tree) Origin(path string) string {
	if st := t.find(path); st != nil {
		return st.origin.String()
	}
	return ""
}

// Where is the place at which the value at a path was set, as messages begin: FILE:LINE:COLUMN, NAME, --flag or "default".
func (t *Tree) Where(path string) string {
	if st := t.find(path); st != nil {
		return st.origin.where()
	}
	return ""
}

// NewFault makes a fault about the setting at a path, for checks that look at several settings.
func (t *Tree) NewFault(path, format string, args ...any) Fault {
	if st := t.find(path); st != nil {
		return fault(st.origin, st.shown(), "%s", Redact(fmt.Sprintf(format, args...)))
	}
	return fault(origin{}, path, "%s", Redact(fmt.Sprintf(format, args...)))
}

// Join adds faults to the error of Load and sorts all of them.
func Join(err error, more ...Fault) error {
	all, _ := errors.AsType[Faults](err)
	if err != nil && all == nil {
		return err
	}
	if all = append(slices.Clone(all), more...); len(all) == 0 {
		return nil
	}
	return sorted(all)
}

// Copy gives the setting at one path the value and the origin of another of the same type; for sections that several files
// share. It does nothing when a path is unknown.
func (t *Tree) Copy(from, to string) {
	a, b := t.find(from), t.find(to)
	if a == nil || b == nil || a.value.Type() != b.value.Type() {
		return
	}
	b.value.Set(a.value)
	b.origin = a.origin
}

// find gives the setting at a path, nil when there is none.
func (t *Tree) find(path string) *Setting {
	for _, st := range t.schema.settings {
		if st.Path == path {
			return st
		}
	}
	return nil
}

// Shared lists the settings that several files have: for each key the paths, in the order of the files.
func (t *Tree) Shared() map[string][]string {
	by := map[string][]string{}
	for _, st := range t.schema.settings {
		if st.File != "" {
			by[st.Key] = append(by[st.Key], st.Path)
		}
	}
	for key, paths := range by {
		if len(paths) < 2 {
			delete(by, key)
		}
	}
	return by
}

// IsSet tells whether a file, a variable or a flag gave the value at a path.
func (t *Tree) IsSet(path string) bool {
	st := t.find(path)
	return st != nil && st.origin.kind != byDefault
}

// Equal tells whether the values at two paths are the same.
func (t *Tree) Equal(a, b string) bool {
	x, y := t.find(a), t.find(b)
	return x != nil && y != nil && reflect.DeepEqual(x.value.Interface(), y.value.Interface())
}

// Warn adds a warning about the setting at a path.
func (t *Tree) Warn(path, format string, args ...any) {
	t.Warnings = sorted(append(t.Warnings, t.NewFault(path, format, args...)))
}
