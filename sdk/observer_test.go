package sdk

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// inbox keeps the events that it is given, by their JSON.
type inbox struct {
	mu     sync.Mutex
	events []Event
	more   chan struct{}
}

func newInbox() *inbox { return &inbox{more: make(chan struct{}, 100)} }

func (i *inbox) Emit(e Event) error {
	i.mu.Lock()
	i.events = append(i.events, e)
	i.mu.Unlock()
	i.more <- struct{}{}
	return nil
}

// next waits for an event and returns its data, without what depends on the clock.
func (i *inbox) next(t *testing.T) (Event, map[string]any) {
	t.Helper()
	<-i.more
	i.mu.Lock()
	defer i.mu.Unlock()
	e := i.events[0]
	i.events = i.events[1:]
	b, err := json.Marshal(e.Data)
	if err != nil {
		t.Fatal(err)
	}
	var data map[string]any
	if err := json.Unmarshal(b, &data); err != nil {
		t.Fatal(err)
	}
	return e, data
}

// exchange is one call and what its event must say; a nil value means that the field is absent.
type exchange struct {
	name, path, ask   string
	status            int
	contentType, body string
	header            map[string]string
	want              map[string]any
}

const usageChat = `"usage":{"prompt_tokens":17,"completion_tokens":4,"total_tokens":21,"prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":1}}`

