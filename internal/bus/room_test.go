package bus

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// What was unpacked once fits the next time, and the guess follows batches that pack worse or better.
func TestRoomLearns(t *testing.T) {
	r := new(room)
	told := func(packed, unpacked int) {
		r.OnFetchBatchRead(kgo.BrokerMetadata{}, "t", 0, kgo.FetchBatchMetrics{CompressedBytes: packed, UncompressedBytes: unpacked, CompressionType: uint8(kgo.CodecLz4)})
	}
	fits := func(packed, unpacked int) bool {
		room := cap(r.GetDecompressBytes(make([]byte, packed), kgo.CodecLz4))
		return room >= unpacked+512 && room < unpacked*5/4+2*spareRoom
	}
	for _, growth := range []int{2, 7, 3} {
		for range 200 {
			told(100_000, growth*100_000)
		}
		if !fits(100_000, growth*100_000) || !fits(5_000, growth*5_000) {
			t.Errorf("batches that unpack to %d times their size: room for %d of 100000", growth, cap(r.GetDecompressBytes(make([]byte, 100_000), kgo.CodecLz4)))
		}
	}
	told(100, 100_000_000)
	if n := cap(r.GetDecompressBytes(make([]byte, 1<<20), kgo.CodecLz4)); n > 17<<20 {
		t.Errorf("%d bytes for 1 MiB", n)
	}
}
