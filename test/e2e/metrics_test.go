package e2e

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/prom/promtest"
)

// sample is a system metric as it lies on its topic.
type sample struct {
	ID        string `json:"event_id"`
	Source    string
	Timestamp time.Time
	Data      map[string]any
}

// samples reads all system metrics that are on the topic now.
func (h *instance) samples(t testing.TB) (out []sample) {
	t.Helper()
	for _, m := range h.records(t, event.SystemMetric.Topic()) {
		var s sample
		if err := json.Unmarshal(m.Value, &s); err != nil {
			t.Fatalf("%v in %s", err, m.Value)
		}
		out = append(out, s)
	}
	return out
}

// records reads all that is on a topic now.
func (h *instance) records(t testing.TB, topic string) (out []*bus.Message) {
	t.Helper()
	b, err := bus.Connect(t.Context(), h.brokers(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	bounds, err := b.Offsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	from, left := map[int32]int64{}, int64(0)
	for p, r := range bounds[topic] {
		from[p], left = r.Start, left+r.End-r.Start
	}
	if left == 0 {
		return nil
	}
	reader, err := b.NewReader(map[string]map[int32]int64{topic: from}, bus.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for int64(len(out)) < left {
		fetch, err := reader.Poll(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, batch := range fetch {
			out = append(out, batch.Messages...)
		}
	}
	return out
}

// of are the samples of one source, by time.
func of(list []sample, source string) (out []sample) {
	for _, s := range list {
		if s.Source == source {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b sample) int { return a.Timestamp.Compare(b.Timestamp) })
	return out
}

// configured is a config folder whose kafka-api.yaml holds text.
func configured(t testing.TB, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "services"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "services", "kafka-api.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Metrics come by scraping, by remote write and from the machine itself, and are counted in the windows; a remote write that
// comes again, also after the process was killed, counts once.
func TestMetricsOfOthers(t *testing.T) {
	exporter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "vllm:num_requests_running{model_name=\"m\"} 3\nvllm:kv_cache_usage_perc{model_name=\"m\"} 0.5\n")
	}))
	defer exporter.Close()
	dir := configured(t, "scrape:\n  - {name: vllm, url: '"+exporter.URL+"', interval: 1s, labels: {host: gpu-7}}\nhost_metrics: {enabled: on, interval: 1s}\n")
	h := start(t, "127.0.0.1:0", "--config", dir)
	write := func() int {
		series := promtest.Series{Labels: []string{"__name__", "node_load1", "instance", "h:9100", "job", "node"}}
		for i := range 60 {
			series.Values, series.Millis = append(series.Values, float64(i)), append(series.Millis, someHour.UnixMilli()+int64(i)*1000)
		}
		res, body, err := call("POST", h.url("kafka-api")+"/ingest/prometheus", map[string]string{"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"},
			s2.EncodeSnappy(nil, promtest.Version1([]promtest.Series{series}, nil)))
		if err != nil {
			t.Fatal(err)
		}
		if n := res.Header.Get("X-Prometheus-Remote-Write-Samples-Written"); n != "60" {
			t.Errorf("%s samples written: %s", n, body)
		}
		return res.StatusCode
	}
	for range 2 {
		if status := write(); status != http.StatusNoContent {
			t.Errorf("remote write: %d", status)
		}
	}
	h.kill()
	h.up(t)
	if status := write(); status != http.StatusNoContent {
		t.Errorf("remote write after a kill: %d", status)
	}
	eventually(t, 30*time.Second, "three readings of each after the restart", func() bool {
		list := h.samples(t)
		return len(of(list, "scrape/vllm")) >= 3 && len(of(list, "host")) >= 3
	})
	list := h.samples(t)
	s := of(list, "scrape/vllm")[0]
	if s.Data["host"] != "gpu-7" || s.Data["model"] != "m" || s.Data["requests_running"] != 3. || s.Data["kv_cache_usage"] != .5 {
		t.Errorf("%+v", s)
	}
	machine := of(list, "host")
	if m := machine[len(machine)-1].Data; m["cpu_usage"] == nil || m["memory_usage"] == nil || m["disk_usage"] == nil || m["memory_total_bytes"] == nil {
		t.Errorf("%+v", m)
	}
	var a struct {
		Overall struct{ System map[string]any }
	}
	eventually(t, 20*time.Second, "60 samples in the windows", func() bool {
		h.get(t, "event-processing-api", "/analytics?window=60&at="+stamp(someHour.Add(time.Minute)), &a)
		return a.Overall.System["samples"] == 60.
	})
	if a.Overall.System["load1"] != 29.5 {
		t.Errorf("%v", a.Overall.System)
	}
	if code := h.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// free is a port that nobody has.
func free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// program runs a stranger's server until the test ends.
func program(t testing.TB, name string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
		_ = log.Close()
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("log of %s:\n%.3000s", name, text)
		}
	})
}

