package httpx

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var discard = slog.New(slog.DiscardHandler)

func testMux(reg *telemetry.Registry) *Mux {
	m := NewMux(discard, reg)
	m.HandleFunc("GET /topics/{name}", func(w http.ResponseWriter, r *http.Request) {
		JSON(w, http.StatusOK, map[string]string{"name": r.PathValue("name")})
	}, Doc("One topic."), Query("limit", "most items"))
	m.HandleFunc("POST /topics", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			Problem(w, r, http.StatusBadRequest, err.Error())
			return
		}
		JSON(w, http.StatusCreated, len(b))
	}, Body("application/json"), Answer("201", "made"))
	m.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("no such row") })
	m.HandleFunc("GET /late-panic", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 10_000))
		panic("half way")
	})
	m.HandleFunc("GET /stream", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		select {
		case <-Draining(r.Context()):
		case <-r.Context().Done():
		}
	}, Stream())
	return m
}

func TestMux(t *testing.T) {
	reg := telemetry.NewRegistry()
	m := testMux(reg)
	Mount(m, Service{Name: "kafka-api", Version: "1.2"}, NewHealth("kafka-api", "1.2"), reg)
	cross := func(k, v string) http.Header { return http.Header{k: {v}} }
	for _, c := range []struct {
		method, path string
		header       http.Header
		status       int
		want         string // in the body
		allow        string
	}{
		{"GET", "/topics/a", nil, 200, `{"name":"a"}`, ""},
		{"HEAD", "/topics/a", nil, 200, "", ""},
		{"HEAD", "/stream", nil, 200, "", ""},
		{"POST", "/topics", nil, 201, "", ""},
		{"GET", "/nothing", nil, 404, `"detail":"no such path here; GET /docs lists them","instance":"/nothing"`, ""},
		{"DELETE", "/topics/a", nil, 405, "use GET, HEAD", "GET, HEAD"},
		{"GET", "/topics", nil, 405, "use POST", "POST"},
		{"BREW", "/topics", nil, 405, "use POST", "POST"},
		{"GET", "//topics/a", nil, 307, "", ""},
		{"POST", "/topics", cross("Sec-Fetch-Site", "cross-site"), 403, "another site", ""},
		{"POST", "/topics", cross("Origin", "https://evil.example"), 403, "another site", ""},
		{"POST", "/topics", cross("Origin", "null"), 403, "another site", ""},
		{"POST", "/topics", cross("Origin", "http://example.com"), 201, "", ""},
		{"GET", "/topics/a", cross("Sec-Fetch-Site", "cross-site"), 200, "", ""},
		{"GET", "/topics/a", cross("X", strings.Repeat("x", HeaderLimit)), 431, "at most 16384", ""},
		{"GET", "/panic", nil, 500, "request id", ""},
		{"GET", "/health", nil, 200, `"status":"healthy","service":"kafka-api"`, ""},
		{"GET", "/health/live", nil, 200, `"service":"kafka-api"`, ""},
		{"GET", "/health/ready", nil, 200, `"status":"healthy"`, ""},
		{"GET", "/metrics", nil, 200, `hxp_http_requests_total{code="404",method="GET",route="none"} 1`, ""},
		{"GET", "/docs", nil, 200, "/topics/{name}", ""},
	} {
		r := httptest.NewRequest(c.method, "http://example.com"+c.path, strings.NewReader(""))
		for k, v := range c.header {
			r.Header[k] = v
		}
		w := httptest.NewRecorder()
		m.ServeHTTP(w, r)
		name := c.method + " " + c.path
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) || w.Header().Get("Allow") != c.allow {
			t.Errorf("%s: %d, Allow %q, %.300s", name, w.Code, w.Header().Get("Allow"), w.Body)
		}
		if ct := w.Header().Get("Content-Type"); c.status >= 400 && ct != "application/problem+json" {
			t.Errorf("%s: content type %s", name, ct)
		}
		if w.Header().Get("X-Request-Id") == "" {
			t.Errorf("%s: no request id", name)
		}
	}
}

func TestRequestID(t *testing.T) {
	for given, keep := range map[string]bool{"abc-1": true, "": false, "a b": false, "a\nb": false, "é": false, strings.Repeat("x", 129): false} {
		r := httptest.NewRequest("GET", "/topics/a", nil)
		r.Header["X-Request-Id"] = []string{given}
		w := httptest.NewRecorder()
		testMux(nil).ServeHTTP(w, r)
		if got := w.Header().Get("X-Request-Id"); (got == given) != keep || got == "" {
			t.Errorf("given %q, answered %q", given, got)
		}
	}
}

