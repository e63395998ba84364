// Package promtest writes bodies of remote writes, for tests.
package promtest

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Series is one series of a body. Labels are names and values in turn, the name of the series under __name__.
type Series struct {
	Labels     []string
	Values     []float64
	Millis     []int64 // of each value
	Type       uint64  // MetricType; version 2
	Histograms []Histogram
}

// Histogram is a native one.
type Histogram struct {
	Count  uint64
	Sum    float64
	Millis int64
}

func message(n protowire.Number, out, inner []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(out, n, protowire.BytesType), inner)
}

func varint(n protowire.Number, out []byte, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(out, n, protowire.VarintType), v)
}

func double(n protowire.Number, out []byte, v float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(out, n, protowire.Fixed64Type), math.Float64bits(v))
}

func samples(n protowire.Number, out []byte, s Series) []byte {
	for i, v := range s.Values {
		out = message(n, out, varint(2, double(1, nil, v), uint64(s.Millis[i])))
	}
	return out
}

func histograms(n protowire.Number, out []byte, s Series) []byte {
	for _, h := range s.Histograms {
		b := double(3, varint(1, nil, h.Count), h.Sum)
		b = varint(4, b, protowire.EncodeZigZag(3))
		out = message(n, out, varint(15, b, uint64(h.Millis)))
	}
	return out
}

// Version1 is a prometheus.WriteRequest. types are families and their MetricTypes.
func Version1(series []Series, types map[string]uint64) (out []byte) {
	for _, s := range series {
		var b []byte
		for i := 0; i < len(s.Labels); i += 2 {
			b = message(1, b, message(2, message(1, nil, []byte(s.Labels[i])), []byte(s.Labels[i+1])))
		}
		out = message(1, out, histograms(4, samples(2, b, s), s))
	}
	for name, t := range types {
		out = message(3, out, message(2, varint(1, nil, t), []byte(name)))
	}
	return out
}

// Version2 is an io.prometheus.write.v2.Request.
func Version2(series []Series) (out []byte) {
	symbols, index := []string{""}, map[string]uint64{"": 0}
	var tail []byte
	for _, s := range series {
		var refs []byte
		for _, text := range s.Labels {
			if _, ok := index[text]; !ok {
				index[text] = uint64(len(symbols))
				symbols = append(symbols, text)
			}
			refs = protowire.AppendVarint(refs, index[text])
		}
		b := message(1, nil, refs)
		b = histograms(3, samples(2, b, s), s)
		tail = message(5, tail, message(5, b, varint(1, nil, s.Type)))
	}
	for _, text := range symbols {
		out = message(4, out, []byte(text))
	}
	return append(out, tail...)
}