func chunk(content string) string {
	return `data: {"id":"c","model":"m-1","choices":[{"index":0,"delta":{"content":"` + content + `"},"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n"
}

const (
	lastChunk = `data: {"id":"c","model":"m-1","choices":[{"index":0,"delta":{},"finish_reason":"length"}]}` + "\n\n"
	endChunk  = "data: [DONE]\n\n"
	sse       = "text/event-stream; charset=utf-8"
)

var exchanges = []exchange{
	{"chat", "/v1/chat/completions", `{"model":"alias","user":"u-1","messages":[{"role":"user","content":"secret \"user\":\"no\" question"}]}`, 200, "application/json",
		`{"id":"x","object":"chat.completion","model":"m-1","choices":[{"index":0,"message":{"role":"assistant","content":"secret \"usage\":{} answer"},"finish_reason":"stop"}],` + usageChat + `}`, nil,
		map[string]any{"model": "m-1", "user_id": "u-1", "operation": "chat", "endpoint": "/v1/chat/completions", "status_code": 200.0, "success": true, "streaming": false, "finish_reason": "stop",
			"usage_source": "reported", "prompt_tokens": 17.0, "completion_tokens": 4.0, "cached_tokens": 8.0, "reasoning_tokens": 1.0, "error_type": nil, "ttft_ms": nil}},
	{"stream", "/openai/v1/chat/completions", `{"stream":true,"model":"alias"}`, 200, sse,
		chunk("") + chunk("secret") + chunk(" answer ü") + lastChunk + `data: {"id":"c","choices":[],` + usageChat + "}\r\n\r\n" + endChunk, nil,
		map[string]any{"model": "m-1", "streaming": true, "finish_reason": "length", "usage_source": "reported", "completion_tokens": 4.0, "success": true}},
	{"stream without usage", "/v1/chat/completions", `{"stream":true}`, 200, sse, chunk("a") + chunk("b") + chunk("c") + lastChunk + endChunk, nil,
		map[string]any{"usage_source": "estimated", "completion_tokens": 3.0, "prompt_tokens": nil, "success": true}},
	{"stream that ends too early", "/v1/chat/completions", `{"stream":true}`, 200, sse, chunk("a") + chunk("b"), nil,
		map[string]any{"usage_source": "estimated", "completion_tokens": 2.0, "success": false, "error_type": "stream_aborted", "finish_reason": nil}},
	{"usage in each chunk, then cut", "/v1/chat/completions", `{"stream":true}`, 200, sse,
		`data: {"model":"m-1","choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":9,"completion_tokens":5}}` + "\n\n" + chunk("b"), nil,
		map[string]any{"usage_source": "estimated", "prompt_tokens": 9.0, "completion_tokens": 6.0, "success": false}},
	{"error within a stream", "/v1/chat/completions", `{"stream":true}`, 200, sse, chunk("a") + `data: {"error":{"message":"secret","type":"server_error","code":500}}` + "\n\n" + endChunk, nil,
		map[string]any{"success": false, "error_type": "server_error"}},
	{"tools and reasoning", "/v1/chat/completions", `{"stream":true}`, 200, sse,
		`data: {"choices":[{"delta":{"reasoning_content":"hm"}}]}` + "\n\n" + `data: {"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"{\"a"}}]}}]}` + "\n\n" +
			`data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}` + "\n\n" + endChunk, nil,
		map[string]any{"completion_tokens": 2.0, "finish_reason": "tool_calls"}},
	{"completion", "/v1/completions", `{"model":"m","stream":true}`, 200, sse, `data: {"model":"m","choices":[{"text":"a","finish_reason":null}]}` + "\n\n" + endChunk, nil,
		map[string]any{"operation": "completion", "completion_tokens": 1.0, "usage_source": "estimated"}},
	{"response", "/v1/responses", `{"model":"m"}`, 200, "application/json",
		`{"object":"response","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"model":"m-2","output":[{"type":"message","content":[{"type":"output_text","text":"secret"}]}],"usage":{"input_tokens":5,"input_tokens_details":{"cached_tokens":2},"output_tokens":3,"output_tokens_details":{"reasoning_tokens":1},"total_tokens":8}}`, nil,
		map[string]any{"operation": "response", "model": "m-2", "prompt_tokens": 5.0, "completion_tokens": 3.0, "cached_tokens": 2.0, "reasoning_tokens": 1.0, "finish_reason": "length", "success": true}},
	{"response stream with a long last event", "/v1/responses", `{"stream":true}`, 200, sse,
		"event: response.created\ndata: " + `{"type":"response.created","response":{"model":"m-2","status":"in_progress","usage":null}}` + "\n\n" +
			`data: {"type":"response.output_text.delta","delta":"sec"}` + "\n\n" + `data: {"type":"response.output_text.done","text":"secret"}` + "\n\n" +
			`data: {"type":"response.completed","response":{"status":"completed","model":"m-2","output":"` + strings.Repeat("secret ", 5000) + `","usage":{"input_tokens":5,"output_tokens":3000}}}` + "\n\n", nil,
		map[string]any{"model": "m-2", "prompt_tokens": 5.0, "completion_tokens": 3000.0, "usage_source": "reported", "finish_reason": "stop", "success": true}},
	{"messages", "/v1/messages", `{"model":"c","metadata":{"user_id":"u-9"}}`, 200, "application/json",
		`{"type":"message","model":"c-1","content":[{"type":"text","text":"secret"}],"stop_reason":"end_turn","usage":{"input_tokens":5,"cache_creation_input_tokens":2,"cache_creation":{"ephemeral_5m_input_tokens":1,"ephemeral_1h_input_tokens":1},"cache_read_input_tokens":3,"output_tokens":7}}`, nil,
		map[string]any{"cache_creation_tokens": 2.0, "cache_creation_1h_tokens": 1.0, "operation": "chat", "user_id": "u-9", "prompt_tokens": 10.0, "cached_tokens": 3.0, "completion_tokens": 7.0, "finish_reason": "stop"}},
	{"messages stream", "/v1/messages", `{"stream":true}`, 200, sse,
		"event: message_start\ndata: " + `{"type":"message_start","message":{"model":"c-1","usage":{"input_tokens":5,"output_tokens":1}}}` + "\n\n" +
			`data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"sec"}}` + "\n\n" +
			`data: {"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":7}}` + "\n\n" + `data: {"type":"message_stop"}` + "\n\n", nil,
		map[string]any{"model": "c-1", "prompt_tokens": 5.0, "completion_tokens": 7.0, "finish_reason": "length", "usage_source": "reported", "success": true}},
	{"audio", "/v1/chat/completions", `{"model":"a"}`, 200, "application/json", `{"model":"a-1","choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":8,"prompt_tokens_details":{"audio_tokens":4},"completion_tokens_details":{"audio_tokens":6}}}`, nil,
		map[string]any{"prompt_tokens": 9.0, "prompt_audio_tokens": 4.0, "completion_audio_tokens": 6.0, "cache_creation_tokens": nil}},
	{"embeddings", "/v1/embeddings", `{"model":"e"}`, 200, "application/json", `{"data":[{"embedding":[0.1,-2e-3]}],"model":"e-1","usage":{"prompt_tokens":6,"total_tokens":6}}`, nil,
		map[string]any{"operation": "embedding", "prompt_tokens": 6.0, "completion_tokens": nil, "model": "e-1", "success": true}},
	{"rerank", "/v2/rerank", `{"model":"r"}`, 200, "application/json", `{"results":[{"index":0,"relevance_score":0.5}],"usage":{"total_tokens":12}}`, nil,
		map[string]any{"operation": "rerank", "prompt_tokens": 12.0, "model": "r"}},
	{"rate limit", "/v1/chat/completions", `{"model":"m"}`, 429, "application/json", `{"error":{"message":"slow down","type":"rate_limit"}}`, nil,
		map[string]any{"success": false, "status_code": 429.0, "error_type": "rate_limit", "usage_source": "none", "model": "m"}},
	{"vLLM's error", "/v1/chat/completions", `{"model":"m"}`, 400, "application/json", `{"object":"error","message":"too long","type":"BadRequestError","code":400}`, nil,
		map[string]any{"success": false, "error_type": "BadRequestError"}},
	{"page of a proxy", "/v1/chat/completions", `{"model":"m"}`, 502, "text/html", `<html>`, nil,
		map[string]any{"success": false, "error_type": "http_502", "usage_source": "none"}},
	{"nonsense tokens", "/v1/chat/completions", `{"model":"m"}`, 200, "application/json", `{"usage":{"prompt_tokens":-1,"completion_tokens":"4","total_tokens":1e300}}`, nil,
		map[string]any{"usage_source": "none", "prompt_tokens": nil, "completion_tokens": nil}},
	{"headers", "/v1/chat/completions", `{"model":"m"}`, 200, "application/json", `{}`, map[string]string{"X-User-Id": "u-2", "X-Tenant-Id": "t-1", "X-Session-Id": "s-1", "X-Request-Id": "r-1"},
		map[string]any{"user_id": "u-2", "tenant": "t-1", "session_id": "s-1", "request_id": "r-1"}},
}

