package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// span is a span as a collector gets it.
type span struct {
	TraceID string `json:"traceId"`
	SpanID  string `json:"spanId"`
	Parent  string `json:"parentSpanId"`
	Name    string `json:"name"`
	Links   []struct {
		TraceID string `json:"traceId"`
	} `json:"links"`
}

// collector keeps what an OpenTelemetry collector would get, and answers as a receiver of notifications too.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	spans []span
	logs  string
	told  []string // traceparents of notifications
}

func newCollector(t *testing.T) *collector {
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		switch r.URL.Path {
		case "/v1/traces":
			c.take(t, body)
		case "/v1/logs":
			c.logs += string(body)
		default:
			c.told = append(c.told, r.Header.Get("traceparent"))
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) take(t *testing.T, body []byte) {
	var doc struct {
		ResourceSpans []struct {
			ScopeSpans []struct {
				Spans []span `json:"spans"`
			} `json:"scopeSpans"`
		} `json:"resourceSpans"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Error(err)
	}
	for _, r := range doc.ResourceSpans {
		for _, s := range r.ScopeSpans {
			c.spans = append(c.spans, s.Spans...)
		}
	}
}

// find is the span of a name whose trace and parent are these, "" for any.
func (c *collector) find(name, trace, parent string) *span {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.spans {
		if s := &c.spans[i]; s.Name == name && (trace == "" || s.TraceID == trace) && (parent == "" || s.Parent == parent) {
			return s
		}
	}
	return nil
}

// A request can be followed from the way in to the windows, and from the alert that it brought about to whoever was told.
func TestTraces(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	h := prepare(t, "127.0.0.1:0")
	h.env = append(h.env, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_EXPORTER_OTLP_HEADERS=authorization=pl4nted", "OTEL_TRACES_SAMPLER_ARG=0", "HXP_WEBHOOK_ALLOW=127.0.0.0/8")
	h.up(t)
	put := func(service, path, body string) {
		t.Helper()
		res, text, err := call("PUT", h.url(service)+path, map[string]string{"Content-Type": "application/json"}, []byte(body))
		if err != nil || res.StatusCode >= 300 {
			t.Fatalf("PUT %s: %v %s", path, err, text)
		}
	}
	put("event-processing-api", "/rules/any-error", `{"type":"sequence","steps":["event_type == \"llm_request\" && data.success == false"],"within":"10m","group_by":["model"]}`)
	put("data-streaming-api", "/notifications/config", `{"route":{"receiver":"x","group_wait":"0s"},"receivers":[{"name":"x","webhook_configs":[{"url":"`+c.URL+`/hook"}]}]}`)

	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	send := func(id, success string) {
		t.Helper()
		res, text, err := call("POST", h.url("kafka-api")+"/events", map[string]string{"Content-Type": "application/json", "traceparent": "00-" + trace + "-" + parent + "-01"},
			[]byte(`{"event_type":"llm_request","data":{"request_id":"`+id+`","model":"m","success":`+success+`}}`))
		if err != nil || res.StatusCode != http.StatusAccepted {
			t.Fatalf("%v %s", err, text)
		}
	}
	var way *span
	send("r1", "true")
	eventually(t, 30*time.Second, "the request is traced into the windows", func() bool {
		if way = c.find("POST /events", trace, parent); way == nil {
			return false
		}
		return c.find("count llm-requests", trace, way.SpanID) != nil
	})
	send("r2", "false")
	var decided *span
	eventually(t, 30*time.Second, "the alert is traced to the receiver", func() bool {
		if decided = c.find("decide any-error", "", ""); decided == nil {
			return false
		}
		return c.find("notify webhook", decided.TraceID, decided.SpanID) != nil
	})
	if len(decided.Links) != 1 || decided.Links[0].TraceID != trace {
		t.Errorf("the decision names no request: %+v", decided)
	}
	eventually(t, 30*time.Second, "log lines arrive", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return strings.Contains(c.logs, `"severityText":"INFO"`)
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.told) == 0 || !strings.HasPrefix(c.told[0], "00-"+decided.TraceID) {
		t.Errorf("the receiver was told in %q, not in trace %s", c.told, decided.TraceID)
	}
	for _, s := range c.spans {
		if strings.Contains(s.Name, "/v1/") || s.TraceID != trace && s.TraceID != decided.TraceID {
			t.Errorf("span %+v, although no trace is begun for others", s)
		}
	}
	if strings.Contains(string(h.logTail(1<<20)), "pl4nted") {
		t.Error("the log shows a secret header")
	}
}
