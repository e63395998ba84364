package broker

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/hxp-enterprise/hxp/internal/kit/inside"
)

// Dial connects from this process, past TLS and login, whatever the address. It is there when Secured is.
func (b *Broker) Dial(ctx context.Context, _, _ string) (net.Conn, error) { return b.inside.Dial(ctx) }

// Secured tells whether clients of the network need TLS or a login, so that this process comes in by Dial.
func (b *Broker) Secured() bool { return b.inside != nil }

// doorway is a listener of the network and one of this process in one, since the engine takes one.
type doorway struct {
	net.Listener // of the network
	inside       *inside.Listener

	came   chan arrival
	closed chan struct{}
	once   sync.Once
	open   sync.WaitGroup
}

type arrival struct {
	conn net.Conn
	err  error
}

func newDoorway(network net.Listener, inside *inside.Listener) *doorway {
	d := &doorway{Listener: network, inside: inside, came: make(chan arrival), closed: make(chan struct{})}
	d.open.Go(func() { d.pass(network) })
	d.open.Go(func() { d.pass(inside) })
	return d
}

// pass hands on what comes to a listener until that is closed.
func (d *doorway) pass(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		select {
		case d.came <- arrival{c, err}:
		case <-d.closed:
			if c != nil {
				_ = c.Close() // nobody takes it any more
			}
		}
	}
}

// Accept implements net.Listener.
func (d *doorway) Accept() (net.Conn, error) {
	select {
	case a := <-d.came:
		return a.conn, a.err
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Calling it twice is no mistake.
func (d *doorway) Close() (err error) {
	d.once.Do(func() {
		close(d.closed)
		err = errors.Join(d.Listener.Close(), d.inside.Close())
	})
	d.open.Wait()
	return err
}
