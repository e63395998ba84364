package rule

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

type nodeKind uint8

const (
	nullNode nodeKind = iota
	textNode
	numberNode
	boolNode
	listNode
	mapNode
)

var nodeNames = [...]string{"null", "a text", "a number", "true or false", "a list", "an object"}

// node is a piece of a file, the same whether YAML or JSON was read. Of a map, keys and items go together.
type node struct {
	kind  nodeKind
	text  string // of a scalar, as it was written
	keys  []*node
	items []*node
	line  int
}

// parse reads one document. JSON is read as such, because YAML takes some of its escapes for something else.
func parse(data []byte) (*node, *Fault) {
	if len(data) > MaxBytes {
		return nil, &Fault{Detail: "the file is larger than " + strconv.Itoa(MaxBytes) + " bytes"}
	}
	if json.Valid(data) {
		r := jsonReader{dec: json.NewDecoder(bytes.NewReader(data)), data: data, line: 1}
		r.dec.UseNumber()
		return r.value(0)
	}
	return parseYAML(data)
}

type jsonReader struct {
	dec  *json.Decoder
	data []byte
	at   int64 // up to where lines are counted
	line int
}

func (r *jsonReader) value(depth int) (*node, *Fault) {
	token, err := r.dec.Token()
	end := r.dec.InputOffset()
	r.line += bytes.Count(r.data[r.at:end], []byte("\n"))
	r.at = end
	n := &node{line: r.line}
	if err != nil {
		return nil, &Fault{Line: r.line, Detail: "this is no JSON: " + err.Error()}
	}
	if depth > maxDepth {
		return nil, tooDeep(n.line)
	}
	switch t := token.(type) {
	case string:
		n.kind, n.text = textNode, t
	case json.Number:
		n.kind, n.text = numberNode, t.String()
	case bool:
		n.kind, n.text = boolNode, strconv.FormatBool(t)
	case json.Delim:
		n.kind = listNode
		if t == '{' {
			n.kind = mapNode
		}
		return n, r.children(n, depth)
	}
	return n, nil
}

func (r *jsonReader) children(n *node, depth int) *Fault {
	for r.dec.More() {
		if n.kind == mapNode {
			k, fault := r.value(depth + 1)
			if fault != nil {
				return fault
			}
			n.keys = append(n.keys, k)
		}
		v, fault := r.value(depth + 1)
		if fault != nil {
			return fault
		}
		n.items = append(n.items, v)
	}
	if _, err := r.dec.Token(); err != nil {
		return &Fault{Line: n.line, Detail: "this is no JSON: " + err.Error()}
	}
	return nil
}

func tooDeep(line int) *Fault {
	return &Fault{Line: line, Detail: "nested deeper than " + strconv.Itoa(maxDepth) + " levels"}
}

func parseYAML(data []byte) (n *node, fault *Fault) {
	defer func() {
		if v := recover(); v != nil { // a defect of the library must not end the process
			n, fault = nil, &Fault{Detail: "the reader of YAML failed on it"}
		}
	}()
	var doc, second yaml.Node
	loader, err := yaml.NewLoader(bytes.NewReader(data), yaml.WithV3Defaults())
	if err == nil {
		err = loader.Load(&doc)
	}
	if errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0 {
		return nil, &Fault{Detail: "the file is empty; it holds one rule or a list of rules"}
	}
	if err == nil {
		switch next := loader.Load(&second); {
		case next == nil:
			return nil, &Fault{Line: second.Line, Detail: "a second document begins here; write a list of rules instead"}
		case !errors.Is(next, io.EOF):
			err = next
		}
	}
	if err != nil {
		return nil, yamlFault(err)
	}
	return fromYAML(doc.Content[0], 0)
}

func yamlFault(err error) *Fault {
	text, line := err.Error(), 0
	if le, ok := errors.AsType[*yaml.LoadError](err); ok {
		text, line = le.Message, le.Mark.Line
	}
	text, _, _ = strings.Cut(text, "\n")
	return &Fault{Line: line, Detail: "this is neither YAML nor JSON: " + text}
}

func fromYAML(y *yaml.Node, depth int) (*node, *Fault) {
	n := &node{line: y.Line, text: y.Value}
	if depth > maxDepth {
		return nil, tooDeep(y.Line)
	}
	switch y.Kind {
	case yaml.AliasNode:
		return nil, &Fault{Line: y.Line, Detail: "aliases (*name) are not taken; write it out, or put text that begins with * in quotes"}
	case yaml.ScalarNode:
		n.kind = scalarKind(y.ShortTag())
		return n, nil
	case yaml.SequenceNode:
		n.kind = listNode
	default:
		n.kind = mapNode
	}
	for i, c := range y.Content {
		child, fault := fromYAML(c, depth+1)
		if fault != nil {
			return nil, fault
		}
		if n.kind == mapNode && i%2 == 0 {
			n.keys = append(n.keys, child)
		} else {
			n.items = append(n.items, child)
		}
	}
	return n, nil
}

func scalarKind(tag string) nodeKind {
	switch tag {
	case "!!null":
		return nullNode
	case "!!bool":
		return boolNode
	case "!!int", "!!float":
		return numberNode
	}
	return textNode
}

// json writes n as JSON, for what is handed on as it was written.
func (n *node) json(dst []byte) []byte {
	switch n.kind {
	case nullNode:
		return append(dst, "null"...)
	case boolNode:
		return append(dst, strings.ToLower(n.text)...)
	case numberNode:
		if json.Valid([]byte(n.text)) {
			return append(dst, n.text...)
		}
	case listNode:
		dst = append(dst, '[')
		for i, item := range n.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.json(dst)
		}
		return append(dst, ']')
	case mapNode:
		dst = append(dst, '{')
		for i, item := range n.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendText(dst, n.keys[i].text), ':')
			dst = item.json(dst)
		}
		return append(dst, '}')
	}
	return appendText(dst, n.text)
}

func appendText(dst []byte, s string) []byte {
	text, _ := json.Marshal(s) // of a string: cannot fail
	return append(dst, text...)
}
