package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/sink"
)

// dataDir finds the real traces; a test that needs them is skipped without.
func dataDir(tb testing.TB) string {
	dir := os.Getenv("HXP_TEST_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(filepath.Join(dir, "truth")); err != nil {
		tb.Skip("no trace data; set HXP_TEST_DATA")
	}
	return dir
}

// gather is a sink that keeps every item and has written all of them.
type gather struct {
	mu    sync.Mutex
	items []sink.Item
	stop  func(n int) error // may end the run
}

func (g *gather) Send(_ context.Context, it sink.Item, r sink.Report) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.items = append(g.items, it)
	if g.stop != nil {
		if err := g.stop(len(g.items)); err != nil {
			return err
		}
	}
	r.Sent(it)
	return nil
}

func (g *gather) Flush(context.Context) error { return nil }

// run replays quietly and returns what came out.
func run(tb testing.TB, o Options) (code int, s Summary, g *gather, stderr string) {
	tb.Helper()
	g = &gather{}
	o.JSON, o.Every = true, -1
	var out, errs bytes.Buffer
	code = Run(tb.Context(), o, g, &out, &errs)
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); lines[len(lines)-1] != "" {
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil {
			tb.Fatalf("last line of stdout is no summary: %v\n%s", err, out.String())
		}
	}
	return code, s, g, errs.String()
}

type truthLatency struct {
	N    int     `json:"n"`
	Mean float64 `json:"mean"`
	Min  float64 `json:"min"`
	Max  float64 `json:"max"`
}

type truthGroup struct {
	Requests    int64                 `json:"requests"`
	Errors      int64                 `json:"errors"`
	Unknown     int64                 `json:"unknown"`
	Prompt      int64                 `json:"prompt_tokens"`
	Completion  int64                 `json:"completion_tokens"`
	Latency     *truthLatency         `json:"latency_s"`
	LatencyGood *truthLatency         `json:"latency_s_success_only"`
	TTFT        *truthLatency         `json:"ttft_s"`
	Users       int                   `json:"unique_users"`
	Sessions    int                   `json:"unique_sessions"`
	Models      map[string]truthGroup `json:"models"`
}

type truthFile struct {
	Rows          int64                 `json:"rows"`
	First         float64               `json:"first"`
	Last          float64               `json:"last"`
	Total         truthGroup            `json:"total"`
	Hours         map[string]truthGroup `json:"hours"`
	MinuteRequest map[string]int64      `json:"minute_requests"`
	MinuteErrors  map[string]int64      `json:"minute_errors"`
}

type fold struct {
	requests, errors, unknown, prompt, completion int64
	latency, ttft                                 []int64 // ns, of successful requests
	users, sessions                               map[string]bool
}

func (f *fold) add(e *event.Event) {
	f.requests++
	f.prompt += e.Int(event.PromptTokens)
	f.completion += e.Int(event.CompletionTokens)
	good := e.Bool(event.Success)
	if !e.Has(event.Success) {
		f.unknown++
	} else if !good {
		f.errors++
	}
	if good && e.Has(event.DurationMS) {
		f.latency = append(f.latency, e.Int(event.DurationMS))
	}
	if good && e.Has(event.TTFT) {
		f.ttft = append(f.ttft, e.Int(event.TTFT))
	}
	if f.users == nil {
		f.users, f.sessions = map[string]bool{}, map[string]bool{}
	}
	if s := e.Text(event.UserID); s != "" {
		f.users[s] = true
	}
	if s := e.Text(event.SessionID); s != "" {
		f.sessions[s] = true
	}
}

func (f *fold) compare(tb testing.TB, what string, want truthGroup, prompt, completion bool) {
	tb.Helper()
	if f == nil {
		f = &fold{}
	}
	if f.requests != want.Requests || f.errors != want.Errors || f.unknown != want.Unknown {
		tb.Errorf("%s: requests, errors, unknown = %d, %d, %d; want %d, %d, %d", what, f.requests, f.errors, f.unknown, want.Requests, want.Errors, want.Unknown)
	}
	if prompt && f.prompt != want.Prompt || completion && f.completion != want.Completion {
		tb.Errorf("%s: tokens = %d, %d; want %d, %d", what, f.prompt, f.completion, want.Prompt, want.Completion)
	}
	latency := want.Latency
	if want.LatencyGood != nil || want.Errors == want.Requests {
		latency = want.LatencyGood
	}
	compareTimes(tb, what+" latency", f.latency, latency)
	compareTimes(tb, what+" ttft", f.ttft, want.TTFT)
}

func compareTimes(tb testing.TB, what string, got []int64, want *truthLatency) {
	tb.Helper()
	if want == nil || want.N == 0 {
		return
	}
	if len(got) != want.N {
		tb.Errorf("%s: %d values, want %d", what, len(got), want.N)
		return
	}
	var sum int64
	for _, v := range got {
		sum += v
	}
	slices.Sort(got)
	for _, c := range []struct {
		name      string
		got, want float64
	}{{"mean", float64(sum) / 1e9 / float64(len(got)), want.Mean}, {"min", float64(got[0]) / 1e9, want.Min}, {"max", float64(got[len(got)-1]) / 1e9, want.Max}} {
		if math.Abs(c.got-c.want) > 1e-9*math.Max(1, math.Abs(c.want)) {
			tb.Errorf("%s: %s = %v, want %v", what, c.name, c.got, c.want)
		}
	}
}

