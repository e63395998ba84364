package conns

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

const (
	leavingAtOnce = 64 // of those who are told that there is no place; more are cut
	leaveWithin   = time.Second
	leaveBytes    = 64 << 10 // that somebody may still send who was told so
)

// Metrics count the connections of a service.
type Metrics struct {
	open    telemetry.Gauge
	refused *telemetry.CounterVec
}

// NewMetrics makes the metrics; several listeners of one service share them.
func NewMetrics(reg *telemetry.Registry) *Metrics {
	m := &Metrics{
		open:    reg.Gauge("hxp_http_connections", "Connections of the network that are open at the listeners of the service."),
		refused: reg.CounterVec("hxp_http_refused_connections_total", "Connections turned away because all, or all of their address, were taken.", "reason"),
	}
	for _, reason := range []string{"all", "address"} {
		m.refused.WithLabelValues(reason)
	}
	return m
}

// door is a listener that takes no more than there are places.
type door struct {
	net.Listener
	limit  *Limit
	count  *Metrics
	answer []byte

	ctx     context.Context // ends with the listener
	close   context.CancelFunc
	leaving chan struct{}
	open    sync.WaitGroup
}

// Listener lets in those connections of l for which there is a place. Others get the answer, nil for none, and are closed.
func (l *Limit) Listener(of net.Listener, count *Metrics, answer []byte) net.Listener {
	d := &door{Listener: of, limit: l, count: count, answer: answer, leaving: make(chan struct{}, leavingAtOnce)}
	d.ctx, d.close = context.WithCancel(context.Background())
	return d
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		leave, why := d.limit.Take(c.RemoteAddr())
		if why == nil {
			d.count.open.Inc()
			return &conn{Conn: c, leave: sync.OnceFunc(func() { d.count.open.Dec(); leave() })}, nil
		}
		d.count.refused.WithLabelValues(why.Reason).Inc()
		d.turnAway(c)
	}
}

// turnAway closes a connection, beside the others that come.
func (d *door) turnAway(c net.Conn) {
	select {
	case d.leaving <- struct{}{}:
		d.open.Go(func() {
			defer func() { <-d.leaving }()
			d.tell(c)
		})
	default:
		_ = c.Close() // nobody is told
	}
}

// tell gives the answer, and waits a moment for the other end to go: what it sent and nobody read would cut the answer off.
func (d *door) tell(c net.Conn) {
	defer c.Close()
	if d.answer == nil {
		return
	}
	defer context.AfterFunc(d.ctx, func() { _ = c.Close() })()
	_ = c.SetDeadline(time.Now().Add(leaveWithin)) // fails on a closed connection only
	if _, err := c.Write(d.answer); err != nil || closeWrite(c) != nil {
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(c, leaveBytes)) // he is gone, or too slow
}

// Close implements net.Listener. Calling it twice is no mistake.
func (d *door) Close() error {
	err := d.Listener.Close()
	d.close()
	d.open.Wait()
	return err
}

// conn gives its place back when it is closed.
type conn struct {
	net.Conn
	leave func()
}

func (c *conn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// CloseWrite lets servers end an answer that the client has not read yet.
func (c *conn) CloseWrite() error { return closeWrite(c.Conn) }

// ReadFrom keeps sendfile for files.
func (c *conn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
