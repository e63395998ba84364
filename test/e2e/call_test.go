package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

var client = &http.Client{Timeout: 30 * time.Second}

// call sends one request and returns the answer with its body read.
func call(method, target string, header map[string]string, body []byte) (*http.Response, []byte, error) {
	return callBy(client, method, target, header, body)
}

func callBy(client *http.Client, method, target string, header map[string]string, body []byte) (*http.Response, []byte, error) {
	req, err := http.NewRequest(method, target, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return res, data, err
}

// get asks a service and decodes its 200 into out.
func (h *instance) get(t testing.TB, service, path string, out any) {
	t.Helper()
	res, data, err := call("GET", h.url(service)+path, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s %s: %d %s", service, path, res.StatusCode, data)
	}
	if err := json.Unmarshal(data, out); err != nil {
		t.Fatalf("GET %s %s: %v in %s", service, path, err, data)
	}
}

// metric is the value of a series of a service as /metrics spells both, "" when there is none.
func (h *instance) metric(t testing.TB, service, series string) string {
	t.Helper()
	res, page, err := call("GET", h.url(service)+"/metrics", nil, nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s /metrics: %v %v", service, res, err)
	}
	for line := range strings.Lines(string(page)) {
		if value, found := strings.CutPrefix(line, series+" "); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// taken is the answer to POST /events.
type taken struct {
	Accepted, Rejected, Duplicates int
	Errors                         []struct {
		Index        int
		Code         string
		DeadLetterID string `json:"dead_letter_id"`
	}
}

// post sends events as they stand; header adds to or replaces the content type NDJSON.
func (h *instance) post(t testing.TB, body []byte, header map[string]string) (int, taken) {
	t.Helper()
	all := map[string]string{"Content-Type": "application/x-ndjson"}
	maps.Copy(all, header)
	res, data, err := call("POST", h.url("kafka-api")+"/events", all, body)
	if err != nil {
		t.Fatal(err)
	}
	var a taken
	if err := json.Unmarshal(data, &a); err != nil {
		t.Fatalf("POST /events: %d %v in %s", res.StatusCode, err, data)
	}
	return res.StatusCode, a
}

// send posts requests as NDJSON and wants every one taken, known before or not.
func (h *instance) send(t testing.TB, rs []request) {
	t.Helper()
	if status, a := h.post(t, ndjson(rs), nil); status != http.StatusAccepted || a.Accepted+a.Duplicates != len(rs) {
		t.Fatalf("POST of %d events: %d %+v", len(rs), status, a)
	}
}

// stats are the numbers of the windows that the tests compare.
type stats struct {
	Requests, Errors int64
	Tokens           struct{ Prompt, Completion int64 }
	Latency          struct{ Avg *float64 } `json:"latency_ms"`
	System           struct {
		Samples int64
		CPU     *float64 `json:"cpu_usage"`
		Memory  *float64 `json:"memory_usage"`
	}
}

func (s stats) totals() totals {
	return totals{s.Requests, s.Errors, s.Tokens.Prompt, s.Tokens.Completion, s.Latency.Avg}
}

type analytics struct {
	Overall stats
	Groups  []struct {
		Key   struct{ Model string }
		Stats stats
	}
}

// window is what the windows say of the hour from start on, by model, and of all of it.
func (h *instance) window(t testing.TB, start time.Time) (all totals, models map[string]totals) {
	t.Helper()
	var a analytics
	h.get(t, "event-processing-api", "/analytics?window=3600&group_by=model&limit=1000&at="+stamp(start.Add(time.Hour)), &a)
	models = map[string]totals{}
	for _, g := range a.Groups {
		models[g.Key.Model] = g.Stats.totals()
	}
	return a.Overall.totals(), models
}

// aggregate runs the hourly aggregation of the hour from start on and returns its rows.
func (h *instance) aggregate(t testing.TB, start time.Time) (all totals, models map[string]totals) {
	t.Helper()
	body, _ := json.Marshal(map[string]any{"dag_id": "hxp_hourly_aggregation", "data_interval_start": stamp(start), "data_interval_end": stamp(start.Add(time.Hour))})
	res, data, err := call("POST", h.url("batch-processing-api")+"/runs", map[string]string{"Content-Type": "application/json"}, body)
	if err != nil || res.StatusCode != http.StatusAccepted {
		t.Fatalf("POST /runs: %v %v %s", err, res, data)
	}
	where, err := url.Parse(res.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	var run struct{ State string }
	eventually(t, time.Minute, "the end of the run", func() bool {
		h.get(t, "batch-processing-api", where.Path, &run)
		return run.State == "success" || run.State == "failed" || run.State == "cancelled"
	})
	if run.State != "success" {
		t.Fatalf("the run of %s: %s", stamp(start), run.State)
	}
	return h.rows(t, start)
}

// rows are the stored rows of one hour.
func (h *instance) rows(t testing.TB, start time.Time) (all totals, models map[string]totals) {
	t.Helper()
	var table struct {
		Rows []struct {
			Model            string
			Requests, Errors int64
			Prompt           int64    `json:"prompt_tokens"`
			Completion       int64    `json:"completion_tokens"`
			Latency          *float64 `json:"latency_avg_ms"`
		}
	}
	h.get(t, "batch-processing-api", fmt.Sprintf("/aggregations/hourly?model=*&limit=1000&from=%s&to=%s", stamp(start), stamp(start.Add(time.Hour))), &table)
	models = map[string]totals{}
	for _, r := range table.Rows {
		models[r.Model] = totals{r.Requests, r.Errors, r.Prompt, r.Completion, r.Latency}
	}
	all = models["_all"]
	delete(models, "_all")
	return all, models
}

// deadLetters are the counts of the dead letters by reason.
func (h *instance) deadLetters(t testing.TB) map[string]int {
	t.Helper()
	var s struct{ Counts map[string]int }
	h.get(t, "kafka-api", "/dead-letters/summary", &s)
	return s.Counts
}

// replayed is the summary of hxp replay.
type replayed struct{ Read, Sent, Refused, Duplicates int }

// replay sends a file and wants every row taken.
func (h *instance) replay(t testing.TB, args ...string) replayed {
	t.Helper()
	out, errs, code := h.cli(t, append([]string{"replay", "--json"}, args...)...)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var s replayed
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil || code != 0 {
		t.Fatalf("hxp replay %v: exit %d, %v\n%s%s", args, code, err, out, errs)
	}
	return s
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
