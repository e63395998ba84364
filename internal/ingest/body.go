package ingest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// refusal is an answer that takes nothing.
type refusal struct {
	status int
	detail string
	retry  int // seconds for Retry-After, 0 = none
}

func (e *refusal) Error() string { return e.detail }

// gate bounds the bytes of all bodies under way.
type gate struct {
	limit atomic.Int64
	used  atomic.Int64
}

func (g *gate) take(n int64) bool {
	if g.used.Add(n) > g.limit.Load() {
		g.used.Add(-n)
		return false
	}
	return true
}

func (g *gate) give(n int64) { g.used.Add(-n) }

// body is what came, unpacked. Its memory goes back to the gate and the pool with release.
type body struct {
	gate  *gate
	taken int64
	bytes []byte
	sent  int64 // bytes as sent
}

func (b *body) release() {
	b.gate.give(b.taken)
	keep(b.bytes)
	b.bytes, b.taken = nil, 0
}

// keep gives a buffer back.
func keep(buffer []byte) {
	kept := buffer[:0] // a variable of its own: who gives it back forgets it, the pool must not
	switch n := cap(kept); {
	case n == 0:
	case n <= smallBytes:
		smallBodies.Put(&kept)
	case n <= largeBytes:
		largeBodies.Put(&kept)
	}
}

// Buffers are kept by size, so that a small body does not hold, and does not count as, a large buffer. Those above
// largeBytes are left to the collector: few bodies need them.
const (
	firstBytes = 4 << 10
	smallBytes = 64 << 10
	largeBytes = 8 << 20
)

var (
	smallBodies = sync.Pool{New: func() any { b := make([]byte, 0, firstBytes); return &b }}
	largeBodies = sync.Pool{New: func() any { b := make([]byte, 0, 2*smallBytes); return &b }}
)

func buffer(length int64, encoding string) []byte {
	if length >= 0 && length < smallBytes && encoding == "" {
		return (*smallBodies.Get().(*[]byte))[:0]
	}
	return (*largeBodies.Get().(*[]byte))[:0]
}

// read takes the body of a request in, whole, for nothing may be taken of one that turns out to be cut or too large.
func (a *API) read(r *http.Request) (*body, *refusal) {
	return a.readFrom(r.Body, r.ContentLength, r.Header.Get("Content-Encoding"))
}

// readFrom is read of anything: length is the number of bytes that will come, negative when nobody knows.
func (a *API) readFrom(r io.Reader, length int64, encoding string) (*body, *refusal) {
	if length > a.settings().MaxBodyBytes {
		return nil, a.tooLarge()
	}
	sent := &limited{r: r, left: a.settings().MaxBodyBytes}
	b := &body{gate: &a.gate, bytes: buffer(length, encoding)}
	from, done, err := unpack(sent, encoding)
	if err == nil {
		limit := a.settings().MaxUnpackedBytes
		if from == io.Reader(sent) {
			limit = a.settings().MaxBodyBytes
		} else {
			from = &inflated{r: from, sent: sent, most: a.settings().MaxBodyBytes}
		}
		err = b.fill(from, limit)
		done()
	}
	if err == nil && isSnappy(encoding) {
		err = b.unsnap(a.settings().MaxUnpackedBytes)
	}
	b.sent = a.settings().MaxBodyBytes - max(sent.left, 0)
	a.metrics.bytes.Add(float64(b.sent))
	if err == nil {
		return b, nil
	}
	b.release()
	return nil, a.readFailed(err)
}

func (a *API) tooLarge() *refusal {
	return &refusal{status: http.StatusRequestEntityTooLarge, detail: fmt.Sprintf("the body is larger than %d bytes as sent or %d unpacked; send it in several", a.settings().MaxBodyBytes, a.settings().MaxUnpackedBytes)}
}

func (a *API) readFailed(err error) *refusal {
	var no *refusal
	switch {
	case errors.As(err, &no):
		return no
	case errors.Is(err, errLarge):
		return a.tooLarge()
	case errors.Is(err, errBomb):
		return &refusal{status: http.StatusRequestEntityTooLarge, detail: fmt.Sprintf("the body unpacks to more than %d times what was sent; send it plain, or in several", bombRatio)}
	case errors.Is(err, errFull):
		return &refusal{status: http.StatusTooManyRequests, detail: "too much is under way; try again in a second", retry: 1}
	case isTimeout(err):
		return &refusal{status: http.StatusRequestTimeout, detail: "the body stopped coming; send it without long pauses"}
	}
	return &refusal{status: http.StatusBadRequest, detail: "the body cannot be read: " + err.Error()}
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}