func TestOpenAPI(t *testing.T) {
	m := testMux(nil)
	Mount(m, Service{Name: "kafka-api", Version: "1.2"}, NewHealth("kafka-api", "1.2"), telemetry.NewRegistry())
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", "/openapi.json", nil))
	var doc struct {
		OpenAPI string
		Info    struct{ Title, Version string }
		Paths   map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Responses   map[string]any
			Parameters  []struct{ Name, In string }
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	op := doc.Paths["/topics/{name}"]["get"]
	if doc.OpenAPI != "3.1.0" || doc.Info.Title != "hxp kafka-api" || doc.Info.Version != "1.2" || op.OperationID != "getTopicsName" ||
		len(op.Responses) != 2 || len(op.Parameters) != 2 || op.Parameters[0].In != "path" {
		t.Errorf("%s", w.Body)
	}
	ids := map[string]bool{}
	for p, ops := range doc.Paths {
		for method, op := range ops {
			if ids[op.OperationID] || len(op.Responses) == 0 {
				t.Errorf("%s %s: %+v", method, p, op)
			}
			ids[op.OperationID] = true
		}
	}
	for _, p := range []string{"/health", "/health/live", "/health/ready", "/metrics", "/openapi.json", "/docs"} {
		if doc.Paths[p]["get"].OperationID == "" {
			t.Errorf("%s is not described", p)
		}
	}
}

// What describes a route is text on the page of the endpoints, whatever is in it.
func TestDocsPage(t *testing.T) {
	const bad = `<script>"&'`
	page := docsPage(Service{Title: "t" + bad, Version: "v" + bad, Description: "d" + bad}, []Route{
		{Method: "GET", Path: "/p" + bad, Summary: "s" + bad, Body: "b" + bad, Params: []Param{{Name: "n" + bad, In: "query", Doc: "q" + bad}}, Answers: map[string]string{"200": "a" + bad}},
		{Method: "GET", Path: "/hidden", Hidden: true}, {Path: "/any"},
	})
	if strings.Contains(page, "<script") || strings.Contains(page, "/hidden") || strings.Contains(page, "/any") {
		t.Error(page)
	}
	for _, text := range []string{"<title>t", "<small>v", "<p>d", "</b>/p", "<p>s", "<dd>b", "<dt>n", "<dd>q", "<dt>200</dt><dd>a"} {
		if !strings.Contains(page, text+"&lt;script&gt;&#34;&amp;&#39;") {
			t.Errorf("%q is not there, or not as text: %s", text, page)
		}
	}
}

func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHealth("lake", "dev")
		time.Sleep(90 * time.Second)
		ask := func() (int, HealthBody) {
			w := httptest.NewRecorder()
			h.serve(w, httptest.NewRequest("GET", "/health", nil))
			var b HealthBody
			if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil {
				t.Fatal(err)
			}
			return w.Code, b
		}
		code, b := ask()
		if code != 200 || b.Status != Healthy || b.UptimeSeconds != 90 || !strings.HasSuffix(b.Timestamp, "Z") || b.Checks == nil {
			t.Errorf("%d %+v", code, b)
		}
		h.Add("disk", func(context.Context) Check { return Check{Degraded, "5 % left; make room"} })
		if code, b = ask(); code != 200 || b.Status != Degraded || b.Checks["disk"].Detail != "5 % left; make room" {
			t.Errorf("%d %+v", code, b)
		}
		h.Add("bus", func(context.Context) Check { panic("nil map") })
		if code, b = ask(); code != 503 || b.Status != Unhealthy || !strings.Contains(b.Checks["bus"].Detail, "nil map at ") || !strings.Contains(b.Checks["bus"].Detail, "httpx_test.go") {
			t.Errorf("%d %+v", code, b)
		}
		var calls atomic.Int32
		h.Add("bus", func(context.Context) Check { calls.Add(1); time.Sleep(time.Minute); return Check{Healthy, "slow"} })
		for range 3 {
			if code, b = ask(); code != 503 || b.Checks["bus"].Detail != "no answer within 2s" {
				t.Errorf("%d %+v", code, b)
			}
		}
		if calls.Load() != 1 {
			t.Errorf("a stuck check ran %d times at once", calls.Load())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
	})
}

// start makes a server and runs it.
func start(t *testing.T, h http.Handler) (s *Server, stop func() error) {
	t.Helper()
	s, err := Listen("test", "127.0.0.1:0", h, discard)
	if err != nil {
		t.Fatal(err)
	}
	return s, run(t, s)
}

