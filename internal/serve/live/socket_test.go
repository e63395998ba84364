package live

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hxp-enterprise/hxp/internal/serve/live/ws"
)

// talker is a WebSocket client.
type talker struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
	resp *http.Response
	code ws.Code
	why  string // reason of the close frame
	mute bool   // answers no pings
	seen int    // pings
}

func (r *rig) talk(path string, header ...string) *talker {
	r.t.Helper()
	conn, err := r.wire.dial(context.Background(), "", "")
	if err != nil {
		r.t.Fatal(err)
	}
	req, err := http.NewRequest("GET", "http://hxp"+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, kv := range [][2]string{{"Connection", "Upgrade"}, {"Upgrade", "websocket"}, {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}, {"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Protocol", Protocol}} {
		req.Header.Set(kv[0], kv[1])
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	c := &talker{t: r.t, conn: conn, in: bufio.NewReader(conn)}
	go func() { _ = req.Write(conn) }()
	if c.resp, err = http.ReadResponse(c.in, req); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(c.close)
	return c
}

func (c *talker) close() { _ = c.conn.Close() }

// put sends a frame with a mask of zeros.
func (c *talker) put(op ws.Opcode, payload string) {
	b := []byte{0x80 | byte(op), 0x80 | 126}
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(payload))), 0, 0, 0, 0)
	if op >= ws.Close {
		b = []byte{0x80 | byte(op), 0x80 | byte(len(payload)), 0, 0, 0, 0}
	}
	if _, err := c.conn.Write(append(b, payload...)); err != nil {
		c.t.Errorf("sending %.40s: %v", payload, err)
	}
}

func (c *talker) frame() (ws.Opcode, []byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return 0, nil, err
	}
	n := int(head[1])
	if n == 126 {
		var b [2]byte
		if _, err := io.ReadFull(c.in, b[:]); err != nil {
			return 0, nil, err
		}
		n = int(binary.BigEndian.Uint16(b[:]))
	}
	payload := make([]byte, n)
	_, err := io.ReadFull(c.in, payload)
	return ws.Opcode(head[0] & 15), payload, err
}

var errClosed = errors.New("a close frame came")

// next reads the next message, answering pings.
func (c *talker) next() (m told, err error) {
	for {
		op, payload, err := c.frame()
		if err != nil {
			return m, err
		}
		switch op {
		case ws.Text:
			return m, json.Unmarshal(payload, &m.Data)
		case ws.Ping:
			if c.seen++; !c.mute {
				go c.put(ws.Pong, string(payload)) // the other side may be writing
			}
		case ws.Close:
			if c.code = 1005; len(payload) >= 2 {
				c.code, c.why = ws.Code(binary.BigEndian.Uint16(payload)), string(payload[2:])
			}
			return m, errClosed
		}
	}
}

// must reads until a message of a type.
func (c *talker) must(kind string) told {
	c.t.Helper()
	for {
		m, err := c.next()
		if err != nil {
			c.t.Fatalf("waiting for %s: %v", kind, err)
		}
		if m.Data.Type == kind {
			return m
		}
	}
}

func TestSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{WebSocketMax: 10, SSEMax: 10})
		c := r.talk("/ws?topics=news,metrics&interval_ms=250")
		if c.resp.StatusCode != 101 || c.resp.Header.Get("Sec-WebSocket-Protocol") != Protocol {
			t.Fatalf("%d %v", c.resp.StatusCode, c.resp.Header)
		}
		if m, err := c.next(); err != nil || m.Data.Type != "hello" || len(m.Data.Topics) != 5 || m.Data.Epoch == "" {
			t.Errorf("first %+v %v", m, err)
		}
		snapshot := c.must("snapshot")
		r.hub.Tell("news", happen("", 7, 1)...)
		if m := c.must("event"); number(t, m) != 7 || m.Data.Seq <= snapshot.Data.Seq {
			t.Errorf("%+v", m)
		}
		r.set(map[string]any{"n": "new"})
		if m := c.must("update"); m.Data.Data.(map[string]any)["n"] != "new" {
			t.Errorf("%+v", m)
		}
		// a state that it did not have, and no more of one that it had
		c.put(ws.Text, `{"type":"subscribe","topics":["quiet"]}`)
		if m := c.must("snapshot"); m.Data.Topic != "quiet" {
			t.Errorf("%+v", m)
		}
		c.put(ws.Text, `{"type":"unsubscribe","topics":["metrics","quiet"]}`)
		c.put(ws.Text, `{"type":"ping"}`)
		c.must("pong")
		r.set(map[string]any{"n": "newer"})
		time.Sleep(2 * time.Second)
		r.hub.Tell("news", happen("", 8, 1)...)
		if m, err := c.next(); err != nil || number(t, m) != 8 {
			t.Errorf("after unsubscribing came %+v %v", m, err)
		}
		// another filter goes on at the same place
		c.put(ws.Text, `{"type":"subscribe","topics":["news"],"filter":{"model":"a"}}`)
		c.put(ws.Text, `{"type":"ping"}`)
		c.must("pong")
		r.hub.Tell("news", append(happen("b", 9, 1), happen("a", 10, 1)...)...)
		if m := c.must("event"); number(t, m) != 10 {
			t.Errorf("with a filter came %+v", m)
		}
		if s := r.hub.Status(); s.WebSocket.Connected != 1 || s.Topics[0].Subscribers != 0 || s.Topics[3].Subscribers != 1 {
			t.Errorf("%+v", s)
		}
		c.put(ws.Close, "\x03\xe8")
		if _, err := c.next(); err != errClosed || c.code != 1000 {
			t.Errorf("the close was answered with %d, %v", c.code, err)
		}
		c.close()
		synctest.Wait()
		if s := r.hub.Status(); s.WebSocket.Connected != 0 || s.Topics[3].Subscribers != 0 || s.WebSocket.Total != 1 {
			t.Errorf("after it left: %+v", s)
		}
	})
}