var (
	errLarge = errors.New("body is too large")
	errFull  = errors.New("too many bytes under way")
	errBomb  = errors.New("body unpacks to far more than it is")
)

// A body that unpacks to more than bombFrom may be bombRatio times what came. Events of one kind pack to a thirtieth at most, zeros to a
// thousandth: who sends those wants the memory.
const (
	bombFrom  = 16 << 20
	bombRatio = 200
)

// inflated is an unpacked body that fails with errBomb.
type inflated struct {
	r    io.Reader
	sent *limited
	most int64 // what sent began with
	out  int64
}

func (f *inflated) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if f.out += int64(n); f.out > bombFrom && f.out > bombRatio*(f.most-f.sent.left) {
		return n, errBomb
	}
	return n, err
}

// limited fails with errLarge instead of ending when more than left bytes come.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, errLarge
	}
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errLarge
	}
	return n, err
}

// fill reads everything, asking the gate for each piece of memory before it grows.
func (b *body) fill(from io.Reader, limit int64) error {
	if !b.gate.take(int64(cap(b.bytes))) {
		return errFull
	}
	b.taken = int64(cap(b.bytes))
	for {
		if len(b.bytes) == cap(b.bytes) {
			more := min(max(int64(cap(b.bytes)), firstBytes), max(limit+1-int64(cap(b.bytes)), 1))
			if !b.gate.take(more) {
				return errFull
			}
			b.taken += more
			grown := make([]byte, len(b.bytes), int64(cap(b.bytes))+more)
			copy(grown, b.bytes)
			b.bytes = grown
		}
		n, err := from.Read(b.bytes[len(b.bytes):cap(b.bytes)])
		b.bytes = b.bytes[:len(b.bytes)+n]
		switch {
		case int64(len(b.bytes)) > limit:
			return errLarge
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

var (
	gzips = sync.Pool{New: func() any { return new(gzip.Reader) }}
	zstds = sync.Pool{New: func() any {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderLowmem(true))
		if err != nil {
			panic(err) // the options are constants
		}
		return d
	}}
)

// unpack returns the content of a body in the given Content-Encoding. done gives the decoder back.
func unpack(r io.Reader, encoding string) (content io.Reader, done func(), err error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity", "snappy": // a block of snappy is unpacked when it is there
		return r, func() {}, nil
	case "gzip", "x-gzip":
		z := gzips.Get().(*gzip.Reader)
		if err := z.Reset(r); err != nil {
			gzips.Put(z)
			return nil, nil, packed("gzip", err)
		}
		return &packedReader{z, "gzip"}, func() { gzips.Put(z) }, nil
	case "zstd":
		z := zstds.Get().(*zstd.Decoder)
		if err := z.Reset(r); err != nil {
			zstds.Put(z)
			return nil, nil, packed("zstd", err)
		}
		return &packedReader{z, "zstd"}, func() {
			_ = z.Reset(nil) // lets go of the body
			zstds.Put(z)
		}, nil
	}
	return nil, nil, &refusal{status: http.StatusUnsupportedMediaType, detail: fmt.Sprintf("Content-Encoding %q is not supported; use gzip, zstd, snappy or none", encoding)}
}

type packedReader struct {
	r      io.Reader
	format string
}

func (p *packedReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = packed(p.format, err)
	} else if errors.Is(err, io.ErrUnexpectedEOF) {
		err = packed(p.format, err)
	}
	return n, err
}

// packed tells what is wrong with a packed body; its size and its sender's slowness are not the fault of the format.
func packed(format string, err error) error {
	switch {
	case errors.Is(err, errLarge), isTimeout(err):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("it ends in the middle of its %s data", format)
	}
	return fmt.Errorf("it is not valid %s: %w", format, err)
}

// lingerTime and lingerBytes bound how much of an unwanted body is thrown away after the answer, so that its sender gets
// to read why.
const (
	lingerTime  = 2 * time.Second
	lingerBytes = 256 << 20
)

// linger throws the rest of the body away after the answer was written, then the server closes the connection.
func linger(w http.ResponseWriter, r *http.Request) {
	if http.NewResponseController(w).Flush() != nil {
		return
	}
	until := time.Now().Add(lingerTime)
	for range lingerBytes >> 20 {
		if _, err := io.CopyN(io.Discard, r.Body, 1<<20); err != nil || time.Now().After(until) {
			return
		}
	}
}
