package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// What the machines did that sent hxp no samples of their own: a Prometheus that already scrapes them is asked (monitoring.metrics_server_endpoint). It
// tells only resources of which hxp has no sample at all, since means of two sources that measure differently would be of neither.

// MetricServer is a Prometheus, or what answers as one.
type MetricServer struct {
	base   *url.URL
	client *http.Client
}

// String is its URL without a password, "" for none.
func (m *MetricServer) String() string {
	if m == nil {
		return ""
	}
	return m.base.Redacted()
}

// Limits of what is asked of it.
const (
	metricQuery  = 10 * time.Second // one question
	metricTime   = 45 * time.Second // all questions of an analysis
	metricBytes  = 8 << 20          // one answer
	metricSeries = 10_000           // of one answer
)

// NewMetricServer takes the URL of a Prometheus, with a path where it lies behind one.
func NewMetricServer(text string) (*MetricServer, error) {
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%.200q is not the URL of a Prometheus; write it as http://prometheus:9090", text)
	}
	return &MetricServer{u, &http.Client{Timeout: metricQuery, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("it redirects; name the URL that it redirects to")
	}}}, nil
}

// metricSource is how a Prometheus tells a resource: expressions of an hour, of which mean and most say how the machines were used, and
// count says how many they are.
type metricSource struct{ resource, mean, most, count string }

// metricSources are tried in order, the first of a resource that answers stands. The names are those of node exporter, NVIDIA's DCGM exporter and
// vLLM, old and new.
var metricSources = []metricSource{
	{"cpu_usage", `100*(1-avg(rate(node_cpu_seconds_total{mode="idle"}[1h])))`, `max(100*(1-avg by(instance)(rate(node_cpu_seconds_total{mode="idle"}[1h]))))`, `count(count by(instance)(node_cpu_seconds_total{mode="idle"}))`},
	{"memory_usage", `100*avg(1-avg_over_time(node_memory_MemAvailable_bytes[1h])/avg_over_time(node_memory_MemTotal_bytes[1h]))`, `100*max(1-min_over_time(node_memory_MemAvailable_bytes[1h])/max_over_time(node_memory_MemTotal_bytes[1h]))`, `count(node_memory_MemTotal_bytes)`},
	gaugeSource("gpu_usage", "DCGM_FI_DEV_GPU_UTIL"),
	{"gpu_memory_usage", `100*avg(avg_over_time(DCGM_FI_DEV_FB_USED[1h])/(avg_over_time(DCGM_FI_DEV_FB_USED[1h])+avg_over_time(DCGM_FI_DEV_FB_FREE[1h])))`,
		`100*max(max_over_time(DCGM_FI_DEV_FB_USED[1h])/(avg_over_time(DCGM_FI_DEV_FB_USED[1h])+avg_over_time(DCGM_FI_DEV_FB_FREE[1h])))`, `count(DCGM_FI_DEV_FB_USED)`},
	gaugeSource("kv_cache_usage", "vllm:kv_cache_usage_perc"),
	gaugeSource("kv_cache_usage", "vllm:gpu_cache_usage_perc"),
	gaugeSource(gaugeRunning, "vllm:num_requests_running"),
	gaugeSource(gaugeWaiting, "vllm:num_requests_waiting"),
}

func gaugeSource(resource, metric string) metricSource {
	return metricSource{resource, "avg(avg_over_time(" + metric + "[1h]))", "max(max_over_time(" + metric + "[1h]))", "count(" + metric + ")"}
}

// machineSources name the machines, those of engines first: they say which model they serve.
var machineSources = []string{`count by(instance,model_name)(vllm:num_requests_running)`, `count by(instance)(DCGM_FI_DEV_GPU_UTIL)`, `count by(instance)(node_cpu_seconds_total{mode="idle"})`}

// promSeries is one series of an answer.
type promSeries struct {
	Metric map[string]string `json:"metric"`
	Values [][2]any          `json:"values"`
}

// hourly asks an expression at the end of each hour of [from, to]; values are by the start of the hour.
func (m *MetricServer) hourly(ctx context.Context, query string, from, to time.Time) ([]promSeries, error) {
	u := m.base.JoinPath("api", "v1", "query_range")
	u.RawQuery = url.Values{"query": {query}, "start": {strconv.FormatInt(from.Unix()+3600, 10)}, "end": {strconv.FormatInt(to.Unix(), 10)}, "step": {"3600"}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := m.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, metricBytes+1))
	if err != nil {
		return nil, err
	}
	return readMatrix(resp.StatusCode, body)
}

