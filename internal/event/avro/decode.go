package avro

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The limits of a value.
const (
	MaxDepth = 32      // nested records, arrays and maps
	MaxJSON  = 1 << 20 // bytes of its JSON
)

// Fault says where and why bytes are no value of a schema.
type Fault struct {
	Pointer string // JSON pointer into the value
	Detail  string
}

func (f *Fault) Error() string {
	if f.Pointer == "" {
		return f.Detail
	}
	return f.Pointer + ": " + f.Detail
}

// inside puts a step before the pointer of a fault.
func (f *Fault) inside(step string) *Fault {
	f.Pointer = "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(step) + f.Pointer
	return f
}

func fault(format string, args ...any) *Fault { return &Fault{Detail: fmt.Sprintf(format, args...)} }

// AppendJSON appends the value that data holds, all of it, as JSON.
func (s *Schema) AppendJSON(dst, data []byte) ([]byte, *Fault) {
	d := decoder{rest: data, limit: len(dst) + MaxJSON}
	dst, f := d.value(dst, s, 0)
	if f == nil && len(d.rest) > 0 {
		f = fault("%d bytes follow the value; it was written with another schema", len(d.rest))
	}
	return dst, f
}

type decoder struct {
	rest  []byte
	limit int // of the JSON
}

var errShort = "the bytes end inside the value; it was written with another schema, or was cut"

// value reads one value. Each value makes at least one byte of JSON, so the limit of the JSON bounds the work as well.
func (d *decoder) value(dst []byte, s *Schema, depth int) ([]byte, *Fault) {
	if len(dst) > d.limit {
		return dst, fault("as JSON it is larger than %d bytes", MaxJSON)
	}
	switch s.Kind {
	case Null:
		return append(dst, "null"...), nil
	case Boolean:
		b, f := d.take(1)
		if f != nil {
			return dst, f
		}
		if b[0] > 1 {
			return dst, fault("%d is neither false nor true", b[0])
		}
		return strconv.AppendBool(dst, b[0] == 1), nil
	case Int, Long:
		return d.integer(dst, s)
	case Float, Double:
		return d.float(dst, s.Kind)
	case Bytes, String:
		n, f := d.length()
		if f != nil {
			return dst, f
		}
		b, f := d.take(n)
		if f != nil {
			return dst, f
		}
		if s.Kind == Bytes {
			return d.binary(dst, s, b)
		}
		if !utf8.Valid(b) {
			return dst, fault("the text is not UTF-8")
		}
		return appendString(dst, b), nil
	case Fixed:
		b, f := d.take(s.Size)
		if f != nil {
			return dst, f
		}
		return d.binary(dst, s, b)
	case Enum:
		n, f := d.index(len(s.Symbols), "symbols")
		if f != nil {
			return dst, f
		}
		return appendString(dst, []byte(s.Symbols[n])), nil
	case Union:
		n, f := d.index(len(s.Types), "branches")
		if f != nil {
			return dst, f
		}
		return d.value(dst, s.Types[n], depth)
	}
	if depth == MaxDepth {
		return dst, fault("nested deeper than %d", MaxDepth)
	}
	if s.Kind == Record {
		return d.record(dst, s, depth+1)
	}
	return d.blocks(dst, s, depth+1)
}

func (d *decoder) take(n int) ([]byte, *Fault) {
	if n > len(d.rest) {
		return nil, fault("%s", errShort)
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b, nil
}

// long reads a number in zigzag.
func (d *decoder) long() (int64, *Fault) {
	v, n := binary.Varint(d.rest) // Go's signed varint is Avro's zigzag
	switch {
	case n == 0:
		return 0, fault("%s", errShort)
	case n < 0:
		return 0, fault("a number of more than 64 bits; it was written with another schema")
	}
	d.rest = d.rest[n:]
	return v, nil
}

func (d *decoder) length() (int, *Fault) {
	n, f := d.long()
	if f == nil && (n < 0 || n > int64(len(d.rest))) {
		f = fault("a length of %d with %d bytes left; it was written with another schema, or was cut", n, len(d.rest))
	}
	return int(n), f
}

func (d *decoder) index(n int, what string) (int, *Fault) {
	v, f := d.long()
	if f == nil && (v < 0 || v >= int64(n)) {
		f = fault("number %d of %d %s", v, n, what)
	}
	return int(v), f
}

func (d *decoder) integer(dst []byte, s *Schema) ([]byte, *Fault) {
	v, f := d.long()
	if f != nil {
		return dst, f
	}
	if s.Kind == Int && (v < math.MinInt32 || v > math.MaxInt32) {
		return dst, fault("%d does not fit an int", v)
	}
	var t time.Time
	format := time.RFC3339Nano
	switch s.Logical {
	case "timestamp-millis":
		t = time.UnixMilli(v)
	case "timestamp-micros":
		t = time.UnixMicro(v)
	case "timestamp-nanos":
		t = time.Unix(v/1e9, v%1e9)
	case "date":
		t, format = time.Unix(v*24*3600, 0), time.DateOnly
	default:
		return strconv.AppendInt(dst, v, 10), nil
	}
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return dst, fault("%d is a %s outside the years 1 to 9999", v, s.Logical)
	}
	return append(t.AppendFormat(append(dst, '"'), format), '"'), nil
}

