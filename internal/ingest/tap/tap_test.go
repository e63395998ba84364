package tap

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"go.uber.org/goleak"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// topic is a Writer that keeps what it gets, unless it is away.
type topic struct {
	mu     sync.Mutex
	away   error
	events []event.Event
	keys   []string
	more   chan struct{}
}

func newTopic() *topic { return &topic{more: make(chan struct{}, 1000)} }

func (w *topic) Send(_ context.Context, msgs []*bus.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.away != nil {
		return &bus.SendError{Errs: []error{w.away}}
	}
	for _, m := range msgs {
		var p event.Parser
		var e event.Event
		if v := p.Parse(m.Value, &e); v != nil {
			return v
		}
		w.events, w.keys = append(w.events, *e.Clone()), append(w.keys, string(m.Key))
		w.more <- struct{}{}
	}
	return nil
}

func (w *topic) set(away error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away = away
}

// next waits for an event.
func (w *topic) next(t *testing.T) event.Event {
	t.Helper()
	select {
	case <-w.more:
	case <-t.Context().Done():
		t.Fatal("no event")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.events[0]
	w.events = w.events[1:]
	return e
}

// standing is a running tap.
type standing struct {
	*Tap
	url    string
	topic  *topic
	client *http.Client
	stop   func() error // asks it to stop and waits
}

func stand(t *testing.T, upstream http.Handler, change func(c *Config)) *standing {
	t.Helper()
	server := httptest.NewServer(upstream)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Listen: "127.0.0.1:0", Upstream: u, Spill: t.TempDir(), Drain: 5 * time.Second}
	if change != nil {
		change(&cfg)
	}
	w := newTopic()
	tap, err := New(cfg, func(context.Context) (Writer, error) { return w, nil }, telemetry.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- tap.Run(ctx) }()
	transport := &http.Transport{DisableCompression: true}
	s := &standing{Tap: tap, url: "http://" + tap.Addr(), topic: w, client: &http.Client{Transport: transport}}
	s.stop = sync.OnceValue(func() error {
		cancel()
		err := <-ended
		transport.CloseIdleConnections()
		return err
	})
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *standing) post(t *testing.T, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

const answerText = `{"model":"m","choices":[{"message":{"content":"ü"},"finish_reason":"stop"}],"usage":{"prompt_tokens":17,"completion_tokens":4}}`

func says(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// raw speaks HTTP by hand: what goes to the upstream and what comes back, to the byte.
func raw(t *testing.T, addr, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// An upstream that writes down what it got and answers with prepared bytes.
func scripted(t *testing.T, answer string) (u *url.URL, got func() string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	requests := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		var request strings.Builder
		for {
			line, err := in.ReadString('\n')
			request.WriteString(line)
			if err != nil || line == "\r\n" {
				break
			}
		}
		body := make([]byte, 4)
		_, _ = io.ReadFull(in, body)
		request.Write(body)
		requests <- request.String()
		_, _ = io.WriteString(conn, answer)
	}()
	return &url.URL{Scheme: "http", Host: l.Addr().String()}, func() string { return <-requests }
}

func TestNothingIsAddedOrTaken(t *testing.T) {
	answer := "HTTP/1.1 200 Fine\r\nX-Upstream: a\r\nX-Upstream: b\r\nSet-Cookie: x=1\r\nX-Request-Id: theirs\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
	upstream, got := scripted(t, answer)
	s := stand(t, http.NotFoundHandler(), func(c *Config) { c.Upstream = upstream })
	back := raw(t, s.Addr(), "PATCH /a%2Fb/../c;d?x=1;y=%zz&&q HTTP/1.1\r\nHost: client.example\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: for=x\r\nAuthorization: Bearer k\r\n"+
		"X-Request-Id: mine\r\nX-Two: 1\r\nX-Two: 2\r\nContent-Length: 4\r\nConnection: close, X-Hop\r\nX-Hop: h\r\nTe: trailers\r\n\r\nbody")
	request := got()
	head, body, _ := strings.Cut(request, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	if lines[0] != "PATCH /a%2Fb/../c;d?x=1;y=%zz&&q HTTP/1.1" || body != "body" {
		t.Errorf("%q %q", lines[0], body)
	}
	seen, err := textproto.NewReader(bufio.NewReader(strings.NewReader(strings.Join(lines[1:], "\r\n") + "\r\n\r\n"))).ReadMIMEHeader()
	if err != nil {
		t.Fatal(err)
	}
	want := textproto.MIMEHeader{"Host": {upstream.Host}, "X-Forwarded-For": {"1.2.3.4"}, "Forwarded": {"for=x"}, "Authorization": {"Bearer k"}, "X-Request-Id": {"mine"},
		"X-Two": {"1", "2"}, "Content-Length": {"4"}, "Te": {"trailers"}}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("the upstream got\n%v, want\n%v", seen, want)
	}
	wantBack := textproto.MIMEHeader{"X-Upstream": {"a", "b"}, "Set-Cookie": {"x=1"}, "X-Request-Id": {"theirs"}, "Content-Length": {"3"}, "Connection": {"close"}}
	status, rest, _ := strings.Cut(back, "\r\n")
	headBack, bodyBack, _ := strings.Cut(rest, "\r\n\r\n")
	header, err := textproto.NewReader(bufio.NewReader(strings.NewReader(headBack + "\r\n\r\n"))).ReadMIMEHeader()
	if err != nil || !strings.HasPrefix(status, "HTTP/1.1 200 ") || bodyBack != "abc" || fmt.Sprint(header) != fmt.Sprint(wantBack) {
		t.Errorf("the client got %q, want headers %v; %v", back, wantBack, err)
	}
}

func TestEventOfACall(t *testing.T) {
	var id string
	s := stand(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id = r.Header.Get(requestID)
		says(200, "application/json", answerText)(w, r)
	}), nil)
	resp, body := s.post(t, "/v1/chat/completions", `{"model":"alias","user":"u"}`, "X-Tenant-Id", "t", "Authorization", "Bearer secret")
	e := s.topic.next(t)
	if body != answerText || id == "" || resp.Header.Get(requestID) != id {
		t.Errorf("%q, id %q, %v", body, id, resp.Header)
	}
	if e.Source != "tap" || e.Text(event.Model) != "m" || e.Text(event.RequestID) != id || e.Text(event.UserID) != "u" || e.Text(event.Tenant) != "t" ||
		e.Int(event.PromptTokens) != 17 || e.Int(event.TotalTokens) != 21 || !e.Bool(event.Success) || e.Int(event.DurationMS) <= 0 || s.topic.keys[0] != id {
		t.Errorf("%s", event.AppendJSON(nil, &e))
	}
	if _, body := s.post(t, "/v1/audio/speech", `{}`); body != answerText {
		t.Errorf("%q", body)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if len(s.topic.events) != 0 || s.Stats().Delivered != 1 {
		t.Errorf("another path made an event: %+v", s.Stats())
	}
}

// A stream reaches the client piece by piece: the upstream sends each piece when the client has the one before.
func TestStreamIsNotHeldBack(t *testing.T) {
	next := make(chan struct{})
	pieces := []string{"data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"a\xc3", "\xa4\"}}]}\r\n\r\n", "da", "ta: [DONE]\n\n"}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Trailer", "X-Sum")
		for _, p := range pieces {
			_, _ = io.WriteString(w, p)
			_ = http.NewResponseController(w).Flush()
			<-next
		}
		w.Header().Set("X-Sum", "7")
	})
	for _, h2 := range []bool{false, true} {
		s := stand(t, h, nil)
		if h2 {
			var p http.Protocols
			p.SetUnencryptedHTTP2(true)
			transport := &http.Transport{Protocols: &p}
			t.Cleanup(transport.CloseIdleConnections)
			s.client = &http.Client{Transport: transport}
		}
		resp, err := s.client.Post(s.url+"/v1/chat/completions", "application/json", strings.NewReader(`{"stream":true}`))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range pieces {
			got := make([]byte, len(want))
			if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != want {
				t.Fatalf("HTTP/2 %v: %q, %v", h2, got, err)
			}
			next <- struct{}{}
		}
		rest, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if len(rest) > 0 || err != nil || resp.Trailer.Get("X-Sum") != "7" || (resp.ProtoMajor == 2) != h2 {
			t.Errorf("HTTP/2 %v: %q, %v, trailer %v", h2, rest, err, resp.Trailer)
		}
		e := s.topic.next(t)
		if !e.Bool(event.Success) || !e.Bool(event.Streaming) || e.Int(event.TTFT) <= 0 || e.Int(event.TTFT) > e.Int(event.DurationMS) || e.Int(event.CompletionTokens) != 1 {
			t.Errorf("HTTP/2 %v: %s", h2, event.AppendJSON(nil, &e))
		}
		s.client.CloseIdleConnections()
	}
}

