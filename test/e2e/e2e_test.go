package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
)

// walk is one run of TestEndToEnd. Its parts share the topics, so each has hours and names of its own.
type walk struct {
	*instance
	tag   string    // new in each run
	first time.Time // the hour of the first part
	hours int       // given out so far
}

// hour is an hour that no other part, and hardly any other run, uses.
func (w *walk) hour() time.Time {
	w.hours++
	return w.first.Add(time.Duration(w.hours) * time.Hour)
}

func (w *walk) name(part string) string { return w.tag + "-" + part }

func TestEndToEnd(t *testing.T) {
	broker := os.Getenv("HXP_REAL_KAFKA")
	if broker == "" {
		broker = "127.0.0.1:0"
	}
	now := time.Now()
	w := &walk{
		instance: start(t, broker),
		tag:      fmt.Sprintf("%x", now.UnixNano()),
		first:    time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(now.UnixMilli()/100%100_000) * time.Hour),
	}
	if got := w.url("kafka"); os.Getenv("HXP_REAL_KAFKA") != "" && got != broker {
		t.Fatalf("hxp talks to the broker at %q, want %q", got, broker)
	}
	w.settled(t) // a broker of somebody else holds what earlier runs left
	for _, part := range []struct {
		name string
		long bool
		run  func(*testing.T, *walk)
	}{
		{"health", false, health},
		{"foreign names", false, foreignNames},
		{"events over HTTP", false, overHTTP},
		{"events straight into the topic", false, intoTopic},
		{"bare line of the specification", false, bareLine},
		{"rubbish", false, rubbish},
		{"duplicates count once", false, duplicates},
		{"replay of events", false, replayEvents},
		{"replay of burstgpt", false, replayBurst},
		{"replay of a trace", true, replayTrace},
		{"metrics stream", false, metricsStream},
		{"ranges", false, ranges},
		{"dashboards", false, dashboards},
		{"kills", true, func(t *testing.T, w *walk) { crash(t, w.instance, 3, w.name("kill"), w.hour()) }},
		{"SIGTERM under load", true, terminate},
	} {
		t.Run(part.name, func(t *testing.T) {
			if part.long && testing.Short() {
				t.Skip("takes long")
			}
			part.run(t, w)
		})
	}
}

func health(t *testing.T, w *walk) {
	for _, s := range []string{"kafka-api", "event-processing-api", "batch-processing-api", "data-streaming-api"} {
		var is struct {
			Status, Service, Timestamp string
			Checks                     map[string]struct{ Status, Detail string }
		}
		w.get(t, s, "/health", &is)
		if is.Status != "healthy" || is.Service != s || !strings.HasSuffix(is.Timestamp, "Z") {
			t.Errorf("health of %s: %+v", s, is)
		}
	}
}

