package event

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Decoder reads one event as it travels: the bytes of a record with its headers, or of an item at the way in with those that
// its sender gave for it. Without headers it is a Parser. Headers make of it a CloudEvent 1.0 in binary mode (attributes in
// headers ce_*, the value is the data) or in structured mode (content-type application/cloudevents+json).
//
// A value that begins with a zero byte was written with a schema registry, which no JSON does: the id of the schema and the
// payload follow. Schemas makes JSON of the payload, and that is read like any other value.
//
// A Decoder is reusable, its zero value is ready, it is not for concurrent use. Texts of e may alias the value.
type Decoder struct {
	Limits  Limits  // as everywhere in an installation
	Schemas Schemas // nil = records with a schema cannot be read

	parser  Parser
	members []member
	attrs   []attribute
}

// Decode reads one event and resets e first, with the promises of Parser.Parse, and applies Limits.Privacy.
func (d *Decoder) Decode(value []byte, headers []Header, e *Event) *Invalid {
	bad := d.read(value, headers, e)
	if p := d.Limits.Privacy; p != nil {
		if bad != nil {
			return &Invalid{bad.Code, bad.Pointer, p.quiet(bad.Pointer, bad.Detail)}
		}
		p.Apply(e)
	}
	return bad
}

func (d *Decoder) read(value []byte, headers []Header, e *Event) *Invalid {
	d.parser.Limits = d.Limits
	if len(value) > 0 && value[0] == 0 {
		text, v := d.payload(value)
		if v != nil {
			e.Reset()
			return v
		}
		value = text
	}
	if len(headers) == 0 {
		return d.parser.Parse(value, e)
	}
	switch modeOf(headers) {
	case ceBinary:
		return d.binary(value, headers, e)
	case ceStructured:
		return d.structured(value, e)
	case ceUnread:
		e.Reset()
		return invalid(CodeFormat, "", "a CloudEvent in another format than JSON, or a batch in one record; send application/cloudevents+json, one event a record")
	}
	return d.parser.Parse(value, e)
}

// Schemas knows the schemas of a registry.
type Schemas interface {
	// Payload returns the JSON text of a payload that was written with the schema of that id. An id that is not known is a
	// fault with CodeSchema. The text may alias the payload and is never written again.
	Payload(id uint32, payload []byte) ([]byte, *Invalid)
}

// SchemaID splits a value in the wire format of a registry: a zero byte, the id of the schema in big-endian, the payload.
func SchemaID(value []byte) (id uint32, payload []byte, ok bool) {
	if len(value) < 5 || value[0] != 0 {
		return 0, nil, false
	}
	return binary.BigEndian.Uint32(value[1:]), value[5:], true
}

func (d *Decoder) payload(value []byte) ([]byte, *Invalid) {
	id, payload, ok := SchemaID(value)
	switch {
	case len(value) > d.Limits.filled().Bytes:
		return nil, d.Limits.filled().sized(value)
	case !ok:
		return nil, invalid(CodeFormat, "", fmt.Sprintf("a zero byte begins the wire format of a schema registry, but only %d bytes follow; the id of the schema takes 4", len(value)-1))
	case d.Schemas == nil:
		return nil, invalid(CodeSchema, "", fmt.Sprintf("written with schema %d of a registry, and there is none here", id))
	}
	return d.Schemas.Payload(id, payload)
}

// mode is how a CloudEvent travels.
type mode uint8

const (
	notCloudEvent mode = iota
	ceBinary
	ceStructured
	ceUnread // a CloudEvent that nobody here can read
)

// The names under which attributes of CloudEvents stand in headers.
const (
	HeaderCE          = "ce_" // prefix of every attribute
	HeaderContentType = "content-type"
)

// CloudEventJSON is the media type of one CloudEvent in structured mode.
const CloudEventJSON = "application/cloudevents+json"

// modeOf reads the headers. The content type decides before the attributes do, as the protocol bindings say.
func modeOf(headers []Header) mode {
	m := notCloudEvent
	for i := range headers {
		switch h := &headers[i]; {
		case strings.EqualFold(h.Key, HeaderContentType):
			if t := mediaType(string(h.Value)); t == CloudEventJSON {
				return ceStructured
			} else if strings.HasPrefix(t, "application/cloudevents") {
				return ceUnread
			}
		case h.Key == HeaderCE+"specversion", h.Key == HeaderCE+"id" && m == notCloudEvent:
			m = ceBinary
		}
	}
	return m
}

// mediaType is the type of a Content-Type without its parameters, in small letters.
func mediaType(header string) string {
	t, _, _ := strings.Cut(header, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// object splits the text of an object into its members without deciding what they mean, and judges it as Parse would.
func (d *Decoder) object(text []byte) *Invalid {
	l := d.Limits.filled()
	d.attrs = d.attrs[:0]
	if len(text) <= l.Bytes && utf8.Valid(text) {
		if i := skipSpace(text, 0); i < len(text) && text[i] == '{' {
			d.parser.scan.begin(&l)
			list, end := d.parser.scan.members(text, i+1, 1, d.members[:0], nil)
			d.members = list
			if end != fault && skipSpace(text, end) == len(text) && d.parser.scan.keys <= l.Keys {
				for j := range list {
					d.attrs = append(d.attrs, attributeOf(text, &list[j]))
				}
				return nil
			}
		}
	}
	if v := l.wellFormed(text); v != nil { // rare: a fault, or escapes in a name
		return v
	}
	if bytes.TrimLeft(text, " \t\r\n")[0] != '{' {
		return wrongType("", "an object", text)
	}
	o := members(text)
	for _, name := range o.names {
		d.attrs = append(d.attrs, attribute{name, o.values[name]})
	}
	return nil
}

// attribute is one member of a CloudEvent with the text of its value.
type attribute struct {
	name string
	raw  []byte
}

func attributeOf(text []byte, m *member) attribute {
	from, to := m.valueStart, m.valueEnd
	if m.token == tokenString {
		from, to = from-1, to+1 // with its quotes
	}
	return attribute{string(text[m.keyStart:m.keyEnd]), text[from:to:to]}
}
