package httpx

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/conns"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// say sends one request over a connection, and keeps it open.
func say(t *testing.T, c net.Conn) (*http.Response, error) {
	t.Helper()
	if _, err := io.WriteString(c, "GET /topics/a HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err == nil {
		_, err = io.Copy(io.Discard, r.Body)
	}
	return r, err
}

func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestConnectionsAreBounded: who finds no place is told so, the process itself gets in all the same, and places come back.
func TestConnectionsAreBounded(t *testing.T) {
	reg := telemetry.NewRegistry()
	s, err := Listen("test", "127.0.0.1:0", testMux(nil), discard)
	if err != nil {
		t.Fatal(err)
	}
	s.Bound(conns.New(2, 10, discard), conns.NewMetrics(reg))
	stop := run(t, s)
	open := []net.Conn{dial(t, s), dial(t, s)}
	for _, c := range open {
		if r, err := say(t, c); err != nil || r.StatusCode != 200 {
			t.Fatalf("%v %v", r, err)
		}
	}
	late := dial(t, s)
	r, err := say(t, late)
	if err != nil || r.StatusCode != 503 || r.Header.Get("Content-Type") != "application/problem+json" || r.Header.Get("Retry-After") == "" {
		t.Errorf("%v %v", r, err)
	}
	_ = late.Close()
	if n, _ := reg.Sum("hxp_http_refused_connections_total"); n != 1 {
		t.Errorf("%g were refused", n)
	}
	if n, _ := reg.Sum("hxp_http_connections"); n != 2 {
		t.Errorf("%g are open", n)
	}
	inside, err := s.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r, err := say(t, inside); err != nil || r.StatusCode != 200 {
		t.Errorf("of this process: %v %v", r, err)
	}
	_ = inside.Close()
	_ = open[0].Close()
	for { // the server hears of it by itself
		c := dial(t, s)
		r, err := say(t, c)
		_ = c.Close()
		if err == nil && r.StatusCode == 200 {
			break
		}
		if t.Context().Err() != nil {
			t.Fatal("no place came back")
		}
	}
	_ = open[1].Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// endless is an answer that nobody can hold, and the end of the one who writes it.
type endless struct{ ended chan error }

func (e endless) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	for block := make([]byte, 4*piece); ; {
		if _, err := w.Write(block); err != nil {
			e.ended <- err
			return
		}
	}
}

// TestWhoTakesNoAnswerIsCut: a client that asks for much and reads nothing holds a handler for a while, and not for ever.
func TestWhoTakesNoAnswerIsCut(t *testing.T) {
	m := testMux(nil)
	m.answerRest = 10 * time.Millisecond
	e := endless{make(chan error, 1)}
	m.Handle("GET /endless", e)
	s, stop := start(t, m)
	c := dial(t, s)
	if _, err := io.WriteString(c, "GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	var timeout net.Error
	if err := <-e.ended; !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("it ended by %v", err)
	}
	_ = c.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
}