func TestCompressedBytesPass(t *testing.T) {
	var zipped, br bytes.Buffer
	z := gzip.NewWriter(&zipped)
	b := brotli.NewWriter(&br)
	for _, w := range []io.WriteCloser{z, b} {
		_, _ = io.WriteString(w, answerText)
		_ = w.Close()
	}
	for encoding, body := range map[string]string{"gzip": zipped.String(), "br": br.String()} {
		s := stand(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != encoding {
				t.Errorf("accept-encoding %q", r.Header.Get("Accept-Encoding"))
			}
			w.Header().Set("Content-Encoding", encoding)
			says(200, "application/json", body)(w, r)
		}), nil)
		resp, got := s.post(t, "/v1/chat/completions", `{}`, "Accept-Encoding", encoding)
		if e := s.topic.next(t); got != body || resp.Header.Get("Content-Encoding") != encoding || e.Int(event.PromptTokens) != 17 {
			t.Errorf("%s: %q, %s", encoding, got, event.AppendJSON(nil, &e))
		}
	}
}

// Informational answers and "100 Continue" come from the upstream: the client does not send its body before.
func TestInformationalAnswers(t *testing.T) {
	s := stand(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Expect") == "100-continue" && r.Header.Get("X-Refuse") != "" {
			w.WriteHeader(http.StatusExpectationFailed)
			return
		}
		w.Header().Set("Link", "</a>")
		w.WriteHeader(http.StatusEarlyHints)
		says(200, "application/json", answerText)(w, r)
	}), nil)
	ask := func(refuse string) (status int, hints int, sent bool) {
		body := &noted{Reader: strings.NewReader(`{}`)}
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			if code == http.StatusEarlyHints && h.Get("Link") == "</a>" {
				hints++
			}
			return nil
		}}
		r, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodPost, s.url+"/v1/chat/completions", body)
		r.Header.Set("Expect", "100-continue")
		if refuse != "" {
			r.Header.Set("X-Refuse", refuse)
		}
		transport := &http.Transport{ExpectContinueTimeout: time.Hour}
		defer transport.CloseIdleConnections()
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return resp.StatusCode, hints, body.read()
	}
	if status, hints, sent := ask(""); status != 200 || hints != 1 || !sent {
		t.Errorf("%d, %d hints, body sent %v", status, hints, sent)
	}
	if status, _, sent := ask("yes"); status != http.StatusExpectationFailed || sent {
		t.Errorf("%d, body sent %v", status, sent)
	}
}

