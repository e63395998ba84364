package bus

import (
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// room gives the memory that batches are unpacked into. Most codecs do not say beforehand how much they unpack to, so the library
// unpacks into memory of its own and copies it from there. What batches of before unpacked to says it well enough: batches of one
// topic are alike. What was guessed too small grows, at the price of that copy.
//
// Nothing is taken back: the values of messages stand in that memory for as long as somebody holds them.
type room struct {
	growth atomic.Int64 // the largest that batches lately unpacked to, in 64ths of what they were
}

const (
	growthUnit = 64
	mostGrowth = 16 * growthUnit
	// spareRoom is what the library wants to find free at the end.
	spareRoom = 1024
)

// GetDecompressBytes makes room for a batch.
func (r *room) GetDecompressBytes(packed []byte, codec kgo.CompressionCodecType) []byte {
	if codec == kgo.CodecSnappy || codec == kgo.CodecZstd { // they say it
		return nil
	}
	growth := r.growth.Load()
	if growth == 0 {
		growth = 4 * growthUnit
	}
	size := int64(len(packed)) * growth / growthUnit
	return make([]byte, 0, size+size/32+spareRoom)
}

// PutDecompressBytes leaves memory to the garbage collector.
func (r *room) PutDecompressBytes([]byte) {}

// OnFetchBatchRead learns what a batch unpacked to: more at once, less slowly.
func (r *room) OnFetchBatchRead(_ kgo.BrokerMetadata, _ string, _ int32, m kgo.FetchBatchMetrics) {
	codec := kgo.CompressionCodecType(m.CompressionType)
	if m.CompressedBytes <= 0 || codec != kgo.CodecLz4 && codec != kgo.CodecGzip {
		return
	}
	now := min(int64(m.UncompressedBytes)*growthUnit/int64(m.CompressedBytes)+1, mostGrowth)
	if was := r.growth.Load(); now < was {
		now = was - (was-now+15)/16
	}
	r.growth.Store(now)
}