// foreignNames: no listener answers to a name that a page of a stranger led here.
func foreignNames(t *testing.T, w *walk) {
	for _, s := range []string{"kafka-api", "event-processing-api", "batch-processing-api", "data-streaming-api", "scheduler", "operations", "business", "performance", "system"} {
		for path, want := range map[string]int{"/": http.StatusForbidden, "/metrics": http.StatusForbidden, "/healthz": 0, "/health": 0} {
			req, err := http.NewRequestWithContext(t.Context(), "GET", w.url(s)+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = "rebound.example:" + req.URL.Port()
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if want != 0 && res.StatusCode != want || want == 0 && res.StatusCode == http.StatusForbidden {
				t.Errorf("%s of %s under a foreign name: %d", path, s, res.StatusCode)
			}
		}
	}
}

func overHTTP(t *testing.T, w *walk) {
	start := w.hour()
	rs := generate(1, 2000, w.name("http"), start)
	for i, form := range []struct {
		name   string
		body   []byte
		header map[string]string
	}{
		{"object", rs[0].line(), map[string]string{"Content-Type": "application/json"}},
		{"array", array(rs[1:500]), map[string]string{"Content-Type": "application/json"}},
		{"ndjson", ndjson(rs[500:1000]), nil},
		{"gzip ndjson", packed(t, ndjson(rs[1000:1500])), map[string]string{"Content-Encoding": "gzip"}},
		{"gzip array", packed(t, array(rs[1500:])), map[string]string{"Content-Type": "application/json", "Content-Encoding": "gzip"}},
	} {
		want := []int{1, 499, 500, 500, 500}[i]
		if status, a := w.post(t, form.body, form.header); status != http.StatusAccepted || a.Accepted != want || a.Rejected+a.Duplicates != 0 {
			t.Errorf("%s: %d %+v, want %d accepted", form.name, status, a, want)
		}
	}
	w.counted(t, start, rs)
}

func packed(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func intoTopic(t *testing.T, w *walk) {
	start := w.hour()
	rs := generate(2, 1000, w.name("topic"), start)
	w.produce(t, "llm-requests", lines(rs)...)
	w.counted(t, start, rs)
}

// produce writes values without a key into a topic, as a stranger's client does.
func (h *instance) produce(t testing.TB, topic string, values ...[]byte) {
	t.Helper()
	msgs := make([]*bus.Message, len(values))
	for i, v := range values {
		msgs[i] = &bus.Message{Topic: topic, Value: v}
	}
	h.deliver(t, msgs)
}

// produceKeyed writes requests under the key that hxp gives them.
func (h *instance) produceKeyed(t testing.TB, topic string, rs []request) {
	t.Helper()
	msgs := make([]*bus.Message, len(rs))
	for i, q := range rs {
		msgs[i] = &bus.Message{Topic: topic, Key: []byte(q.id), Value: q.line()}
	}
	h.deliver(t, msgs)
}

// deliver returns when the broker has acknowledged every message.
func (h *instance) deliver(t testing.TB, msgs []*bus.Message) {
	t.Helper()
	b, err := bus.Connect(t.Context(), h.brokers(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	p, err := b.NewProducer(bus.ProducerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Send(t.Context(), msgs); err != nil {
		t.Fatal(err)
	}
}

const bare = `{"event_type": "system_metric", "data": {"cpu_usage": 75, "memory_usage": 80}}`

func bareLine(t *testing.T, w *walk) {
	before := w.recent(t).System.Samples
	w.produce(t, "system-metrics", []byte(bare), []byte(bare), []byte(bare))
	w.sampled(t, before+3)
	if status, a := w.post(t, []byte(bare), map[string]string{"Content-Type": "application/json"}); status != http.StatusAccepted || a.Accepted != 1 {
		t.Errorf("bare line over HTTP: %d %+v", status, a)
	}
	w.sampled(t, before+4)
	s := w.recent(t).System
	if s.CPU == nil || s.Memory == nil || *s.CPU != 75 || *s.Memory != 80 {
		t.Errorf("system: %+v, want cpu 75 and memory 80", s)
	}
}

// recent are the numbers of the last hour of the clock, with what is stamped in this very second.
func (h *instance) recent(t testing.TB) stats {
	t.Helper()
	var a analytics
	h.get(t, "event-processing-api", "/analytics?window=3600&at="+stamp(time.Now().Add(time.Minute)), &a)
	return a.Overall
}

func (h *instance) sampled(t testing.TB, n int64) {
	t.Helper()
	eventually(t, 20*time.Second, fmt.Sprintf("%d system samples", n), func() bool { return h.recent(t).System.Samples == n })
}

func rubbish(t *testing.T, w *walk) {
	start := w.hour()
	rs := generate(3, 100, w.name("good"), start)
	good := string(rs[0].line())
	bad := map[string]string{
		"syntax":             good[:len(good)/2],
		"wrong_type":         regexp.MustCompile(`"duration_ms":\d+`).ReplaceAllString(good, `"duration_ms":"fast"`),
		"negative":           regexp.MustCompile(`"prompt_tokens":\d+`).ReplaceAllString(good, `"prompt_tokens":-5`),
		"bad_timestamp":      strings.Replace(good, stamp(rs[0].at), "yesterday", 1),
		"unknown_event_type": strings.Replace(good, "llm_request", "no_such_type", 1),
		"too_deep":           `{"event_type":"llm_request","data":` + strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 201),
		"invalid_utf8":       strings.Replace(good, `"e2e"`, "\"\xff\xfe\"", 1),
		"future_timestamp":   strings.Replace(good, stamp(rs[0].at), stamp(time.Now().Add(time.Hour)), 1),
	}
	before := w.deadLetters(t)
	body := ndjson(rs)
	for _, line := range bad {
		body = append(append(body, line...), '\n')
	}
	status, a := w.post(t, body, nil)
	if status != http.StatusMultiStatus || a.Accepted != len(rs) || a.Rejected != len(bad) || len(a.Errors) != len(bad) {
		t.Errorf("mixed batch: %d %+v", status, a)
	}
	for _, e := range a.Errors {
		if _, ok := bad[e.Code]; !ok || e.DeadLetterID == "" || e.Index < len(rs) {
			t.Errorf("refused as %+v, want one of the codes sent, an index after the good ones and a dead letter", e)
		}
	}
	w.dead(t, before, bad, 1)
	values := [][]byte{}
	for _, line := range bad {
		values = append(values, []byte(line))
	}
	w.produce(t, "llm-requests", values...)
	w.dead(t, before, bad, 2)
	w.counted(t, start, rs)
}

// dead wants n more dead letters of each reason than before, and no others.
func (w *walk) dead(t testing.TB, before map[string]int, reasons map[string]string, n int) {
	t.Helper()
	var now map[string]int
	end := time.Now().Add(20 * time.Second)
	eventually(t, time.Minute, "dead letters", func() bool {
		now = w.deadLetters(t)
		for code := range reasons {
			if now[code]-before[code] < n {
				return time.Now().After(end)
			}
		}
		return true
	})
	for code, count := range now {
		want := 0
		if _, ok := reasons[code]; ok {
			want = n
		}
		if got := count - before[code]; got != want {
			t.Errorf("%d dead letters for %s, want %d", got, code, want)
		}
	}
	for code := range reasons {
		if _, ok := now[code]; !ok {
			t.Errorf("no dead letter for %s", code)
		}
	}
}

func duplicates(t *testing.T, w *walk) {
	start := w.hour()
	rs := generate(4, 500, w.name("twice"), start)
	w.send(t, rs)
	if status, a := w.post(t, ndjson(rs), nil); status != http.StatusAccepted || a.Duplicates != len(rs) || a.Accepted != 0 {
		t.Errorf("second POST: %d %+v, want %d duplicates", status, a, len(rs))
	}
	// Straight into the topic a copy has the key of the first, so it lies in the same partition: the windows know what
	// their partition has seen, only the aggregation knows all of them.
	w.produceKeyed(t, "llm-requests", rs)
	// What follows in each partition shows that the copies before it were read.
	more := generate(5, 60, w.name("after"), start)
	w.produceKeyed(t, "llm-requests", more)
	w.counted(t, start, slices.Concat(rs, more))
}

func metricsStream(t *testing.T, w *walk) {
	res, err := client.Get(w.url("data-streaming-api") + "/stream/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if ct := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || !strings.HasPrefix(ct, "text/event-stream") {
		t.Fatalf("%d %s", res.StatusCode, ct)
	}
	name := ""
	for in := bufio.NewReader(res.Body); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("no snapshot: %v", err)
		}
		if after, ok := strings.CutPrefix(line, "event: "); ok {
			name = strings.TrimSpace(after)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok && name == "metrics" {
			var m struct {
				Type, Topic, Epoch string
				Data               struct {
					Overall *stats
					Models  map[string]stats
				}
			}
			if err := json.Unmarshal([]byte(data), &m); err != nil {
				t.Fatal(err)
			}
			if m.Type != "snapshot" || m.Topic != "metrics" || m.Epoch == "" || m.Data.Overall == nil || m.Data.Models == nil {
				t.Errorf("first frame: %.300s", data)
			}
			return
		}
	}
}

var (
	linked  = regexp.MustCompile(`(?:src|href)=["']?([^"' >]+)`)
	outside = regexp.MustCompile(`(?i)(?:src|srcset|action)=["']?(?:https?:)?//|<link[^>]+href=["']?(?:https?:)?//|@import|url\(\s*["']?(?:https?:)?//|\b(?:fetch|import|EventSource|WebSocket)\(\s*["'](?:https?|wss?):`)
)

func dashboards(t *testing.T, w *walk) {
	for _, board := range []string{"operations", "business", "performance", "system"} {
		res, page, err := call("GET", w.url(board)+"/", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusOK || !bytes.Contains(bytes.ToLower(page), []byte("<html")) {
			t.Errorf("%s: %d %.200s", board, res.StatusCode, page)
		}
		strict(t, board, res.Header.Get("Content-Security-Policy"))
		if found := outside.Find(page); found != nil {
			t.Errorf("%s loads from outside: %s", board, found)
		}
		for _, link := range linked.FindAllSubmatch(page, -1) {
			path := string(link[1])
			if !strings.HasSuffix(path, ".js") && !strings.HasSuffix(path, ".css") {
				continue
			}
			res, asset, err := call("GET", w.url(board)+"/"+strings.TrimLeft(path, "./"), nil, nil)
			if err != nil || res.StatusCode != http.StatusOK {
				t.Errorf("%s: %s: %v %v", board, path, err, res)
			}
			if found := outside.Find(asset); found != nil {
				t.Errorf("%s: %s loads from outside: %s", board, path, found)
			}
		}
	}
}

// strict wants a policy that forbids what is not named, inline scripts, and sources of strangers.
func strict(t testing.TB, board, policy string) {
	t.Helper()
	rules := map[string]string{}
	for _, d := range strings.Split(policy, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(d), " ")
		rules[name] = value
	}
	scripts, ok := rules["script-src"]
	if !ok {
		scripts = rules["default-src"]
	}
	if d := rules["default-src"]; (d != "'none'" && d != "'self'") || scripts == "" || strings.Contains(scripts, "'unsafe-") || strings.Contains(scripts, "*") || strings.Contains(scripts, "http") {
		t.Errorf("%s: the policy is not strict: %q", board, policy)
	}
}

func replayEvents(t *testing.T, w *walk) {
	start := w.hour()
	rs := generate(6, 1500, w.name("replay"), start)
	file := filepath.Join(t.TempDir(), "events.ndjson")
	if err := os.WriteFile(file, ndjson(rs), 0o600); err != nil {
		t.Fatal(err)
	}
	w.twice(t, start, rs, file)
}

// twice replays a file of requests that lie in one hour, and again: the second time nothing changes.
func (w *walk) twice(t testing.TB, start time.Time, rs []request, args ...string) {
	t.Helper()
	for try := range 2 {
		if s := w.replay(t, args...); s.Read != len(rs) || s.Sent != len(rs) || s.Refused != 0 {
			t.Errorf("replay %d: %+v, want %d rows sent", try+1, s, len(rs))
		}
		w.counted(t, start, rs)
	}
}

func replayBurst(t *testing.T, w *walk) {
	start := w.hour()
	rs := generate(7, 300, w.name("burst"), start)
	var csv strings.Builder
	csv.WriteString("Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n")
	for i := range rs {
		q := &rs[i]
		if !q.ok {
			q.completion = 0 // this format's way to say that a request failed
		} else {
			q.completion++
		}
		fmt.Fprintf(&csv, "%.3f,%s,%.3f,%s,%d,%d,%d,API log\n", q.at.Sub(start).Seconds(), q.id, float64(q.millis)/1000, q.model, q.prompt, q.completion, q.prompt+q.completion)
	}
	file := filepath.Join(t.TempDir(), "burst.csv")
	if err := os.WriteFile(file, []byte(csv.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	w.twice(t, start, rs, "--start", start.Format(time.RFC3339), file)
}