// Every trace becomes exactly the events that the truth beside it counts, for each hour and model.
func TestTruth(t *testing.T) {
	dir := dataDir(t)
	var files []string
	for _, pattern := range []string{"llm/*.csv", "llm/*.gz", "llm/llmperf/*.json", "engine/*_detail.json"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		t.Fatal("no traces in ", dir)
	}
	for _, file := range files {
		rel, _ := filepath.Rel(dir, file)
		b, err := os.ReadFile(filepath.Join(dir, "truth", strings.ReplaceAll(filepath.ToSlash(rel), "/", "__")+".truth.json"))
		if err != nil {
			continue
		}
		t.Run(rel, func(t *testing.T) {
			var want truthFile
			if err := json.Unmarshal(b, &want); err != nil {
				t.Fatal(err)
			}
			o := Options{Files: []string{file}}
			if strings.Contains(rel, "Azure") {
				o.Model = "code"
			}
			checkTruth(t, o, want, strings.Contains(rel, "llmperf"), strings.Contains(rel, "gentd26"), strings.HasPrefix(rel, "engine"))
		})
	}
}

func checkTruth(t *testing.T, o Options, want truthFile, noClock, characters, engine bool) {
	code, s, g, stderr := run(t, o)
	if code != 0 || s.Read != want.Rows || s.Sent != want.Rows || s.Refused != 0 {
		t.Fatalf("exit %d, summary %+v, want %d rows; %s", code, s, want.Rows, stderr)
	}
	total, hours, models := &fold{}, map[string]*fold{}, map[string]*fold{}
	minutes, bad := map[string]int64{}, map[string]int64{}
	ids := map[[2]uint64]bool{}
	var p event.Parser
	for _, it := range g.items {
		var e event.Event
		if bad := p.Parse(it.Value, &e); bad != nil {
			t.Fatalf("sent what is no event: %v\n%s", bad, it.Value)
		}
		ids[e.Identity()] = true
		at := time.UnixMicro(e.Time).UTC()
		hour, minute := at.Format("2006-01-02T15"), at.Format("2006-01-02T15:04")
		total.add(&e)
		for key, m := range map[string]map[string]*fold{hour: hours, hour + " " + e.Text(event.Model): models} {
			if m[key] == nil {
				m[key] = &fold{}
			}
			m[key].add(&e)
		}
		minutes[minute]++
		if e.Has(event.Success) && !e.Bool(event.Success) {
			bad[minute]++
		}
	}
	if int64(len(ids)) != want.Rows {
		t.Errorf("%d distinct events of %d rows", len(ids), want.Rows)
	}
	prompt, completion := !characters, !characters && !engine
	total.compare(t, "total", want.Total, prompt, completion)
	if want.Total.Users != 0 && len(total.users) != want.Total.Users || want.Total.Sessions != 0 && len(total.sessions) != want.Total.Sessions {
		t.Errorf("%d users, %d sessions; want %d, %d", len(total.users), len(total.sessions), want.Total.Users, want.Total.Sessions)
	}
	for k, w := range want.Hours {
		hours[k].compare(t, k, w, prompt, completion)
		for m, w := range w.Models {
			models[k+" "+m].compare(t, k+" "+m, w, prompt, completion)
		}
	}
	if len(hours) != len(want.Hours) {
		t.Errorf("%d hours, want %d", len(hours), len(want.Hours))
	}
	for m, n := range want.MinuteRequest {
		if minutes[m] != n || bad[m] != want.MinuteErrors[m] {
			t.Errorf("minute %s: %d requests, %d errors; want %d, %d", m, minutes[m], bad[m], n, want.MinuteErrors[m])
		}
	}
	if noClock {
		return
	}
	for _, c := range []struct {
		got  *string
		want float64
	}{{s.First, want.First}, {s.Last, want.Last}} {
		got, err := event.ParseTime(*c.got)
		if err != nil || math.Abs(float64(got)/1e6-c.want) > 1.1e-6 {
			t.Errorf("first or last %s is not %f", *c.got, c.want)
		}
	}
}

// The samples of the engine come out one for one.
func TestEngineSamples(t *testing.T) {
	dir := dataDir(t)
	gpu, err := filepath.Glob(filepath.Join(dir, "engine", "*_gpu.json"))
	if err != nil || len(gpu) == 0 {
		t.Fatal("no samples", err)
	}
	engine, _ := filepath.Glob(filepath.Join(dir, "engine", "*_vllm.csv"))
	for _, file := range append(gpu, engine...) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want := bytes.Count(b, []byte("\n")) - 1
		if strings.HasSuffix(file, ".json") {
			want = bytes.Count(b, []byte(`"monitor_id"`))
		}
		code, s, g, stderr := run(t, Options{Files: []string{file}})
		if code != 0 || s.Read != int64(want) || s.ByType["system_metric"] != int64(want) {
			t.Errorf("%s: exit %d, %+v, want %d samples; %s", filepath.Base(file), code, s, want, stderr)
		}
		for _, it := range g.items {
			var e event.Event
			if bad := new(event.Parser).Parse(it.Value, &e); bad != nil {
				t.Fatal(bad)
			}
			if e.Float(event.GPUUsage) > 100 || e.Float(event.KVCacheUsage) > 1 || string(it.Key) != vllmHost {
				t.Fatalf("odd sample %s", it.Value)
			}
		}
	}
	fmt.Fprintln(t.Output(), len(gpu)+len(engine), "files")
}