// Reach tells whether a Prometheus answers.
func (m *MetricServer) Reach(ctx context.Context) error {
	_, err := m.hourly(ctx, "vector(1)", time.Unix(0, 0), time.Unix(3600, 0))
	return err
}

// readMatrix reads an answer of Prometheus.
func readMatrix(status int, body []byte) ([]promSeries, error) {
	if len(body) > metricBytes {
		return nil, fmt.Errorf("the answer has more than %d bytes", metricBytes)
	}
	var answer struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Data   struct {
			Type   string       `json:"resultType"`
			Result []promSeries `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("status %d, and what it answers is no answer of a Prometheus: %w", status, err)
	}
	switch {
	case answer.Status != "success":
		return nil, fmt.Errorf("status %d: %.200s", status, answer.Error)
	case answer.Data.Type != "matrix":
		return nil, fmt.Errorf("it answers with a %.40q instead of a matrix", answer.Data.Type)
	case len(answer.Data.Result) > metricSeries:
		return nil, fmt.Errorf("the answer has %d series; at most %d are read", len(answer.Data.Result), metricSeries)
	}
	return answer.Data.Result, nil
}

// byHour are the finite values of a series by the start of their hour.
func (s *promSeries) byHour() map[int64]float64 {
	out := map[int64]float64{}
	for _, pair := range s.Values {
		at, isTime := pair[0].(float64)
		text, isText := pair[1].(string)
		v, err := strconv.ParseFloat(text, 64)
		if isTime && isText && err == nil && !math.IsNaN(v) && !math.IsInf(v, 0) && math.Abs(at) < 1<<40 {
			out[int64(at)-3600] = v
		}
	}
	return out
}

// one asks for a single series.
func (m *MetricServer) one(ctx context.Context, query string, from, to time.Time) (map[int64]float64, error) {
	all, err := m.hourly(ctx, query, from, to)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0].byHour(), nil
}

// fill adds to hours what the server tells of resources of which they have no sample, and to what was scanned the machines where none is known.
func (m *MetricServer) fill(ctx context.Context, hours []hourUse, sc *scanned) error {
	if m == nil || len(hours) == 0 {
		return nil
	}
	ctx, stop := context.WithTimeout(ctx, metricTime)
	defer stop()
	known := map[string]bool{}
	for _, h := range hours {
		for name := range h.gauge {
			known[name] = true
		}
	}
	from, to := hours[0].start, hours[len(hours)-1].start.Add(time.Hour)
	for _, src := range metricSources {
		if known[src.resource] {
			continue
		}
		told, err := m.resource(ctx, src, hours, from, to)
		if err != nil {
			return fmt.Errorf("%s: %w", src.resource, err)
		}
		known[src.resource] = told
	}
	if sc.current() > 0 {
		return nil
	}
	for _, query := range machineSources {
		all, err := m.hourly(ctx, query, to.Add(-hoursOfMachines*time.Hour), to)
		if err != nil {
			return fmt.Errorf("machines: %w", err)
		}
		for i := range all {
			sc.sawMachine(&all[i])
		}
		if sc.current() > 0 {
			return nil
		}
	}
	return nil
}

// resource adds one; told is false where the server does not know it.
func (m *MetricServer) resource(ctx context.Context, src metricSource, hours []hourUse, from, to time.Time) (told bool, err error) {
	means, err := m.one(ctx, src.mean, from, to)
	if err != nil || len(means) == 0 {
		return false, err
	}
	most, err := m.one(ctx, src.most, from, to)
	if err != nil {
		return false, err
	}
	counts, err := m.one(ctx, src.count, from, to)
	if err != nil {
		return false, err
	}
	for i := range hours {
		h := &hours[i]
		mean, ok := means[h.start.Unix()]
		if !ok {
			continue
		}
		g := agg.Gauge{Name: src.resource, Count: uint64(max(1, min(counts[h.start.Unix()], 1e6))), Min: mean, Max: max(mean, most[h.start.Unix()])}
		g.Sum.Add(mean * float64(g.Count))
		if h.gauge == nil {
			h.gauge = map[string]agg.Gauge{}
		}
		if h.asked == nil {
			h.asked = map[string]bool{}
		}
		h.gauge[src.resource], h.asked[src.resource], told = g, true, true
	}
	return told, nil
}

// sawMachine takes in the hours in which a machine was measured.
func (sc *scanned) sawMachine(s *promSeries) {
	host := s.Metric["instance"]
	if h, _, ok := strings.Cut(host, ":"); ok {
		host = h
	}
	for hour := range s.byHour() {
		if _, ok := sc.machines[hour]; !ok {
			sc.machines[hour] = newFleet()
		}
		sc.machines[hour].add(host, s.Metric["model_name"])
	}
}
