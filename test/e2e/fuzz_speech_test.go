package e2e

import (
	"bytes"
	"compress/gzip"
	wire "encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/hxp-enterprise/hxp/internal/ingest/prom/promtest"
)

// beginnings are what strangers say first, on any port; they are spoilt before they are sent.
var beginnings = []string{
	"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
	"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 61\r\n\r\n" + `{"event_type":"llm_request","data":{"model":"m","x":[1,2,3]}}`,
	"POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n",
	"GET /stream?topics=metrics,events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nLast-Event-ID: 1.2\r\n\r\n",
	"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
	"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03abcdefghijklmnopqrstuvwxyzabcdef\x00\x00\x04\x13\x01\x13\x02\x01\x00",
	"\x00\x00\x00\x16\x00\x12\x00\x03\x00\x00\x00\x01\x00\x06accept\x07client\x021\x00",
	"\x7f\xff\xff\xff",
}

// spoil changes bytes of a text.
func spoil[T string | []byte](r *rand.Rand, text T) []byte {
	b := []byte(text)
	for range 1 + r.IntN(5) {
		if len(b) == 0 {
			return []byte{0}
		}
		i := r.IntN(len(b))
		switch r.IntN(5) {
		case 0:
			b[i] = byte(r.Uint32())
		case 1:
			b[i] ^= 1 << r.IntN(8)
		case 2:
			b = append(b[:i:i], b[min(len(b), i+1+r.IntN(8)):]...)
		case 3:
			b = append(b[:i:i], append([]byte(strings.Repeat(string(rune(r.IntN(128))), r.IntN(2000))), b[i:]...)...)
		default:
			if len(b) < 64<<10 {
				b = append(b, b[i:]...)
			}
		}
	}
	return b
}

// pieces writes b in one or two pieces. What the other side does not take any more is not sent.
func pieces(r *rand.Rand, c net.Conn, b []byte) {
	if r.IntN(4) == 0 {
		cut := r.IntN(len(b) + 1)
		if _, err := c.Write(b[:cut]); err != nil {
			return
		}
		b = b[cut:]
	}
	_, _ = c.Write(b)
}

func spoiltTexts(r *rand.Rand, c net.Conn) {
	pieces(r, c, spoil(r, beginnings[r.IntN(len(beginnings))]))
}

// httpRequest is a request whose frame is right most of the time.
type httpRequest struct {
	method, target, kind, encoding, token string
	body                                  []byte
}

func (q *httpRequest) write(r *rand.Rand, b *bytes.Buffer, last bool) {
	fmt.Fprintf(b, "%s %s HTTP/1.1\r\nHost: localhost\r\n", q.method, q.target)
	for name, value := range map[string]string{"Content-Type": q.kind, "Content-Encoding": q.encoding} {
		if value != "" {
			fmt.Fprintf(b, "%s: %s\r\n", name, value)
		}
	}
	if q.token != "" && r.IntN(3) > 0 {
		token := q.token
		if r.IntN(4) == 0 {
			token = strings.Map(func(c rune) rune { return max(c, ' ') }, string(spoil(r, token)))
		}
		fmt.Fprintf(b, "Authorization: Bearer %s\r\n", token)
	}
	if last {
		b.WriteString("Connection: close\r\n")
	}
	switch length := len(q.body); r.IntN(12) {
	case 0:
		fmt.Fprintf(b, "Content-Length: %d\r\n\r\n%s", length+r.IntN(100)-50, q.body)
	case 1, 2:
		fmt.Fprintf(b, "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", length, q.body)
	default:
		fmt.Fprintf(b, "Content-Length: %d\r\n\r\n%s", length, q.body)
	}
}

// requests sends one to three requests over a connection.
func requests(r *rand.Rand, c net.Conn, make func() *httpRequest) {
	var b bytes.Buffer
	for n := r.IntN(3); n >= 0; n-- {
		make().write(r, &b, n == 0)
	}
	pieces(r, c, b.Bytes())
}

// apiRequests are calls of operations, whose bodies are what their schemas say, or nearly.
func apiRequests(ops []*operation, token string) speech {
	return func(r *rand.Rand, c net.Conn) {
		requests(r, c, func() *httpRequest {
			o := ops[r.IntN(len(ops))]
			q := &httpRequest{method: o.method, target: o.target(r), token: token}
			if len(o.bodies) == 0 {
				return q
			}
			body := o.bodies[r.IntN(len(o.bodies))]
			q.kind = body.kind
			for n := r.IntN(3); n >= 0; n-- { // a line each, where lines are meant
				text, _ := json.Marshal(body.form.value(r, 0)) // it has nothing but what JSON has
				q.body = append(append(q.body, text...), '\n')
				if !strings.Contains(body.kind, "ndjson") {
					break
				}
			}
			if r.IntN(4) == 0 {
				q.body = spoil(r, q.body)
			}
			if r.IntN(6) == 0 {
				q.encoding, q.body = "gzip", squeezed(r, q.body)
			}
			return q
		})
	}
}

