package ingest

import (
	"errors"
	"strings"

	"github.com/klauspost/compress/s2"
)

// isSnappy tells whether a body is one block of snappy, which has to be there whole before it can be unpacked.
func isSnappy(encoding string) bool { return strings.EqualFold(strings.TrimSpace(encoding), "snappy") }

var errSnappy = errors.New("it is not one valid block of snappy")

// unsnap unpacks the body in place of itself. The size stands at its beginning and is not believed: it is asked of the gate
// before there is memory for it, and a packed byte that promises more than snappy can hold is a lie.
func (b *body) unsnap(limit int64) error {
	n, err := s2.DecodedLen(b.bytes)
	switch {
	case err != nil:
		return errSnappy
	case int64(n) > limit:
		return errLarge
	case int64(n) > maxSnappyRatio*int64(len(b.bytes)):
		return errSnappy
	case !b.gate.take(int64(n)):
		return errFull
	}
	packed, packedTaken := b.bytes, b.taken
	b.bytes, b.taken = nil, int64(n)
	plain, err := s2.Decode(make([]byte, 0, n), packed)
	b.gate.give(packedTaken)
	keep(packed)
	if err != nil {
		return errSnappy
	}
	b.bytes = plain
	return nil
}

// maxSnappyRatio is above what snappy can do: three bytes copy 64 at most.
const maxSnappyRatio = 32
