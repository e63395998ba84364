package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/prom/promtest"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

const (
	proto1 = "application/x-protobuf"
	proto2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
)

// writes posts a remote write and returns status, what the headers say is written, and the body.
func (f *fixture) writes(media string, packed []byte, header ...string) (status int, written, body string) {
	f.tb.Helper()
	req, err := http.NewRequest("POST", f.url+"/ingest/prometheus", bytes.NewReader(packed))
	if err != nil {
		f.tb.Fatal(err)
	}
	req.Header.Set("Content-Type", media)
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("X-Prometheus-Remote-Write-Version", "2.0.0")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.tb.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		f.tb.Fatal(err)
	}
	h := resp.Header
	return resp.StatusCode, h.Get("X-Prometheus-Remote-Write-Samples-Written") + " " + h.Get("X-Prometheus-Remote-Write-Histograms-Written") + " " + h.Get("X-Prometheus-Remote-Write-Exemplars-Written"), string(b)
}

func gauge(millis int64, v float64, labels ...string) promtest.Series {
	return promtest.Series{Labels: labels, Values: []float64{v}, Millis: []int64{millis}, Type: 2}
}

// reading is what Prometheus sends of one vLLM.
func reading(millis int64, n float64) []promtest.Series {
	return []promtest.Series{
		gauge(millis, 7, "__name__", "vllm:num_requests_running", "instance", "h:8000", "job", "vllm", "model_name", "m"),
		{Labels: []string{"__name__", "vllm:generation_tokens_total", "instance", "h:8000", "job", "vllm", "model_name", "m"}, Values: []float64{n}, Millis: []int64{millis}, Type: 1},
	}
}

func TestRemoteWrite(t *testing.T) {
	f := start(t, Defaults())
	at := time.Now().UnixMilli() - 60_000
	for i, c := range []struct {
		media string
		body  []byte
	}{
		{proto1, promtest.Version1(reading(at, 100), nil)}, {proto2, promtest.Version2(reading(at+1000, 200))},
		{"application/x-protobuf; proto=prometheus.WriteRequest", promtest.Version1(reading(at+2000, 300), nil)}, {proto2, promtest.Version2(reading(at+2000, 300))}, // that one again
	} {
		if status, written, body := f.writes(c.media, s2.EncodeSnappy(nil, c.body)); status != 204 || written != "2 0 0" || body != "" {
			t.Errorf("%d: %d %q %s", i, status, written, body)
		}
	}
	got := map[string]float64{}
	list := f.all(event.SystemMetric.Topic())
	for _, m := range list {
		var v struct {
			Timestamp string
			Source    string
			Data      map[string]any
		}
		if err := json.Unmarshal(m.Value, &v); err != nil {
			t.Fatal(err)
		}
		if v.Source != "prometheus/vllm" || v.Data["host"] != "h" || v.Data["model"] != "m" || v.Data["requests_running"] != 7. {
			t.Errorf("%s", m.Value)
		}
		got[v.Timestamp], _ = v.Data["generation_tokens_per_second"].(float64)
	}
	if len(list) != 3 || got[event.FormatTime(at*1000)] != 0 || got[event.FormatTime((at+2000)*1000)] != 100 {
		t.Errorf("%d events: %v", len(list), got)
	}
}

func TestRemoteWriteAnswers(t *testing.T) {
	f := start(t, Config{MaxBodyBytes: 50_000, MaxUnpackedBytes: 100_000, MaxItems: 100, MaxInFlightBytes: 1 << 20, FilterBytes: 1 << 20, MaxFuture: time.Minute, Timeout: 10 * time.Second})
	at := time.Now().UnixMilli()
	good := promtest.Version2(reading(at, 1))
	bomb := s2.EncodeSnappy(nil, make([]byte, 110_000))
	liar := append([]byte{0xff, 0xff, 0xff, 0xff, 0x0f}, 0x00, 'x') // says that it is 4 GiB
	half := promtest.Version2(append(reading(at, 1), gauge(at, 1, "__name__", "x", "a", "1", "a", "2"), gauge(at, 1, "__name__", "x", "a", "1", "a", "2")))
	future := promtest.Version2(append(reading(at, 1), gauge(at+3600_000, 1, "__name__", "later"), gauge(at+3600_000, 1, "__name__", "too")))
	for _, c := range []struct {
		name, media string
		body        []byte
		header      []string
		status      int
		written     string
		says        string
	}{
		{"another type", "application/json", s2.EncodeSnappy(nil, good), nil, 415, "0 0 0", "application/x-protobuf, with proto="},
		{"another message", "application/x-protobuf;proto=some.Message", s2.EncodeSnappy(nil, good), nil, 415, "0 0 0", ""},
		{"another encoding", proto2, good, []string{"Content-Encoding", "br"}, 415, "0 0 0", "use gzip, zstd, snappy or none"},
		{"not packed", proto2, good, nil, 400, "0 0 0", "not one valid block of snappy"},
		{"cut", proto2, s2.EncodeSnappy(nil, good)[:40], nil, 400, "0 0 0", "not one valid block of snappy"},
		{"not protobuf", proto2, s2.EncodeSnappy(nil, []byte("not protobuf")), nil, 400, "0 0 0", "not the protobuf message"},
		{"version 1 said, 2 sent", proto1, s2.EncodeSnappy(nil, good), nil, 204, "0 0 0", ""}, // no field of the one is a field of the other
		{"too large unpacked", proto2, bomb, nil, 413, "0 0 0", "larger than"},
		{"a lie about the size", proto2, liar, nil, 413, "0 0 0", "larger than"},
		{"nothing", proto2, s2.EncodeSnappy(nil, nil), nil, 204, "0 0 0", ""},
		{"half of it wrong", proto2, s2.EncodeSnappy(nil, half), nil, 400, "2 0 0", `2 of 4 samples are wrong, the others are written; the first: label \"a\" stands twice`},
		{"from the future", proto2, s2.EncodeSnappy(nil, future), nil, 400, "2 0 0", "1 events are rejected and kept in the dead letters"},
		{"gzip", proto2, packGzip(good), []string{"Content-Encoding", "gzip"}, 204, "2 0 0", ""},
	} {
		status, written, body := f.writes(c.media, c.body, c.header...)
		if status != c.status || written != c.written || !strings.Contains(strings.ReplaceAll(body, `\\\"`, `\"`), c.says) {
			t.Errorf("%s: %d %q %s", c.name, status, written, body)
		}
	}
	if n := len(f.all(event.TopicDeadLetters)); n != 1 {
		t.Errorf("%d dead letters", n)
	}
}

