package e2e

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pastOf writes a past of two machines for promtool: each minute of (from, to], CPUs of which a quarter and three quarters are in use, as much memory, GPUs
// at 40 and 60 %, and one engine of a model on each.
func pastOf(from, to time.Time) []byte {
	var b strings.Builder
	family := func(name, kind string, value func(machine int, minute float64) float64, sample, labels string) {
		fmt.Fprintf(&b, "# TYPE %s %s\n", name, kind)
		for machine := range 2 {
			for at := from; !at.After(to); at = at.Add(time.Minute) {
				fmt.Fprintf(&b, "%s{instance=\"gpu-%d:9100\"%s} %g %d\n", sample, machine+1, labels, value(machine, at.Sub(from).Minutes()), at.Unix())
			}
		}
	}
	family("node_cpu_seconds", "counter", func(m int, minute float64) float64 { return minute * 60 * []float64{0.75, 0.25}[m] }, "node_cpu_seconds_total", `,cpu="0",mode="idle"`)
	family("node_memory_MemAvailable_bytes", "gauge", func(m int, _ float64) float64 { return []float64{75e9, 25e9}[m] }, "node_memory_MemAvailable_bytes", "")
	family("node_memory_MemTotal_bytes", "gauge", func(int, float64) float64 { return 100e9 }, "node_memory_MemTotal_bytes", "")
	family("DCGM_FI_DEV_GPU_UTIL", "gauge", func(m int, _ float64) float64 { return []float64{40, 60}[m] }, "DCGM_FI_DEV_GPU_UTIL", "")
	family("vllm:num_requests_running", "gauge", func(m int, _ float64) float64 { return []float64{3, 5}[m] }, "vllm:num_requests_running", `,model_name="m"`)
	b.WriteString("# EOF\n")
	return []byte(b.String())
}

// A real Prometheus (METRICS_SERVER_ENDPOINT) tells the analysis of capacity how machines were used of which hxp has no samples of its own.
func TestRealMetricsServer(t *testing.T) {
	need(t, "HXP_REAL_PROMETHEUS", "Prometheus and its promtool")
	const hours = 3
	first := time.Now().UTC().Truncate(time.Hour).Add(-hours * time.Hour)
	dir := t.TempDir()
	past, settings, stored := filepath.Join(dir, "past"), filepath.Join(dir, "prometheus.yml"), filepath.Join(dir, "tsdb")
	for file, text := range map[string][]byte{past: pastOf(first.Add(-time.Hour), first.Add(hours*time.Hour)), settings: []byte("global: {scrape_interval: 1m}\n")} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("promtool", "tsdb", "create-blocks-from", "openmetrics", past, stored).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	address := "127.0.0.1:" + free(t)
	program(t, "prometheus", "--config.file="+settings, "--storage.tsdb.path="+stored, "--web.listen-address="+address)
	eventually(t, time.Minute, "Prometheus", func() bool {
		res, _, err := call("GET", "http://"+address+"/-/ready", nil, nil)
		return err == nil && res.StatusCode == http.StatusOK
	})
	h := prepare(t, "127.0.0.1:0")
	h.env = append(h.env, "METRICS_SERVER_ENDPOINT=http://"+address)
	h.up(t)
	for i := range hours {
		start := first.Add(time.Duration(i) * time.Hour)
		h.send(t, generate(uint64(i), 30, fmt.Sprint("m", i), start))
		h.aggregate(t, start)
	}
	var a struct {
		Utilization []struct {
			Resource, Source string
			Hours            int
			Mean, Max        float64
		} `json:"resource_utilization"`
	}
	h.get(t, "batch-processing-api", "/capacity/analysis", &a)
	want := map[string][2]float64{"cpu_usage": {50, 75}, "memory_usage": {50, 75}, "gpu_usage": {50, 60}, "requests_running": {4, 5}}
	for _, u := range a.Utilization {
		w, ok := want[u.Resource]
		if delete(want, u.Resource); !ok {
			t.Errorf("%+v: nobody measured it", u)
		} else if u.Source != "metrics_server" || u.Hours != hours || math.Abs(u.Mean-w[0]) > 0.01 || math.Abs(u.Max-w[1]) > 0.01 {
			t.Errorf("%+v, want %v", u, w)
		}
	}
	if len(want) > 0 {
		t.Errorf("nothing is told of %v in %+v", want, a)
	}
}