// run runs a server and gives what stops it.
func run(t *testing.T, s *Server) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	return func() error { cancel(); return <-done }
}

func TestServerServesAndDrains(t *testing.T) {
	inside, release := make(chan struct{}), make(chan struct{})
	m := testMux(nil)
	m.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
		close(inside)
		<-release
		JSON(w, 200, "done")
	})
	s, stop := start(t, m)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()

	stream, err := client.Get(s.URL() + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	got := make(chan string, 1)
	go func() {
		r, err := client.Get(s.URL() + "/slow")
		if err != nil {
			got <- err.Error()
			return
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		got <- string(b)
	}()
	<-inside
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	if _, err := io.ReadAll(stream.Body); err != nil { // ends by itself when draining begins
		t.Errorf("stream: %v", err)
	}
	close(release)
	if g := <-got; g != "\"done\"\n" {
		t.Errorf("a request under way got %q", g)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
	if _, err := net.Dial("tcp", s.Addr()); err == nil {
		t.Error("the port is still open")
	}
}

func TestPortTaken(t *testing.T) {
	s, stop := start(t, http.NotFoundHandler())
	_, err := Listen("other", s.Addr(), nil, discard)
	if err == nil || !strings.Contains(err.Error(), "other cannot listen on "+s.Addr()) {
		t.Errorf("got %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestOversizedHeaders(t *testing.T) {
	s, stop := start(t, testMux(nil))
	for _, size := range []int{HeaderLimit + 1, 1 << 20} {
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = fmt.Fprintf(c, "GET /topics/a HTTP/1.1\r\nHost: localhost\r\nX-Big: %s\r\n\r\n", strings.Repeat("x", size))
		}()
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || r.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("%d bytes: %v %v", size, r, err)
		}
		_ = c.Close()
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestPanicInTheMiddleCutsTheAnswer(t *testing.T) {
	s, stop := start(t, testMux(nil))
	r, err := http.Get(s.URL() + "/late-panic")
	if err == nil {
		_, err = io.ReadAll(r.Body)
		_ = r.Body.Close()
	}
	if err == nil {
		t.Error("half an answer looked whole")
	}
	http.DefaultClient.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestStalledBodyIsCut(t *testing.T) {
	m := testMux(nil)
	m.bodyRest = time.Millisecond
	s, stop := start(t, m)
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprintf(c, "POST /topics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc")
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if (err == nil && r.StatusCode != 400) || (err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)) {
		t.Errorf("%v %v", r, err)
	}
	_ = c.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// slowly is a body that brings a byte in each while, and the writer that is told how long it may take.
type slowly struct {
	*httptest.ResponseRecorder
	left  int
	pause time.Duration
	last  time.Time // the latest deadline
}

func (s *slowly) SetReadDeadline(t time.Time) error {
	if t.After(s.last) {
		s.last = t
	}
	return nil
}

func (s *slowly) Read(p []byte) (int, error) {
	time.Sleep(s.pause)
	if s.left--; s.left < 0 {
		return 0, io.EOF
	}
	return copy(p, "x"), nil
}

// TestStrangersSendTheirBodiesSoon: where everybody may send one, it must be there in the time that others have for a pause.
func TestStrangersSendTheirBodiesSoon(t *testing.T) {
	for path, bounded := range map[string]bool{"/open": true, "/closed": false} {
		synctest.Test(t, func(t *testing.T) {
			m := NewMux(discard, nil)
			read := func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }
			m.HandleFunc("POST /open", read, Open())
			m.HandleFunc("POST /closed", read)
			began, s := time.Now(), &slowly{ResponseRecorder: httptest.NewRecorder(), left: 5, pause: m.bodyRest / 2}
			m.ServeHTTP(s, httptest.NewRequest("POST", path, s))
			if got := s.last.Sub(began); (got <= m.bodyRest) != bounded {
				t.Errorf("%s: the body may take %v", path, got)
			}
		})
	}
}

func TestURL(t *testing.T) {
	for addr, want := range map[string]string{"0.0.0.0:80": "http://127.0.0.1:80", ":80": "http://127.0.0.1:80", "[::]:80": "http://127.0.0.1:80", "[::1]:80": "http://[::1]:80", "hx:80": "http://hx:80"} {
		if got := NewServer("x", addr, nil, discard).URL(); got != want {
			t.Errorf("%s: %s", addr, got)
		}
	}
}