func (d *decoder) float(dst []byte, k Kind) ([]byte, *Fault) {
	bits := 64
	if k == Float {
		bits = 32
	}
	b, f := d.take(bits / 8)
	if f != nil {
		return dst, f
	}
	var v float64
	if bits == 32 {
		v = float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	} else {
		v = math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return dst, fault("%v is not a number that an event can hold", v)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, bits), nil
}

// binary writes bytes: a decimal as a number, everything else as base64.
func (d *decoder) binary(dst []byte, s *Schema, b []byte) ([]byte, *Fault) {
	if s.Logical != "decimal" {
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), b), '"'), nil
	}
	const most = 84 // bytes of a number with maxDigits digits
	if len(b) > most {
		return dst, fault("a decimal of %d bytes; at most %d are taken", len(b), most)
	}
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 { // two's complement
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	digits := new(big.Int).Abs(n).String()
	if s.Scale > 0 {
		digits = strings.Repeat("0", max(0, s.Scale+1-len(digits))) + digits
		digits = digits[:len(digits)-s.Scale] + "." + digits[len(digits)-s.Scale:]
	}
	if n.Sign() < 0 {
		dst = append(dst, '-')
	}
	return append(dst, digits...), nil
}

func (d *decoder) record(dst []byte, s *Schema, depth int) ([]byte, *Fault) {
	dst = append(dst, '{')
	for i := range s.Fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, []byte(s.Fields[i].Name)), ':')
		var f *Fault
		if dst, f = d.value(dst, s.Fields[i].Type, depth); f != nil {
			return dst, f.inside(s.Fields[i].Name)
		}
	}
	return append(dst, '}'), nil
}

// blocks reads an array or a map: blocks of items, each with its count, the last one with none.
func (d *decoder) blocks(dst []byte, s *Schema, depth int) ([]byte, *Fault) {
	open, end := byte('['), byte(']')
	if s.Kind == Map {
		open, end = '{', '}'
	}
	dst = append(dst, open)
	items := 0
	for {
		n, f := d.long()
		if f == nil && n < 0 { // then the bytes of the block follow, for those who pass over it
			if _, f = d.long(); n == math.MinInt64 {
				f = fault("a block of %d items", n)
			}
			n = -n
		}
		if f != nil {
			return dst, f
		}
		if n == 0 {
			return append(dst, end), nil
		}
		for ; n > 0; n-- {
			if items > 0 {
				dst = append(dst, ',')
			}
			step := strconv.Itoa(items)
			if s.Kind == Map {
				if dst, step, f = d.key(dst); f != nil {
					return dst, f.inside(step)
				}
			}
			if dst, f = d.value(dst, s.Items, depth); f != nil {
				return dst, f.inside(step)
			}
			items++
		}
	}
}

func (d *decoder) key(dst []byte) ([]byte, string, *Fault) {
	n, f := d.length()
	if f != nil {
		return dst, "", f
	}
	b, f := d.take(n)
	if f == nil && !utf8.Valid(b) {
		f = fault("the key is not UTF-8")
	}
	if f != nil {
		return dst, "", f
	}
	return append(appendString(dst, b), ':'), string(b[:min(len(b), 200)]), nil
}

// appendString writes valid UTF-8 as a JSON string.
func appendString(dst, s []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
