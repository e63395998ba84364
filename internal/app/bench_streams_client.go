package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// ackClock knows when each event of a round was acknowledged.
type ackClock struct {
	round string
	began time.Time
	acked []atomic.Int64 // since began; 0 = not yet
}

func newAckClock(n int) *ackClock {
	now := time.Now()
	return &ackClock{round: strconv.FormatInt(now.UnixNano(), 36), began: now, acked: make([]atomic.Int64, n)}
}

func (c *ackClock) ack(n, count int) {
	now := int64(time.Since(c.began))
	for i := n; i < n+count; i++ {
		c.acked[i].Store(now)
	}
}

// delay is how long ago an event was acknowledged; one that is with the listener before its producer knows has taken no time.
func (c *ackClock) delay(id []byte, now time.Duration) (time.Duration, bool) {
	number, ok := bytes.CutPrefix(id, []byte(c.round+"-"))
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(string(number))
	if err != nil || n >= len(c.acked) {
		return 0, false
	}
	if at := c.acked[n].Load(); at > 0 {
		return max(now-time.Duration(at), 0), true
	}
	return 0, true
}

// spreadCounts counts delays by tenths of a millisecond, up to ten seconds.
type spreadCounts struct {
	counts [100_000]uint32
	total  int
	max    time.Duration
}

func (s *spreadCounts) count(d time.Duration) {
	s.counts[min(int(d/(100*time.Microsecond)), len(s.counts)-1)]++
	s.total++
	s.max = max(s.max, d)
}

func (s *spreadCounts) add(o *spreadCounts) {
	for i, n := range o.counts {
		s.counts[i] += n
	}
	s.total += o.total
	s.max = max(s.max, o.max)
}

func (s *spreadCounts) spread() map[string]any {
	at := func(p float64) float64 {
		rank, seen := int(p*float64(s.total)), 0
		for i, n := range s.counts {
			if seen += int(n); seen > rank {
				return float64(i+1) / 10
			}
		}
		return float64(s.max) / 1e6
	}
	return map[string]any{"p50": at(.5), "p95": at(.95), "p99": at(.99), "max": float64(s.max) / 1e6, "deliveries": s.total}
}

// benchListener is a client of a stream.
type benchListener struct {
	conn   net.Conn
	in     *bufio.Reader
	socket bool
	clock  *ackClock     // nil: nothing is measured
	count  *atomic.Int64 // of messages; nil: they are not counted
	delays *spreadCounts // with clock
}

// openStream opens a stream, which ends with ctx.
func openStream(ctx context.Context, base, path string) (*benchListener, error) {
	host := strings.TrimPrefix(base, "http://")
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	l := &benchListener{conn: conn, in: bufio.NewReaderSize(conn, 1<<10), socket: strings.HasPrefix(path, "/ws")}
	head := "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n"
	if l.socket {
		head += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	}
	if _, err := conn.Write([]byte(head + "\r\n")); err != nil {
		return nil, err
	}
	for first := true; ; first = false {
		line, err := l.in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if first && !strings.Contains(line, " 101 ") && !strings.Contains(line, " 200 ") {
			return nil, fmt.Errorf("%s: %s", path, strings.TrimSpace(line))
		}
		if line == "\r\n" {
			return l, nil
		}
	}
}

// listenerBuffer is how much a listener reads at once: it shares the machine with the server, and each look at a socket costs.
const listenerBuffer = 64 << 10

// run reads until the connection ends.
func (l *benchListener) run() {
	if l.clock != nil { // the many whose messages are of no interest read little
		l.in = bufio.NewReaderSize(l.in, listenerBuffer)
	}
	if l.socket {
		l.runSocket()
		return
	}
	for {
		line, err := l.in.ReadSlice('\n')
		if err != nil {
			return
		}
		if bytes.HasPrefix(line, []byte("data: ")) {
			l.take(line)
		}
	}
}

func (l *benchListener) runSocket() {
	for {
		op, n, err := l.head()
		if err != nil {
			return
		}
		switch {
		case op == 9:
			_, err = l.conn.Write([]byte{0x8a, 0x80, 0, 0, 0, 0})
		case op == 1 && l.clock == nil:
			l.take(nil)
		case op == 1:
			var text []byte
			if text, err = l.in.Peek(n); err == nil {
				l.take(text)
			}
		}
		if err != nil {
			return
		}
		if _, err := l.in.Discard(n); err != nil {
			return
		}
	}
}

// head reads the head of a frame.
func (l *benchListener) head() (op byte, n int, err error) {
	head, err := l.in.Peek(2)
	if err != nil {
		return 0, 0, err
	}
	size := 2
	switch head[1] {
	case 126:
		size = 4
	case 127:
		size = 10
	}
	if head, err = l.in.Peek(size); err != nil {
		return 0, 0, err
	}
	op, n = head[0]&15, int(head[1])
	switch size {
	case 4:
		n = int(binary.BigEndian.Uint16(head[2:]))
	case 10:
		n = int(binary.BigEndian.Uint64(head[2:]))
	}
	_, err = l.in.Discard(size)
	return op, n, err
}

// take measures a message.
func (l *benchListener) take(text []byte) {
	if l.count != nil {
		l.count.Add(1)
	}
	if l.clock == nil {
		return
	}
	now := time.Since(l.clock.began)
	_, rest, ok := bytes.Cut(text, []byte(`"event_id":"`))
	id, _, whole := bytes.Cut(rest, []byte{'"'})
	if !ok || !whole {
		return
	}
	if d, ok := l.clock.delay(id, now); ok {
		l.delays.count(d)
	}
}

// dawdle reads so many bytes a second until the connection ends.
func (l *benchListener) dawdle(bytes int) {
	_ = l.conn.(*net.TCPConn).SetReadBuffer(4 << 10) // what the kernel takes for it is no reading
	for {
		if _, err := l.in.Discard(bytes); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}
