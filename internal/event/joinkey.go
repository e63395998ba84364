package event

import (
	"encoding/binary"
	"unsafe"

	"github.com/zeebo/xxh3"
)

// JoinKey is the 128-bit xxh3 hash of a request id, by which its parts find each other.
func JoinKey(requestID string) [2]uint64 {
	h := xxh3.HashString128(requestID)
	return [2]uint64{h.Hi, h.Lo}
}

// JoinNumber is the partition, of so many, on which the parts of a request are joined: the one that Kafka's default partitioner
// gives its id as a key, so that what is keyed by request id lies there already.
func JoinNumber(requestID string, partitions int) int32 {
	return int32(murmur2(unsafe.Slice(unsafe.StringData(requestID), len(requestID))) & 0x7fffffff % uint32(partitions))
}

// murmur2 is the hash that Kafka's own clients choose partitions by.
func murmur2(b []byte) uint32 {
	const seed, m = 0x9747b28c, 0x5bd1e995
	h := seed ^ uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := binary.LittleEndian.Uint32(b) * m
		h = h*m ^ (k^k>>24)*m
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(b[0])) * m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}
