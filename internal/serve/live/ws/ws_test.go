package ws

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo sends back every message and control frame until the connection ends, as the conformance suite wants it.
func echo(w http.ResponseWriter, r *http.Request, limit int) {
	if refusal := Check(w, r); refusal != nil {
		http.Error(w, refusal.Detail, refusal.Status)
		return
	}
	c, err := Upgrade(w, r, "echo")
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }() // the test is over
	for {
		op, payload, err := c.Read(limit, 10*time.Second)
		if end, ok := errors.AsType[*CloseError](err); ok {
			_ = c.Write(time.Second, end.Frame()) // the client may be gone
		}
		if err != nil {
			c.Finish()
			c.Discard(time.Second)
			return
		}
		switch op {
		case Ping:
			op = Pong
		case Pong:
			continue
		}
		if c.Write(10*time.Second, AppendFrame(nil, op, payload)) != nil {
			return
		}
	}
}

func serve(t testing.TB, limit int) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { echo(w, r, limit) }))
	t.Cleanup(s.Close)
	return s
}

// peer is a client that may break the rules.
type peer struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
	resp *http.Response
}

// key and its answer are the example of RFC 6455, section 1.3.
const key, answer = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

func dial(t testing.TB, s *httptest.Server, change func(http.Header), behind ...byte) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	req, _ := http.NewRequest("GET", s.URL+"/", nil)
	for _, kv := range [][2]string{{"Connection", "Upgrade"}, {"Upgrade", "websocket"}, {"Sec-WebSocket-Key", key}, {"Sec-WebSocket-Version", "13"}} {
		req.Header.Set(kv[0], kv[1])
	}
	if change != nil {
		change(req.Header)
	}
	var out bytes.Buffer
	_ = req.Write(&out)
	if _, err := conn.Write(append(out.Bytes(), behind...)); err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, conn: conn, in: bufio.NewReader(conn)}
	if p.resp, err = http.ReadResponse(p.in, req); err != nil {
		t.Fatal(err)
	}
	return p
}

// raw makes a frame of a client.
func raw(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	k := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b = append(b, k[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^k[i&3])
	}
	return b
}

// next reads a frame of the server.
func (p *peer) next() (Opcode, []byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(p.in, head[:]); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1])
	if wide := map[byte]int{126: 2, 127: 8}[head[1]]; wide > 0 {
		b := make([]byte, 8)
		if _, err := io.ReadFull(p.in, b[8-wide:]); err != nil {
			return 0, nil, err
		}
		n = binary.BigEndian.Uint64(b)
	}
	payload := make([]byte, n)
	_, err := io.ReadFull(p.in, payload)
	if head[0]&0xf0 != 0x80 {
		p.t.Errorf("the server's frame begins with %08b", head[0])
	}
	return Opcode(head[0] & 15), payload, err
}

// closed reads until the end and returns the code of the close frame, 0 without one.
func (p *peer) closed() Code {
	var code Code
	for {
		op, payload, err := p.next()
		if err != nil {
			return code
		}
		if op == Close {
			if code = noStatus; len(payload) >= 2 {
				code = Code(binary.BigEndian.Uint16(payload))
			}
		}
	}
}

func TestHandshake(t *testing.T) {
	s := serve(t, 1<<10)
	set := func(kv ...string) func(http.Header) {
		return func(h http.Header) {
			for i := 0; i < len(kv); i += 2 {
				if h.Del(kv[i]); kv[i+1] != "" {
					h.Set(kv[i], kv[i+1])
				}
			}
		}
	}
	for name, c := range map[string]struct {
		change   func(http.Header)
		status   int
		protocol string
	}{
		"plain":              {nil, 101, ""},
		"ours":               {set("Sec-WebSocket-Protocol", "echo"), 101, "echo"},
		"ours among others":  {set("Sec-WebSocket-Protocol", "chat , ECHO"), 101, "echo"},
		"a strange protocol": {set("Sec-WebSocket-Protocol", "chat"), 101, ""},
		"lists and case":     {set("Connection", "keep-alive, upgrade", "Upgrade", "WebSocket"), 101, ""},
		"an extension":       {set("Sec-WebSocket-Extensions", "permessage-deflate"), 101, ""},
		"no upgrade":         {set("Upgrade", ""), 426, ""},
		"no connection":      {set("Connection", ""), 426, ""},
		"another upgrade":    {set("Upgrade", "h2c"), 426, ""},
		"version 8":          {set("Sec-WebSocket-Version", "8"), 426, ""},
		"no version":         {set("Sec-WebSocket-Version", ""), 426, ""},
		"no key":             {set("Sec-WebSocket-Key", ""), 400, ""},
		"a short key":        {set("Sec-WebSocket-Key", "c2hvcnQ="), 400, ""},
		"a key of no base64": {set("Sec-WebSocket-Key", strings.Repeat("!", 24)), 400, ""},
	} {
		p := dial(t, s, c.change)
		h := p.resp.Header
		if p.resp.StatusCode != c.status || h.Get("Sec-WebSocket-Protocol") != c.protocol || h.Get("Sec-WebSocket-Extensions") != "" {
			t.Errorf("%s: %d %v", name, p.resp.StatusCode, h)
		}
		if c.status == 101 && h.Get("Sec-WebSocket-Accept") != answer {
			t.Errorf("%s: accept %q", name, h.Get("Sec-WebSocket-Accept"))
		}
		if strings.Contains(name, "version") && h.Get("Sec-WebSocket-Version") != "13" {
			t.Errorf("%s: %v", name, h)
		}
		_ = p.conn.Close()
	}
}

