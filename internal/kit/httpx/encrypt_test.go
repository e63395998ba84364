package httpx

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/kit/certs"
	"github.com/hxp-enterprise/hxp/internal/kit/certs/certstest"
)

// encrypted starts a server with TLS that ends with the test.
func encrypted(t *testing.T, cfg certs.Config, change func(*Server)) *Server {
	t.Helper()
	keeper, err := certs.Keep(cfg, discard)
	if err != nil {
		t.Fatal(err)
	}
	m := testMux(nil)
	m.HandleFunc("GET /health/live", func(w http.ResponseWriter, _ *http.Request) { JSON(w, http.StatusOK, "well") })
	s, err := Listen("test", "127.0.0.1:0", m, discard)
	if err != nil {
		t.Fatal(err)
	}
	s.Encrypt(keeper.Server(true), keeper.Asks())
	if change != nil {
		change(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// asking is a client that trusts an authority; cert and key may be "".
func asking(t *testing.T, trust *certstest.Authority, cert, key string) *http.Client {
	t.Helper()
	cfg, err := certs.Config{CAFile: trust.CAFile(), ClientCertFile: cert, ClientKeyFile: key}.Client()
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func ask(t *testing.T, c *http.Client, url string) (status, major int, body string) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.ProtoMajor, string(text)
}

func TestTLS(t *testing.T) {
	a, stranger := certstest.New(t, "authority"), certstest.New(t, "stranger")
	cert, key := a.Issue("server", "127.0.0.1")
	s := encrypted(t, certs.Config{CertFile: cert, KeyFile: key}, nil)
	if !strings.HasPrefix(s.URL(), "https://127.0.0.1:") {
		t.Errorf("URL %s", s.URL())
	}
	if status, major, body := ask(t, asking(t, a, "", ""), s.URL()+"/topics/a"); status != 200 || major != 2 {
		t.Errorf("%d over HTTP/%d: %s", status, major, body)
	}
	if _, err := asking(t, stranger, "", "").Get(s.URL() + "/topics/a"); err == nil {
		t.Error("a client that trusts others is answered")
	}
	plain := &http.Client{Transport: &http.Transport{}}
	defer plain.CloseIdleConnections()
	if status, _, body := ask(t, plain, "http://"+s.Addr()+"/topics/a"); status != 400 || !strings.Contains(body, "HTTPS server") {
		t.Errorf("a request without TLS: %d %s", status, body)
	}
}

// TestTLSCarriesHTTP1: who wants to take a connection over speaks HTTP/1.1, and gets it.
func TestTLSCarriesHTTP1(t *testing.T) {
	a := certstest.New(t, "authority")
	cert, key := a.Issue("server", "127.0.0.1")
	s := encrypted(t, certs.Config{CertFile: cert, KeyFile: key}, nil)
	c, err := tls.Dial("tcp", s.Addr(), &tls.Config{RootCAs: a.Pool(), NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /topics/a HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", s.Addr())
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != 200 || c.ConnectionState().NegotiatedProtocol != "http/1.1" {
		t.Errorf("%v, %v, %q", res, err, c.ConnectionState().NegotiatedProtocol)
	}
}

func TestClientCertificates(t *testing.T) {
	a := certstest.New(t, "authority")
	cert, key := a.Issue("server", "127.0.0.1")
	own, ownKey := a.Issue("agent")
	s := encrypted(t, certs.Config{CertFile: cert, KeyFile: key, ClientCAFile: a.CAFile()}, func(s *Server) { s.SpeakHTTP2() })
	known, unknown := asking(t, a, own, ownKey), asking(t, a, "", "")
	for _, c := range []struct {
		client *http.Client
		path   string
		status int
		body   string
	}{
		{known, "/topics/a", 200, "a"},
		{known, "/health/live", 200, "well"},
		{unknown, "/health/live", 200, "well"},
		{unknown, "/topics/a", 403, "client certificate"},
		{unknown, "/health/../topics/a", 403, "client certificate"},
		{unknown, "/nothing", 403, "client certificate"},
	} {
		if status, _, body := ask(t, c.client, s.URL()+c.path); status != c.status || !strings.Contains(body, c.body) {
			t.Errorf("%s by one who is known %v: %d %s", c.path, c.client == known, status, body)
		}
	}
}

// TestFromInside: this process reaches a server without the network; what is said of hosts and certificates is for others.
func TestFromInside(t *testing.T) {
	a := certstest.New(t, "authority")
	cert, key := a.Issue("server", "hxp.example")
	s := encrypted(t, certs.Config{CertFile: cert, KeyFile: key, ClientCAFile: a.CAFile()}, nil)
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return s.Dial(ctx) }}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr}
	for range 2 {
		if status, _, body := ask(t, c, "http://kafka-api.inside/topics/a"); status != 200 || !strings.Contains(body, `"a"`) {
			t.Errorf("%d %s", status, body)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://kafka-api.inside/topics", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("a write of another site that is passed on: %d", res.StatusCode)
	}
}