// squeezed is a body as gzip, seldom a spoilt one.
func squeezed(r *rand.Rand, body []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(body) // into memory
	_ = z.Close()
	if r.IntN(4) == 0 {
		return spoil(r, b.Bytes())
	}
	return b.Bytes()
}

func field(n protowire.Number, inner ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), bytes.Join(inner, nil))
}

func fixed(n protowire.Number, v uint64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(nil, n, protowire.Fixed64Type), v)
}

// otlp is an export request of OpenTelemetry: traces, metrics or logs.
func otlp(r *rand.Rand) (signal string, body []byte) {
	now := uint64(time.Now().UnixNano())
	attribute := func(n protowire.Number, key string, value ...[]byte) []byte {
		return field(n, field(1, []byte(key)), field(2, value...))
	}
	resource := field(1, attribute(1, "service.name", field(1, []byte("fuzz"))))
	model := attribute(9, "gen_ai.request.model", field(1, []byte("m")))
	tokens := attribute(9, "gen_ai.usage.input_tokens", protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType), r.Uint64()))
	var item []byte
	switch signal = []string{"traces", "metrics", "logs"}[r.IntN(3)]; signal {
	case "traces":
		item = field(2, field(1, wire.BigEndian.AppendUint64(nil, 1), wire.BigEndian.AppendUint64(nil, r.Uint64())), field(2, wire.BigEndian.AppendUint64(nil, r.Uint64())),
			field(5, []byte("chat m")), fixed(7, now-1e9), fixed(8, now), model, tokens)
	case "metrics":
		item = field(2, field(1, []byte("vllm:num_requests_running")), field(5, field(1, fixed(3, now), fixed(4, r.Uint64()), attribute(7, "model_name", field(1, []byte("m"))))))
	default:
		item = field(2, fixed(1, now), field(5, field(1, []byte("said"))), attribute(6, "event.name", field(1, []byte("gen_ai.choice"))))
	}
	body = field(1, resource, field(2, item))
	if r.IntN(2) == 0 {
		body = spoil(r, body)
	}
	return signal, body
}

func otlpRequests(token string) speech {
	return func(r *rand.Rand, c net.Conn) {
		requests(r, c, func() *httpRequest {
			signal, body := otlp(r)
			q := &httpRequest{method: "POST", target: "/v1/" + signal, kind: "application/x-protobuf", token: token, body: body}
			if r.IntN(4) == 0 {
				q.encoding, q.body = "gzip", squeezed(r, body)
			}
			return q
		})
	}
}

func remoteWrites(token string) speech {
	return func(r *rand.Rand, c net.Conn) {
		requests(r, c, func() *httpRequest {
			s := promtest.Series{Labels: []string{"__name__", "node_load1", "instance", "h:9100", "job", "node"}, Values: []float64{r.NormFloat64()}, Millis: []int64{time.Now().UnixMilli()}}
			body := promtest.Version1([]promtest.Series{s}, nil)
			if r.IntN(2) == 0 {
				body = spoil(r, body)
			}
			if body = s2.EncodeSnappy(nil, body); r.IntN(3) == 0 {
				body = spoil(r, body)
			}
			return &httpRequest{method: "POST", target: "/ingest/prometheus", kind: "application/x-protobuf", encoding: "snappy", token: token, body: body}
		})
	}
}

// chatRequests are those of clients of an OpenAI-compatible server.
func chatRequests(r *rand.Rand, c net.Conn) {
	requests(r, c, func() *httpRequest {
		body := []byte(fmt.Sprintf(`{"model":"m","user":"u%d","stream":%t,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hello"}]}`, r.IntN(9), r.IntN(2) == 0))
		if r.IntN(3) == 0 {
			body = spoil(r, body)
		}
		return &httpRequest{method: "POST", target: []string{"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models", "/x"}[r.IntN(5)], kind: "application/json", body: body}
	})
}

// webSocket shakes hands as it should and sends frames that are often wrong.
func webSocket(token string) speech {
	return func(r *rand.Rand, c net.Conn) {
		var b bytes.Buffer
		b.WriteString("GET /ws" + []string{"", "/metrics"}[r.IntN(2)] + " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: hxp.v1+json\r\n")
		if token != "" {
			b.WriteString("Authorization: Bearer " + token + "\r\n")
		}
		b.WriteString("\r\n")
		for range 1 + r.IntN(6) {
			said := []string{`{"type":"subscribe","topics":["metrics","events"],"interval_ms":250}`, `{"type":"subscribe","topics":["alerts"],"filter":{"model":"m"}}`, `{"type":"unsubscribe","topics":["events"]}`, `{"type":"ping"}`, "", "\x03\xe8bye"}[r.IntN(6)]
			payload := []byte(said)
			if r.IntN(2) == 0 {
				payload = spoil(r, payload)
			}
			b.Write(webSocketFrame(r, payload))
		}
		pieces(r, c, b.Bytes())
	}
}

