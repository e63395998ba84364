// Package inside is a listener that only this process reaches.
//
// A service asks another one of the same process over it as it would over the network, but no certificate, name or password is needed:
// who holds the listener is the process itself. In: Dial. Out: the other end from Accept, marked so that a server can tell it from one of
// the network (From). On failure: after Close, Dial and Accept return net.ErrClosed.
package inside

import (
	"context"
	"net"
	"sync"
)

// Listener is a net.Listener without an address.
type Listener struct {
	waiting chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

// Listen makes a listener.
func Listen() *Listener {
	return &Listener{waiting: make(chan net.Conn), closed: make(chan struct{})}
}

// Dial connects. It waits until the connection is taken, ctx ends, or the listener is closed.
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	var err error
	select {
	case l.waiting <- conn{far}:
		return near, nil
	case <-l.closed:
		err = &net.OpError{Op: "dial", Net: network, Addr: address{}, Err: net.ErrClosed}
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	_, _ = near.Close(), far.Close() // pipes in memory
	return nil, err
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.waiting:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Calling it twice is no mistake.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return address{} }

// conn is the end of a connection that the listener gave out.
type conn struct{ net.Conn }

func (conn) RemoteAddr() net.Addr { return address{} }

// From tells whether a connection came from this process.
func From(c net.Conn) bool {
	_, ours := c.(conn)
	return ours
}

const network = "inside"

// address is that of this machine, for those who count or log by it.
type address struct{}

func (address) Network() string { return network }
func (address) String() string  { return "127.0.0.1:0" }
