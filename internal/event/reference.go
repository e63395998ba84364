package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Reference is the slow and plain reading of an event, on encoding/json. Parse agrees with it on every input: what Parse does
// not accept at once it hands to Reference, which therefore words every fault. Faults are looked for in this order, and the
// first one is told:
//
//  1. size of the payload
//  2. UTF-8 of the payload
//  3. depth and number of keys, whichever is passed first, then syntax of the whole text
//  4. the payload is an object
//  5. event_type
//  6. event_id, timestamp, source, schema_version, correlation_id, data, metadata
//  7. data fields of the kind in the order of the catalogue, each under its own name or else its first alias
//  8. unknown fields in the order of the text
//  9. size, depth and number of keys of the canonical form
//
// Of keys given twice in one object the last one counts, in the place of the first. A null is as good as absent.
// Texts of e do not alias data. After a fault e holds no more than its Kind, if that much was to be read.
func Reference(data []byte, e *Event) *Invalid { return Limits{}.filled().reference(data, e) }

// reference is Reference under other limits.
func (l Limits) reference(data []byte, e *Event) *Invalid {
	e.Reset()
	if v := l.wellFormed(data); v != nil {
		return v
	}
	return l.meaning(data, e)
}

// meaning is reference for a text that is known to be well-formed.
func (l Limits) meaning(data []byte, e *Event) *Invalid {
	e.Reset()
	if bytes.TrimLeft(data, " \t\r\n")[0] != '{' {
		return wrongType("", "an object", data)
	}
	r := reader{e: e, top: members(data)}
	for _, step := range []func() *Invalid{r.kind, r.envelope, r.fields, r.unknown} {
		if v := step(); v != nil {
			kind := e.Kind
			e.Reset()
			e.Kind = kind
			return v
		}
	}
	e.Settle()
	return l.written(e)
}

// object is a JSON object with its keys in the order of the text.
type object struct {
	names  []string
	values map[string]json.RawMessage
}

// members splits a valid JSON object.
func members(raw []byte) object {
	o := object{values: map[string]json.RawMessage{}}
	dec := json.NewDecoder(bytes.NewReader(raw))
	must(dec.Token())
	for dec.More() {
		name := must(dec.Token()).(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			panic(err) // the text was judged before
		}
		if _, twice := o.values[name]; !twice {
			o.names = append(o.names, name)
		}
		o.values[name] = value
	}
	return o
}

func must[T any](v T, err error) T {
	if err != nil && err != io.EOF {
		panic(err)
	}
	return v
}

// get returns the value of a key, nil when it is absent or null.
func (o object) get(name string) json.RawMessage {
	if raw := o.values[name]; string(raw) != "null" {
		return raw
	}
	return nil
}

// append adds a member to the text of an object, its value without insignificant whitespace.
func appendMember(dst []byte, name string, raw []byte) []byte {
	if len(dst) == 0 {
		dst = append(dst, '{', '}')
	}
	dst = dst[:len(dst)-1]
	if len(dst) > 1 {
		dst = append(dst, ',')
	}
	dst = append(appendString(dst, name), ':')
	return append(appendCompact(dst, raw), '}')
}

func appendCompact(dst, raw []byte) []byte {
	b := bytes.NewBuffer(dst)
	if err := json.Compact(b, raw); err != nil {
		panic(err) // the text was judged before
	}
	return b.Bytes()
}

type reader struct {
	e      *Event
	top    object
	data   object // fields of the event: "data", or top itself in the flat form
	parent string // pointer of data
}

func (r *reader) kind() *Invalid {
	const at = "/event_type"
	raw := r.top.get("event_type")
	if raw == nil {
		return invalid(CodeKind, at, "event_type is missing; give one of "+kindList())
	}
	s, v := text(raw, at, math.MaxInt)
	if v != nil {
		return v
	}
	k, known := ParseKind(s)
	if !known {
		return invalid(CodeKind, at, fmt.Sprintf("%s is not an event type; %s is the nearest, all are %s", quote(s), quote(nearestKind(s)), kindList()))
	}
	r.e.Kind = k
	return nil
}

func (r *reader) envelope() *Invalid {
	for _, t := range []struct {
		name string
		to   *string
		max  int
	}{{"event_id", &r.e.ID, maxIDText}, {"timestamp", nil, 0}, {"source", &r.e.Source, maxText}, {"schema_version", &r.e.SchemaVersion, maxText}, {"correlation_id", &r.e.CorrelationID, maxIDText}} {
		raw := r.top.get(t.name)
		if raw == nil {
			continue
		}
		var v *Invalid
		if t.to == nil {
			r.e.Time, v = timestamp(raw, "/timestamp")
			r.e.HasTime = v == nil
		} else {
			*t.to, v = text(raw, "/"+t.name, t.max)
		}
		if v != nil {
			return v
		}
	}
	r.data = r.top
	if raw := r.top.get("data"); raw != nil {
		if raw[0] != '{' {
			return wrongType("/data", "an object", raw)
		}
		r.data, r.parent = members(raw), "/data"
	}
	return r.metadata()
}