func (x exchange) check(t *testing.T, data map[string]any) {
	t.Helper()
	for k, v := range x.want {
		if data[k] != v {
			t.Errorf("%s: %s is %v, want %v", x.name, k, data[k], v)
		}
	}
	if b, _ := json.Marshal(data); bytes.Contains(b, []byte("secret")) {
		t.Errorf("%s: the event holds content: %s", x.name, b)
	}
	if data["duration_ms"] == nil || data["request_id"] == nil {
		t.Errorf("%s: %v", x.name, data)
	}
}

// serve answers with the exchange, in pieces.
func (x exchange) serve(piece int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", x.contentType)
		w.WriteHeader(x.status)
		for b := []byte(x.body); len(b) > 0; {
			n := min(piece, len(b))
			_, _ = w.Write(b[:n])
			b = b[n:]
		}
	}
}

func (x exchange) request(base string) *http.Request {
	r, _ := http.NewRequest(http.MethodPost, base+x.path+"?key=secret", strings.NewReader(x.ask))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer secret")
	for k, v := range x.header {
		r.Header.Set(k, v)
	}
	return r
}

func TestServerSide(t *testing.T) {
	for _, x := range exchanges {
		for _, piece := range []int{1, 3, 1 << 20} {
			in := newInbox()
			o := Observer{To: in, Source: "test"}
			w := httptest.NewRecorder()
			o.Handler(x.serve(piece)).ServeHTTP(w, x.request("http://h"))
			if w.Code != x.status || w.Body.String() != x.body {
				t.Errorf("%s: answered %d %q", x.name, w.Code, w.Body)
			}
			e, data := in.next(t)
			if e.Type != LLMRequest || e.Source != "test" || len(e.ID) != 32 || e.Time.IsZero() {
				t.Errorf("%s: %+v", x.name, e)
			}
			x.check(t, data)
		}
	}
}