// TestMessageBehindTheRequest: what a client sends without waiting for the answer is read.
func TestMessageBehindTheRequest(t *testing.T) {
	p := dial(t, serve(t, 1<<20), nil, raw(0x81, "early")...)
	if op, payload, err := p.next(); err != nil || op != Text || string(payload) != "early" {
		t.Errorf("%d %q %v", op, payload, err)
	}
}

func TestEcho(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		message := rapid.SliceOfN(rapid.Byte(), 0, 70_000).Draw(rt, "message")
		if rapid.Bool().Draw(rt, "long") {
			message = bytes.Repeat(append(message, 'x'), 3)
		}
		cuts := rapid.SliceOfN(rapid.IntRange(0, len(message)), 0, 5).Draw(rt, "cuts")
		client, server := net.Pipe()
		defer client.Close()
		c := newConn(server, nil)
		go func() {
			rest, first := message, byte(2)
			for _, cut := range cuts {
				cut = min(cut, len(rest))
				_, _ = client.Write(raw(first, string(rest[:cut])))
				_, _ = client.Write(raw(0x89, "between"))
				rest, first = rest[cut:], 0
			}
			_, _ = client.Write(raw(0x80|first, string(rest)))
		}()
		for range cuts {
			if op, payload, err := c.Read(1<<20, time.Second); err != nil || op != Ping || string(payload) != "between" {
				rt.Fatalf("ping: %d %q %v", op, payload, err)
			}
		}
		if op, payload, err := c.Read(1<<20, time.Second); err != nil || op != Binary || !bytes.Equal(payload, message) {
			rt.Fatalf("%d, %d bytes of %d, %v", op, len(payload), len(message), err)
		}
	})
}

