package batch

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// promAnswers is a Prometheus that knows DCGM's use of GPUs, by the hour of the day, and two engines that serve a model.
func promAnswers(t *testing.T, asked *[]string) *MetricServer {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		*asked = append(*asked, q.Get("query"))
		from, _ := strconv.ParseInt(q.Get("start"), 10, 64)
		to, _ := strconv.ParseInt(q.Get("end"), 10, 64)
		series := func(labels string, value func(hour int64) string) string {
			var b strings.Builder
			for at := from; at <= to; at += 3600 {
				fmt.Fprintf(&b, `,[%d,%q]`, at, value((at-3600)/3600%24))
			}
			return `{"metric":{` + labels + `},"values":[` + strings.TrimPrefix(b.String(), ",") + `]}`
		}
		var result string
		switch query := q.Get("query"); {
		case r.URL.Path != "/prom/api/v1/query_range" || q.Get("step") != "3600":
			w.WriteHeader(http.StatusNotFound)
			return
		case strings.HasPrefix(query, "avg(avg_over_time(DCGM_FI_DEV_GPU_UTIL"):
			result = series("", func(hour int64) string { return strconv.FormatInt(40+hour, 10) })
		case strings.HasPrefix(query, "max(max_over_time(DCGM_FI_DEV_GPU_UTIL"):
			result = series("", func(hour int64) string { return strconv.FormatInt(70+hour, 10) })
		case query == "count(DCGM_FI_DEV_GPU_UTIL)":
			result = series("", func(int64) string { return "4" })
		case strings.HasPrefix(query, "avg(avg_over_time(vllm:kv_cache"):
			result = series("", func(int64) string { return "NaN" })
		case strings.HasPrefix(query, "count by(instance,model_name)"):
			result = series(`"instance":"gpu-0:8000","model_name":"m"`, func(int64) string { return "1" }) + "," + series(`"instance":"gpu-1:8000","model_name":"m"`, func(int64) string { return "1" })
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":[%s]}}`, result)
	}))
	t.Cleanup(srv.Close)
	m, err := NewMetricServer(srv.URL + "/prom")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// What hxp was not told of machines a Prometheus tells; what it was told itself is not asked for.
func TestMetricServerFillsWhatIsMissing(t *testing.T) {
	end := time.Date(2026, 3, 15, 0, 0, 0, 0, time.UTC)
	hours, sc := growingHours(21, end), noRaw()
	for i := range hours {
		g := hours[i].gauge["gpu_usage"]
		hours[i].gauge = map[string]agg.Gauge{"cpu_usage": g}
	}
	var asked []string
	if err := promAnswers(t, &asked).fill(t.Context(), hours, sc); err != nil {
		t.Fatal(err)
	}
	for _, query := range asked {
		if strings.Contains(query, "cpu_usage") || strings.Contains(query, "node_cpu") {
			t.Errorf("asked %s", query)
		}
	}
	cfg := planningDefaults()
	a := analysed(t, &cfg, hours, sc, end)
	if len(a.Utilization) != 2 {
		t.Fatalf("%+v", a.Utilization)
	}
	// GPUs: 40 + hour on the average of four, most 70 + hour. 51.5 is the mean, 93 the highest; the 479th of 504 is that of 22 h.
	if u := a.Utilization[1]; u.Resource != "gpu_usage" || u.Source != "metrics_server" || u.Hours != 504 || u.Samples != 4*504 || u.Mean != 51.5 || u.P95 != 62 || u.Max != 93 {
		t.Errorf("%+v", u)
	}
	if u := a.Utilization[0]; u.Resource != "cpu_usage" || u.Source != "events" {
		t.Errorf("%+v", u)
	}
	if sc.current() != 2 || sc.currentOf("m") != 2 || !sc.named("m") {
		t.Errorf("machines: %+v", sc.machines)
	}
	known := measured()
	asked = nil
	if err := promAnswers(t, &asked).fill(t.Context(), hours, known); err != nil || known.named("m") || strings.Contains(strings.Join(asked, " "), "instance,model_name") {
		t.Errorf("machines that are known: %v, %v", err, known.machines)
	}
	var none *MetricServer
	if err := none.fill(t.Context(), hours, sc); err != nil {
		t.Error(err)
	}
}

func TestMetricServerThatFails(t *testing.T) {
	for body, word := range map[string]string{
		`{"status":"error","errorType":"bad_data","error":"parse error at char 7"}`: "parse error at char 7",
		`<html>`: "no answer of a Prometheus",
		`{"status":"success","data":{"resultType":"vector","result":[]}}`: "instead of a matrix",
		``: "no answer of a Prometheus",
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
		m, err := NewMetricServer(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.fill(t.Context(), growingHours(1, planStart), noRaw()); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%q: %v", body, err)
		}
		srv.Close()
		if err := m.fill(t.Context(), growingHours(1, planStart), noRaw()); err == nil {
			t.Error("nobody listens, and that is no error")
		}
	}
	away := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound))
	defer away.Close()
	m, _ := NewMetricServer(away.URL)
	if err := m.fill(t.Context(), growingHours(1, planStart), noRaw()); err == nil || !strings.Contains(err.Error(), "redirects") {
		t.Errorf("redirected: %v", err)
	}
	for _, text := range []string{"", "prometheus:9090", "ftp://x", "http://", "http://x/?q=1", "http://x/#a", "http://%zz"} {
		if _, err := NewMetricServer(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// answering stands for the way to a server.
type answering func(*http.Request) (*http.Response, error)

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A server that does not answer is asked by one of those who want the analysis, and again after a while.
func TestMetricServerThatFailsIsLeftAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		w.publish(hour0, request("1", "m", 0))
		s, _ := newService(t, w, nil)
		if _, err := s.foldHour(t.Context(), hour0, false, 0); err != nil {
			t.Fatal(err)
		}
		asked, down := 0, true
		s.deps.Metrics, _ = NewMetricServer("http://prometheus")
		s.deps.Metrics.client.Transport = answering(func(*http.Request) (*http.Response, error) {
			if asked++; down {
				return nil, errors.New("nobody listens")
			}
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`{"status":"success","data":{"resultType":"matrix","result":[]}}`))}, nil
		})
		first := served(s, "/capacity/analysis")
		time.Sleep(askAgain - time.Second)
		if again := served(s, "/capacity/analysis"); again != first || asked != 1 || !strings.Contains(first, `"data_days":1`) {
			t.Errorf("asked %d times: %s\nbefore %s", asked, again, first)
		}
		down = false
		time.Sleep(time.Second)
		if later := served(s, "/capacity/analysis"); later == first || asked < 2 {
			t.Errorf("asked %d times: %s", asked, later)
		}
		asked = 0
		time.Sleep(10 * askAgain)
		if served(s, "/capacity/analysis"); asked != 0 {
			t.Errorf("asked %d times for what is known", asked)
		}
	})
}

// Whatever a server answers, values are finite and of hours that it named.
func FuzzMetricServerAnswers(f *testing.F) {
	f.Add(200, []byte(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"instance":"a:1"},"values":[[1772323200,"1.5"],[1772326800,"NaN"],["x",1]]}]}}`))
	f.Add(502, []byte(`<html>`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		all, err := readMatrix(status, body)
		if err != nil {
			return
		}
		sc := noRaw()
		for i := range all {
			for at, v := range all[i].byHour() {
				if v != v || v-v != 0 || at > 1<<40 || at < -1<<41 {
					t.Errorf("%v at %v", v, at)
				}
			}
			sc.sawMachine(&all[i])
		}
		_ = sc.current()
	})
}