// noted knows whether it was read.
type noted struct {
	io.Reader
	mu  sync.Mutex
	was bool
}

func (n *noted) Read(b []byte) (int, error) {
	n.mu.Lock()
	n.was = true
	n.mu.Unlock()
	return n.Reader.Read(b)
}

func (n *noted) read() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.was
}

func TestRequestTrailers(t *testing.T) {
	got := make(chan string, 1)
	s := stand(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body) + r.Trailer.Get("X-Sum")
	}), nil)
	back := raw(t, s.Addr(), "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\n{}\r\n0\r\nX-Sum: 7\r\n\r\n")
	if text := <-got; text != "{}7" || !strings.HasPrefix(back, "HTTP/1.1 200 ") {
		t.Errorf("%q, %q", text, back)
	}
}

func TestUpgradePasses(t *testing.T) {
	s := stand(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + r.Header.Get("Upgrade") + "\r\n\r\n")
		_ = rw.Flush()
		line, _ := rw.ReadString('\n')
		_, _ = rw.WriteString("echo " + line)
		_ = rw.Flush()
	}), nil)
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /v1/realtime HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	in := bufio.NewReader(conn)
	status, _ := in.ReadString('\n')
	if _, err := textproto.NewReader(in).ReadMIMEHeader(); err != nil || !strings.HasPrefix(status, "HTTP/1.1 101 ") {
		t.Fatalf("%q, %v", status, err)
	}
	_, _ = io.WriteString(conn, "hello\n")
	if got, err := in.ReadString('\n'); got != "echo hello\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// A body of any size passes both ways, and the model behind it is found.