// A real node exporter is read by hxp and by a real Prometheus, which writes to hxp what it read. Both tell the same of the
// machine. While hxp is dead Prometheus keeps what it read: afterwards nothing is missing and nothing is there twice.
func TestRealPrometheus(t *testing.T) {
	need(t, "HXP_REAL_PROMETHEUS", "Prometheus and its node exporter")
	node, way := free(t), free(t)
	program(t, "prometheus-node-exporter", "--web.listen-address=127.0.0.1:"+node)
	h := prepare(t, "127.0.0.1:0", "--config", configured(t, "scrape:\n  - {name: node, url: 'http://127.0.0.1:"+node+"', interval: 1s, labels: {host: me}}\nhost_metrics: {enabled: on, interval: 1s}\n"))
	h.env = append(h.env, "KAFKA_API_PORT="+way)
	h.up(t)
	file := filepath.Join(t.TempDir(), "prometheus.yml")
	settings := "global: {scrape_interval: 1s}\nscrape_configs:\n  - job_name: node\n    static_configs: [{targets: ['127.0.0.1:" + node + "'], labels: {host: me}}]\n" +
		"  - job_name: hxp\n    static_configs: [{targets: ['127.0.0.1:" + way + "']}]\n" +
		"remote_write:\n  - url: http://127.0.0.1:" + way + "/ingest/prometheus\n    queue_config: {max_shards: 1, max_samples_per_send: 10000, batch_send_deadline: 1s, max_backoff: 500ms, retry_on_http_429: true}\n"
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	program(t, "prometheus", "--config.file="+file, "--storage.tsdb.path="+t.TempDir(), "--web.listen-address=127.0.0.1:"+free(t))
	full := func(source string, n int) func() bool {
		return func() bool {
			return len(slices.DeleteFunc(of(h.samples(t), source), func(s sample) bool { return s.Data["cpu_usage"] == nil || s.Data["memory_usage"] == nil })) >= n
		}
	}
	eventually(t, time.Minute, "ten readings by Prometheus", full("prometheus/node", 10))
	h.kill()
	before := time.Now()
	eventually(t, time.Minute, "an outage of eight seconds", func() bool { return time.Since(before) > 8*time.Second })
	h.up(t)
	again := time.Now()
	eventually(t, time.Minute, "readings by Prometheus of after the outage", func() bool {
		list := of(h.samples(t), "prometheus/node")
		return len(list) > 0 && list[len(list)-1].Timestamp.After(again.Add(3*time.Second))
	})
	eventually(t, time.Minute, "readings by hxp", full("scrape/node", 5))
	list := h.samples(t)
	seen := map[string]bool{}
	for _, s := range list {
		if key := s.Source + " " + s.ID; seen[key] {
			t.Errorf("%s of %s is there twice", s.Source, s.Timestamp)
		} else {
			seen[key] = true
		}
	}
	var last time.Time
	for _, s := range of(list, "prometheus/node") {
		if gap := s.Timestamp.Sub(last); !last.IsZero() && gap > 2500*time.Millisecond {
			t.Errorf("nothing between %s and %s", last, s.Timestamp)
		}
		last = s.Timestamp
	}
	total := func(source string) any {
		for _, s := range of(list, source) {
			if v := s.Data["memory_total_bytes"]; v != nil {
				return v
			}
		}
		return nil
	}
	if a, b, c := total("prometheus/node"), total("scrape/node"), total("host"); a == nil || a != b || b != c {
		t.Errorf("memory of this machine: %v by remote write, %v scraped, %v measured", a, b, c)
	}
	if s := of(list, "prometheus/node")[0]; s.Data["host"] != "me" {
		t.Errorf("%+v", s)
	}
	if n := len(of(list, "prometheus/hxp")); n == 0 {
		t.Error("Prometheus read no metrics of hxp")
	}
	res, body, err := call("GET", h.url("kafka-api")+"/metrics", nil, nil)
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(body), `prometheus_samples_total{outcome="taken"}`) || strings.Contains(string(body), `prometheus_samples_total{outcome="invalid"} 1`) {
		t.Errorf("%v %.2000s", err, body)
	}
	t.Logf("%d events: %d by remote write of the node, %d scraped, %d measured", len(list), len(of(list, "prometheus/node")), len(of(list, "scrape/node")), len(of(list, "host")))
}
