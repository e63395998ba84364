package conf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Value is one line of `config show`.
type Value struct {
	Path   string `json:"path"`
	Value  any    `json:"value"`
	Origin string `json:"origin"`
	Effect string `json:"takes_effect,omitempty"` // what Tree.Effect says
}

// Values lists the effective settings in the order of the tree, without secrets.
func (t *Tree) Values() []Value {
	out := make([]Value, 0, len(t.schema.settings))
	for _, st := range t.schema.settings {
		out = append(out, Value{st.Path, st.display(), st.origin.String(), t.effect(st.Path)})
	}
	return out
}

func (t *Tree) effect(path string) string {
	if t.Effect == nil {
		return ""
	}
	return t.Effect(path)
}

// Variable is the name in the environment that sets the value at a path, "" for none.
func (t *Tree) Variable(path string) string {
	if st := t.find(path); st != nil && len(st.Env) > 0 {
		return st.Env[0]
	}
	return ""
}

// WriteText writes the values as a table.
func (t *Tree) WriteText(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	head := "PATH\tVALUE\tORIGIN\n"
	if t.Effect != nil {
		head = "PATH\tVALUE\tTAKES EFFECT\tORIGIN\n"
	}
	fmt.Fprint(tw, head)
	for _, v := range t.Values() {
		if v.Effect != "" {
			v.Effect += "\t"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s%s\n", v.Path, oneLine(v.Value), v.Effect, v.Origin)
	}
	return tw.Flush()
}

// WriteJSON writes {"values":[{"path","value","origin","takes_effect"}]}.
func (t *Tree) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(map[string]any{"values": t.Values()})
}

func oneLine(v any) string {
	switch v := v.(type) {
	case string:
		if v == "" || strings.ContainsAny(v, "\t\n\r\f\v") || v != strings.TrimSpace(v) {
			return strconv.Quote(v)
		}
		return v
	case []string:
		return oneLine(strings.Join(v, ","))
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // display only makes what JSON knows
	return strings.TrimSpace(b.String())
}

// display is the value as it may be shown.
func (st *Setting) display() any {
	v := st.value
	switch {
	case st.Secret && v.Type() == mapType:
		out := map[string]string{}
		for _, k := range v.MapKeys() {
			out[k.String()] = Hidden
		}
		return out
	case st.Secret && v.IsZero():
		return ""
	case st.Secret:
		return Hidden
	case st.items != nil:
		out := make([]map[string]any, v.Len())
		for i := range out {
			out[i] = displayItem(v.Index(i))
		}
		return out
	case v.Type() == durationType:
		return st.displayDuration(time.Duration(v.Int()))
	case v.Type() == stringsType:
		out := make([]string, v.Len())
		for i := range out {
			out[i] = Redact(v.Index(i).String())
		}
		return out
	case v.Type() == mapType:
		out := map[string]string{}
		for _, k := range v.MapKeys() {
			out[k.String()] = Redact(k.String() + "=" + v.MapIndex(k).String())[len(k.String())+1:]
		}
		return out
	case v.Kind() == reflect.String:
		return Redact(v.String())
	}
	return v.Interface()
}

// displayDuration gives a number where the unit is part of the setting, else text like 1m30s.
func (st *Setting) displayDuration(d time.Duration) any {
	switch st.Unit {
	case "s":
		return d.Seconds()
	case "ms":
		return float64(d) / float64(time.Millisecond)
	}
	return d.String()
}

// displayItem shows an element of a list of sections.
func displayItem(v reflect.Value) map[string]any {
	out := map[string]any{}
	for _, st := range settingsOf(v) {
		out[st.Key] = st.display()
	}
	return out
}

// settingsOf are those of an element of a list of sections.
func settingsOf(v reflect.Value) []*Setting {
	el := reflect.New(v.Type()).Elem()
	sub := &schema{}
	sub.walk(el, newSection(), "", "") // sets the defaults of el, and v replaces them
	el.Set(v)
	return sub.settings
}