// metadata keeps the object of that name as it came and, beside "data", adds the envelope fields that nobody knows; a name
// that stands in both has the value of the object.
func (r *reader) metadata() *Invalid {
	raw := r.top.get("metadata")
	var own object
	if raw != nil {
		if raw[0] != '{' {
			return wrongType("/metadata", "an object", raw)
		}
		if own = members(raw); len(own.names) > 0 {
			r.e.Metadata = appendCompact(nil, raw)
		}
	}
	if r.parent == "" {
		return nil
	}
	var strangers []string
	for _, name := range r.top.names {
		if _, has := own.values[name]; !has && !isEnvelope(name) && r.top.get(name) != nil {
			strangers = append(strangers, name)
		}
	}
	if len(strangers) == 0 {
		return nil
	}
	r.e.Metadata = nil
	for _, name := range own.names {
		r.e.Metadata = appendMember(r.e.Metadata, name, own.values[name])
	}
	for _, name := range strangers {
		r.e.Metadata = appendMember(r.e.Metadata, name, r.top.values[name])
	}
	return nil
}

func isEnvelope(name string) bool {
	switch name {
	case "event_id", "event_type", "timestamp", "source", "schema_version", "correlation_id", "data", "metadata":
		return true
	}
	return false
}

func (r *reader) fields() *Invalid {
	for f := range numFields {
		s := &Catalogue[f]
		if !s.of(r.e.Kind) {
			continue
		}
		name, scale := s.Name, int64(1)
		raw := r.data.get(name)
		for _, a := range s.Aliases {
			if raw == nil {
				name, scale, raw = a.Name, a.Scale, r.data.get(a.Name)
			}
		}
		if raw == nil {
			continue
		}
		if v := r.field(f, raw, scale, pointer(r.parent, name)); v != nil {
			return v
		}
	}
	return nil
}

func (r *reader) field(f Field, raw json.RawMessage, scale int64, at string) (v *Invalid) {
	s := &Catalogue[f]
	switch s.Type {
	case Text:
		var t string
		if t, v = text(raw, at, f.maxText()); v != nil {
			return v
		}
		if len(s.Enum) > 0 && !slices.Contains(s.Enum, t) {
			return invalid(CodeRange, at, fmt.Sprintf("%s is not one of %s", quote(t), strings.Join(s.Enum, ", ")))
		}
		r.e.SetText(f, t)
	case Boolean:
		if string(raw) != "true" && string(raw) != "false" {
			return wrongType(at, "true or false", raw)
		}
		r.e.SetBool(f, raw[0] == 't')
	case Number:
		var n float64
		if n, v = number(raw, s, at); v != nil {
			return v
		}
		r.e.SetFloat(f, n)
	default:
		var n int64
		if n, v = integer(raw, s, scale, at); v != nil {
			return v
		}
		r.e.SetInt(f, n)
	}
	return nil
}

// unknown keeps what the catalogue does not know for the kind: numbers of a system_metric under names that it knows for no
// kind as Metrics, everything else in Extra.
func (r *reader) unknown() *Invalid {
	for _, name := range r.data.names {
		raw := r.data.get(name)
		if raw == nil || r.parent == "" && isEnvelope(name) || r.belongs(name) {
			continue
		}
		if r.e.Kind == SystemMetric && isNumber(raw) && !inCatalogue(name) {
			if v := r.metric(name, raw); v != nil {
				return v
			}
			continue
		}
		r.e.Extra = appendMember(r.e.Extra, name, raw)
	}
	return nil
}

func (r *reader) metric(name string, raw json.RawMessage) *Invalid {
	at := pointer(r.parent, name)
	if len(name) > maxMetricName {
		return invalid(CodeSize, at, fmt.Sprintf("name of a metric with %d bytes; at most %d are taken", len(name), maxMetricName))
	}
	n, v := number(raw, &Spec{Min: -math.MaxFloat64, Max: math.MaxFloat64}, at)
	if v != nil {
		return v
	}
	if len(r.e.Metrics) == MaxMetrics {
		return invalid(CodeKeys, at, fmt.Sprintf("more than %d metrics under their own names; send several events", MaxMetrics))
	}
	r.e.Metrics = append(r.e.Metrics, Metric{name, n})
	return nil
}

// belongs tells whether name is a field of the event's kind, under its own name or an alias.
func (r *reader) belongs(name string) bool {
	for f := range numFields {
		if s := &Catalogue[f]; s.of(r.e.Kind) && s.called(name) {
			return true
		}
	}
	return false
}