// TestWhatAClientMaySay: what is wrong is answered with an error that says what and how to mend it, and the connection goes on.
func TestWhatAClientMaySay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{WebSocketMax: 10})
		c := r.talk("/ws?topics=quiet")
		c.must("snapshot")
		for text, want := range map[string]string{
			"{": codeJSON, "": codeJSON, "nonsense": codeJSON, `"text"`: codeJSON, "[1]": codeJSON, `{"type":`: codeJSON, `{"type":"ping"} x`: codeJSON, "null": codeType, "{}": codeType,
			strings.Repeat("[", 5000): codeJSON, `{"type":5}`: codeMember, `{"type":"jump"}`: codeType, `{"topics":["metrics"]}`: codeType, `{"type":"subscribe"}`: codeTopic,
			`{"type":"subscribe","topics":[]}`: codeTopic, `{"type":"subscribe","topics":["nonsense"]}`: codeTopic, `{"type":"subscribe","topics":"metrics"}`: codeMember,
			`{"type":"subscribe","topics":["news"],"interval_ms":-5}`: codeInterval, `{"type":"subscribe","topics":["news"],"interval_ms":1.5}`: codeMember, `{"type":"subscribe","topics":["news"],"interval_ms":60001}`: codeInterval,
			`{"type":"subscribe","topics":["news"],"filter":{"modle":"a"}}`: codeJSON, `{"type":"subscribe","topics":["news"],"filter":{"model":5}}`: codeMember, `{"type":"subscribe","topics":["news"],"filter":{"model":"` + strings.Repeat("m", 600) + `"}}`: codeFilter,
		} {
			c.put(ws.Text, text)
			if m := c.must("error"); m.Data.Code != want || len(m.Data.Detail) < 10 {
				t.Errorf("%.80s: %s: %s", text, m.Data.Code, m.Data.Detail)
			}
		}
		c.put(ws.Binary, "{}")
		if m := c.must("error"); m.Data.Code != codeBinary {
			t.Errorf("binary: %+v", m)
		}
		if s := r.hub.Status(); s.Topics[3].Subscribers != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestSilentSocket: who does not answer a ping in time is cut.
func TestSilentSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{WebSocketMax: 10})
		c := r.talk("/ws?topics=quiet")
		c.mute = true
		c.must("snapshot")
		began := time.Now()
		if m, err := c.next(); err == nil {
			t.Errorf("a message on a quiet stream: %+v", m)
		}
		if took := time.Since(began); took != 15*time.Second+patience || c.seen != 1 {
			t.Errorf("cut after %v and %d pings", took, c.seen)
		}
	})
}

