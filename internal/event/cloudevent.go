package event

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// A CloudEvent becomes an event by these names; what is left of its attributes (subject, dataschema, extensions) is kept in
// the metadata. It is written anew as canonical text, which Parser judges like any other: a CloudEvent can say nothing that a
// plain event could not.
const (
	ceID = iota
	ceSource
	ceType
	ceTime
	ceCorrelation
	ceData
	ceParts // how many there are
)

// cePlaces are the attributes that have a place in the envelope, in the order in which they are written.
var cePlaces = [ceParts]struct{ attribute, envelope string }{
	ceID: {"id", "event_id"}, ceSource: {"source", "source"}, ceType: {"type", "event_type"}, ceTime: {"time", "timestamp"},
	ceCorrelation: {"correlationid", "correlation_id"}, ceData: {"data", "data"},
}

// structured reads a CloudEvent that is one JSON object.
func (d *Decoder) structured(text []byte, e *Event) *Invalid {
	e.Reset()
	if v := d.object(text); v != nil {
		return v
	}
	for i := range d.attrs {
		if a := &d.attrs[i]; a.name == "data_base64" && string(a.raw) != "null" {
			data, v := d.unpackData(a.raw)
			if v != nil {
				return v
			}
			*a = attribute{"data", data}
		}
	}
	return d.cloudEvent(e)
}

// unpackData takes JSON out of data_base64.
func (d *Decoder) unpackData(raw []byte) ([]byte, *Invalid) {
	const at = "/data_base64"
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return nil, wrongType(at, "a string", raw)
	}
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, invalid(CodeFormat, at, "not base64: "+shorten(err.Error(), 100))
	}
	if v := d.Limits.filled().wellFormed(data); v != nil {
		v.Pointer = at
		return nil, v
	}
	return data, nil
}

// binary reads a CloudEvent whose attributes are headers and whose data is the value.
func (d *Decoder) binary(value []byte, headers []Header, e *Event) *Invalid {
	e.Reset()
	if len(bytes.TrimLeft(value, " \t\r\n")) == 0 {
		value = []byte("{}")
	} else if v := d.object(value); v != nil {
		return v
	}
	d.attrs = append(d.attrs[:0], attribute{"data", value})
	for i := range headers {
		h := &headers[i]
		name, is := strings.CutPrefix(h.Key, HeaderCE)
		if strings.EqualFold(h.Key, HeaderContentType) {
			name, is = "datacontenttype", true
		}
		if is && name != "data" {
			d.attrs = append(d.attrs, attribute{name, appendString(nil, string(h.Value))})
		}
	}
	return d.cloudEvent(e)
}

// cloudEvent writes the attributes that were read as canonical text and parses that.
func (d *Decoder) cloudEvent(e *Event) *Invalid {
	var parts [ceParts][]byte
	version, size := "", 64
	rest := make([]attribute, 0, 8)
	for _, a := range d.attrs {
		if string(a.raw) == "null" {
			continue
		}
		size += len(a.name) + len(a.raw) + 8
		switch place := cePlace(a.name); {
		case place >= 0:
			parts[place] = a.raw
		case a.name == "specversion":
			version = string(a.raw)
		case a.name == "datacontenttype":
			if v := readable(a.raw); v != nil {
				return v
			}
		case a.raw[0] == '{', a.raw[0] == '[', a.raw[0] != '"' && (a.name == "subject" || a.name == "dataschema"):
			return wrongType(pointer("", a.name), "a string", a.raw) // attributes are simple values, these two are texts
		default:
			rest = append(rest, a)
		}
	}
	if v := required(version, &parts); v != nil {
		return v
	}
	text := make([]byte, 0, size) // of its own: the texts of the event stay there
	text = append(text, '{')
	for i, p := range parts {
		if p != nil {
			text = append(append(append(text, '"'), cePlaces[i].envelope...), `":`...)
			text = append(append(text, p...), ',')
		}
	}
	text = append(text, `"metadata":{`...)
	for i, a := range rest {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(append(appendString(text, a.name), ':'), a.raw...)
	}
	v := d.parser.Parse(append(text, "}}"...), e)
	if v != nil {
		v.Pointer = cePointer(v.Pointer)
	}
	return v
}

func cePlace(name string) int {
	for i := range cePlaces {
		if cePlaces[i].attribute == name {
			return i
		}
	}
	return -1
}

// required holds the rules that a CloudEvent has beyond those of an event.
func required(version string, parts *[ceParts][]byte) *Invalid {
	switch version {
	case `"1.0"`:
	case "":
		return invalid(CodeFormat, "/specversion", `specversion is missing; a CloudEvent says "1.0"`)
	default:
		return invalid(CodeFormat, "/specversion", shorten(version, 60)+` is not a version that is read here; send "1.0"`)
	}
	for _, i := range []int{ceID, ceSource, ceType} {
		name := cePlaces[i].attribute
		switch raw := parts[i]; {
		case raw == nil:
			return invalid(CodeFormat, "/"+name, name+" is missing; every CloudEvent has one")
		case string(raw) == `""`:
			return invalid(CodeFormat, "/"+name, name+" is empty; every CloudEvent has one")
		case raw[0] != '"':
			return wrongType("/"+name, "a string", raw)
		}
	}
	if parts[ceData] == nil {
		parts[ceData] = []byte("{}")
	}
	return nil
}

// readable tells what is wrong with a datacontenttype: the data fields are JSON.
func readable(raw []byte) *Invalid {
	const at = "/datacontenttype"
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return wrongType(at, "a string", raw)
	}
	if t := mediaType(s); t != "application/json" && t != "text/json" && !strings.HasSuffix(t, "+json") {
		return invalid(CodeFormat, at, quote(s)+" is not JSON; send the data fields as application/json")
	}
	return nil
}

// cePointer names the part of the CloudEvent that a pointer into the canonical text means.
func cePointer(p string) string {
	first, rest, deeper := strings.Cut(strings.TrimPrefix(p, "/"), "/")
	if first == "metadata" && deeper {
		return "/" + rest
	}
	for i := range cePlaces {
		if cePlaces[i].envelope == first {
			first = cePlaces[i].attribute
			break
		}
	}
	switch {
	case p == "":
		return ""
	case deeper:
		return "/" + first + "/" + rest
	}
	return "/" + first
}
