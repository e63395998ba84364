package bus

import (
	"encoding/binary"
	"slices"

	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// unpacker unpacks batches. LZ4, which producers of much traffic like, it unpacks straight into the memory of room: the stream reader of
// the library copies each block once more and adds up checksums, which a batch has of its own (CRC-32C, over what is packed).
type unpacker struct {
	kgo.Decompressor
	room *room
}

func newUnpacker(r *room) unpacker { return unpacker{kgo.DefaultDecompressor(r), r} }

func (u unpacker) Decompress(packed []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	if codec == kgo.CodecLz4 {
		if out, ok := unpackLZ4(u.room.GetDecompressBytes(packed, codec), packed); ok {
			return out, nil
		}
	}
	return u.Decompressor.Decompress(packed, codec) // whatever is odd; it also has the words for what is wrong
}

// LZ4 frame format 1.6.4: a descriptor, blocks that each begin with their size, and an end mark.
const (
	lz4Magic       = 0x184D2204
	lz4Version     = 0b01 << 6
	lz4Independent = 1 << 5 // blocks do not look back into those before them
	lz4BlockSums   = 1 << 4
	lz4Size        = 1 << 3 // the size of the content follows
	lz4Dictionary  = 1 << 0
	lz4Plain       = 1 << 31 // the block is not packed
	lz4Window      = 64 << 10
	lz4Checksum    = 4

	// mostUnpacked is what a batch may unpack to, as the library has it.
	mostUnpacked = 1 << 30
)

// unpackLZ4 appends what one frame holds to out. It is false when the frame is damaged, too large, or of a kind that no producer of
// Kafka writes.
func unpackLZ4(out, packed []byte) ([]byte, bool) {
	flags, most, blocks, ok := lz4Header(packed)
	if !ok {
		return nil, false
	}
	for len(blocks) >= 4 {
		size := binary.LittleEndian.Uint32(blocks)
		n := int(size &^ lz4Plain)
		if blocks = blocks[4:]; size == 0 {
			return out, true // a checksum of the content may follow
		}
		if n > len(blocks) || n > most || len(out)+most > mostUnpacked {
			return nil, false
		}
		if out, ok = lz4Block(out, blocks[:n], most, flags, size&lz4Plain != 0); !ok {
			return nil, false
		}
		if blocks = blocks[n:]; flags&lz4BlockSums != 0 {
			blocks = blocks[min(lz4Checksum, len(blocks)):]
		}
	}
	return nil, false
}

// lz4Header reads the descriptor: its flags, the largest size of a block and what follows.
func lz4Header(packed []byte) (flags byte, most int, rest []byte, ok bool) {
	const start = 4 + 2 // magic, flags and block size
	if len(packed) < start || binary.LittleEndian.Uint32(packed) != lz4Magic {
		return 0, 0, nil, false
	}
	flags, sizes := packed[4], packed[5]>>4&7
	if flags>>6<<6 != lz4Version || flags&lz4Dictionary != 0 || sizes < 4 {
		return 0, 0, nil, false
	}
	end := start + 1 // a checksum of the descriptor
	if flags&lz4Size != 0 {
		end += 8
	}
	if len(packed) < end {
		return 0, 0, nil, false
	}
	return flags, 1 << (8 + 2*int(sizes)), packed[end:], true // 64 KiB, 256 KiB, 1 MiB, 4 MiB
}

// lz4Block appends what one block holds, at most most bytes. Producers of much announce four megabytes and send a few kilobytes, so room
// is made as it is needed.
func lz4Block(out, block []byte, most int, flags byte, plain bool) ([]byte, bool) {
	if plain {
		return append(out, block...), true
	}
	before := []byte(nil)
	if flags&lz4Independent == 0 {
		before = out[max(0, len(out)-lz4Window):]
	}
	out = slices.Grow(out, min(most, len(block))) // the library cannot do without any
	for {
		free := min(cap(out)-len(out), most)
		n, err := lz4.UncompressBlockWithDict(block, out[len(out):len(out)+free], before)
		if err == nil {
			return out[:len(out)+n], true
		}
		if free == most {
			return nil, false
		}
		out = slices.Grow(out, min(most, max(2*free, 4*len(block))))
	}
}
