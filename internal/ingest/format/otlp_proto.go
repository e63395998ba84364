package format

import (
	"iter"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// protoWalker reads the wire format by hand. Fields that are unknown, or of another wire type than theirs, are passed over as
// protobuf says; only bytes that are no wire format at all are an error.
type protoWalker struct{}

// field is one field of a message.
type field struct {
	num   protowire.Number
	typ   protowire.Type
	bytes []byte // of a field with a length
	bits  uint64 // of every other
}

func (f *field) is(num protowire.Number, typ protowire.Type) bool {
	return f.num == num && f.typ == typ
}

// message is a field with a length of that number.
func (f *field) message(num protowire.Number) bool { return f.is(num, protowire.BytesType) }

func (f *field) fixed(num protowire.Number) bool  { return f.is(num, protowire.Fixed64Type) }
func (f *field) varint(num protowire.Number) bool { return f.is(num, protowire.VarintType) }
func (f *field) float() float64                   { return math.Float64frombits(f.bits) }

// fields yields the fields of a message, and sets bad when it ends in the middle of one.
func fields(msg []byte, bad *error) iter.Seq[*field] {
	return func(yield func(*field) bool) {
		var f field
		for len(msg) > 0 {
			num, typ, n := protowire.ConsumeTag(msg)
			if n < 0 {
				*bad = torn("protobuf")
				return
			}
			msg = msg[n:]
			f = field{num: num, typ: typ}
			switch typ {
			case protowire.VarintType:
				f.bits, n = protowire.ConsumeVarint(msg)
			case protowire.Fixed64Type:
				f.bits, n = protowire.ConsumeFixed64(msg)
			case protowire.BytesType:
				f.bytes, n = protowire.ConsumeBytes(msg)
			default:
				n = protowire.ConsumeFieldValue(num, typ, msg)
			}
			if n < 0 {
				*bad = torn("protobuf")
				return
			}
			msg = msg[n:]
			if !yield(&f) {
				return
			}
		}
	}
}

// things walks resources and scopes, which all signals share, and shows each thing in them. A resource or scope may stand
// behind what it is of.
func (protoWalker) things(body []byte, see func(*origin, []byte) error) error {
	var bad error
	var from origin
	for rs := range fields(body, &bad) {
		if !rs.message(1) {
			continue
		}
		from.attrs = from.attrs[:0]
		for f := range fields(rs.bytes, &bad) {
			if f.message(1) {
				from.attrs = protoAttributes(from.attrs, f.bytes, 1, &bad)
			}
		}
		for f := range fields(rs.bytes, &bad) {
			if !f.message(2) {
				continue
			}
			from.scope = protoScope(f.bytes, &bad)
			for thing := range fields(f.bytes, &bad) {
				if bad == nil && thing.message(2) {
					if err := see(&from, thing.bytes); err != nil {
						return err
					}
				}
			}
		}
	}
	return bad
}

func protoScope(scope []byte, bad *error) (name string) {
	for f := range fields(scope, bad) {
		if f.message(1) {
			for s := range fields(f.bytes, bad) {
				if s.message(1) {
					name = string(s.bytes)
				}
			}
		}
	}
	return name
}

func (w protoWalker) traces(body []byte, see func(*origin, *span) error) error {
	var s span
	return w.things(body, func(from *origin, msg []byte) (bad error) {
		s = span{attrs: s.attrs[:0], events: s.events[:0]}
		for f := range fields(msg, &bad) {
			switch {
			case f.message(1):
				s.trace = f.bytes
			case f.message(2):
				s.id = f.bytes
			case f.fixed(7):
				s.start = f.bits
			case f.fixed(8):
				s.end = f.bits
			case f.message(9):
				s.attrs = protoAttribute(s.attrs, f.bytes, &bad)
			case f.message(11):
				if len(s.events) < maxAttributes {
					s.events = append(s.events, protoEvent(f.bytes, &bad))
				}
			case f.message(15):
				for st := range fields(f.bytes, &bad) {
					if st.varint(3) {
						s.failed = st.bits == 2
					}
				}
			}
		}
		if bad != nil {
			return bad
		}
		return see(from, &s)
	})
}

func protoEvent(msg []byte, bad *error) (e spanEvent) {
	for f := range fields(msg, bad) {
		switch {
		case f.fixed(1):
			e.time = f.bits
		case f.message(2):
			e.name = string(f.bytes)
		case f.message(3):
			e.attrs = protoAttribute(e.attrs, f.bytes, bad)
		}
	}
	return e
}

func (w protoWalker) logs(body []byte, see func(*origin, *record) error) error {
	var r record
	return w.things(body, func(from *origin, msg []byte) (bad error) {
		r = record{attrs: r.attrs[:0]}
		for f := range fields(msg, &bad) {
			switch {
			case f.fixed(1):
				r.time = f.bits
			case f.fixed(11):
				r.seen = f.bits
			case f.message(6):
				r.attrs = protoAttribute(r.attrs, f.bytes, &bad)
			case f.message(9):
				r.trace = f.bytes
			case f.message(10):
				r.id = f.bytes
			case f.message(12):
				r.name = string(f.bytes)
			}
		}
		if bad != nil {
			return bad
		}
		return see(from, &r)
	})
}

// protoShapes are the kinds of metrics by their field number.
var protoShapes = map[protowire.Number]pointKind{5: number, 7: number, 9: histogram, 10: exponential, 11: summary}

func (w protoWalker) metrics(body []byte, see func(*origin, *metric, *point) error) error {
	var p point
	return w.things(body, func(from *origin, msg []byte) (bad error) {
		var m metric
		var data *field
		for f := range fields(msg, &bad) {
			switch {
			case f.message(1):
				m.name = keyText(f.bytes)
			case f.message(3):
				m.unit = string(f.bytes)
			case f.typ == protowire.BytesType:
				if _, shape := protoShapes[f.num]; shape {
					data = new(*f)
				}
			}
		}
		if data == nil || bad != nil {
			return bad
		}
		m.sum = data.num == 7
		for f := range fields(data.bytes, &bad) {
			switch {
			case f.varint(2):
				m.cumulative = f.bits == 2
			case f.varint(3):
				m.monotonic = f.bits != 0
			}
		}
		for f := range fields(data.bytes, &bad) {
			if !f.message(1) {
				continue
			}
			p.reset(protoShapes[data.num])
			if protoPoint(&p, f.bytes, &bad); bad != nil {
				return bad
			}
			if err := see(from, &m, &p); err != nil {
				return err
			}
		}
		return bad
	})
}

func protoPoint(p *point, msg []byte, bad *error) {
	for f := range fields(msg, bad) {
		switch {
		case f.fixed(2):
			p.start = f.bits
		case f.fixed(3):
			p.time = f.bits
		case p.kind == number:
			protoNumber(p, f, bad)
		case f.fixed(4):
			p.count = f.bits
		case f.fixed(5):
			p.total, p.hasSum = f.float(), true
		case p.kind == histogram:
			protoHistogram(p, f, bad)
		case p.kind == exponential:
			protoExponential(p, f, bad)
		default:
			protoSummary(p, f, bad)
		}
	}
}

func protoNumber(p *point, f *field, bad *error) {
	switch {
	case f.fixed(4):
		p.value, p.hasValue = f.float(), true
	case f.fixed(6):
		p.value, p.hasValue = float64(int64(f.bits)), true
	case f.message(7):
		p.attrs = protoAttribute(p.attrs, f.bytes, bad)
	case f.varint(8):
		p.absent = f.bits&1 != 0
	}
}

func protoHistogram(p *point, f *field, bad *error) {
	switch {
	case f.num == 6:
		p.counts = protoCounts(p.counts, f, bad)
	case f.num == 7:
		p.bounds = protoFloats(p.bounds, f, bad)
	case f.message(9):
		p.attrs = protoAttribute(p.attrs, f.bytes, bad)
	case f.varint(10):
		p.absent = f.bits&1 != 0
	case f.fixed(11):
		p.min, p.hasMin = f.float(), true
	case f.fixed(12):
		p.max, p.hasMax = f.float(), true
	}
}

func protoExponential(p *point, f *field, bad *error) {
	switch {
	case f.message(1):
		p.attrs = protoAttribute(p.attrs, f.bytes, bad)
	case f.varint(6):
		p.scale = protowire.DecodeZigZag(f.bits)
	case f.fixed(7):
		p.zero = f.bits
	case f.message(8):
		p.positive = protoBuckets(p.positive, f.bytes, bad)
	case f.message(9):
		p.negate = protoBuckets(p.negate, f.bytes, bad)
	case f.varint(10):
		p.absent = f.bits&1 != 0
	case f.fixed(12):
		p.min, p.hasMin = f.float(), true
	case f.fixed(13):
		p.max, p.hasMax = f.float(), true
	case f.fixed(14):
		p.zeroThreshold = f.float()
	}
}

func protoSummary(p *point, f *field, bad *error) {
	switch {
	case f.message(6) && len(p.quantiles) < maxBuckets:
		var q [2]float64
		for v := range fields(f.bytes, bad) {
			if v.fixed(1) || v.fixed(2) {
				q[v.num-1] = v.float()
			}
		}
		p.quantiles = append(p.quantiles, q)
	case f.message(7):
		p.attrs = protoAttribute(p.attrs, f.bytes, bad)
	case f.varint(8):
		p.absent = f.bits&1 != 0
	}
}

func protoBuckets(b buckets, msg []byte, bad *error) buckets {
	for f := range fields(msg, bad) {
		switch {
		case f.varint(1):
			b.offset = protowire.DecodeZigZag(f.bits)
		case f.varint(2):
			b.counts = append(b.counts, f.bits)
		case f.message(2):
			for rest := f.bytes; len(rest) > 0 && len(b.counts) <= maxBuckets; {
				v, n := protowire.ConsumeVarint(rest)
				if n < 0 {
					*bad = torn("protobuf")
					return b
				}
				b.counts, rest = append(b.counts, v), rest[n:]
			}
		}
	}
	return b
}

// protoCounts reads repeated fixed64, packed or not.
func protoCounts(dst []uint64, f *field, bad *error) []uint64 {
	if f.typ == protowire.Fixed64Type && len(dst) <= maxBuckets {
		return append(dst, f.bits)
	}
	for rest := f.bytes; len(rest) > 0 && len(dst) <= maxBuckets; {
		v, n := protowire.ConsumeFixed64(rest)
		if n < 0 {
			*bad = torn("protobuf")
			return dst
		}
		dst, rest = append(dst, v), rest[n:]
	}
	return dst
}

func protoFloats(dst []float64, f *field, bad *error) []float64 {
	for _, bits := range protoCounts(nil, f, bad) {
		if len(dst) <= maxBuckets {
			dst = append(dst, math.Float64frombits(bits))
		}
	}
	return dst
}

// protoAttributes reads the attributes of a message that has them under num.
func protoAttributes(dst []attr, msg []byte, num protowire.Number, bad *error) []attr {
	for f := range fields(msg, bad) {
		if f.message(num) {
			dst = protoAttribute(dst, f.bytes, bad)
		}
	}
	return dst
}

func protoAttribute(dst []attr, msg []byte, bad *error) []attr {
	if len(dst) >= maxAttributes {
		return dst
	}
	var a attr
	for f := range fields(msg, bad) {
		switch {
		case f.message(1):
			a.key = f.bytes
		case f.message(2):
			a.value = protoValue(f.bytes, bad)
		}
	}
	return append(dst, a)
}

func protoValue(msg []byte, bad *error) (v value) {
	for f := range fields(msg, bad) {
		switch {
		case f.message(1):
			v = value{kind: textValue, raw: f.bytes}
		case f.varint(2):
			v = value{kind: boolValue, bits: f.bits}
		case f.varint(3):
			v = value{kind: intValue, bits: f.bits}
		case f.fixed(4):
			v = value{kind: floatValue, bits: f.bits}
		case f.message(5):
			v = joined(protoTexts(f.bytes, bad))
		}
	}
	return v
}

// protoTexts are the first texts of a list.
func protoTexts(list []byte, bad *error) (out []string) {
	for f := range fields(list, bad) {
		for e := range fields(f.bytes, bad) {
			if e.message(1) && len(out) < 16 && len(e.bytes) <= maxJoined {
				out = append(out, keyText(e.bytes))
			}
		}
	}
	return out
}
