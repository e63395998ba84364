package broker

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/hxp-enterprise/hxp/internal/kit/conns"
	"github.com/hxp-enterprise/hxp/internal/kit/inside"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

const (
	readBuffer  = 16 << 10
	maxHeld     = 256 << 20             // bytes of incomplete requests of all connections
	writeLimit  = time.Minute           // a client that does not take its answer for so long is dropped
	acceptPause = 50 * time.Millisecond // between two attempts when the system refuses a connection
	logsASecond = 5                     // lines about closed connections; the counter counts them all
	drainLimit  = time.Second / 2       // for answers to writes under way when the broker stops
)

// rules decide about one complete request. They are asked from the connection's own goroutine.
type rules interface {
	// judge returns the frame to pass on (the same, or a corrected one), or an answer to give instead, or a violation.
	judge(h head, frame []byte) (verdict, error)
	// permit does so before, for a user who may not do everything.
	permit(r *rights, h head, frame []byte) (verdict, error)
}

// verdict is what becomes of a request.
type verdict struct {
	frame  []byte                     // goes to the engine
	answer kmsg.Response              // when not nil: is given instead; the engine never hears of the request
	corr   int32                      // correlation of the answer
	mute   bool                       // the client waits for no answer (acks=0)
	write  bool                       // a write: waited for when the broker stops
	amend  func(answer []byte) []byte // when not nil: changes the engine's answer
	after  time.Time                  // answer is not given before
	last   error                      // when not nil: the connection ends after the answer, because of this
}

// guard is the listener that the engine accepts from. Its connections give out nothing but checked requests.
type guard struct {
	net.Listener
	cfg       Config
	log       *slog.Logger
	allowed   *kversion.Versions
	rules     rules
	advertise net.Addr
	users     *users // nil = nobody has to log in
	places    *conns.Limit
	inside    net.Conn // our own connection: the first that is accepted, unguarded
	insideOut atomic.Bool
	refused   *telemetry.CounterVec

	held     atomic.Int64 // bytes of buffers
	writes   atomic.Int64 // produce requests that the engine has not answered
	mu       sync.Mutex
	open     map[*conn]struct{}
	stopping bool
	logFrom  time.Time // second in which lines are counted
	logLines int
}

// Addr is what clients are told to connect to.
func (g *guard) Addr() net.Addr { return g.advertise }

// Accept returns the next connection within the cap; the others are closed.
func (g *guard) Accept() (net.Conn, error) {
	if !g.insideOut.Swap(true) {
		return g.inside, nil
	}
	for {
		raw, err := g.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if err != nil { // out of descriptors, or a client that left: an error would end the engine's listening for good
			g.log.Warn("a connection could not be taken", "error", err)
			time.Sleep(acceptPause)
			continue
		}
		c := g.guarded(raw)
		if err := g.admit(c); err != nil {
			g.report(raw, err)
			_ = raw.Close() // it is refused; there is nobody to tell
			continue
		}
		return c, nil
	}
}

func (g *guard) guarded(raw net.Conn) *conn {
	ours := inside.From(raw)
	if !ours && g.cfg.TLS != nil {
		raw = tls.Server(raw, g.cfg.TLS)
	}
	c := &conn{Conn: raw, guard: g, ours: ours, leave: func() {}, settled: make(chan struct{}, 1), closed: make(chan struct{})}
	c.frames = frames{
		src: bufio.NewReaderSize(raw, readBuffer), allowed: g.allowed, idle: g.cfg.IdleTimeout, whole: g.cfg.FrameTimeout,
		deadline: func(d time.Duration) { _ = raw.SetReadDeadline(time.Now().Add(d)) }, // fails on a closed connection only
		reserve:  c.reserve,
	}
	if !ours && g.users != nil {
		c.login = &login{users: g.users, plain: g.cfg.TLS != nil || onLoopback(g.Listener.Addr()), until: time.Now().Add(g.cfg.FrameTimeout)}
		c.frames.may, c.frames.idle = func(h head) error { return c.login.may(h, time.Now()) }, g.cfg.FrameTimeout
	}
	return c
}

// refusals names, for the metric, why there is no place.
var refusals = map[string]string{"all": "connections", "address": "connections_address"}

// onLoopback tells whether only this machine reaches an address.
func onLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

func (g *guard) admit(c *conn) error {
	leave := func() {}
	if !c.ours {
		var why *conns.Refusal
		if leave, why = g.places.Take(c.RemoteAddr()); why != nil {
			return violate(refusals[why.Reason], "%s", why.Detail)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopping {
		leave()
		return net.ErrClosed
	}
	c.leave = leave
	g.open[c] = struct{}{}
	return nil
}

func (g *guard) reserve(n int) bool {
	if held := g.held.Add(int64(n)); n > 0 && held > maxHeld {
		g.held.Add(int64(-n))
		return false
	}
	return true
}

// report counts and logs why a connection is closed, unless its client just left.
func (g *guard) report(c net.Conn, err error) {
	v, ok := errors.AsType[*violation](err)
	if !ok {
		return
	}
	g.refused.WithLabelValues(v.Reason).Inc()
	g.mu.Lock()
	now := time.Now()
	if now.Sub(g.logFrom) >= time.Second {
		g.logFrom, g.logLines = now, 0
	}
	g.logLines++
	quiet := g.logLines > logsASecond
	g.mu.Unlock()
	if !quiet {
		g.log.Warn("connection closed", "client", c.RemoteAddr().String(), "reason", v.Reason, "detail", v.Detail)
	}
}

// connections tells how many are open.
func (g *guard) connections() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.open)
}

// stop takes no more connections and requests and waits, a moment at most, until writes under way are answered.
func (g *guard) stop() {
	_ = g.Listener.Close() // the engine closes it again
	g.mu.Lock()
	g.stopping = true
	for c := range g.open {
		_ = c.Conn.SetReadDeadline(time.Unix(1, 0)) // wakes the reader, which sees stopping
	}
	g.mu.Unlock()
	for end := time.Now().Add(drainLimit); g.writes.Load() > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}

// lookEvery is how often the users are looked at while they are connected.
const lookEvery = 2 * time.Second

// watch cuts users who are no more, until ctx ends.
func (g *guard) watch(ctx context.Context) {
	if g.users == nil {
		return
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			g.cut()
		}
	}
}

// cut ends the connections of users who are no more, or not any more as they were when they logged in.
func (g *guard) cut() {
	g.mu.Lock()
	open := make([]*conn, 0, len(g.open))
	for c := range g.open {
		if c.as.Load() != nil {
			open = append(open, c)
		}
	}
	g.mu.Unlock()
	now := map[string]*credential{}
	for _, c := range open {
		was := c.as.Load()
		is, asked := now[was.user]
		if !asked {
			is = g.users.credential(was.user)
			now[was.user] = is
		}
		if !was.same(is) {
			g.report(c, violate("user", "the user %q is no more, or has another password or other rights", clip(was.user)))
			_ = c.Close() // the engine hears of it
		}
	}
}

// finish closes what is still open.
func (g *guard) finish() {
	g.mu.Lock()
	open := make([]*conn, 0, len(g.open))
	for c := range g.open {
		open = append(open, c)
	}
	g.mu.Unlock()
	for _, c := range open {
		_ = c.Close() // its client is told by the end of the connection
	}
}

func (g *guard) isStopping() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stopping
}
