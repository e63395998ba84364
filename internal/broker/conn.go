package broker

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// conn is one client's connection. The engine reads it from one goroutine at a time and writes it from another; it reads the
// next request while the one before is worked on, but works on one at a time, so answers come in order.
type conn struct {
	net.Conn
	guard   *guard
	frames  frames
	ours    bool   // it is of this process, which strangers must not keep out
	leave   func() // gives its place back
	login   *login // nil = nobody has to log in
	shaken  bool   // the handshake of TLS was tried
	current []byte // of a checked request; what the engine has not taken yet
	failed  error

	owed    atomic.Int64  // requests of the engine without an answer yet
	settled chan struct{} // told when owed falls to 0
	writing atomic.Bool   // the request under way is a write
	closed  chan struct{}
	as      atomic.Pointer[credential] // who logged in; nil before, and where nobody has to

	mu     sync.Mutex
	held   int // bytes of buffer
	ended  bool
	amends []func(answer []byte) []byte // of the answers that are owed, where the user has rights
}

// Read gives out checked requests only.
func (c *conn) Read(p []byte) (int, error) {
	for len(c.current) == 0 {
		if c.failed == nil {
			c.failed = c.advance()
		}
		if c.failed != nil {
			return 0, c.failed
		}
	}
	n := copy(p, c.current)
	c.current = c.current[n:]
	return n, nil
}

// advance reads and judges the next request.
func (c *conn) advance() error {
	if c.guard.isStopping() {
		return net.ErrClosed
	}
	v, err := c.next()
	switch {
	case err == nil && v.answer == nil:
		c.pass(v)
		return nil
	case err == nil && v.last == nil:
		c.pause(time.Until(v.after))
		return c.answer(v)
	case err == nil:
		c.pause(wrongPause) // who guesses passwords waits for each
		if err = c.answer(v); err == nil {
			err = v.last
		}
	}
	if c.guard.isStopping() {
		return net.ErrClosed
	}
	c.guard.report(c, err)
	c.frames.release()
	_ = c.Conn.Close() // the engine hears of it by the error and closes c
	return err
}

// next reads a request and decides what becomes of it.
func (c *conn) next() (verdict, error) {
	if err := c.shakeHands(); err != nil {
		return verdict{}, err
	}
	h, frame, err := c.frames.next()
	if err != nil {
		return verdict{}, err
	}
	if c.login != nil {
		v, err := c.login.judge(h, frame)
		if err != nil || v.answer != nil {
			if c.login.done {
				c.frames.idle = c.guard.cfg.IdleTimeout
				c.as.Store(new(c.login.credential))
			}
			return v, err
		}
		if r := c.login.rights; !r.all() {
			return c.permitted(r, h, frame)
		}
	}
	return c.guard.rules.judge(h, frame)
}

// permitted decides about a request of a user with rights.
func (c *conn) permitted(r *rights, h head, frame []byte) (verdict, error) {
	mine, err := c.guard.rules.permit(r, h, frame)
	if err != nil || mine.answer != nil {
		return mine, err
	}
	v, err := c.guard.rules.judge(h, mine.frame)
	v.amend = mine.amend
	if v.amend == nil {
		v.amend = asItIs
	}
	return v, err
}

func asItIs(answer []byte) []byte { return answer }

// shakeHands makes the handshake of TLS, once, so that it has a limit of time of its own.
func (c *conn) shakeHands() error {
	t, encrypted := c.Conn.(*tls.Conn)
	if !encrypted || c.shaken {
		return nil
	}
	c.shaken = true
	limit := c.frames.whole / 3
	_ = t.SetDeadline(time.Now().Add(limit)) // fails on a closed connection only
	err := t.Handshake()
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		return err
	case isTimeout(err):
		return violate("slow", "no TLS handshake within %v", limit)
	case errors.As(err, new(tls.RecordHeaderError)):
		return violate("tls", "the client speaks no TLS; set its security.protocol to SSL or SASL_SSL")
	}
	return violate("tls", "%v", err)
}

// pause waits, but not for a connection that is closed.
func (c *conn) pause(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.closed:
	}
}

// pass notes that an answer is owed and hands the request on.
func (c *conn) pass(v verdict) {
	if !v.mute {
		c.owed.Add(1)
		if v.amend != nil {
			c.mu.Lock()
			c.amends = append(c.amends, v.amend)
			c.mu.Unlock()
		}
		if v.write && c.writing.CompareAndSwap(false, true) {
			c.guard.writes.Add(1)
		}
	}
	c.current = v.frame
}

// answer waits until the engine has answered everything before, because answers keep the order of requests, and writes v.
func (c *conn) answer(v verdict) error {
	for c.owed.Load() > 0 {
		select {
		case <-c.settled:
		case <-c.closed:
			return net.ErrClosed
		}
	}
	if v.mute {
		return nil
	}
	_ = c.Conn.SetWriteDeadline(time.Now().Add(writeLimit)) // fails on a closed connection only
	_, err := c.Conn.Write(encodeAnswer(v.corr, v.answer))
	return err
}

// Write takes one whole answer of the engine.
func (c *conn) Write(p []byte) (int, error) {
	_ = c.Conn.SetWriteDeadline(time.Now().Add(writeLimit)) // fails on a closed connection only
	p = c.amended(p)
	if p == nil {
		return 0, errors.New("an answer could not be read")
	}
	n, err := c.Conn.Write(p)
	c.settleWrite()
	if c.owed.Add(-1) == 0 {
		select {
		case c.settled <- struct{}{}:
		default:
		}
	}
	return n, err
}

// amended is an answer of the engine as the client may have it. Requests are answered one by one, in their order.
func (c *conn) amended(p []byte) []byte {
	c.mu.Lock()
	if len(c.amends) == 0 {
		c.mu.Unlock()
		return p
	}
	amend := c.amends[0]
	c.amends = c.amends[1:]
	c.mu.Unlock()
	return amend(p)
}

func (c *conn) settleWrite() {
	if c.writing.CompareAndSwap(true, false) {
		c.guard.writes.Add(-1)
	}
}

// Close may be called more than once; the engine does from both of its goroutines.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return err
	}
	c.ended = true
	close(c.closed)
	c.guard.held.Add(int64(-c.held))
	c.settleWrite()
	c.leave()
	c.guard.mu.Lock() // order: conn, then guard
	delete(c.guard.open, c)
	c.guard.mu.Unlock()
	return err
}

// reserve asks the guard for n more bytes of buffer. A closed connection has given all back.
func (c *conn) reserve(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || !c.guard.reserve(n) {
		return false
	}
	c.held += n
	return true
}

func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}
