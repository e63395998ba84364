package event

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"unicode/utf8"
	"unsafe"
)

// The compact form keeps an event in memory and in topics of hxp's own: kind, time, source, id, a set of the fields that have a
// value, and their values in the order of the catalogue. Texts carry their length, whole numbers are varints, a Number has its
// eight bytes. It leaves out schema version, correlation id, metrics, metadata and unknown fields.

// compactComment is how many bytes of a comment the compact form keeps; the event in its topic has all of it.
const compactComment = 256

// AppendCompact writes e in the compact form.
func AppendCompact(dst []byte, e *Event) []byte {
	dst = append(dst, byte(e.Kind))
	dst = binary.AppendVarint(dst, e.Time)
	dst = appendCounted(dst, e.Source)
	dst = appendCounted(dst, e.ID)
	dst = binary.AppendUvarint(dst, e.has)
	for set := e.has; set != 0; set &= set - 1 {
		f := Field(bits.TrailingZeros64(set))
		switch {
		case f == Comment:
			dst = appendCounted(dst, cutText(e.text[f], compactComment))
		case f < firstNumeric:
			dst = appendCounted(dst, e.text[f])
		case Catalogue[f].Type == Number:
			dst = binary.LittleEndian.AppendUint64(dst, uint64(e.num[f-firstNumeric]))
		default:
			dst = binary.AppendVarint(dst, e.num[f-firstNumeric])
		}
	}
	return dst
}

func appendCounted(dst []byte, s string) []byte {
	if len(s) < 0x80 {
		dst = append(dst, byte(len(s)))
	} else {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
	}
	return append(dst, s...)
}

// cutText is at most n bytes of s, of whole characters.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

var errCompact = errors.New("not an event in the compact form")

// ReadCompact reads an event in the compact form from the beginning of src and returns what follows it. Texts of e alias src.
func (e *Event) ReadCompact(src []byte) (rest []byte, err error) {
	e.Reset()
	r := compactReader{src: src}
	kind := r.byte()
	e.Time, e.HasTime = r.varint(), true
	e.Source, e.ID = r.text(), r.text()
	has := r.uvarint()
	if r.bad || kind == 0 || int(kind) > len(Kinds) || has>>numFields != 0 {
		return nil, errCompact
	}
	e.Kind = Kind(kind)
	for set := has; set != 0; set &= set - 1 {
		f := Field(bits.TrailingZeros64(set))
		switch {
		case f < firstNumeric:
			e.text[f] = r.text()
		case Catalogue[f].Type == Number:
			e.num[f-firstNumeric] = r.float()
		default:
			e.num[f-firstNumeric] = r.varint()
		}
	}
	if r.bad {
		return nil, errCompact
	}
	e.has = has
	return r.src, nil
}

// CompactOrigin reads no more than the source and the id of an event in the compact form. They alias src.
func CompactOrigin(src []byte) (source, id string) {
	r := compactReader{src: src}
	r.byte()
	r.varint()
	return r.text(), r.text()
}

// compactReader yields zeros after the first fault.
type compactReader struct {
	src []byte
	bad bool
}

func (r *compactReader) take(n uint64) []byte {
	if n > uint64(len(r.src)) {
		r.src, r.bad = nil, true
		return nil
	}
	b := r.src[:n]
	r.src = r.src[n:]
	return b
}

func (r *compactReader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *compactReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.src)
	if n <= 0 {
		r.src, r.bad = nil, true
		return 0
	}
	r.src = r.src[n:]
	return v
}

func (r *compactReader) varint() int64 {
	u := r.uvarint()
	v := int64(u >> 1)
	if u&1 != 0 {
		v = ^v
	}
	return v
}

func (r *compactReader) text() string {
	b := r.take(r.uvarint())
	if !utf8.Valid(b) {
		r.bad = true
	}
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// float returns the bits of a finite number.
func (r *compactReader) float() int64 {
	b := r.take(8)
	if b == nil {
		return 0
	}
	v := binary.LittleEndian.Uint64(b)
	if f := math.Float64frombits(v); math.IsNaN(f) || math.IsInf(f, 0) {
		r.bad = true
	}
	return int64(v)
}
