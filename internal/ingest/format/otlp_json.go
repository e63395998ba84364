package format

import (
	"bytes"
	"fmt"
)

// jsonWalker reads JSON that is known to be valid. As the protocol says, names are lowerCamelCase, ids are hex digits, 64-bit
// numbers may be strings, enumerations are numbers (their names are taken too), and unknown names are passed over.
type jsonWalker struct{}

// things walks resources and scopes, which all signals share, and shows each thing in them.
func (jsonWalker) things(body []byte, resources, scopes, things string, see func(*origin, []byte) error) error {
	var from origin
	if err := allObjects(body, resources); err != nil {
		return err
	}
	for rs := range elements(member(body, resources)) {
		if err := allObjects(rs, scopes); err != nil {
			return err
		}
		from.attrs = jsonAttributes(from.attrs[:0], at(rs, "resource", "attributes"))
		for ss := range elements(member(rs, scopes)) {
			if err := allObjects(ss, things); err != nil {
				return err
			}
			from.scope = textOr(at(ss, "scope", "name"))
			for thing := range elements(member(ss, things)) {
				if err := see(&from, thing); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// allObjects says what is wrong with a member that is there and no array of objects.
func allObjects(object []byte, name string) error {
	list := member(object, name)
	if list == nil {
		return nil
	}
	if !isObjects(list) {
		return fmt.Errorf("the body is not an export request: %s is no array of objects", name)
	}
	return nil
}

func (w jsonWalker) traces(body []byte, see func(*origin, *span) error) error {
	var s span
	return w.things(body, "resourceSpans", "scopeSpans", "spans", func(from *origin, thing []byte) error {
		s = span{attrs: s.attrs[:0], events: s.events[:0]}
		for name, raw := range members(thing) {
			switch string(name) {
			case "traceId":
				s.trace = unquoted(raw)
			case "spanId":
				s.id = unquoted(raw)
			case "startTimeUnixNano":
				s.start = unsigned(raw)
			case "endTimeUnixNano":
				s.end = unsigned(raw)
			case "attributes":
				s.attrs = jsonAttributes(s.attrs, raw)
			case "events":
				s.events = jsonEvents(s.events, raw)
			case "status":
				code := member(raw, "code")
				s.failed = string(code) == "2" || string(code) == `"STATUS_CODE_ERROR"`
			}
		}
		return see(from, &s)
	})
}

func jsonEvents(dst []spanEvent, raw []byte) []spanEvent {
	for e := range elements(raw) {
		if len(dst) == maxAttributes {
			break
		}
		dst = append(dst, spanEvent{name: textOr(member(e, "name")), time: unsigned(member(e, "timeUnixNano")), attrs: jsonAttributes(nil, member(e, "attributes"))})
	}
	return dst
}

func (w jsonWalker) logs(body []byte, see func(*origin, *record) error) error {
	var r record
	return w.things(body, "resourceLogs", "scopeLogs", "logRecords", func(from *origin, thing []byte) error {
		r = record{attrs: r.attrs[:0]}
		for name, raw := range members(thing) {
			switch string(name) {
			case "traceId":
				r.trace = unquoted(raw)
			case "spanId":
				r.id = unquoted(raw)
			case "timeUnixNano":
				r.time = unsigned(raw)
			case "observedTimeUnixNano":
				r.seen = unsigned(raw)
			case "eventName":
				r.name = textOr(raw)
			case "attributes":
				r.attrs = jsonAttributes(r.attrs, raw)
			}
		}
		return see(from, &r)
	})
}

// jsonShapes are the kinds of metrics by their name.
var jsonShapes = map[string]pointKind{"gauge": number, "sum": number, "histogram": histogram, "exponentialHistogram": exponential, "summary": summary}

func (w jsonWalker) metrics(body []byte, see func(*origin, *metric, *point) error) error {
	var p point
	return w.things(body, "resourceMetrics", "scopeMetrics", "metrics", func(from *origin, thing []byte) error {
		var m metric
		var data []byte
		var kind pointKind
		for name, raw := range members(thing) {
			switch string(name) {
			case "name":
				m.name = textOr(raw)
			case "unit":
				m.unit = textOr(raw)
			default:
				if k, shape := jsonShapes[string(name)]; shape && raw[0] == '{' {
					data, kind, m.sum = raw, k, string(name) == "sum"
				}
			}
		}
		temporality := member(data, "aggregationTemporality")
		m.cumulative = string(temporality) == "2" || string(temporality) == `"AGGREGATION_TEMPORALITY_CUMULATIVE"`
		m.monotonic = truth(member(data, "isMonotonic"))
		for raw := range elements(member(data, "dataPoints")) {
			p.reset(kind)
			jsonPoint(&p, raw)
			if err := see(from, &m, &p); err != nil {
				return err
			}
		}
		return nil
	})
}

func jsonPoint(p *point, raw []byte) {
	for name, v := range members(raw) {
		switch string(name) {
		case "startTimeUnixNano":
			p.start = unsigned(v)
		case "timeUnixNano":
			p.time = unsigned(v)
		case "attributes":
			p.attrs = jsonAttributes(p.attrs, v)
		case "flags":
			p.absent = unsigned(v)&1 != 0
		case "asDouble", "asInt":
			p.value, p.hasValue = float(v)
		case "count":
			p.count = unsigned(v)
		case "sum":
			p.total, p.hasSum = float(v)
		case "min":
			p.min, p.hasMin = float(v)
		case "max":
			p.max, p.hasMax = float(v)
		case "bucketCounts":
			p.counts = jsonCounts(p.counts, v)
		case "explicitBounds":
			for b := range elements(v) {
				if f, ok := float(b); ok && len(p.bounds) <= maxBuckets {
					p.bounds = append(p.bounds, f)
				}
			}
		case "scale":
			p.scale, _ = integer(v)
		case "zeroCount":
			p.zero = unsigned(v)
		case "zeroThreshold":
			p.zeroThreshold, _ = float(v)
		case "positive":
			p.positive = jsonBuckets(p.positive, v)
		case "negative":
			p.negate = jsonBuckets(p.negate, v)
		case "quantileValues":
			for q := range elements(v) {
				if len(p.quantiles) < maxBuckets {
					at, _ := float(member(q, "quantile"))
					is, _ := float(member(q, "value"))
					p.quantiles = append(p.quantiles, [2]float64{at, is})
				}
			}
		}
	}
}

func jsonBuckets(b buckets, raw []byte) buckets {
	b.offset, _ = integer(member(raw, "offset"))
	b.counts = jsonCounts(b.counts, member(raw, "bucketCounts"))
	return b
}

func jsonCounts(dst []uint64, raw []byte) []uint64 {
	for n := range elements(raw) {
		if len(dst) <= maxBuckets {
			dst = append(dst, unsigned(n))
		}
	}
	return dst
}

func jsonAttributes(dst []attr, raw []byte) []attr {
	for a := range elements(raw) {
		if len(dst) == maxAttributes {
			break
		}
		var one attr
		for name, v := range members(a) {
			switch string(name) {
			case "key":
				one.key = unquoted(v)
			case "value":
				one.value = jsonValue(v)
			}
		}
		dst = append(dst, one)
	}
	return dst
}

func jsonValue(raw []byte) (v value) {
	for name, inner := range members(raw) {
		switch string(name) {
		case "stringValue":
			if len(inner) > 1 && inner[0] == '"' {
				v = value{kind: textValue, raw: inner, escaped: true}
			}
		case "boolValue":
			v = value{kind: boolValue}
			if truth(inner) {
				v.bits = 1
			}
		case "intValue":
			if n, ok := integer(inner); ok {
				v = value{kind: intValue, bits: uint64(n)}
			}
		case "doubleValue":
			if f, ok := float(inner); ok {
				v = value{kind: floatValue, bits: floatBits(f)}
			}
		case "arrayValue":
			var parts []string
			for e := range elements(member(inner, "values")) {
				if s := member(e, "stringValue"); s != nil && len(parts) < 16 && len(s) <= maxJoined {
					parts = append(parts, textOr(s))
				}
			}
			v = joined(parts)
		}
	}
	return v
}

// unquoted is the text of a string, in place where nothing in it is escaped.
func unquoted(raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '"' {
		return nil
	}
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	s, _ := text(raw)
	return []byte(s)
}