// TestMessagesAreAsDescribed holds what is sent to the schemas of the document.
func TestMessagesAreAsDescribed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{WebSocketMax: 10})
		schemas := map[string]*jsonschema.Schema{}
		for _, m := range messages(r.hub.names()) {
			text, err := json.Marshal(m.schema)
			if err != nil {
				t.Fatal(err)
			}
			tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			c := jsonschema.NewCompiler()
			if err := c.AddResource("file:///"+m.name, tree); err != nil {
				t.Fatal(err)
			}
			if schemas[m.name], err = c.Compile("file:///" + m.name); err != nil {
				t.Fatal(err)
			}
		}
		c := r.talk("/ws?topics=metrics,news&interval_ms=250&since=0ldepoch.1")
		wanted := map[string]bool{"hello": true, "reset": true, "snapshot": true, "update": true, "event": true, "error": true, "pong": true}
		time.AfterFunc(time.Second, func() {
			r.set(map[string]any{"n": 1})
			r.hub.Tell("news", happen("", 1, 1)...)
			c.put(ws.Text, `{"type":"ping"}`)
			c.put(ws.Text, `{"type":"jump"}`)
		})
		for len(wanted) > 0 {
			_, payload, err := c.frame()
			if err != nil {
				t.Fatalf("%v still to come: %v", wanted, err)
			}
			tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(payload))
			if err != nil {
				t.Fatal(err)
			}
			kind, _ := tree.(map[string]any)["type"].(string)
			if schemas[kind] == nil {
				t.Fatalf("%s is not described", payload)
			}
			if err := schemas[kind].Validate(tree); err != nil {
				t.Errorf("%s: %v", payload, err)
			}
			delete(wanted, kind)
		}
		for _, text := range []string{`{"type":"ping"}`, `{"type":"unsubscribe","topics":["news"]}`, `{"type":"subscribe","topics":["news"],"filter":{"model":"m"},"interval_ms":300}`} {
			tree, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			kind := tree.(map[string]any)["type"].(string)
			if _, fault := decodeCommand([]byte(text)); fault != nil || schemas[kind].Validate(tree) != nil {
				t.Errorf("%s: %v", text, fault)
			}
		}
	})
}

func TestPingsKeepASocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{WebSocketMax: 10})
		c := r.talk("/ws?topics=quiet")
		c.must("snapshot")
		began := time.Now()
		time.AfterFunc(2*time.Minute+time.Second, func() { c.put(ws.Text, `{"type":"ping"}`) })
		c.must("pong")
		if took := time.Since(began); c.seen != 8 || took != 2*time.Minute+time.Second {
			t.Errorf("%d pings in %v", c.seen, took)
		}
	})
}

// TestSlowSocket: who takes no frame for too long is cut; who is too far behind is told so.
func TestSlowSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{WebSocketMax: 10})
		stuck := r.talk("/ws?topics=news")
		stuck.must("hello")
		r.hub.Tell("news", happen("", 0, 1)...)
		time.Sleep(10 * time.Second)
		if s := r.hub.Status(); s.SlowClosed != 1 || s.WebSocket.Connected != 0 {
			t.Errorf("%+v", s)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{WebSocketMax: 10, WriteTimeout: time.Minute, Heartbeat: time.Hour}) // silence is no matter here
		slow := r.talk("/ws?topics=news")
		slow.must("hello")
		for i := range 40 {
			r.hub.Tell("news", happen("", i, 1)...)
			time.Sleep(time.Second)
		}
		for {
			if _, err := slow.next(); err != nil {
				break
			}
		}
		if slow.code != ws.TryLater || !strings.Contains(slow.why, "behind in news") || r.hub.Status().SlowClosed != 1 {
			t.Errorf("closed with %d %q, %d were cut", slow.code, slow.why, r.hub.Status().SlowClosed)
		}
	})
}

func TestDrainClosesSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{WebSocketMax: 10})
		c := r.talk("/ws?topics=quiet")
		c.must("snapshot")
		r.hub.Drain()
		if _, err := c.next(); err != errClosed || c.code != ws.GoingAway {
			t.Errorf("%d %v", c.code, err)
		}
	})
}

func TestOrigins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{WebSocketMax: 100, SSEMax: 100})
		for _, c := range []struct {
			header []string
			ok     bool
		}{
			{nil, true}, {[]string{"Origin", "http://hxp"}, true}, {[]string{"Origin", "https://HXP"}, true}, {[]string{"Sec-Fetch-Site", "same-origin"}, true}, {[]string{"Sec-Fetch-Site", "none"}, true},
			{[]string{"Origin", "null"}, false}, {[]string{"Origin", "http://hxp.evil.example"}, false}, {[]string{"Origin", "http://hxp:8501"}, false}, {[]string{"Origin", ""}, false}, {[]string{"Origin", "file://hxp"}, false},
			{[]string{"Sec-Fetch-Site", "cross-site"}, false}, {[]string{"Sec-Fetch-Site", "same-site"}, false},
		} {
			if got := r.talk("/ws?topics=quiet", c.header...).resp.StatusCode; got != map[bool]int{true: 101, false: 403}[c.ok] {
				t.Errorf("websocket, %q: %d", c.header, got)
			}
			req, err := http.NewRequest("GET", "http://hxp/stream?topics=quiet", nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(c.header); i += 2 {
				req.Header.Set(c.header[i], c.header[i+1])
			}
			resp, err := r.http.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if want := map[bool]int{true: 200, false: 403}[c.ok]; resp.StatusCode != want {
				t.Errorf("event stream, %q: %d", c.header, resp.StatusCode)
			}
			_ = resp.Body.Close()
		}
	})
}

func TestLimitsOfSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{WebSocketMax: 3, SSEMax: 3, PerAddress: 2})
		first, _ := r.talk("/ws?topics=quiet"), r.talk("/ws?topics=quiet")
		over := r.talk("/ws?topics=quiet")
		body, _ := io.ReadAll(over.resp.Body)
		if h := over.resp.Header; over.resp.StatusCode != 503 || h.Get("Retry-After") == "" || h.Get("Content-Type") != "application/problem+json" || !strings.Contains(string(body), "STREAM_MAX_CONNECTIONS_PER_ADDRESS") {
			t.Errorf("%d %v %s", over.resp.StatusCode, h, body)
		}
		first.close()
		synctest.Wait()
		if c := r.talk("/ws?topics=quiet"); c.resp.StatusCode != 101 {
			t.Errorf("a place that was left answers %d", c.resp.StatusCode)
		}
		for path, want := range map[string]int{"/ws?topics=nonsense": 400, "/ws?since=x": 400, "/ws/nonsense": 404} {
			if c := r.talk(path); c.resp.StatusCode != want {
				t.Errorf("%s: %d", path, c.resp.StatusCode)
			}
		}
	})
}

func TestGateCountsAddresses(t *testing.T) {
	g := gate{limit: 5, each: 2, name: "places", knob: "KNOB"}
	var places []place
	for _, c := range []struct {
		remote, refusal string
	}{
		{"10.0.0.1:1", ""}, {"10.0.0.1:2", ""}, {"10.0.0.1:3", "your address"}, {"[::ffff:10.0.0.1]:4", "your address"},
		{"[2001:db8::1]:1", ""}, {"[2001:db8::ffff:2]:1", ""}, {"[2001:db8::3%eth0]:1", "your address"}, {"[2001:db8:0:1::1]:1", ""}, {"10.0.0.2:1", "all 5 places"},
	} {
		p, refusal := g.enter(c.remote)
		if (refusal == "") != (c.refusal == "") || !strings.HasPrefix(refusal, c.refusal) {
			t.Errorf("%s: %q", c.remote, refusal)
		}
		if refusal == "" {
			places = append(places, p)
		}
	}
	for _, p := range places {
		p.leave()
	}
	if len(g.addresses) != 0 || g.connected != 0 || g.total != 5 {
		t.Errorf("%+v", g.count())
	}
}

// Other limits hold for who comes from now on, whoever is there stays, and other settings of the hub stay as they are.
func TestReconfigure(t *testing.T) {
	h := New(Config{WebSocketMax: 2, SSEMax: 2, Version: "v"}, nil)
	enter := func(remote string, want bool) place {
		t.Helper()
		p, refusal := h.sockets.enter(remote)
		if (refusal == "") != want {
			t.Errorf("%s: %q", remote, refusal)
		}
		return p
	}
	first, second := enter("10.0.0.1:1", true), enter("10.0.0.1:2", true)
	h.Reconfigure(Config{WebSocketMax: 1, SSEMax: 3, UpdateInterval: 2 * time.Second})
	if got := h.sockets.count(); got.Connected != 2 || got.Limit != 1 || h.streams.count().Limit != 3 || h.usual() != 2*time.Second || h.cfg.Version != "v" {
		t.Errorf("%+v", got)
	}
	first.leave()
	enter("10.0.0.2:1", false)
	second.leave()
	enter("10.0.0.2:1", true)
	h.Reconfigure(Config{WebSocketMax: 5, PerAddress: 1})
	enter("10.0.0.2:2", false)
	enter("10.0.0.3:1", true)
	if h.usual() != time.Second {
		t.Errorf("every %s", h.usual())
	}
}

func FuzzCommand(f *testing.F) {
	for _, s := range []string{`{"type":"ping"}`, `{"type":"subscribe","topics":["a"],"filter":{"model":"m"},"interval_ms":300}`, `{"type":"unsubscribe","topics":[""]}`, `{"type":null}`, `[`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, fault := decodeCommand(text)
		if fault != nil {
			if fault.code == "" || fault.detail == "" {
				t.Fatalf("a fault that says nothing: %+v", fault)
			}
			if _, err := json.Marshal(fault.detail); err != nil {
				t.Fatal(err)
			}
			return
		}
		if !json.Valid(text) || c.kind != "ping" && len(c.topics) == 0 || len(c.filter.Model) > maxModel {
			t.Fatalf("%q is taken as %+v", text, c)
		}
		if i, ok := roundUp(c.interval); c.interval != 0 && (!ok || i != c.interval) {
			t.Fatalf("interval %v", c.interval)
		}
	})
}
