package format

import (
	"encoding/hex"
	"math"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// roots are the names on the way down to the things of a request.
var roots = map[string][3]string{"traces": {"resourceSpans", "scopeSpans", "spans"}, "metrics": {"resourceMetrics", "scopeMetrics", "metrics"}, "logs": {"resourceLogs", "scopeLogs", "logRecords"}}

// toProto encodes an export request that is given as JSON, so that one fixture serves both encodings.
func toProto(tb testing.TB, name string, body []byte) []byte {
	tb.Helper()
	root := roots[name]
	encode := map[string]func([]byte) []byte{"traces": spanProto, "metrics": metricProto, "logs": recordProto}[name]
	var out []byte
	for rs := range elements(member(body, root[0])) {
		resource := length(nil, 1, attributesProto(1, at(rs, "resource", "attributes")))
		for ss := range elements(member(rs, root[1])) {
			scope := length(nil, 1, length(nil, 1, []byte(textOr(at(ss, "scope", "name")))))
			for thing := range elements(member(ss, root[2])) {
				scope = length(scope, 2, encode(thing))
			}
			resource = length(resource, 2, scope)
		}
		out = length(out, 1, resource)
	}
	return out
}

func length(dst []byte, num protowire.Number, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, num, protowire.BytesType), b)
}

func fixed(dst []byte, num protowire.Number, bits uint64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(dst, num, protowire.Fixed64Type), bits)
}

func varint(dst []byte, num protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, num, protowire.VarintType), n)
}

func id(raw []byte) []byte {
	b, _ := hex.DecodeString(textOr(raw))
	return b
}

func attributesProto(num protowire.Number, attributes []byte) (out []byte) {
	for a := range elements(attributes) {
		kv := length(nil, 1, []byte(textOr(member(a, "key"))))
		out = length(out, num, length(kv, 2, valueProto(member(a, "value"))))
	}
	return out
}

func valueProto(raw []byte) (out []byte) {
	for name, v := range members(raw) {
		switch string(name) {
		case "stringValue":
			out = length(nil, 1, []byte(textOr(v)))
		case "boolValue":
			out = varint(nil, 2, map[bool]uint64{true: 1}[truth(v)])
		case "intValue":
			n, _ := integer(v)
			out = varint(nil, 3, uint64(n))
		case "doubleValue":
			f, _ := float(v)
			out = fixed(nil, 4, math.Float64bits(f))
		case "arrayValue":
			var list []byte
			for e := range elements(member(v, "values")) {
				list = length(list, 1, valueProto(e))
			}
			out = length(nil, 5, list)
		}
	}
	return out
}

func spanProto(raw []byte) []byte {
	out := length(length(nil, 1, id(member(raw, "traceId"))), 2, id(member(raw, "spanId")))
	out = fixed(fixed(out, 7, unsigned(member(raw, "startTimeUnixNano"))), 8, unsigned(member(raw, "endTimeUnixNano")))
	out = append(out, attributesProto(9, member(raw, "attributes"))...)
	for e := range elements(member(raw, "events")) {
		ev := length(fixed(nil, 1, unsigned(member(e, "timeUnixNano"))), 2, []byte(textOr(member(e, "name"))))
		out = length(out, 11, append(ev, attributesProto(3, member(e, "attributes"))...))
	}
	code := at(raw, "status", "code")
	n, _ := integer(code)
	if textOr(code) == "STATUS_CODE_ERROR" {
		n = 2
	}
	return length(out, 15, varint(nil, 3, uint64(n)))
}

func recordProto(raw []byte) []byte {
	out := fixed(fixed(nil, 1, unsigned(member(raw, "timeUnixNano"))), 11, unsigned(member(raw, "observedTimeUnixNano")))
	out = append(out, attributesProto(6, member(raw, "attributes"))...)
	out = length(length(out, 9, id(member(raw, "traceId"))), 10, id(member(raw, "spanId")))
	return length(out, 12, []byte(textOr(member(raw, "eventName"))))
}

func metricProto(raw []byte) []byte {
	out := length(length(nil, 1, []byte(textOr(member(raw, "name")))), 3, []byte(textOr(member(raw, "unit"))))
	for num, kind := range protoShapes {
		name := map[protowire.Number]string{5: "gauge", 7: "sum", 9: "histogram", 10: "exponentialHistogram", 11: "summary"}[num]
		data := member(raw, name)
		if data == nil {
			continue
		}
		temporality, _ := integer(member(data, "aggregationTemporality"))
		if textOr(member(data, "aggregationTemporality")) == "AGGREGATION_TEMPORALITY_CUMULATIVE" {
			temporality = 2
		}
		msg := varint(nil, 2, uint64(temporality))
		for p := range elements(member(data, "dataPoints")) {
			msg = length(msg, 1, pointProto(kind, p))
		}
		out = length(out, num, msg)
	}
	return out
}

func pointProto(kind pointKind, raw []byte) []byte {
	double := func(dst []byte, num protowire.Number, name string) []byte {
		if f, ok := float(member(raw, name)); ok {
			return fixed(dst, num, math.Float64bits(f))
		}
		return dst
	}
	out := fixed(fixed(nil, 2, unsigned(member(raw, "startTimeUnixNano"))), 3, unsigned(member(raw, "timeUnixNano")))
	attributes, flags := protowire.Number(7), protowire.Number(8)
	switch kind {
	case number:
		out = double(out, 4, "asDouble")
		if n, ok := integer(member(raw, "asInt")); ok {
			out = fixed(out, 6, uint64(n))
		}
	case histogram:
		attributes, flags = 9, 10
		var counts, bounds []byte
		for n := range elements(member(raw, "bucketCounts")) {
			counts = protowire.AppendFixed64(counts, unsigned(n))
		}
		for n := range elements(member(raw, "explicitBounds")) {
			f, _ := float(n)
			bounds = protowire.AppendFixed64(bounds, math.Float64bits(f))
		}
		out = double(double(length(length(out, 6, counts), 7, bounds), 11, "min"), 12, "max")
	case exponential:
		attributes, flags = 1, 10
		scale, _ := integer(member(raw, "scale"))
		out = fixed(varint(out, 6, protowire.EncodeZigZag(scale)), 7, unsigned(member(raw, "zeroCount")))
		out = length(length(out, 8, bucketsProto(member(raw, "positive"))), 9, bucketsProto(member(raw, "negative")))
	case summary:
		for q := range elements(member(raw, "quantileValues")) {
			of, _ := float(member(q, "quantile"))
			is, _ := float(member(q, "value"))
			out = length(out, 6, fixed(fixed(nil, 1, math.Float64bits(of)), 2, math.Float64bits(is)))
		}
	}
	if kind != number {
		out = double(fixed(out, 4, unsigned(member(raw, "count"))), 5, "sum")
	}
	out = append(out, attributesProto(attributes, member(raw, "attributes"))...)
	return varint(out, flags, unsigned(member(raw, "flags")))
}

func bucketsProto(raw []byte) []byte {
	offset, _ := integer(member(raw, "offset"))
	var counts []byte
	for n := range elements(member(raw, "bucketCounts")) {
		counts = protowire.AppendVarint(counts, unsigned(n))
	}
	return length(varint(nil, 1, protowire.EncodeZigZag(offset)), 2, counts)
}
