package sdk

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
)

// Decoder undoes a Content-Encoding.
type Decoder func(io.Reader) (io.Reader, error)

// Limits of what is decoded of one answer; beyond them its tokens are not known.
const (
	maxEncoded = 1 << 20
	maxDecoded = 64 << 20
)

// decoderOf finds the decoder for an encoding, nil for one that nobody knows.
func (c *call) decoderOf(encoding string) Decoder {
	switch encoding {
	case "gzip", "x-gzip":
		return func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }
	case "deflate":
		return func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }
	}
	return c.decoders[encoding]
}

// copy keeps a compressed answer until its end, when nobody waits for it any more.
func (c *call) copy(b []byte) {
	if c.form == opaque || len(c.copied)+len(b) > maxEncoded {
		c.form, c.copied = opaque, nil
		return
	}
	c.copied = append(c.copied, b...)
}

// decode reads the copy of a compressed answer. One that was cut off tells what it has.
func (c *call) decode() {
	open := c.decoderOf(c.encoding)
	if open == nil || len(c.copied) == 0 {
		return
	}
	r, err := open(bytes.NewReader(c.copied))
	if err != nil {
		return
	}
	if closer, ok := r.(io.Closer); ok {
		defer closer.Close()
	}
	b := make([]byte, 8<<10)
	for left := maxDecoded; left > 0; {
		n, err := r.Read(b)
		c.read(b[:n])
		if err != nil {
			return
		}
		left -= n
	}
}
