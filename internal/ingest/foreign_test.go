package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/hxp-enterprise/hxp/internal/event"
)

func testdata(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("format/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// raw posts and gives the answer as it came.
func (f *fixture) raw(path, contentType string, body []byte) (int, http.Header, []byte) {
	f.tb.Helper()
	resp, err := http.Post(f.url+path, contentType, bytes.NewReader(body))
	if err != nil {
		f.tb.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		f.tb.Fatal(err)
	}
	return resp.StatusCode, resp.Header, b
}

func TestForeignFormats(t *testing.T) {
	f := start(t, Defaults())
	for _, c := range []struct {
		path, file                   string
		status                       int
		accepted, rejected, requests int
	}{
		{"/ingest/litellm", "litellm.json", 207, 4, 4, 4},
		{"/ingest/openai", "openai.json", 207, 8, 3, 8},
		{"/ingest/langfuse", "langfuse.json", 202, 4, 0, 2},
	} {
		body := testdata(t, c.file)
		before := len(f.all("llm-requests"))
		r := f.post(c.path, "application/json", body)
		if r.Status != c.status || r.Accepted != c.accepted || r.Rejected != c.rejected || len(r.Results) != c.accepted {
			t.Errorf("%s: %d %s", c.path, r.Status, r.Body)
		}
		if n := len(f.all("llm-requests")) - before; n != c.requests {
			t.Errorf("%s: %d requests, want %d", c.path, n, c.requests)
		}
		again := f.post(c.path, "application/x-ndjson", body)
		if anonymous := again.Accepted; again.Rejected != c.rejected || anonymous > 1 || again.Duplicates+anonymous != c.accepted {
			t.Errorf("%s again: %d %s", c.path, again.Status, again.Body)
		}
		if r := f.post(c.path, "application/x-www-form-urlencoded", body); r.Status != 415 || !strings.Contains(r.Body, "curl: add -H 'Content-Type: application/json'") {
			t.Errorf("%s: who sends with curl -d is told %s", c.path, r.Body)
		}
		if r := f.post(c.path, "text/plain", body); r.Status != 415 {
			t.Errorf("%s as text: %d", c.path, r.Status)
		}
		if r := f.post(c.path, "application/json", []byte("{")); r.Status != 400 {
			t.Errorf("%s torn: %d", c.path, r.Status)
		}
		if r := f.post(c.path, "application/json", []byte(`{"hello":"world"}`)); r.Status != 422 {
			t.Errorf("%s of nothing: %d %s", c.path, r.Status, r.Body)
		}
	}
	for _, m := range append(f.all("llm-requests"), f.all(event.TopicDeadLetters)...) {
		if bytes.Contains(m.Value, []byte("SECRET")) {
			t.Errorf("content is stored: %s", m.Value)
		}
	}
}

func TestOTLPAnswers(t *testing.T) {
	f := start(t, Defaults())
	body := testdata(t, "traces.json")
	status, h, answer := f.raw("/v1/traces", "application/json", body)
	var partial struct {
		PartialSuccess struct {
			RejectedSpans string
			ErrorMessage  string
		}
	}
	if err := json.Unmarshal(answer, &partial); err != nil || status != 200 || h.Get("Content-Type") != typeJSON {
		t.Fatalf("%d %s %v", status, answer, err)
	}
	// Four are no requests, three are faulty.
	if p := partial.PartialSuccess; p.RejectedSpans != "7" || !strings.Contains(p.ErrorMessage, "spans are no LLM calls") || !strings.Contains(p.ErrorMessage, "3 rejected and kept") {
		t.Errorf("%+v", p)
	}
	if n := len(f.all(event.TopicDeadLetters)); n != 3 {
		t.Errorf("%d dead letters", n)
	}
	n := len(f.all("llm-requests"))
	if f.raw("/v1/traces", "application/json", body); len(f.all("llm-requests")) != n {
		t.Error("a retry counts again")
	}
	if _, _, answer := f.raw("/v1/metrics", "application/json", []byte(`{"resourceMetrics":[]}`)); string(answer) != "{}" {
		t.Errorf("full success: %s", answer)
	}
	// One span, one attribute, in protobuf: no LLM call.
	tag := func(n protowire.Number, b []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), b)
	}
	span := append(tag(5, []byte("GET /")), tag(2, []byte("12345678"))...)
	status, h, answer = f.raw("/v1/traces", "application/x-protobuf", tag(1, tag(2, tag(2, span))))
	want := []byte{1 << 3, 1, 2<<3 | 2}
	if status != 200 || h.Get("Content-Type") != typeProtobuf || len(answer) < 5 || answer[0] != 1<<3|2 || !bytes.Equal(answer[2:5], want) {
		t.Errorf("%d %s %q", status, h.Get("Content-Type"), answer)
	}
	if status, _, answer := f.raw("/v1/logs", "application/x-protobuf", nil); status != 200 || len(answer) != 0 {
		t.Errorf("an empty request: %d %q", status, answer)
	}
}

