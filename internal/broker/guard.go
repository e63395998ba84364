package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

const (
	maxFrame = 32 << 20 // bytes of one produce request
	// maxOther bounds every other request. A list may claim an entry for each byte that follows, and the engine makes room of
	// up to a hundred bytes for each before it looks.
	maxOther = 1 << 20
	// wholeFrame is the length from which a frame is gathered here before the engine hears of it: the engine allocates what a
	// length says, so a length must not be believed before the bytes are there.
	wholeFrame = 64 << 10
	frameHead  = 4 + 2 + 2 // length, API key, API version
	idleLimit  = 15 * time.Minute
	// acceptPause is between two attempts to take a connection when the system refuses one.
	acceptPause = 50 * time.Millisecond
)

// versions are the protocol versions that the engine answers as Kafka's own clients expect. Tip would turn on features that
// Java's transactions trip over, and three APIs are answered wrongly in their newest versions.
func versions() *kversion.Versions {
	v := kversion.Stable()
	v.SetMaxKeyVersion(kmsg.DescribeTopicPartitions.Int16(), -1)
	v.SetMaxKeyVersion(kmsg.CreateTopics.Int16(), 4)
	v.SetMaxKeyVersion(kmsg.ListGroups.Int16(), 4)
	return v
}

// guard hands out connections whose every frame was checked.
type guard struct {
	net.Listener
	cfg      Config
	log      *slog.Logger
	versions *kversion.Versions
	refused  *telemetry.CounterVec
	open     atomic.Int64
}

// Accept returns the next connection within the limit; the others are closed.
func (g *guard) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if err != nil { // out of descriptors, or a client that left: the engine would stop listening for good
			g.log.Warn("the broker cannot take a connection now", "error", err)
			time.Sleep(acceptPause)
			continue
		}
		if g.open.Add(1) > int64(g.cfg.MaxConnections) {
			g.open.Add(-1)
			g.refuse(c, "connections", fmt.Errorf("there are %d connections already", g.cfg.MaxConnections))
			continue
		}
		return &guarded{Conn: c, guard: g}, nil
	}
}

func (g *guard) refuse(c net.Conn, reason string, err error) {
	g.refused.WithLabelValues(reason).Inc()
	g.log.Warn("connection to the broker closed", "client", c.RemoteAddr().String(), "reason", reason, "error", err)
	_ = c.Close()
}

// guarded passes a client's frames on once their head was checked. Only the engine's one reading goroutine calls Read.
type guarded struct {
	net.Conn
	guard *guard
	once  sync.Once
	ready bytes.Reader // checked bytes that the engine has not taken yet
	rest  int          // bytes of the frame that may pass without another look
	buf   []byte
	err   error
}

// Close closes the connection once.
func (c *guarded) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { c.guard.open.Add(-1) })
	return err
}

// Read gives checked bytes only.
func (c *guarded) Read(p []byte) (int, error) {
	for {
		switch {
		case c.ready.Len() > 0:
			return c.ready.Read(p)
		case c.err != nil:
			return 0, c.err
		case c.rest > 0:
			n, err := c.Conn.Read(p[:min(len(p), c.rest)])
			c.rest -= n
			if reason := slow(err); reason != "" {
				c.err = err
				c.guard.refuse(c, reason, err)
			}
			return n, err
		}
		if reason, err := c.frame(); err != nil {
			c.err = err
			if reason != "" {
				c.guard.refuse(c, reason, err)
			}
		}
	}
}

// frame reads the head of the next frame, and the whole of it when it is long. reason is "" when the client just left.
func (c *guarded) frame() (reason string, err error) {
	if cap(c.buf) > wholeFrame || c.buf == nil {
		c.buf = make([]byte, frameHead, 512)
	}
	head := c.buf[:frameHead]
	_ = c.SetReadDeadline(time.Now().Add(idleLimit))
	if _, err := io.ReadFull(c.Conn, head[:1]); err != nil {
		return "", err
	}
	_ = c.SetReadDeadline(time.Now().Add(c.guard.cfg.FrameTimeout))
	if _, err := io.ReadFull(c.Conn, head[1:]); err != nil {
		return slow(err), err
	}
	length := binary.BigEndian.Uint32(head)
	key, version := int16(binary.BigEndian.Uint16(head[4:])), int16(binary.BigEndian.Uint16(head[6:]))
	most := uint32(maxOther)
	if key == kmsg.Produce.Int16() {
		most = maxFrame
	}
	if length < frameHead || length > most {
		return "length", fmt.Errorf("a request of %d bytes; allowed are %d to %d", length, frameHead, most)
	}
	if err := c.guard.known(key, version); err != nil {
		return "api", err
	}
	rest := int(length) + 4 - frameHead
	if rest < wholeFrame {
		c.ready.Reset(head)
		c.rest = rest
		return "", nil
	}
	whole := bytes.NewBuffer(append(make([]byte, 0, wholeFrame), head...))
	if _, err := io.CopyN(whole, c.Conn, int64(rest)); err != nil {
		return slow(err), err
	}
	c.ready.Reset(whole.Bytes())
	return "", nil
}

// known refuses what would take the engine down: API keys that it does not know, and versions that it cannot read.
func (g *guard) known(key, version int16) error {
	highest, ok := g.versions.LookupMaxKeyVersion(key)
	switch {
	case !ok || highest < 0 || kmsg.RequestForKey(key) == nil:
		return fmt.Errorf("API key %d is not served", key)
	case key == kmsg.ApiVersions.Int16() && version >= 0: // a newer client asks with its own version and is told ours
		return nil
	case version < 0 || version > highest:
		return fmt.Errorf("version %d of API %s is not served, the highest is %d", version, kmsg.NameForKey(key), highest)
	}
	return nil
}

// slow names the reason when a client did not finish a frame in time.
func slow(err error) string {
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return "slow"
	}
	return ""
}
