package event

import (
	"cmp"
	"fmt"
)

// Limits bound what one event may be. The zero value stands for the ordinary limits. They hold for the text that came in and for its
// canonical form, with an id and a time if it has none: whoever takes an event in writes that form to a topic, whose readers must not
// refuse what was acknowledged. So all readers of an installation need the same limits, and then give the same verdicts.
type Limits struct {
	Bytes int `yaml:"max_bytes" env:"HXP_EVENT_MAX_BYTES" default:"262144" min:"1024" max:"524288" doc:"Largest event, in bytes of JSON. A topic takes records of up to a million bytes."`
	Depth int `yaml:"max_depth" env:"HXP_EVENT_MAX_DEPTH" default:"32" min:"4" max:"60" doc:"Most objects and arrays within one another, the event itself and its data included."`
	Keys  int `yaml:"max_keys" env:"HXP_EVENT_MAX_KEYS" default:"512" min:"64" max:"4096" doc:"Most keys of all objects of an event, those of the envelope included."`

	// Privacy treats what is read, where it is set: every reader that knows the limits keeps the same things out.
	Privacy *Privacy `yaml:"-"`
}

// The ordinary limits.
const (
	MaxSize  = 256 << 10 // bytes of the whole payload
	MaxDepth = 32        // nested objects and arrays, the payload itself being the first
	MaxKeys  = 512       // object keys of the whole payload
)

// Widest are the limits beyond which no installation goes.
var Widest = Limits{Bytes: 512 << 10, Depth: 60, Keys: 4096}

// filled puts the ordinary limits where none are set, and none beyond the widest: the notes of the parser have room for these.
func (l Limits) filled() Limits {
	return Limits{
		Bytes: min(cmp.Or(l.Bytes, MaxSize), Widest.Bytes), Depth: min(cmp.Or(l.Depth, MaxDepth), Widest.Depth), Keys: min(cmp.Or(l.Keys, MaxKeys), Widest.Keys),
	}
}

// sized judges the length of a text.
func (l Limits) sized(text []byte) *Invalid {
	if len(text) > l.Bytes {
		return invalid(CodeSize, "", fmt.Sprintf("payload of %d bytes; at most %d are taken, so split it or leave texts out", len(text), l.Bytes))
	}
	return nil
}

// nested counts brackets and colons outside of strings, up to the first limit that is passed. In JSON they are the depth
// and the keys; of a text that is not JSON it need only be quick, because such a text is refused either way.
func (l Limits) nested(text []byte) *Invalid {
	depth, keys := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			if depth++; depth > l.Depth {
				return invalid(CodeDepth, "", fmt.Sprintf("nested deeper than %d; flatten the payload", l.Depth))
			}
		case '}', ']':
			depth--
		case ':':
			if keys++; keys > l.Keys {
				return invalid(CodeKeys, "", fmt.Sprintf("more than %d object keys; send fewer fields or several events", l.Keys))
			}
		}
	}
	return nil
}

// Within this distance of a limit the canonical form of an event may pass it. Numbers and escapes written out take at most six times
// their room, and what is added is the id, the time, data, metadata, and what Settle derives.
const (
	nearBytes = 8  // as a part of the limit
	nearKeys  = 16 // below the limit
)

// Fits judges the canonical form of an event that was changed after it was read, as the parser does. After a fault e holds no more than its Kind.
func (l Limits) Fits(e *Event) *Invalid { return l.filled().written(e) }

// written judges the canonical form of an event that was read. After a fault e holds no more than its Kind.
func (l Limits) written(e *Event) *Invalid {
	id, at, timed := e.ID, e.Time, e.HasTime
	if id == "" {
		e.ID = "00000000000000000000000000000000"
	}
	if !timed {
		e.Time, e.HasTime = 1, true // written with all its digits
	}
	text := AppendJSON(nil, e)
	e.ID, e.Time, e.HasTime = id, at, timed
	v := l.sized(text)
	if v == nil {
		v = l.nested(text)
	}
	if v != nil {
		v.Detail = "in its canonical form, with event_id, timestamp and data: " + v.Detail
		kind := e.Kind
		e.Reset()
		e.Kind = kind
	}
	return v
}
