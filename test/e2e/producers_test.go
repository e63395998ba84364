package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestRealOpenTelemetry: spans and a gauge of the OpenTelemetry SDK are counted once, over HTTP and over gRPC.
func TestRealOpenTelemetry(t *testing.T) {
	python := need(t, "HXP_REAL_OTEL", "the OpenTelemetry SDK")
	h := prepare(t, "127.0.0.1:0")
	h.env = append(h.env, "HXP_OTLP_GRPC_LISTEN=127.0.0.1:0", "HXP_OTLP_HTTP_LISTEN=127.0.0.1:0")
	h.up(t)
	const n = 200
	for i, way := range []string{"http", "grpc"} {
		model := "otel-" + way
		tool(t, "", python, "testdata/otel_sdk.py", way, h.url("otlp-"+way), model, strconv.Itoa(n), strconv.FormatInt(someHour.UnixNano(), 10))
		want := totals{requests: n, errors: n / 10, prompt: n*100 + n*(n-1)/2, completion: n * 10, avg: new(250.0)}
		eventually(t, 30*time.Second, model+" is counted", func() bool {
			_, models := h.window(t, someHour)
			return models[model].requests == n
		})
		if _, models := h.window(t, someHour); !models[model].equal(want) {
			t.Errorf("%s: %+v, want %+v", model, models[model], want)
		}
		h.sampled(t, int64(i+1))
	}
}

// TestRealLiteLLM: the calls of a LiteLLM proxy, successes and failures, come by its generic API callback. The proxy empties its
// queue after each POST, with what came meanwhile (docs/producers/litellm.md); so that nothing can come meanwhile, it sends each
// call by itself, and the next call waits until that is answered and counted.
func TestRealLiteLLM(t *testing.T) {
	python := need(t, "HXP_REAL_LITELLM", "LiteLLM")
	h := start(t, "127.0.0.1:0")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	proxy := exec.Command(filepath.Join(filepath.Dir(python), "litellm"), "--config", "testdata/litellm.yaml", "--host", "127.0.0.1", "--port", strconv.Itoa(port))
	proxy.Env = append(os.Environ(), "HXP_INGEST_URL="+h.url("kafka-api")+"/ingest/litellm", "LITELLM_LOCAL_MODEL_COST_MAP=True", "DEFAULT_BATCH_SIZE=1", "DEFAULT_FLUSH_INTERVAL_SECONDS=3600", "NO_PROXY=127.0.0.1")
	var log bytes.Buffer
	proxy.Stdout, proxy.Stderr, proxy.WaitDelay = &log, &log, 10*time.Second
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		_ = proxy.Process.Signal(os.Interrupt)
		_ = proxy.Wait()
	})
	t.Cleanup(func() {
		if stop(); t.Failed() {
			t.Logf("log of LiteLLM (its end):\n%s", log.Bytes()[max(0, log.Len()-6000):])
		}
	})
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	eventually(t, 2*time.Minute, "the proxy answers", func() bool {
		resp, err := http.Get(base + "/health/liveliness")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	began := time.Now().Add(-30 * time.Minute).Truncate(time.Second)
	chat := func(model string) int {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, "POST", base+"/v1/chat/completions", strings.NewReader(`{"model":"`+model+`","user":"u-1","messages":[{"role":"user","content":"the secret question"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer sk-test")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	const good, bad = 20, 3
	var all totals
	for n := range int64(good + bad) {
		if n < good {
			if code := chat("mock"); code != http.StatusOK {
				t.Fatalf("the mock answers %d", code)
			}
		} else if code := chat("mock-limited"); code != http.StatusTooManyRequests {
			t.Fatalf("the limited mock answers %d", code)
		}
		eventually(t, time.Minute, fmt.Sprintf("call %d is counted", n+1), func() bool {
			all, _ = h.window(t, began)
			return all.requests > n && h.metric(t, "kafka-api", `hxp_http_requests_total{code="202",method="POST",route="/ingest/litellm"}`) == fmt.Sprint(n+1)
		})
	}
	if all.requests != good+bad || all.errors != bad || all.prompt == 0 || all.completion == 0 {
		t.Errorf("counted %v of %d good and %d bad calls", all, good, bad)
	}
	if letters := h.deadLetters(t); len(letters) > 0 {
		t.Errorf("dead letters: %v", letters)
	}
	res, page, err := call("GET", h.url("kafka-api")+"/topics/llm-requests/messages?limit=100", nil, nil)
	if err == nil && res.StatusCode == http.StatusOK && bytes.Contains(page, []byte("secret question")) {
		t.Error("a prompt is stored")
	}
}