func TestHugeBodies(t *testing.T) {
	const size = 20 << 20
	s := stand(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.Copy(w, r.Body)
	}), nil)
	body := `{"messages":"` + strings.Repeat("x", size) + `","model":"behind","user":"u","usage":{"prompt_tokens":3}}`
	if _, got := s.post(t, "/v1/chat/completions", body); got != body {
		t.Errorf("%d bytes of %d came back", len(got), len(body))
	}
	if e := s.topic.next(t); e.Text(event.Model) != "behind" || e.Text(event.UserID) != "u" || e.Int(event.PromptTokens) != 3 {
		t.Errorf("%s", event.AppendJSON(nil, &e))
	}
}

func TestUpstreamFailures(t *testing.T) {
	hang := make(chan struct{})
	s := stand(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("X-Case") {
		case "hang":
			<-hang
		case "cut":
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}), func(c *Config) { c.HeaderTimeout = 50 * time.Millisecond })
	defer close(hang)
	resp, body := s.post(t, "/v1/chat/completions", `{"model":"m"}`, "X-Case", "hang")
	if e := s.topic.next(t); resp.StatusCode != 504 || !strings.Contains(body, `"type":"upstream_timeout"`) || e.Text(event.ErrorType) != "upstream_timeout" || e.Bool(event.Success) || e.Int(event.StatusCode) != 504 {
		t.Errorf("%d %s %s", resp.StatusCode, body, event.AppendJSON(nil, &e))
	}
	r, _ := http.NewRequest(http.MethodPost, s.url+"/v1/chat/completions", strings.NewReader(`{"model":"m"}`))
	r.Header.Set("X-Case", "cut")
	resp, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if e := s.topic.next(t); !errors.Is(err, io.ErrUnexpectedEOF) || len(got) == 0 || e.Text(event.ErrorType) != "stream_aborted" || e.Bool(event.Success) || e.Text(event.UsageSource) != "estimated" {
		t.Errorf("%q, %v, %s", got, err, event.AppendJSON(nil, &e))
	}
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &url.URL{Scheme: "http", Host: nobody.Addr().String()}
	_ = nobody.Close()
	s = stand(t, nil, func(c *Config) { c.Upstream = u })
	resp, body = s.post(t, "/v1/chat/completions", `{"model":"m"}`)
	if e := s.topic.next(t); resp.StatusCode != 502 || !strings.Contains(body, "upstream_unreachable") || e.Text(event.ErrorType) != "upstream_unreachable" || e.Text(event.Model) != "m" {
		t.Errorf("%d %s %s", resp.StatusCode, body, event.AppendJSON(nil, &e))
	}
}

// A client that leaves ends the call at the upstream too, and its event says so.
func TestClientLeaves(t *testing.T) {
	ended := make(chan struct{}, 2)
	s := stand(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Case") == "stream" {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n")
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		ended <- struct{}{}
	}), nil)
	for _, c := range []string{"stream", "before the answer"} {
		ctx, leave := context.WithCancel(t.Context())
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/chat/completions", strings.NewReader(`{"model":"m"}`))
		r.Header.Set("X-Case", c)
		if c == "stream" {
			resp, err := s.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = resp.Body.Read(make([]byte, 10))
			leave()
			_ = resp.Body.Close()
		} else {
			r = r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { leave() }}))
			if resp, err := s.client.Do(r); err == nil {
				_ = resp.Body.Close()
				t.Error("answered")
			}
		}
		if c == "stream" {
			<-ended
		}
		if e := s.topic.next(t); e.Has(event.Success) || e.Has(event.StatusCode) || e.Text(event.FinishReason) != "abort" || e.Text(event.Model) != "m" {
			t.Errorf("%s: %s", c, event.AppendJSON(nil, &e))
		}
	}
}

