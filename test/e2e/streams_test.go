package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// scissors passes connections on to a service and cuts each when so many bytes have come back.
func scissors(t *testing.T, service string, bytes int64) (base string, cuts func() int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var n int
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", strings.TrimPrefix(service, "http://"))
			if err != nil {
				t.Error(err)
				_ = client.Close()
				continue
			}
			conns.Go(func() { _, _ = io.Copy(server, client); _ = server.Close() })
			conns.Go(func() {
				_, _ = io.CopyN(client, server, bytes)
				_, _ = client.Close(), server.Close()
				mu.Lock()
				defer mu.Unlock()
				n++
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); conns.Wait() })
	return "http://" + l.Addr().String(), func() int { mu.Lock(); defer mu.Unlock(); return n }
}

// follows runs a client over a line that is cut again and again, and sees that it prints every event once.
func (h *instance) follows(t *testing.T, name string, args ...string) {
	t.Helper()
	base, cuts := scissors(t, h.url("data-streaming-api"), 6000)
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "URL", base)
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }() // it follows for ever
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "hello") {
	}
	const events = 60
	model := "follow-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	var body []byte
	for i := range events {
		body = fmt.Appendf(body, `{"event_id":"%s-%d","event_type":"llm_request","timestamp":%q,"source":"e2e","data":{"model":%q,"request_id":"r-%d","success":true}}`+"\n",
			model, i, time.Now().UTC().Format(time.RFC3339Nano), model, i)
	}
	if code, _ := h.post(t, body, map[string]string{"Content-Type": "application/x-ndjson"}); code != 202 {
		t.Fatalf("the events were answered %d", code)
	}
	seen := map[string]int{}
	for len(seen) < events && lines.Scan() {
		kind, rest, _ := strings.Cut(lines.Text(), " ")
		if kind == "reset" {
			t.Errorf("%s", lines.Text())
		}
		if kind == "event" {
			_, id, _ := strings.Cut(strings.ReplaceAll(rest, " ", ""), `"event_id":"`)
			id, _, _ = strings.Cut(id, `"`)
			if seen[id]++; seen[id] > 1 {
				t.Errorf("%s came twice", id)
			}
		}
	}
	if len(seen) != events || cuts() < 3 {
		t.Errorf("%d events of %d over %d cuts; %v", len(seen), events, cuts(), lines.Err())
	}
}

// TestFollowersAreShort: the examples show how little it takes.
func TestFollowersAreShort(t *testing.T) {
	for _, name := range []string{"go/follow/main.go", "python/follow.py", "browser/follow.html"} {
		text, err := os.ReadFile("../../examples/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), "\n"); n >= 60 {
			t.Errorf("%s has %d lines", name, n)
		}
	}
}

// TestFollowers: the examples get every event once over a line that is cut again and again.
func TestFollowers(t *testing.T) {
	h := start(t, "127.0.0.1:0")
	t.Run("go", func(t *testing.T) {
		binary := filepath.Join(t.TempDir(), "follow")
		tool(t, "", "go", "build", "-o", binary, "../../examples/go/follow")
		h.follows(t, binary, "URL", "events")
	})
	t.Run("python", func(t *testing.T) {
		python, err := exec.LookPath("python3")
		if err != nil {
			t.Skip("there is no python3 here")
		}
		h.follows(t, python, "../../examples/python/follow.py", "URL", "events")
	})
}

// TestWhatHappensIsTold: a joined request and an alert are on the stream when they are in their topics.
func TestWhatHappensIsTold(t *testing.T) {
	h := start(t, "127.0.0.1:0")
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, "GET", h.url("data-streaming-api")+"/stream?topics=health,correlations,alerts", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	now, body := time.Now().UTC().Format(time.RFC3339Nano), []byte(nil)
	for i, data := range []string{`"llm_request","data":{"model":"told","request_id":"told-1","success":true}`, `"user_feedback","data":{"request_id":"told-1","satisfaction_score":4}`,
		`"business_event","data":{"request_id":"told-1","business_event_type":"order","value_usd":3}`} {
		kind, data, _ := strings.Cut(data, ",")
		body = fmt.Appendf(body, `{"event_id":"told-%d","event_type":%s,"timestamp":%q,"source":"e2e",%s}`+"\n", i, kind, now, data)
	}
	for i := range 60 {
		body = fmt.Appendf(body, `{"event_id":"burst-%d","event_type":"llm_request","timestamp":%q,"source":"e2e","data":{"model":"broken","request_id":"burst-%d","success":false,"status_code":500}}`+"\n", i, now, i)
	}
	if code, _ := h.post(t, body, map[string]string{"Content-Type": "application/x-ndjson"}); code != 202 {
		t.Fatalf("the events were answered %d", code)
	}
	wanted := map[string][]string{
		"health": {`"type":"snapshot"`, `"status":"healthy"`}, "correlations": {`"type":"event"`, `"request_id":"told-1"`, `"status":"complete"`, `"model":"told"`},
		"alerts": {`"type":"event"`, `"state":"firing"`, `"model":"broken"`},
	}
	in := bufio.NewScanner(resp.Body)
	for in.Buffer(nil, 4<<20); len(wanted) > 0 && in.Scan(); {
		text, data := strings.CutPrefix(in.Text(), "data: ")
		if !data {
			continue
		}
		for topic, parts := range wanted {
			if strings.Contains(text, `"topic":"`+topic+`"`) && !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(text, p) }) {
				delete(wanted, topic)
			}
		}
	}
	if len(wanted) > 0 {
		t.Errorf("not told: %v, %v", wanted, in.Err())
	}
}

// TestRealFollowers reads the stream with clients that others wrote.
func TestRealFollowers(t *testing.T) {
	h := start(t, "127.0.0.1:0")
	t.Run("sseclient-py", func(t *testing.T) {
		python := need(t, "HXP_REAL_SSECLIENT", "sseclient-py")
		h.follows(t, python, "testdata/follow_sseclient.py", "URL")
	})
	t.Run("eventsource", func(t *testing.T) {
		modules := need(t, "HXP_REAL_EVENTSOURCE", "eventsource of npm")
		h.follows(t, "node", "testdata/follow_eventsource.mjs", filepath.Join(modules, "node_modules/eventsource/dist/index.js"), "URL")
	})
}

// TestRealFollowerInBrowser: the example for browsers, behind a proxy that gives it the origin of the stream.
func TestRealFollowerInBrowser(t *testing.T) {
	need(t, "HXP_REAL_CHROMIUM", "the stream in a browser")
	h := start(t, "127.0.0.1:0", "--demo", "--rate", "50")
	target, err := url.Parse(h.url("data-streaming-api"))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/stream", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, FlushInterval: -1})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "../../examples/browser/follow.html")
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(l) }()
	defer func() { _ = server.Close() }()
	lookAt(t, "the example for browsers", "follow", func(*testing.T) string { return "http://" + l.Addr().String() }, func(p *page) {
		p.shown("following", `Number(document.getElementById("requests").textContent) > 0 && document.querySelectorAll("#happened li").length >= 10`)
	})
}
