package e2e

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"
)

// gate stands before a server and can cut everybody off from it.
type gate struct {
	listener net.Listener
	target   string
	knocked  chan struct{} // gets one when somebody comes while the gate is shut
	wait     sync.WaitGroup

	mu    sync.Mutex
	shut  bool
	conns map[net.Conn]bool
}

// before opens a gate before the server at target until the test ends.
func before(t testing.TB, target string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{listener: l, target: target, knocked: make(chan struct{}, 1), conns: map[net.Conn]bool{}}
	g.wait.Go(g.accept)
	t.Cleanup(func() {
		l.Close()
		g.set(true)
		g.wait.Wait()
	})
	return g
}

func (g *gate) accept() {
	for {
		c, err := g.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", g.target)
		if err != nil || !g.keep(c, server) {
			c.Close()
			if err == nil {
				server.Close()
			}
			select {
			case g.knocked <- struct{}{}:
			default:
			}
			continue
		}
		for _, way := range [][2]net.Conn{{c, server}, {server, c}} {
			g.wait.Go(func() {
				_, _ = io.Copy(way[0], way[1]) // the end of either side ends both
				way[0].Close()
				way[1].Close()
			})
		}
	}
}

// keep lets a connection through, unless the gate is shut.
func (g *gate) keep(conns ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		g.conns[c] = true
	}
	return !g.shut
}

// set shuts or opens the gate; shutting it breaks every connection.
func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut = shut; shut {
		for c := range g.conns {
			c.Close()
		}
		clear(g.conns)
	}
}

// healthy tells whether the batch service calls itself so, and what it says.
func (h *instance) healthy(t testing.TB) (bool, string) {
	t.Helper()
	res, data, err := call("GET", h.url("batch-processing-api")+"/health", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode == http.StatusOK, string(data)
}

// A database that goes away stops nothing but what needs it: events are taken in and counted in the windows, health says what
// is wrong, and when the database is back everything is in the tables. A start waits for it.
func TestDatabaseGone(t *testing.T) {
	if os.Getenv("HXP_TEST_POSTGRES") == "" {
		t.Skip("only with PostgreSQL (HXP_TEST_POSTGRES)")
	}
	h := prepare(t, "127.0.0.1:0")
	u, err := url.Parse(h.sql)
	if err != nil {
		t.Fatal(err)
	}
	g := before(t, u.Host)
	u.Host = g.listener.Addr().String()
	h.sql = u.String()
	h.up(t)

	hour := time.Date(2025, 3, 31, 23, 0, 0, 0, time.UTC)
	rs := generate(31, 300, "gone", hour)
	h.send(t, rs)
	h.counted(t, hour, rs)

	g.set(true)
	eventually(t, 20*time.Second, "health tells that the database is gone", func() bool {
		ok, said := h.healthy(t)
		if !ok {
			wants(t, "/health", said, "database", g.listener.Addr().String())
		}
		return !ok
	})
	more := generate(32, 200, "gone-more", hour)
	h.send(t, more)
	rs = append(rs, more...)
	h.caughtUp(t, hour, int64(len(rs)))

	g.set(false)
	eventually(t, time.Minute, "health is good again", func() bool { ok, _ := h.healthy(t); return ok })
	h.counted(t, hour, rs)
	if code := h.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}

	select {
	case <-g.knocked: // of before
	default:
	}
	g.set(true)
	go func() {
		for range 3 { // more often than one attempt does
			<-g.knocked
		}
		g.set(false)
	}()
	h.up(t)
	all, models := h.rows(t, hour)
	same(t, "after a start that waited", all, models, rs)
	log, err := os.ReadFile(h.logPath())
	if err != nil {
		t.Fatal(err)
	}
	wants(t, "the log", string(log), "waiting for the database")
	if password, _ := u.User.Password(); password != "" && bytes.Contains(log, []byte(password)) {
		t.Error("the log shows the password")
	}
}
