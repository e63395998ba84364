package bus

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// packLZ4 packs as a producer would.
func packLZ4(t testing.TB, plain []byte, options ...lz4.Option) []byte {
	t.Helper()
	var b bytes.Buffer
	w := lz4.NewWriter(&b)
	if err := w.Apply(options...); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// events are bytes as batches have them, some of which cannot be packed.
func lines(n int) []byte {
	var b bytes.Buffer
	chance := rand.New(rand.NewPCG(1, 2))
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `{"event_type":"llm_request","data":{"request_id":"r%d","model":"m%d","duration_ms":%d}}`, i, i%7, chance.IntN(10000))
		if i%500 == 499 {
			for range 70 << 10 {
				b.WriteByte(byte(chance.Uint32()))
			}
		}
	}
	return b.Bytes()[:n]
}

var lz4Options = map[string][]lz4.Option{
	"64 KiB": {lz4.BlockSizeOption(lz4.Block64Kb)}, "4 MiB": {lz4.BlockSizeOption(lz4.Block4Mb)},
	"sums of blocks": {lz4.BlockSizeOption(lz4.Block256Kb), lz4.BlockChecksumOption(true)}, "no sum": {lz4.ChecksumOption(false)},
}

func TestUnpackLZ4(t *testing.T) {
	for name, options := range lz4Options {
		for _, n := range []int{0, 1, 100, 64 << 10, 64<<10 + 1, 3 << 20} {
			plain := lines(n)
			packed := packLZ4(t, plain, append(options, lz4.SizeOption(uint64(n)))...)
			got, ok := unpackLZ4(nil, packed)
			if !ok || !bytes.Equal(got, plain) {
				t.Errorf("%s, %d bytes: %v, %d bytes", name, n, ok, len(got))
			}
			if _, ok := unpackLZ4(nil, packed[:len(packed)/2]); ok && n > 0 {
				t.Errorf("%s, %d bytes: half of it unpacks", name, n)
			}
		}
	}
}

// Blocks that look back into those before them, which librdkafka of old wrote. The frame is made by hand, because the library does not write
// them: a block of its own, and one that repeats it by a match alone.
func TestUnpackLinkedLZ4(t *testing.T) {
	block := []byte{0x40, 'a', 'b', 'c', 'd'}                       // four literals
	linked := []byte{0x04, 4, 0, 0x50, 'e', 'f', 'g', 'h', 'i'}     // eight bytes from four back, five literals
	packed := []byte{0x04, 0x22, 0x4d, 0x18, lz4Version, 4 << 4, 0} // 64 KiB; the checksum of the descriptor is not looked at
	for _, b := range [][]byte{block, linked} {
		packed = append(append(packed, byte(len(b)), 0, 0, 0), b...)
	}
	packed = append(packed, 0, 0, 0, 0)
	if got, ok := unpackLZ4(nil, packed); !ok || string(got) != "abcdabcdabcdefghi" {
		t.Errorf("%q %v", got, ok)
	}
}

// A damaged batch is an error in the words of the library.
func TestUnpackDamaged(t *testing.T) {
	u := newUnpacker(new(room))
	for _, packed := range [][]byte{nil, []byte("not LZ4 at all"), packLZ4(t, lines(1000))[:200]} {
		if out, err := u.Decompress(packed, kgo.CodecLz4); err == nil && len(packed) > 0 {
			t.Errorf("%q unpacks to %q", packed, out)
		}
	}
}

func FuzzUnpackLZ4(f *testing.F) {
	for _, options := range lz4Options {
		f.Add(packLZ4(f, lines(300), options...))
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		got, ok := unpackLZ4(nil, packed)
		if !ok {
			return
		}
		// What the library takes too, it takes as the same; it may refuse more, for it looks at checksums.
		want, err := io.ReadAll(lz4.NewReader(bytes.NewReader(packed)))
		if err == nil && !bytes.HasPrefix(want, got) { // it reads frames that follow as well
			t.Errorf("%x: %x, the library has %x", packed, got, want)
		}
	})
}

func BenchmarkUnpackLZ4(b *testing.B) {
	packed := packLZ4(b, lines(1 << 20)[:400<<10], lz4.BlockSizeOption(lz4.Block64Kb))
	for name, u := range map[string]kgo.Decompressor{"own": newUnpacker(new(room)), "library": kgo.DefaultDecompressor(new(room))} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(400 << 10)
			for b.Loop() {
				if _, err := u.Decompress(packed, kgo.CodecLz4); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