func TestClientSide(t *testing.T) {
	for _, x := range exchanges {
		in := newInbox()
		server := httptest.NewServer(x.serve(5))
		client := &http.Client{Transport: (&Observer{To: in}).Transport(server.Client().Transport)}
		resp, err := client.Do(x.request(server.URL))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || string(body) != x.body {
			t.Errorf("%s: %q, %v", x.name, body, err)
		}
		_, data := in.next(t)
		x.check(t, data)
		if len(in.events) != 0 {
			t.Errorf("%s: more than one event", x.name)
		}
		server.Close()
	}
}

func TestOthersPass(t *testing.T) {
	in := newInbox()
	o := Observer{To: in}
	seen := ""
	h := o.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { seen = r.Header.Get(headerRequestID) }))
	for _, r := range []*http.Request{httptest.NewRequest("GET", "/v1/chat/completions", nil), httptest.NewRequest("POST", "/v1/audio/speech", nil), httptest.NewRequest("POST", "/v1/messages/count_tokens", nil)} {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if len(in.events) != 0 || len(seen) != 32 {
		t.Errorf("%v, request id %q", in.events, seen)
	}
}

func TestCompressedAnswer(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, chunk("a")+chunk("b")+lastChunk+`data: {"choices":[],`+usageChat+"}\n\n"+endChunk)
	_ = z.Close()
	reversed := func(r io.Reader) (io.Reader, error) {
		b, err := io.ReadAll(r)
		for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
			b[i], b[j] = b[j], b[i]
		}
		return bytes.NewReader(b), err
	}
	for _, c := range []struct {
		encoding, contentType, body, source string
		success                             bool
	}{
		{"gzip", sse, zipped.String(), "reported", true},
		{"gzip", sse, zipped.String()[:zipped.Len()/2], "estimated", false},
		{"gzip", "application/json", "no gzip", "none", true},
		{"reversed", "application/json", `}}5 :"snekot_tpmorp"{:"egasu"{`, "reported", true},
		{"unknown", "application/json", `{"usage":{"prompt_tokens":5}}`, "none", true},
		{"identity", "application/json", `{"usage":{"prompt_tokens":5}}`, "reported", true},
		{"gzip", "application/json", strings.Repeat("x", maxEncoded+1), "none", true},
	} {
		in := newInbox()
		o := Observer{To: in, Decoders: map[string]Decoder{"reversed": reversed}}
		w := httptest.NewRecorder()
		o.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", c.contentType)
			w.Header().Set("Content-Encoding", c.encoding)
			_, _ = io.WriteString(w, c.body)
		})).ServeHTTP(w, exchanges[0].request("http://h"))
		if _, data := in.next(t); data["usage_source"] != c.source || data["success"] != c.success || w.Body.String() != c.body {
			t.Errorf("%s %.20q: %v", c.encoding, c.body, data)
		}
	}
}

