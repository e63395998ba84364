package ingest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// caller calls OTLP over gRPC as a client does, by hand.
type caller struct {
	t    *testing.T
	url  string
	http *http.Client
}

func (f *fixture) calls(t *testing.T, guards ...httpx.Guard) *caller {
	m := httpx.NewMux(f.api.log, nil)
	for _, g := range guards {
		m.Protect(g)
	}
	f.api.MountOTLP(m)
	srv := httptest.NewUnstartedServer(m)
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	t.Cleanup(srv.Close)
	clear := new(http.Protocols)
	clear.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: clear}
	t.Cleanup(transport.CloseIdleConnections)
	return &caller{t, srv.URL, &http.Client{Transport: transport, Timeout: 20 * time.Second}}
}

const traceExport = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

func grpcFrame(flag byte, message []byte) []byte {
	out := binary.BigEndian.AppendUint32([]byte{flag}, uint32(len(message)))
	return append(out, message...)
}

// call returns the status, wherever it stands, and the message.
func (c *caller) call(path string, body []byte, header ...string) (status string, h http.Header, message []byte) {
	c.t.Helper()
	req, err := http.NewRequest("POST", c.url+path, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	message, err = io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.ProtoMajor != 2 {
		return resp.Status, resp.Header, message
	}
	if s := resp.Header.Get("Grpc-Status"); s != "" {
		return s, resp.Header, message
	}
	return resp.Trailer.Get("Grpc-Status"), resp.Trailer, message
}

// spanMessage is an export request with one span of a chat, and one that is none.
func spanMessage() []byte {
	var b []byte
	field := func(n byte, inner []byte) []byte {
		return append([]byte{n<<3 | 2, byte(len(inner))}, inner...)
	}
	time := func(n byte, nanos uint64) []byte { return binary.LittleEndian.AppendUint64([]byte{n<<3 | 1}, nanos) }
	attr := field(9, append(field(1, []byte("gen_ai.request.model")), field(2, field(1, []byte("m")))...))
	chat := bytes.Join([][]byte{field(1, []byte("0123456789abcdef")), field(2, []byte("01234567")), time(7, 1748772000e9), time(8, 1748772001e9), attr}, nil)
	b = append(field(2, chat), field(2, field(5, []byte("GET /")))...)
	return field(1, field(2, b))
}

func TestGRPC(t *testing.T) {
	f := start(t, Defaults())
	c := f.calls(t)
	status, _, message := c.call(traceExport, grpcFrame(0, spanMessage()), "Grpc-Timeout", "10S")
	if status != "0" || len(message) < framePrefix || message[0] != 0 || int(binary.BigEndian.Uint32(message[1:])) != len(message)-framePrefix {
		t.Fatalf("status %q, message %q", status, message)
	}
	if !bytes.Contains(message, []byte("1 spans are no LLM calls")) {
		t.Errorf("no partial success: %q", message)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(spanMessage())
	_ = z.Close()
	if status, _, _ := c.call(traceExport, grpcFrame(1, packed.Bytes()), "Grpc-Encoding", "gzip"); status != "0" {
		t.Errorf("gzip: status %q", status)
	}
	if n := len(f.all("llm-requests")); n != 1 {
		t.Errorf("%d records of one span that came twice", n)
	}
	for name, path := range map[string]string{"metrics": "metrics.v1.MetricsService", "logs": "logs.v1.LogsService"} {
		if status, _, message := c.call("/opentelemetry.proto.collector."+path+"/Export", grpcFrame(0, nil)); status != "0" || len(message) != framePrefix {
			t.Errorf("%s: status %q, message %q", name, status, message)
		}
	}
}

func TestGRPCRefusals(t *testing.T) {
	cfg := Defaults()
	cfg.MaxBodyBytes, cfg.MaxUnpackedBytes = 4096, 8192
	f := start(t, cfg)
	c := f.calls(t)
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 1<<20))
	_ = z.Close()
	for _, r := range []struct {
		name   string
		body   []byte
		header []string
		status string
	}{
		{"no message", nil, nil, "3"},
		{"half a message", grpcFrame(0, spanMessage())[:20], nil, "3"},
		{"not protobuf", grpcFrame(0, []byte{0xff, 0xff}), nil, "3"},
		{"a message over the limit", grpcFrame(0, make([]byte, 5000)), nil, "8"},
		{"a bomb", grpcFrame(1, bomb.Bytes()), []string{"Grpc-Encoding", "gzip"}, "8"},
		{"packed without saying how", grpcFrame(1, spanMessage()), nil, "3"},
		{"packed in another way", grpcFrame(1, spanMessage()), []string{"Grpc-Encoding", "br"}, "12"},
		{"an unknown flag", grpcFrame(7, spanMessage()), nil, "3"},
		{"no deadline", grpcFrame(0, spanMessage()), []string{"Grpc-Timeout", "soon"}, "3"},
		{"another content", grpcFrame(0, spanMessage()), []string{"Content-Type", "application/json"}, "415 Unsupported Media Type"},
	} {
		status, h, _ := c.call(traceExport, r.body, r.header...)
		if status != r.status {
			t.Errorf("%s: status %q (%s), want %q", r.name, status, h.Get("Grpc-Message"), r.status)
		}
		if len(r.status) < 3 && h.Get("Grpc-Message") == "" {
			t.Errorf("%s: no message", r.name)
		}
	}
	if status, _, _ := c.call("/opentelemetry.proto.collector.profiles.v1.ProfilesService/Export", grpcFrame(0, nil)); !strings.HasPrefix(status, "404") {
		t.Errorf("a service that is not there: %s", status)
	}
	f.api.Overfull = func() (bool, string) { return true, "the disk is full %" }
	status, h, _ := c.call(traceExport, grpcFrame(0, spanMessage()))
	if details, err := base64.RawStdEncoding.DecodeString(h.Get("Grpc-Status-Details-Bin")); status != "14" || err != nil || !bytes.Contains(details, []byte("google.rpc.RetryInfo")) {
		t.Errorf("overfull: status %q, details %q %v", status, details, err)
	}
	if got := h.Get("Grpc-Message"); !strings.Contains(got, "full %25") {
		t.Errorf("message %q", got)
	}
	if n := len(f.all("llm-requests")); n != 0 {
		t.Errorf("%d records of refused calls", n)
	}
}

// TestOTLPListenerSpeaksHTTPToo: who mistakes one port for the other is understood.
func TestOTLPListenerSpeaksHTTPToo(t *testing.T) {
	c := start(t, Defaults()).calls(t)
	resp, err := http.Post(c.url+"/v1/traces", "application/x-protobuf", bytes.NewReader(spanMessage()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 || resp.ProtoMajor != 1 {
		t.Errorf("%s over %s", resp.Status, resp.Proto)
	}
}