func TestBreaches(t *testing.T) {
	s := serve(t, 1<<10)
	status := func(code uint16, reason string) string {
		return string(binary.BigEndian.AppendUint16(nil, code)) + reason
	}
	unmasked := AppendFrame(nil, Text, []byte("x"))
	for name, c := range map[string]struct {
		frames []byte
		code   Code
	}{
		"close":                              {raw(0x88, status(1000, "bye")), 1000},
		"close without a code":               {raw(0x88, ""), 1005},
		"close with a code of one's own":     {raw(0x88, status(4999, "")), 4999},
		"close of one byte":                  {raw(0x88, "x"), 1002},
		"close with 999":                     {raw(0x88, status(999, "")), 1002},
		"close with 1004":                    {raw(0x88, status(1004, "")), 1002},
		"close with 1005":                    {raw(0x88, status(1005, "")), 1002},
		"close with 1006":                    {raw(0x88, status(1006, "")), 1002},
		"close with 1015":                    {raw(0x88, status(1015, "")), 1002},
		"close with 2999":                    {raw(0x88, status(2999, "")), 1002},
		"close with 5000":                    {raw(0x88, status(5000, "")), 1002},
		"close with a reason of no UTF-8":    {raw(0x88, status(1000, "\xff")), 1007},
		"close of 126 bytes":                 {raw(0x88, status(1000, strings.Repeat("x", 124))), 1002},
		"no mask":                            {unmasked, 1002},
		"a reserved bit":                     {raw(0xc1, "x"), 1002},
		"the second reserved bit":            {raw(0xa1, "x"), 1002},
		"the third reserved bit":             {raw(0x91, "x"), 1002},
		"opcode 3":                           {raw(0x83, "x"), 1002},
		"opcode 7":                           {raw(0x87, "x"), 1002},
		"opcode 11":                          {raw(0x8b, "x"), 1002},
		"opcode 15":                          {raw(0x8f, "x"), 1002},
		"a ping of 126 bytes":                {raw(0x89, strings.Repeat("x", 126)), 1002},
		"a ping in pieces":                   {raw(0x09, "x"), 1002},
		"a continuation of nothing":          {raw(0x80, "x"), 1002},
		"a continuation after a whole one":   {append(raw(0x81, "x"), raw(0x80, "x")...), 1002},
		"a message within another":           {append(raw(0x01, "x"), raw(0x81, "x")...), 1002},
		"a length of 64 bits":                {append([]byte{0x82, 0xff, 0xff}, make([]byte, 11)...), 1002},
		"a text of no UTF-8":                 {raw(0x81, "\xce\xba\xe1"), 1007},
		"a text of no UTF-8 in pieces":       {append(raw(0x01, "\xce"), raw(0x80, "\x41")...), 1007},
		"too large":                          {raw(0x81, strings.Repeat("x", 1<<10+1)), 1009},
		"too large in pieces":                {append(raw(0x01, strings.Repeat("x", 1<<10)), raw(0x80, "x")...), 1009},
		"too large by its head":              {append([]byte{0x82, 0xff, 0x3f}, make([]byte, 11)...), 1009},
		"a close after a message, answered":  {append(raw(0x81, "x"), raw(0x88, status(1001, ""))...), 1001},
		"a pong that nobody asked for":       {append(raw(0x8a, "x"), raw(0x88, status(1000, ""))...), 1000},
		"UTF-8 cut at the edge of the piece": {append(append(raw(0x01, "\xce"), raw(0x80, "\xba")...), raw(0x88, status(1000, ""))...), 1000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := dial(t, s, nil, c.frames...)
			if got := p.closed(); got != c.code {
				t.Errorf("closed with %d, not %d", got, c.code)
			}
		})
	}
}

// TestSilence: a peer that says nothing is an error after the time it was given.
func TestSilence(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	if _, _, err := newConn(server, nil).Read(10, time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// TestFinishEndsReading, whichever of the two comes first.
func TestFinishEndsReading(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	c := newConn(server, nil)
	read := make(chan error, 1)
	go func() { _, _, err := c.Read(10, time.Hour); read <- err }()
	c.Finish()
	if err := <-read; err == nil {
		t.Error("the read goes on")
	}
	if _, _, err := c.Read(10, time.Hour); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a later read: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(raw(0x81, "hello"))
	f.Add(append(raw(0x01, "he"), raw(0x80, "llo")...))
	f.Add(raw(0x88, "\x03\xe8bye"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		client, server := net.Pipe()
		go func() {
			_, _ = client.Write(stream)
			_ = client.Close()
		}()
		defer client.Close()
		c := newConn(server, nil)
		for {
			op, payload, err := c.Read(1<<10, time.Minute)
			if err != nil {
				_ = server.Close()
				return
			}
			if !op.known() || op == Close || op == Continuation || len(payload) > 1<<10 {
				t.Fatalf("opcode %d with %d bytes", op, len(payload))
			}
		}
	})
}

// TestRealConformance runs the cases of the Autobahn test suite with kosoku, whose path HXP_REAL_KOSOKU names.
func TestRealConformance(t *testing.T) {
	kosoku := os.Getenv("HXP_REAL_KOSOKU")
	if kosoku == "" {
		t.Skip("HXP_REAL_KOSOKU does not name kosoku (make test-real)")
	}
	s := serve(t, 64<<20)
	out := t.TempDir()
	cmd := exec.CommandContext(t.Context(), kosoku, "-m", "fuzzingclient", "ws"+strings.TrimPrefix(s.URL, "http")+"/echo", "-x", "12.*", "-x", "13.*", "-p", "2", "-o", out)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	found, err := filepath.Glob(filepath.Join(out, "index.json"))
	if err != nil || len(found) != 1 {
		t.Fatalf("no report: %v %v", found, err)
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	var report map[string]map[string]struct{ Behavior, BehaviorClose string }
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	good := map[string]bool{"OK": true, "NON-STRICT": true, "INFORMATIONAL": true}
	cases := 0
	for _, agent := range report {
		for name, c := range agent {
			if cases++; !good[c.Behavior] || !good[c.BehaviorClose] {
				t.Errorf("case %s: %s, at the end %s", name, c.Behavior, c.BehaviorClose)
			}
		}
	}
	if t.Logf("%d cases", cases); cases < 300 {
		t.Errorf("%d cases were run", cases)
	}
}
