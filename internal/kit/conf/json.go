package conf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v4"
)

// maxNesting bounds how deep sections of a file lie in each other.
const maxNesting = 32

// ReadJSON reads a file of data, YAML or JSON, of at most limit bytes and returns it as JSON. Numbers keep the text that they are written with,
// so nothing is rounded on the way.
func ReadJSON(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("%s is no regular file", path))
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(data)) > limit:
		return nil, fmt.Errorf("it is larger than %d bytes", limit)
	case json.Valid(data):
		return data, nil
	}
	return yamlToJSON(data, limit)
}

func yamlToJSON(data []byte, limit int64) ([]byte, error) {
	root, at, fault := parse(data)
	if fault != "" {
		return nil, fmt.Errorf("line %d, column %d: this is no YAML: %s", at.Line, at.Column, fault)
	}
	if root == nil {
		return nil, errors.New("it is empty")
	}
	w := jsonWriter{limit: int(limit)}
	if err := w.node(root, 0); err != nil {
		return nil, err
	}
	return w.b.Bytes(), nil
}

// jsonWriter writes nodes of YAML as JSON, at most limit bytes: aliases could make much of little.
type jsonWriter struct {
	b     bytes.Buffer
	limit int
}

func (w *jsonWriter) node(n *yaml.Node, depth int) error {
	n = follow(n)
	switch {
	case depth > maxNesting:
		return fmt.Errorf("line %d: sections lie deeper than %d in each other", n.Line, maxNesting)
	case w.b.Len() > w.limit:
		return fmt.Errorf("line %d: it says more than %d bytes hold", n.Line, w.limit)
	}
	switch n.Kind {
	case yaml.ScalarNode:
		w.scalar(n)
		return nil
	case yaml.SequenceNode:
		w.b.WriteByte('[')
		for i, c := range n.Content {
			w.comma(i)
			if err := w.node(c, depth+1); err != nil {
				return err
			}
		}
		w.b.WriteByte(']')
		return nil
	case yaml.MappingNode:
		return w.mapping(n, depth)
	}
	return fmt.Errorf("line %d: %s cannot be read here", n.Line, kindName(n))
}

func (w *jsonWriter) mapping(n *yaml.Node, depth int) error {
	w.b.WriteByte('{')
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch line, twice := seen[k.Value]; {
		case k.Kind != yaml.ScalarNode || k.Tag == "!!merge":
			return fmt.Errorf("line %d: a key must be a plain word", k.Line)
		case twice:
			return fmt.Errorf("line %d: the key %.80q stands in line %d already", k.Line, k.Value, line)
		}
		seen[k.Value] = k.Line
		w.comma(i)
		w.text(k.Value)
		w.b.WriteByte(':')
		if err := w.node(v, depth+1); err != nil {
			return err
		}
	}
	w.b.WriteByte('}')
	return nil
}

func (w *jsonWriter) comma(i int) {
	if i > 0 {
		w.b.WriteByte(',')
	}
}

// scalar writes what JSON can write as it is, and all else as a text.
func (w *jsonWriter) scalar(n *yaml.Node) {
	switch n.Tag {
	case "!!int", "!!float", "!!bool", "!!null":
		if n.Value == "" || n.Value == "~" {
			w.b.WriteString("null")
			return
		}
		if json.Valid([]byte(n.Value)) {
			w.b.WriteString(n.Value)
			return
		}
	}
	w.text(n.Value)
}

func (w *jsonWriter) text(s string) {
	b, _ := json.Marshal(s) // a text can always be written
	w.b.Write(b)
}
