package httpx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/conns"
	"github.com/hxp-enterprise/hxp/internal/kit/inside"
)

// Limits of every server. They keep a stranger from holding memory or connections for nothing.
const (
	HeaderLimit       = 16 << 10 // bytes of request line and headers; more is 431
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	drainTimeout      = 5 * time.Second
	handlerTimeout    = 2 * time.Second // for handlers to notice that their connection is gone
)

// Server is one listening HTTP service. It is a run.Service and says when it is ready.
type Server struct {
	name, addr string
	log        *slog.Logger
	http       *http.Server
	ready      chan struct{}
	draining   chan struct{}
	inFlight   inFlight
	names      atomic.Pointer[map[string]bool] // see AlsoNamed
	local      bool                            // it listens on a loopback address; set by Listen
	encrypted  bool                            // see Encrypt; net/http gives every server a TLSConfig of its own
	identified bool                            // clients show a certificate
	inside     *inside.Listener
	bound      func(net.Listener) net.Listener // see Bound; nil = as many as come

	mu       sync.Mutex
	listener net.Listener
}

// NewServer makes a server for addr ("host:port", port 0 = any free one) that opens its port in Run, or earlier by Listen.
func NewServer(name, addr string, h http.Handler, log *slog.Logger) *Server {
	s := &Server{name: name, addr: addr, log: log, ready: make(chan struct{}), draining: make(chan struct{}), inside: inside.Listen()}
	s.AlsoNamed()
	s.inFlight.idle = make(chan struct{}, 1)
	s.http = &http.Server{
		Handler:           s.handler(s.known(s.addressed(h))),
		ConnContext:       fromInside,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		// Between our limit and this one the mux answers 431 as problem+json; beyond it net/http does, in plain text.
		MaxHeaderBytes: 4 * HeaderLimit,
		ErrorLog:       slog.NewLogLogger(quiet{s.log.Handler()}, slog.LevelWarn),
	}
	return s
}

// SpeakHTTP2 lets clients speak HTTP/2 without TLS, as gRPC does inside of a network, beside HTTP/1. Call it before Run.
func (s *Server) SpeakHTTP2() {
	s.http.Protocols = new(http.Protocols)
	s.http.Protocols.SetHTTP1(true)
	s.http.Protocols.SetHTTP2(true) // where there is TLS
	s.http.Protocols.SetUnencryptedHTTP2(true)
	s.http.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 128}
}

// Bound has the connections of the network share places. Whoever finds none is told so with 503, over TLS by the end of the connection, for a
// handshake is what he should not cost. Connections of this process need no place. Call it before Run.
func (s *Server) Bound(limit *conns.Limit, count *conns.Metrics) {
	s.bound = func(l net.Listener) net.Listener {
		if s.encrypted {
			return limit.Listener(l, count, nil)
		}
		return limit.Listener(l, count, noPlace)
	}
}

// noPlace is the whole answer to a connection for which there is none.
var noPlace = func() []byte {
	body, _ := json.Marshal(ProblemBody{Type: "about:blank", Title: http.StatusText(http.StatusServiceUnavailable), Status: http.StatusServiceUnavailable,
		Detail: "there are as many connections as this service takes, in all or from your address (HXP_MAX_CONNECTIONS, HXP_MAX_CONNECTIONS_PER_ADDRESS); close some, or try again later"})
	return fmt.Appendf(nil, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}()

// Listen makes a server and opens its port at once, so that Addr is known and a taken port is an error here.
func Listen(name, addr string, h http.Handler, log *slog.Logger) (*Server, error) {
	s := NewServer(name, addr, h, log)
	return s, s.Listen()
}

// Listen opens the port. Calling it twice is no mistake.
func (s *Server) Listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return nil
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return fmt.Errorf("%s cannot listen on %s: %w", s.name, s.addr, err)
	}
	s.listener = l
	if tcp, ok := l.Addr().(*net.TCPAddr); ok {
		s.local = tcp.IP.IsLoopback()
	}
	return nil
}

// Addr is host:port of the open listener; before Listen it is what was asked for.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return s.addr
	}
	return s.listener.Addr().String()
}

// URL is the base under which this machine reaches the server, without a slash at the end.
func (s *Server) URL() string {
	scheme := "http://"
	if s.encrypted {
		scheme = "https://"
	}
	host, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		return scheme + s.Addr()
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return scheme + net.JoinHostPort(host, port)
}

// Ready is closed when the server takes requests.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Close gives the port back when Run was never called.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.inside.Close() // never fails
	if s.listener == nil {
		return nil
	}
	return s.listener.Close()
}

// Run serves until ctx ends, lets requests under way finish, and returns.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(); err != nil {
		return err
	}
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	s.http.BaseContext = func(net.Listener) context.Context { return context.WithValue(base, drainingKey{}, s.draining) }
	failed := s.serve()
	s.log.Debug("listening", "addr", s.Addr())
	close(s.ready)

	var err error
	select {
	case err = <-failed:
		err = fmt.Errorf("serving %s: %w", s.Addr(), err)
	case <-ctx.Done():
	}
	close(s.draining)
	if err == nil {
		s.drain()
		<-failed
	}
	_ = s.http.Close()
	<-failed
	cut()
	if left := s.inFlight.wait(handlerTimeout); left > 0 {
		s.log.Warn("handlers still run after their connections were closed", "handlers", left)
	}
	return err
}

// serve takes connections of the network and of this process, and tells how each ended.
func (s *Server) serve() <-chan error {
	ended := make(chan error, 2)
	go func() {
		l := s.listener
		if s.bound != nil {
			l = s.bound(l)
		}
		if s.encrypted {
			ended <- s.http.ServeTLS(l, "", "")
		} else {
			ended <- s.http.Serve(l)
		}
	}()
	go func() { ended <- s.http.Serve(s.inside) }()
	return ended
}

// drain waits for requests under way, for drainTimeout at the longest.
func (s *Server) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if err := s.http.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("requests cut off after waiting", "seconds", drainTimeout.Seconds())
	}
}

// handler counts requests under way and bounds how long a body may pause.
func (s *Server) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.inFlight.add(1)
		defer s.inFlight.add(-1)
		next.ServeHTTP(w, r)
	})
}

type drainingKey struct{}

// Draining is closed when the server that handles the request begins to stop; nil (never) outside of one. Streams end then.
func Draining(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(drainingKey{}).(chan struct{})
	return c
}

// inFlight counts handlers, and tells when there is none.
type inFlight struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // holds one signal when n came back to 0
}

func (f *inFlight) add(d int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n += d; f.n == 0 {
		select {
		case f.idle <- struct{}{}:
		default:
		}
	}
}

// wait returns how many handlers are left, after limit at the latest.
func (f *inFlight) wait(limit time.Duration) int {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		f.mu.Lock()
		n := f.n
		f.mu.Unlock()
		if n == 0 {
			return 0
		}
		select {
		case <-f.idle:
		case <-timer.C:
			return n
		}
	}
}

// quiet turns what net/http logs about the behaviour of strangers into debug lines: they are no trouble of ours.
type quiet struct{ slog.Handler }

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	for _, s := range []string{"TLS handshake error", "superfluous response.WriteHeader", "Unsolicited response", "http2: server: error reading preface"} {
		if strings.Contains(r.Message, s) {
			r.Level = slog.LevelDebug
			if !q.Enabled(ctx, r.Level) {
				return nil
			}
		}
	}
	return q.Handler.Handle(ctx, r)
}
