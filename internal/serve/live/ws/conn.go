package ws

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Conn is one connection. Read belongs to one goroutine and Write to one; Close may be called from any.
type Conn struct {
	net     net.Conn
	early   []byte // came with the request, not read yet
	stopped atomic.Bool

	head    [14]byte
	message []byte // of a message under way
	kind    Opcode // of it; 0 = none is under way
}

func newConn(c net.Conn, early []byte) *Conn { return &Conn{net: c, early: early} }

// pause is how long the rest of a message may take once its head is there.
const pause = 10 * time.Second

// frame is the head of one.
type frame struct {
	last bool
	op   Opcode
	size uint64
	key  [4]byte
}

// Read returns the next message or control frame, whose payload is the callee's until the next call. A peer that is silent for idle is
// an error, as is a message over limit bytes. A *CloseError is the end.
func (c *Conn) Read(limit int, idle time.Duration) (op Opcode, payload []byte, err error) {
	for {
		if err := c.await(idle); err != nil {
			return 0, nil, err
		}
		f, err := c.readHead()
		if err != nil {
			return 0, nil, err
		}
		if f.op.control() {
			return c.control(f)
		}
		if f.op != Continuation {
			c.kind = f.op
		}
		if f.size > uint64(limit-len(c.message)) {
			return 0, nil, &CloseError{Code: TooBig, Reason: "the message is too large"}
		}
		if err := c.await(min(idle, pause)); err != nil {
			return 0, nil, err
		}
		if c.message, err = c.readPayload(c.message, f); err != nil {
			return 0, nil, err
		}
		if f.last {
			return c.whole()
		}
	}
}

// await gives the peer time to send. Stop wins over it, whichever comes first.
func (c *Conn) await(d time.Duration) error {
	if err := c.net.SetReadDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	if c.stopped.Load() {
		return net.ErrClosed
	}
	return nil
}

// whole gives away the message that has come to its end.
func (c *Conn) whole() (Opcode, []byte, error) {
	op, payload := c.kind, c.message
	c.kind, c.message = 0, nil
	if op == Text && !utf8.Valid(payload) {
		return 0, nil, &CloseError{Code: BadData, Reason: "the text is not UTF-8"}
	}
	return op, payload, nil
}

func (c *Conn) control(f frame) (Opcode, []byte, error) {
	payload, err := c.readPayload(nil, f)
	switch {
	case err != nil:
		return 0, nil, err
	case f.op == Close:
		return 0, nil, closing(payload)
	}
	return f.op, payload, nil
}

// readHead reads a head and judges it.
func (c *Conn) readHead() (f frame, err error) {
	if err := c.readFull(c.head[:2]); err != nil {
		return f, err
	}
	f.last, f.op = c.head[0]&0x80 != 0, Opcode(c.head[0]&0x0f)
	masked, size := c.head[1]&0x80 != 0, c.head[1]&0x7f
	switch {
	case c.head[0]&0x70 != 0:
		return f, broken("reserved bits are set, and no extension was agreed on")
	case !f.op.known():
		return f, broken("opcode %d is reserved", f.op)
	case !masked:
		return f, broken("a frame of a client must be masked")
	case f.op.control() && (size > maxControl || !f.last):
		return f, broken("a control frame is whole and has at most %d bytes", maxControl)
	case f.op == Continuation && c.kind == 0:
		return f, broken("there is no message to continue")
	case !f.op.control() && f.op != Continuation && c.kind != 0:
		return f, broken("a message begins within another")
	}
	more := 4
	switch size {
	case 126:
		more += 2
	case 127:
		more += 8
	}
	rest := c.head[2 : 2+more]
	if err := c.readFull(rest); err != nil {
		return f, err
	}
	switch size {
	case 126:
		f.size = uint64(binary.BigEndian.Uint16(rest))
	case 127:
		if f.size = binary.BigEndian.Uint64(rest); f.size>>63 != 0 {
			return f, broken("a length has 63 bits")
		}
	default:
		f.size = uint64(size)
	}
	f.key = [4]byte(rest[more-4:])
	return f, nil
}

// grain bounds the memory that is taken before anything of it has come.
const grain = 4 << 10

// readPayload appends the payload of a frame to dst, unmasked.
func (c *Conn) readPayload(dst []byte, f frame) ([]byte, error) {
	for done := uint64(0); done < f.size; {
		n := int(min(f.size-done, max(grain, done)))
		dst = slices.Grow(dst, n)
		part := dst[len(dst) : len(dst)+n]
		if err := c.readFull(part); err != nil {
			return dst, err
		}
		mask(part, f.key, int(done&3))
		dst, done = dst[:len(dst)+n], done+uint64(n)
	}
	return dst, nil
}

func (c *Conn) readFull(p []byte) error {
	n := copy(p, c.early)
	if c.early = c.early[n:]; len(c.early) == 0 {
		c.early = nil
	}
	_, err := io.ReadFull(c.net, p[n:])
	return err
}

// Write sends frames that AppendFrame made, all of them within limit. It does not keep them, and may change the slice of slices.
func (c *Conn) Write(limit time.Duration, frames ...[]byte) error {
	if err := c.net.SetWriteDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	if len(frames) == 1 {
		_, err := c.net.Write(frames[0])
		return err
	}
	b := net.Buffers(frames)
	_, err := b.WriteTo(c.net)
	return err
}

// Finish says that nothing more is sent, and makes a Read under way return, so that what still comes can be discarded.
func (c *Conn) Finish() {
	if half, ok := c.net.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // the connection may be gone
	}
	c.stopped.Store(true)
	_ = c.net.SetReadDeadline(time.Unix(1, 0))
}

// Discard reads what still comes, until the peer ends the connection, limit is over, or it is too much. A connection that is closed over
// bytes that nobody read takes away from the peer what was sent last.
func (c *Conn) Discard(limit time.Duration) {
	_ = c.net.SetReadDeadline(time.Now().Add(limit))
	_, _ = io.CopyN(io.Discard, c.net, 1<<20)
}

// Close ends the connection.
func (c *Conn) Close() error { return c.net.Close() }
