package agg

import (
	"encoding/binary"
	"fmt"
	"math"
)

// reader takes values from src until the first error.
type reader struct {
	src []byte
	err error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: "+format, append([]any{ErrEncoding}, args...)...)
	}
}

func (r *reader) check(ok bool, what string) {
	if !ok {
		r.fail("%s", what)
	}
}

// bytes returns the next n bytes.
func (r *reader) bytes(n int, what string) []byte {
	if r.err != nil || n > len(r.src) {
		r.fail("%s: it ends early", what)
		return nil
	}
	b := r.src[:n]
	r.src = r.src[n:]
	return b
}

func (r *reader) byte(what string) byte {
	if b := r.bytes(1, what); b != nil {
		return b[0]
	}
	return 0
}

// uvarint reads a varint of no more bytes than it needs.
func (r *reader) uvarint(what string) uint64 {
	if r.err != nil {
		return 0
	}
	if len(r.src) > 0 && r.src[0] < 0x80 {
		v := r.src[0]
		r.src = r.src[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(r.src)
	if n <= 0 || r.src[n-1] == 0 {
		r.fail("%s: no number", what)
		return 0
	}
	r.src = r.src[n:]
	return v
}

// count reads a counter.
func (r *reader) count(what string) uint64 {
	v := r.uvarint(what)
	if v > maxCount {
		r.fail("%s out of range", what)
	}
	return v
}

// int reads a number from 0 on.
func (r *reader) int(what string) int64 {
	v := r.uvarint(what)
	if v > math.MaxInt64 {
		r.fail("%s out of range", what)
	}
	return int64(v)
}

func (r *reader) signed(what string) int64 {
	v := r.uvarint(what)
	return int64(v>>1) ^ -int64(v&1)
}

func (r *reader) float(what string) float64 {
	var s ExactSum
	s.decode(r)
	if s.acc != nil {
		r.fail("%s is no float64", what)
	}
	return s.one
}

// name reads the name of a gauge.
func (r *reader) name() (name string, known bool) {
	code := r.uvarint("name")
	if code < uint64(len(gaugeFields)) {
		return gaugeName(int(code)), true
	}
	r.check(code >= nameCode && code <= nameCode+maxNameBytes, "name of a gauge out of range")
	if r.err != nil {
		return "", false
	}
	name = string(r.bytes(int(code)-nameCode, "name"))
	_, known = gaugeCodes[name]
	r.check(!known, "known gauge by name")
	return name, false
}