// webSocketFrame is a frame that tells its length in any of the three forms, seldom wrongly, and bears a mask most of the time.
func webSocketFrame(r *rand.Rand, payload []byte) []byte {
	opcodes := []byte{1, 1, 1, 1, 0, 2, 8, 9, 10, 3}
	head := opcodes[r.IntN(len(opcodes))]
	if r.IntN(6) > 0 {
		head |= 0x80
	}
	if r.IntN(12) == 0 {
		head |= byte(r.IntN(8)) << 4
	}
	length := uint64(len(payload))
	if r.IntN(12) == 0 {
		length = r.Uint64() >> r.IntN(64)
	}
	out := []byte{head}
	switch {
	case length < 126 && r.IntN(8) > 0:
		out = append(out, 0x80|byte(length))
	case length < 1<<16 && r.IntN(8) > 0:
		out = wire.BigEndian.AppendUint16(append(out, 0x80|126), uint16(length))
	default:
		out = wire.BigEndian.AppendUint64(append(out, 0x80|127), length)
	}
	if r.IntN(12) == 0 {
		out[1] &= 0x7f
		return append(out, payload...)
	}
	mask := wire.BigEndian.AppendUint32(nil, r.Uint32())
	out = append(out, mask...)
	for i, b := range payload {
		out = append(out, b^mask[i%4])
	}
	return out
}

// grpcCalls are frames of HTTP/2: a connection that begins well, calls of the three services of OTLP, and frames that do not belong there.
func grpcCalls(token string) speech {
	return func(r *rand.Rand, c net.Conn) {
		b := []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
		b = append(b, http2Frame(4, 0, 0, nil)...)
		for stream, n := uint32(1), 1+r.IntN(5); n > 0; stream, n = stream+2, n-1 {
			signal, body := otlp(r)
			message := append(wire.BigEndian.AppendUint32([]byte{byte(r.IntN(12) / 11)}, uint32(len(body))), body...)
			if r.IntN(4) == 0 {
				message = spoil(r, message)
			}
			b = append(b, http2Frame(1, 4, stream, grpcHeaders(signal, token))...)
			b = append(b, http2Frame(0, 1, stream, message)...)
			if r.IntN(2) == 0 {
				payload := wire.BigEndian.AppendUint64(nil, r.Uint64())
				b = append(b, http2Frame(byte(r.IntN(11)), byte(r.Uint32()), uint32(r.IntN(12)), payload[:r.IntN(9)])...)
			}
		}
		if r.IntN(3) == 0 {
			b = append(b[:24:24], spoil(r, b[24:])...)
		}
		pieces(r, c, b)
	}
}

func http2Frame(kind, flags byte, stream uint32, payload []byte) []byte {
	n := len(payload)
	return append(wire.BigEndian.AppendUint32([]byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags}, stream), payload...)
}

// grpcHeaders are the fields of a call in HPACK, none of them indexed.
func grpcHeaders(signal, token string) []byte {
	service := map[string]string{"traces": "trace.v1.TraceService", "metrics": "metrics.v1.MetricsService", "logs": "logs.v1.LogsService"}[signal]
	out := []byte{0x83, 0x86}
	add := func(name, value string) {
		out = append(append(append(out, 0, byte(len(name))), name...), byte(len(value)))
		out = append(out, value...)
	}
	add(":path", "/opentelemetry.proto.collector."+service+"/Export")
	add(":authority", "localhost")
	add("content-type", "application/grpc")
	add("te", "trailers")
	if token != "" {
		add("authorization", "Bearer "+token)
	}
	return out
}

// answers are what a server behind hxp tap says, expositions what a scraped one does. They are spoilt half of the time.
var (
	answers = []string{
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" + `{"id":"c","model":"m","choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":3,"completion_tokens":2}}`,
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n",
		"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}",
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
	}
	expositions = []string{
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n\r\n# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{model_name=\"m\"} 3\nvllm:e2e_request_latency_seconds_bucket{le=\"+Inf\"} 1e9\n",
		"HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; version=1.0.0\r\nConnection: close\r\n\r\n# TYPE a counter\na_total{x=\"y\\\"\"} 1 # {trace_id=\"z\"} 1\n# EOF\n",
		"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
	}
)

// stranger is a server that answers whatever it hears with one of the texts, until the test ends. It returns its address.
func stranger(t *testing.T, texts []string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-ended })
	go func() {
		defer close(ended)
		r := rand.New(rand.NewPCG(3, 4))
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(100 * time.Millisecond)) // one after the other: who is silent makes the next one wait
			_, _ = c.Read(make([]byte, 4096))
			text := []byte(texts[r.IntN(len(texts))])
			if r.IntN(2) == 0 {
				text = spoil(r, text)
			}
			pieces(r, c, text)
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}