func TestOTLPRefusals(t *testing.T) {
	f := start(t, Defaults())
	for _, c := range []struct {
		contentType, body string
		status            int
		answerType        string
	}{
		{"application/json", "{", 400, typeJSON},
		{"application/x-protobuf", "\xff\xff", 400, typeProtobuf},
		{"text/plain", "x", 415, typeJSON},
		{"", "x", 415, typeJSON},
	} {
		status, h, answer := f.raw("/v1/traces", c.contentType, []byte(c.body))
		if status != c.status || h.Get("Content-Type") != c.answerType || len(answer) == 0 {
			t.Errorf("%s %q: %d %s %q", c.contentType, c.body, status, h.Get("Content-Type"), answer)
			continue
		}
		if c.answerType == typeProtobuf { // google.rpc.Status: code 3, then the message
			if answer[0] != 1<<3 || answer[1] != rpcInvalidArgument || answer[2] != 2<<3|2 {
				t.Errorf("status %q", answer)
			}
			continue
		}
		var rpc struct {
			Code    int
			Message string
		}
		if err := json.Unmarshal(answer, &rpc); err != nil || rpc.Code != rpcInvalidArgument || rpc.Message == "" {
			t.Errorf("%s: %v", answer, err)
		}
	}
	cfg := Defaults()
	cfg.MaxItems = 3
	small := start(t, cfg)
	if status, _, answer := small.raw("/v1/traces", "application/json", testdata(t, "traces.json")); status != 413 || !strings.Contains(string(answer), "several bodies") {
		t.Errorf("too many: %d %s", status, answer)
	}
	if n := len(small.all("llm-requests")); n != 0 {
		t.Errorf("%d records of a body that took nothing", n)
	}
}

// seriesBody is a request with one data point of n series.
func seriesBody(n int) []byte {
	var points []string
	for i := range n {
		points = append(points, fmt.Sprintf(`{"timeUnixNano":"1748772060000000000","asDouble":%d,"attributes":[{"key":"pod","value":{"stringValue":"p-%d"}}]}`, i, i))
	}
	return []byte(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"container.cpu.usage","gauge":{"dataPoints":[` + strings.Join(points, ",") + `]}}]}]}]}`)
}

func TestThousandsOfSeries(t *testing.T) {
	cfg := Defaults()
	cfg.MaxItems = 3000
	f := start(t, cfg)
	if status, _, answer := f.raw("/v1/metrics", "application/json", seriesBody(3000)); status != 200 || string(answer) != "{}" {
		t.Errorf("3,000 series: %d %.200s", status, answer)
	}
	if n := len(f.all("system-metrics")); n != 3000 {
		t.Errorf("%d records of 3,000 series", n)
	}
	if status, _, answer := f.raw("/v1/metrics", "application/json", seriesBody(3001)); status != 413 {
		t.Errorf("one more: %d %.200s", status, answer)
	}
}

// TestManySmallItemsAreCharged: what a small body becomes in memory counts as under way.
func TestManySmallItemsAreCharged(t *testing.T) {
	cfg := Defaults()
	cfg.MaxInFlightBytes = 1 << 20
	f := start(t, cfg)
	small := bytes.Repeat([]byte(`{"event_type":"llm_request"}`+"\n"), 3000)
	r := f.post("/events", "application/x-ndjson", small)
	if r.Status != 429 || r.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	if used := f.api.gate.used.Load(); used != 0 {
		t.Errorf("%d bytes were not given back", used)
	}
}