// While the bus is away everything passes, and the events wait on disk over a restart.
func TestBusAway(t *testing.T) {
	spill := t.TempDir()
	upstream := says(200, "application/json", answerText)
	s := stand(t, upstream, func(c *Config) { c.Spill = spill; c.Admin = "127.0.0.1:0" })
	s.topic.set(errors.New("away"))
	for n := range 5 {
		if _, body := s.post(t, "/v1/chat/completions", `{}`, requestID, fmt.Sprint("r", n)); body != answerText {
			t.Errorf("%q", body)
		}
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if stats := s.Stats(); stats.Emitted != 5 || stats.Spill.Records != 5 || stats.Dropped != 0 {
		t.Errorf("%+v", stats)
	}
	s = stand(t, upstream, func(c *Config) { c.Spill = spill; c.Admin = "127.0.0.1:0" })
	for n := range 5 {
		if e := s.topic.next(t); e.Text(event.RequestID) != fmt.Sprint("r", n) {
			t.Errorf("%s stands at place %d", e.Text(event.RequestID), n)
		}
	}
	resp, err := s.client.Get(s.AdminURL() + "/health")
	if err != nil {
		t.Fatal(err)
	}
	health, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if !strings.Contains(string(health), `"service":"tap"`) || resp.StatusCode != 200 {
		t.Errorf("%d %s", resp.StatusCode, health)
	}
	resp, err = s.client.Get(s.AdminURL() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	metrics, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if !strings.Contains(string(metrics), "\ntap_events_dropped_total 0\n") || !strings.Contains(string(metrics), "\ntap_requests_open 0\n") {
		t.Errorf("%s", metrics)
	}
	if _, err := New(Config{Listen: "127.0.0.1:0", Upstream: s.cfg.Upstream, Spill: spill}, nil, telemetry.NewRegistry(), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "used by another process") {
		t.Errorf("two taps on one spill: %v", err)
	}
}

// Beyond the limit of open requests nothing reaches the upstream, and the call that was turned away is told of.
func TestTooManyOpen(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	s := stand(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		<-goOn
		says(200, "application/json", answerText)(w, r)
	}), func(c *Config) { c.MaxOpen = 1 })
	first := make(chan string, 1)
	go func() {
		resp, err := s.client.Post(s.url+"/v1/chat/completions", "application/json", strings.NewReader(`{}`))
		if err != nil {
			first <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		first <- string(body)
	}()
	<-begun
	resp, body := s.post(t, "/v1/chat/completions", `{"model":"m"}`)
	if e := s.topic.next(t); resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" || !strings.Contains(body, "--max-open") || e.Text(event.ErrorType) != "tap_overloaded" || e.Int(event.StatusCode) != 503 {
		t.Errorf("%d %v %s %s", resp.StatusCode, resp.Header, body, event.AppendJSON(nil, &e))
	}
	close(goOn)
	if body := <-first; body != answerText {
		t.Errorf("%q", body)
	}
	s.topic.next(t)
}

// A stop lets a stream end; beyond the limit it is cut, and its event is there all the same.
func TestStop(t *testing.T) {
	for _, patient := range []bool{true, false} {
		begun, goOn := make(chan struct{}, 1), make(chan struct{})
		s := stand(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_ = http.NewResponseController(w).Flush()
			begun <- struct{}{}
			select {
			case <-goOn:
				_, _ = io.WriteString(w, "data: [DONE]\n\n")
			case <-r.Context().Done():
			}
		}), func(c *Config) {
			if c.Drain = time.Minute; !patient {
				c.Drain = time.Millisecond
			}
		})
		resp, err := s.client.Post(s.url+"/v1/chat/completions", "application/json", strings.NewReader(`{}`))
		if err != nil {
			t.Fatal(err)
		}
		<-begun
		stopped := make(chan error, 1)
		go func() { stopped <- s.stop() }()
		if patient {
			close(goOn)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if patient != (string(body) == "data: [DONE]\n\n" && err == nil) {
			t.Errorf("patient %v: %q, %v", patient, body, err)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if e := s.topic.next(t); e.Bool(event.Success) != patient {
			t.Errorf("patient %v: %s", patient, event.AppendJSON(nil, &e))
		}
	}
}

func TestFlags(t *testing.T) {
	for text, ok := range map[string]bool{"http://h:1": true, "https://h/base": true, "": false, "h:1": false, "ftp://h": false, "http://": false, "http://u:p@h": false, "http://h?x": false, "http://h/%zz": false} {
		u, err := ParseUpstream(text)
		if (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
		if err == nil && (Config{Listen: ":0", Upstream: u}).Check() != nil {
			t.Errorf("%q was refused", text)
		}
		if err != nil && strings.Contains(err.Error(), ":p@") {
			t.Errorf("the password is shown: %v", err)
		}
	}
	bad := Config{Listen: "8000", Admin: "x", Drain: -1, SpillBytes: -1}
	if err := bad.Check(); err == nil || len(strings.Split(err.Error(), "\n")) != 4 {
		t.Errorf("%v", err)
	}
}