// A client that goes away leaves the outcome open; a server that breaks off fails.
func TestBrokenOff(t *testing.T) {
	in := newInbox()
	o := Observer{To: in}
	ctx, leave := context.WithCancel(t.Context())
	r := exchanges[1].request("http://h").WithContext(ctx)
	o.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", sse)
		_, _ = io.WriteString(w, chunk("a")+chunk("b"))
		leave()
	})).ServeHTTP(httptest.NewRecorder(), r)
	if _, data := in.next(t); data["success"] != nil || data["status_code"] != nil || data["error_type"] != nil || data["finish_reason"] != "abort" || data["completion_tokens"] != 2.0 {
		t.Errorf("left: %v", data)
	}
	func() {
		defer func() {
			if v := recover(); v != http.ErrAbortHandler {
				t.Errorf("the panic did not pass: %v", v)
			}
		}()
		o.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"choices":[`)
			panic(http.ErrAbortHandler)
		})).ServeHTTP(httptest.NewRecorder(), exchanges[0].request("http://h"))
	}()
	if _, data := in.next(t); data["success"] != false || data["error_type"] != "stream_aborted" {
		t.Errorf("broken off: %v", data)
	}
}

type refusing struct{ err error }

func (r refusing) RoundTrip(*http.Request) (*http.Response, error) { return nil, r.err }

func TestClientFailures(t *testing.T) {
	in := newInbox()
	o := Observer{To: in}
	if _, err := o.Transport(refusing{errors.New("no route")}).RoundTrip(exchanges[0].request("http://h")); err == nil {
		t.Error("no error")
	}
	if _, data := in.next(t); data["error_type"] != "connection" || data["success"] != false {
		t.Errorf("%v", data)
	}
	server := httptest.NewServer(exchanges[1].serve(1 << 20))
	defer server.Close()
	client := &http.Client{Transport: o.Transport(server.Client().Transport)}
	for read, finish := range map[int]any{10: "abort", len(exchanges[1].body): "length"} { // closed in the middle, and after the last byte but before EOF
		resp, err := client.Do(exchanges[1].request(server.URL))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.ReadFull(resp.Body, make([]byte, read))
		_ = resp.Body.Close()
		if _, data := in.next(t); data["finish_reason"] != finish {
			t.Errorf("closed after %d bytes: %v", read, data)
		}
	}
}

var epoch = time.Unix(1_750_000_000, 0)

// The id of an event is that of its call: the same request id at another time is another call.
func TestEventID(t *testing.T) {
	r := exchanges[0].request("http://h")
	r.Header.Set(headerRequestID, "r")
	a, b := newCall(epoch, opChat, r), newCall(epoch.Add(1), opChat, r)
	if a.event(Request{}).ID == b.event(Request{}).ID || a.event(Request{}).ID != newCall(epoch, opChat, r).event(Request{}).ID {
		t.Error("ids do not follow from request id and beginning")
	}
}

func TestContentIsCountedWithoutAllocating(t *testing.T) {
	c := newCall(epoch, opChat, exchanges[1].request("http://h"))
	c.answers(200, http.Header{"Content-Type": {sse}})
	c.says(epoch, []byte(chunk("a")))
	piece := []byte(chunk("word"))
	if n := testing.AllocsPerRun(100, func() { c.says(epoch, piece) }); n != 0 {
		t.Errorf("%v allocations for a chunk", n)
	}
	half := len(piece) / 2
	if n := testing.AllocsPerRun(100, func() { c.says(epoch, piece[:half]); c.says(epoch, piece[half:]) }); n > 1 {
		t.Errorf("%v allocations for a chunk in two pieces", n)
	}
}

func BenchmarkContentChunk(b *testing.B) {
	c := newCall(epoch, opChat, exchanges[1].request("http://h"))
	c.answers(200, http.Header{"Content-Type": {sse}})
	piece := []byte(chunk("word"))
	b.SetBytes(int64(len(piece)))
	for b.Loop() {
		c.says(epoch, piece)
	}
}

// flushNoter tells what happens within a flush.
type flushNoter struct {
	http.ResponseWriter
	flush func()
}

func (f *flushNoter) Flush() { f.flush() }

// A piece is read when the client has it: what the reading takes is not added to the stream. Its time is that of the write.
func TestPiecesAreHeardAfterTheirFlush(t *testing.T) {
	c := newCall(time.Now(), opChat, httptest.NewRequest(http.MethodPost, "/v1/chat/completions", nil))
	var atFlush int64
	a := &answer{ResponseWriter: &flushNoter{httptest.NewRecorder(), func() { atFlush = c.chunks }}, call: c}
	a.Header().Set("Content-Type", sse)
	write := func(text string) {
		if _, err := io.WriteString(a, text); err != nil {
			t.Fatal(err)
		}
	}
	write(chunk("a"))
	written := a.written
	a.Flush()
	if atFlush != 0 || c.chunks != 1 || !c.first.Equal(written) {
		t.Errorf("%d chunks heard at the flush, %d after it, the first at %v instead of %v", atFlush, c.chunks, c.first, written)
	}
	write(chunk("b"))
	write(chunk("c"))
	if a.hear(); c.chunks != 3 {
		t.Errorf("%d of 3 chunks heard without a flush", c.chunks)
	}
	if write(chunk(strings.Repeat("x", maxUnheard))); c.chunks != 4 || len(a.unheard) != 0 {
		t.Errorf("%d of 4 chunks heard, %d bytes kept of a long one", c.chunks, len(a.unheard))
	}
}
