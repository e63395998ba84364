package conf

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// DocumentFault is one thing that is wrong with a document of Decode.
type DocumentFault struct {
	Pointer string // JSON pointer of the place
	Line    int    // from 1; 0 = of the whole
	Detail  string
}

// The limits of a document.
const (
	maxDocument  = 1 << 20
	maxDepth     = 32
	maxItems     = 10_000 // of a list, or keys of an object
	maxDocFaults = 20
)

// Decode reads a document of YAML or JSON that a stranger sent into the struct behind v, by its json tags: texts, numbers, true and false,
// lists, structs, maps of texts, and what reads itself from a text (encoding.TextUnmarshaler). Nothing is passed over: a key that is not
// known, or stands twice, is a fault. Aliases are refused, because a short document can become a long one by them. All faults come at once.
func Decode(data []byte, v any) []DocumentFault {
	d := decoder{}
	if len(data) > maxDocument {
		return []DocumentFault{{Detail: fmt.Sprintf("the document has more than %d bytes", maxDocument)}}
	}
	root, at, text := parse(data)
	switch {
	case text != "":
		return []DocumentFault{{Line: at.Line, Detail: "it is neither YAML nor JSON: " + text}}
	case root == nil:
		return []DocumentFault{{Detail: "it is empty"}}
	}
	d.value(root, reflect.ValueOf(v).Elem(), "", 0)
	return d.faults
}

type decoder struct{ faults []DocumentFault }

func (d *decoder) fault(n *yaml.Node, at, format string, args ...any) {
	if len(d.faults) < maxDocFaults {
		d.faults = append(d.faults, DocumentFault{at, n.Line, fmt.Sprintf(format, args...)})
	}
}

func (d *decoder) value(n *yaml.Node, to reflect.Value, at string, depth int) {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.fault(n, at, "anchors and aliases are not taken; write it out")
		return
	case depth > maxDepth:
		d.fault(n, at, "it lies more than %d levels deep", maxDepth)
		return
	case to.Kind() == reflect.Pointer:
		if isNull(n) {
			return
		}
		to.Set(reflect.New(to.Type().Elem()))
		to = to.Elem()
	}
	if reads, ok := to.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if text, ok := d.text(n, at); ok {
			if err := reads.UnmarshalText([]byte(text)); err != nil {
				d.fault(n, at, "%v", err)
			}
		}
		return
	}
	switch to.Kind() {
	case reflect.String:
		if text, ok := d.text(n, at); ok {
			to.SetString(text)
		}
	case reflect.Bool:
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
			d.fault(n, at, "true or false belongs here")
			return
		}
		to.SetBool(strings.EqualFold(n.Value, "true"))
	case reflect.Int, reflect.Int64:
		i, err := strconv.ParseInt(n.Value, 10, 64)
		if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil {
			d.fault(n, at, "a whole number belongs here")
			return
		}
		to.SetInt(i)
	case reflect.Slice:
		d.list(n, to, at, depth)
	case reflect.Map:
		d.texts(n, to, at)
	case reflect.Struct:
		d.structure(n, to, at, depth)
	}
}

// text takes a single value as a text, also where YAML takes it for a number.
func (d *decoder) text(n *yaml.Node, at string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Tag == "!!bool" || n.Tag == "!!binary" {
		d.fault(n, at, "a text belongs here; put it in quotes if it is one")
		return "", false
	}
	return n.Value, true
}

func (d *decoder) list(n *yaml.Node, to reflect.Value, at string, depth int) {
	switch {
	case isNull(n):
		return
	case n.Kind != yaml.SequenceNode:
		d.fault(n, at, "a list belongs here")
		return
	case len(n.Content) > maxItems:
		d.fault(n, at, "the list has more than %d entries", maxItems)
		return
	}
	out := reflect.MakeSlice(to.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.value(item, out.Index(i), at+"/"+strconv.Itoa(i), depth+1)
	}
	to.Set(out)
}

// keys calls see with the keys of an object and their values.
func (d *decoder) keys(n *yaml.Node, at string, see func(key, value *yaml.Node, at string)) {
	if n.Kind != yaml.MappingNode || len(n.Content) > 2*maxItems {
		d.fault(n, at, "an object of at most %d keys belongs here", maxItems)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		here := at + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key.Value)
		switch {
		case key.Kind != yaml.ScalarNode || key.Tag == "!!merge":
			d.fault(key, at, "a key is no plain text")
		case seen[key.Value]:
			d.fault(key, here, "the key stands twice")
		default:
			seen[key.Value] = true
			see(key, n.Content[i+1], here)
		}
	}
}

func (d *decoder) texts(n *yaml.Node, to reflect.Value, at string) {
	if isNull(n) {
		return
	}
	to.Set(reflect.MakeMap(to.Type()))
	d.keys(n, at, func(key, value *yaml.Node, at string) {
		if text, ok := d.text(value, at); ok {
			to.SetMapIndex(reflect.ValueOf(key.Value), reflect.ValueOf(text))
		}
	})
}

func (d *decoder) structure(n *yaml.Node, to reflect.Value, at string, depth int) {
	fields := map[string]int{}
	var known []string
	for i := range to.NumField() {
		name, _, _ := strings.Cut(to.Type().Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			fields[name] = i
			known = append(known, name)
		}
	}
	slices.Sort(known)
	d.keys(n, at, func(key, value *yaml.Node, at string) {
		i, ok := fields[key.Value]
		if !ok {
			d.fault(key, at, "there is no such key%s; here belong %s", words.DidYouMean(key.Value, known), strings.Join(known, ", "))
			return
		}
		d.value(value, to.Field(i), at, depth+1)
	})
}
