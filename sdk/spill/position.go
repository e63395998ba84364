package spill

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
)

// positionName holds the number of the first record that is not acknowledged, and its checksum. It is written in place and
// not synced: what a crash takes from it makes records come again, and nothing else.
const positionName = "position"

func encodePosition(n uint64) []byte {
	b := binary.LittleEndian.AppendUint64(nil, n)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// readPosition returns 0 for a position that is not whole.
func readPosition(f *os.File) (uint64, error) {
	b := make([]byte, 12)
	if _, err := f.ReadAt(b, 0); errors.Is(err, io.EOF) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	n := binary.LittleEndian.Uint64(b)
	if string(encodePosition(n)) != string(b) {
		return 0, nil
	}
	return n, nil
}