func packGzip(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b) // into memory
	_ = z.Close()
	return out.Bytes()
}

// TestRemoteWriteFails: when the brokers do not write, the answer asks for the same again, and then the rates are there.
func TestRemoteWriteFails(t *testing.T) {
	s := &slowSender{gate: make(chan error, 10)}
	api := newAPI(Defaults(), s, nil, nil)
	f := serve(t, api, nil)
	at := time.Now().UnixMilli() - 60_000
	send := func(n int, outcome error) (int, string) {
		s.gate <- outcome
		status, written, _ := f.writes(proto2, s2.EncodeSnappy(nil, promtest.Version2(reading(at+int64(n)*1000, float64(n)*10))))
		return status, written
	}
	send(1, nil)
	if status, written := send(2, errors.New("no such luck")); status < 500 || written != "0 0 0" {
		t.Errorf("%d %q", status, written)
	}
	if status, written := send(2, nil); status != 204 || written != "2 0 0" {
		t.Errorf("%d %q", status, written)
	}
	w, err := api.RemoteWrite.Decode(promtest.Version2(reading(at+3000, 30)), true, 0)
	if err != nil {
		t.Fatal(err)
	}
	if e := w.Events()[0]; len(e.Metrics) != 1 || e.Metrics[0].Value != 10 {
		t.Errorf("%s", event.AppendJSON(nil, &e))
	}
}

// FuzzSnappy: whatever a body says of its size, the memory that it gets was asked for, and is given back.
func FuzzSnappy(f *testing.F) {
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0})
	f.Add(s2.EncodeSnappy(nil, bytes.Repeat([]byte("hxp "), 1000)))
	f.Add(s2.Encode(nil, make([]byte, 100_000)))
	f.Fuzz(func(t *testing.T, packed []byte) {
		var g gate
		g.limit.Store(1 << 20)
		b := &body{gate: &g, taken: int64(cap(packed)), bytes: bytes.Clone(packed)}
		if !g.take(b.taken) {
			return
		}
		err := b.unsnap(1 << 16)
		if err == nil && (len(b.bytes) > 1<<16 || b.taken < int64(len(b.bytes))) {
			t.Errorf("%d bytes, %d taken", len(b.bytes), b.taken)
		}
		b.release()
		if g.used.Load() != 0 {
			t.Errorf("%d bytes are not given back", g.used.Load())
		}
	})
}

// gateWatch looks at the memory that counts as taken while a write is under way.
type gateWatch struct {
	gate *gate
	used int64
}

func (g *gateWatch) Send(context.Context, []*bus.Message) error {
	g.used = g.gate.used.Load()
	return nil
}

// A body of many names takes about eight times its size while it is gathered, which counts as bytes under way.
func TestRemoteWriteCountsWhatItGathers(t *testing.T) {
	out := &gateWatch{}
	api := newAPI(Defaults(), out, nil, telemetry.NewRegistry())
	out.gate = &api.gate
	f := serve(t, api, nil)
	var series []promtest.Series
	for i := range 5000 {
		series = append(series, gauge(time.Now().UnixMilli(), 1, "__name__", fmt.Sprint("m", i)))
	}
	plain := promtest.Version1(series, nil)
	if status, _, body := f.writes(proto1, s2.EncodeSnappy(nil, plain)); status != 204 {
		t.Fatalf("%d %s", status, body)
	}
	if want := 9 * int64(len(plain)); out.used < want {
		t.Errorf("%d bytes count as under way, want %d", out.used, want)
	}
	if left := api.gate.used.Load(); left != 0 {
		t.Errorf("%d bytes are still held", left)
	}
}
