package spill

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

const (
	magic      = "hxpspil1"
	headSize   = int64(len(magic) + 8)
	frameSize  = 8 // length and checksum before each record
	nameDigits = 20
	suffix     = ".seg"
)

// MaxRecord is the largest record in bytes.
const MaxRecord = 16 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// What reading a record may find instead of one.
var (
	errTorn    = errors.New("the segment ends within a record")
	errDamaged = errors.New("the bytes of a record do not match its checksum")
)

func segmentName(first uint64) string { return fmt.Sprintf("%0*d%s", nameDigits, first, suffix) }

// firstOf reads the number of the first record from the name of a segment.
func firstOf(name string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != nameDigits {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil
}

func appendHead(b []byte, first uint64) []byte {
	return binary.LittleEndian.AppendUint64(append(b, magic...), first)
}

// headOf tells whether b begins with the head of the segment whose first record is first.
func headOf(b []byte, first uint64) bool {
	return int64(len(b)) >= headSize && string(b[:len(magic)]) == magic && binary.LittleEndian.Uint64(b[len(magic):]) == first
}

// appendRecord frames one record. Its number goes into the checksum, so that a record counts only in its own place.
func appendRecord(b []byte, number uint64, record []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(record)))
	b = binary.LittleEndian.AppendUint32(b, checksum(number, record))
	return append(b, record...)
}

// nextRecord reads the record that b begins with. rest is what follows it. errTorn may also mean that b is not all of it.
func nextRecord(b []byte, number uint64) (record, rest []byte, err error) {
	if len(b) < frameSize {
		return nil, b, errTorn
	}
	size, sum := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	switch {
	case size > MaxRecord:
		return nil, b, errDamaged
	case uint64(len(b)-frameSize) < uint64(size):
		return nil, b, errTorn
	}
	record, rest = b[frameSize:frameSize+size:frameSize+size], b[frameSize+size:]
	if checksum(number, record) != sum {
		return nil, b, errDamaged
	}
	return record, rest, nil
}

func checksum(number uint64, record []byte) uint32 {
	var place [12]byte
	binary.LittleEndian.PutUint64(place[:], number)
	binary.LittleEndian.PutUint32(place[8:], uint32(len(record)))
	return crc32.Update(crc32.Checksum(place[:], castagnoli), castagnoli, record)
}
