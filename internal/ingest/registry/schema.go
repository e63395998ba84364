package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/hxp-enterprise/hxp/internal/event/avro"
	"github.com/hxp-enterprise/hxp/internal/event/jsonschema"
)

// Type is the language of a schema.
type Type string

// The types. PROTOBUF is known only to be refused.
const (
	JSON Type = "JSON"
	Avro Type = "AVRO"
)

// Types lists what can be registered.
var Types = []Type{JSON, Avro}

// MaxSchema is the largest text of a schema in bytes.
const MaxSchema = 256 << 10

// Schema is one schema, whatever subjects it stands under.
type Schema struct {
	ID   uint32
	Type Type
	Text string // as it was registered, without insignificant white space

	sum  [sha256.Size]byte // of the type and the canonical text: equal schemas have equal sums
	once sync.Once
	avro *avro.Schema
	json *jsonschema.Schema
	err  error
}

// compile reads the text once, when it is first needed. What was registered stays registered, even if a later version of this
// program cannot read it.
func (s *Schema) compile() error {
	s.once.Do(func() {
		switch s.Type {
		case Avro:
			s.avro, s.err = avro.Parse([]byte(s.Text))
		case JSON:
			s.json, s.err = jsonschema.Parse([]byte(s.Text))
		default:
			s.err = fmt.Errorf("schemas of type %s cannot be read here", s.Type)
		}
	})
	return s.err
}

// newSchema judges a text that is to be registered.
func newSchema(t Type, text string) (*Schema, error) {
	if len(text) > MaxSchema {
		return nil, fmt.Errorf("it has %d bytes; at most %d are taken", len(text), MaxSchema)
	}
	var dense bytes.Buffer
	if err := json.Compact(&dense, []byte(text)); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	s := &Schema{Type: t, Text: dense.String()}
	if err := s.compile(); err != nil {
		return nil, err
	}
	var err error
	s.sum, err = sumOf(t, s.Text)
	return s, err
}

// sumOf is what equal schemas share.
func sumOf(t Type, text string) ([sha256.Size]byte, error) {
	c, err := canonical(t, text)
	return sha256.Sum256([]byte(string(t) + "\x00" + c)), err
}

// canonical is a text that equal schemas share: white space, the order of keys and, in Avro, the long form of primitive types
// make no difference.
func canonical(t Type, text string) (string, error) {
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return "", err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return "", errors.New("something follows the schema")
	}
	if t == Avro {
		tree = shortTypes(tree)
	}
	b, err := json.Marshal(tree) // keys in order
	return string(b), err
}

// shortTypes makes "int" of {"type":"int"}.
func shortTypes(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = shortTypes(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = shortTypes(v[k])
		}
		if name, ok := v["type"].(string); ok && len(v) == 1 {
			return name
		}
	}
	return v
}

// wish is the id that a schema has unless another one was first.
func wish(sum [sha256.Size]byte) uint32 {
	return max(binary.BigEndian.Uint32(sum[:])&^(1<<31), 1)
}
