package prom

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
)

const (
	second = int64(1_000_000)
	began  = 1_748_772_000 * second // 2025-06-01T10:00:00Z
)

// read takes a text at a time into a batch of its own and returns the events.
func read(t testing.TB, text string, names *Names, state *State, at int64, l Limits) ([]event.Event, *Batch) {
	t.Helper()
	b := NewBatch(names, state, l)
	o := &Origin{Source: "scrape/test", Host: "here", Read: at, Time: at}
	if err := Parse(strings.NewReader(text), TextOptions{MaxSeries: 1000}, func(s *Sample) error { b.Add(s, o); return nil }); err != nil {
		t.Fatal(err)
	}
	return b.Events(), b
}

func fixture(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var plenty = Limits{Events: 100, Metrics: 256}

// data shows the data of an event. It is what a reader of the topic gets, so it must be valid.
func data(t testing.TB, e *event.Event) map[string]any {
	t.Helper()
	text := event.AppendJSON(nil, e)
	var p event.Parser
	var back event.Event
	if bad := p.Parse(text, &back); bad != nil {
		t.Fatalf("%v in %s", bad, text)
	}
	if !back.Equal(e) {
		t.Fatalf("not the same when read back: %s", text)
	}
	var v struct{ Data map[string]any }
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v.Data
}

// holds compares the data of the event of one model and GPU with what it must be, exactly.
func holds(t *testing.T, events []event.Event, model, gpu string, want map[string]any) {
	t.Helper()
	for i := range events {
		got := data(t, &events[i])
		if orEmpty(got["model"]) != model || orEmpty(got["gpu"]) != gpu {
			continue
		}
		for k, w := range want {
			g, ok := got[k]
			if f, number := w.(float64); number && ok {
				ok = math.Abs(g.(float64)-f) <= 1e-9*math.Abs(f)
			} else {
				ok = ok && g == w
			}
			if !ok {
				t.Errorf("%s is %v, want %v", k, g, w)
			}
		}
		for k, g := range got {
			if _, ok := want[k]; !ok {
				t.Errorf("%s: %v was not expected", k, g)
			}
		}
		return
	}
	t.Errorf("no event of model %q and gpu %q among %d", model, gpu, len(events))
}

func orEmpty(v any) string {
	s, _ := v.(string)
	return s
}

// later is the text with some values replaced.
func later(t *testing.T, text string, replace ...string) string {
	t.Helper()
	for i := 0; i < len(replace); i += 2 {
		if strings.Count(text, replace[i]) != 1 {
			t.Fatalf("%q stands %d times", replace[i], strings.Count(text, replace[i]))
		}
		text = strings.Replace(text, replace[i], replace[i+1], 1)
	}
	return text
}

func TestVLLM(t *testing.T) {
	names, state, text := NewNames(nil), NewState(1000), fixture(t, "vllm.txt")
	events, _ := read(t, text, names, state, began, plenty)
	gauges := map[string]any{"host": "here", "model": "qwen3-32b", "requests_running": 20., "requests_waiting": 5., "kv_cache_usage": .375, "vllm_engine_sleep_state": 1.}
	holds(t, events, "qwen3-32b", "", gauges)
	text = later(t, text,
		`vllm:prompt_tokens_total{engine="0",model_name="qwen3-32b"} 1000.0`, `vllm:prompt_tokens_total{engine="0",model_name="qwen3-32b"} 1600.0`,
		`vllm:prompt_tokens_total{engine="1",model_name="qwen3-32b"} 2000.0`, `vllm:prompt_tokens_total{engine="1",model_name="qwen3-32b"} 300.0`, // that one began again
		`vllm:generation_tokens_total{engine="1",model_name="qwen3-32b"} 700.0`, `vllm:generation_tokens_total{engine="1",model_name="qwen3-32b"} 850.0`,
		`finished_reason="stop",model_name="qwen3-32b"} 10.0`, `finished_reason="stop",model_name="qwen3-32b"} 20.0`,
		`finished_reason="length",model_name="qwen3-32b"} 2.0`, `finished_reason="length",model_name="qwen3-32b"} 7.0`,
		`le="0.1",model_name="qwen3-32b"} 10.0`, `le="0.1",model_name="qwen3-32b"} 10.0`,
		`le="0.25",model_name="qwen3-32b"} 30.0`, `le="0.25",model_name="qwen3-32b"} 40.0`,
		`le="0.5",model_name="qwen3-32b"} 40.0`, `le="0.5",model_name="qwen3-32b"} 60.0`,
		`vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="qwen3-32b"} 40.0`, `vllm:time_to_first_token_seconds_bucket{engine="0",le="+Inf",model_name="qwen3-32b"} 60.0`,
		`vllm:time_to_first_token_seconds_count{engine="0",model_name="qwen3-32b"} 40.0`, `vllm:time_to_first_token_seconds_count{engine="0",model_name="qwen3-32b"} 60.0`,
		`vllm:time_to_first_token_seconds_sum{engine="0",model_name="qwen3-32b"} 8.0`, `vllm:time_to_first_token_seconds_sum{engine="0",model_name="qwen3-32b"} 14.0`,
		`vllm:iteration_tokens_total_count{engine="0",model_name="qwen3-32b"} 50.0`, `vllm:iteration_tokens_total_count{engine="0",model_name="qwen3-32b"} 53.0`,
	)
	events, b := read(t, text, names, state, began+15*second, plenty)
	want := map[string]any{"prompt_tokens_per_second": 900. / 15, "generation_tokens_per_second": 10., "requests_finished_per_second": 1., "prefix_cache_queries_per_second": 0.,
		"engine_ttft_ms_avg": 300., "engine_ttft_ms_p50": 250., "engine_ttft_ms_p95": 475., "engine_ttft_ms_p99": 495., // 10 between 0.1 and 0.25, 10 up to 0.5
		"vllm_iteration_tokens_count": 3., "vllm_iteration_tokens_sum": 0.}
	for k, v := range gauges {
		want[k] = v
	}
	holds(t, events, "qwen3-32b", "", want)
	if b.Stats.Resets != 1 || len(events) != 1 {
		t.Errorf("%+v, %d events", b.Stats, len(events))
	}
}

func TestOldVLLM(t *testing.T) {
	events, _ := read(t, fixture(t, "vllm-0.6.txt"), NewNames(nil), NewState(100), began, plenty)
	holds(t, events, "meta-llama/Llama-3.1-8B-Instruct", "", map[string]any{"host": "here", "model": "meta-llama/Llama-3.1-8B-Instruct", "requests_running": 8., "requests_waiting": 3.,
		"requests_swapped": 0., "kv_cache_usage": .375, "cpu_kv_cache_usage": 0., "engine_prompt_tokens_per_second": 812.5, "engine_generation_tokens_per_second": 301.25})
	if len(events) != 1 {
		t.Errorf("%d events: what speaks of the process alone is noise", len(events))
	}
}

func TestDCGM(t *testing.T) {
	events, _ := read(t, fixture(t, "dcgm.txt"), NewNames(nil), NewState(100), began, plenty)
	const model = "NVIDIA H100 80GB HBM3"
	holds(t, events, "", "0", map[string]any{"host": "gpu-node-1", "gpu": "0", "gpu_uuid": "GPU-604ac76c-d9cf-fef3-62e9-d92044ab6e52", "gpu_model": model,
		"gpu_usage": 97., "power_w": 612.35, "energy_j": 1250000.5, "gpu_memory_usage": 80., "gpu_temperature_celsius": 61., "gpu_sm_clock_mhz": 1980.,
		"gpu_memory_used_mib": 65536., "gpu_memory_free_mib": 16384., "gpu_memory_reserved_mib": 639., "gpu_tensor_active": .314159})
	holds(t, events, "", "1", map[string]any{"host": "gpu-node-1", "gpu": "1", "gpu_uuid": "GPU-0a1b2c3d-0000-1111-2222-333344445555", "gpu_model": model,
		"gpu_usage": 0., "power_w": 71.5, "gpu_temperature_celsius": 30., "gpu_sm_clock_mhz": 345., "gpu_memory_free_mib": 81000.}) // used is not told: no ratio
	moved := strings.NewReplacer("UUID=", "uuid=", "Hostname=", "hostname=").Replace(fixture(t, "dcgm.txt"))
	again, _ := read(t, moved, NewNames(nil), NewState(100), began, plenty)
	for i := range events {
		if !again[i].Equal(&events[i]) {
			t.Errorf("other label names give %s", event.AppendJSON(nil, &again[i]))
		}
	}
}

func TestMIG(t *testing.T) {
	events, _ := read(t, "DCGM_FI_DEV_FB_USED{gpu=\"0\",UUID=\"GPU-1\",GPU_I_PROFILE=\"1g.10gb\",GPU_I_ID=\"7\"} 5\nDCGM_FI_DEV_FB_USED{gpu=\"0\",UUID=\"GPU-1\",GPU_I_PROFILE=\"1g.10gb\",GPU_I_ID=\"8\"} 6\n",
		NewNames(nil), NewState(100), began, plenty)
	holds(t, events, "", "0/7", map[string]any{"host": "here", "gpu": "0/7", "gpu_uuid": "GPU-1", "gpu_memory_used_mib": 5.})
	holds(t, events, "", "0/8", map[string]any{"host": "here", "gpu": "0/8", "gpu_uuid": "GPU-1", "gpu_memory_used_mib": 6.})
}

func TestNode(t *testing.T) {
	names, state, text := NewNames(nil), NewState(1000), fixture(t, "node.txt")
	events, _ := read(t, text, names, state, began, plenty)
	want := map[string]any{"host": "here", "memory_usage": 75., "memory_available_bytes": 4e10, "memory_total_bytes": 1.6e11, "disk_usage": 75., "load1": .75,
		"node_boot_time_seconds": 1.7487648e9, "node_hwmon_temp_celsius": 42.}
	holds(t, events, "", "", want)
	text = later(t, text, `{cpu="0",mode="idle"} 1000`, `{cpu="0",mode="idle"} 1005`, `{cpu="1",mode="idle"} 1100`, `{cpu="1",mode="idle"} 1102.5`,
		`{device="nvme0n1"} 4096`, `{device="nvme0n1"} 14096`, `{device="dm-0"} 4096`, `{device="dm-0"} 14096`, `{device="eth0"} 1000`, `{device="eth0"} 2000`, `{device="lo"} 99999`, `{device="lo"} 999999`,
		`node_softnet_dropped_total{cpu="1"} 3`, `node_softnet_dropped_total{cpu="1"} 8`)
	events, _ = read(t, text, names, state, began+10*second, plenty)
	want["cpu_usage"], want["disk_read_bytes_per_second"], want["network_receive_bytes_per_second"], want["node_softnet_dropped_per_second"] = 62.5, 1000., 100., .5
	holds(t, events, "", "", want)
}

func TestLiteLLM(t *testing.T) {
	names, state, text := NewNames(nil), NewState(1000), fixture(t, "litellm.txt")
	read(t, text, names, state, began, plenty)
	text = later(t, text, `team="red",user="u1"} 10.0`, `team="red",user="u1"} 13.0`, `team="blue",user="u2"} 4.0`, `team="blue",user="u2"} 5.0`, `team="red",user="u1"} 1.5`, `team="red",user="u1"} 1.75`,
		`team="red",user="u1"} 6000.0`, `team="red",user="u1"} 6100.0`,
		`le="0.005",model_group="gpt-4o"} 7.0`, `le="0.005",model_group="gpt-4o"} 9.0`, `le="0.01",model_group="gpt-4o"} 9.0`, `le="0.01",model_group="gpt-4o"} 11.0`, `le="+Inf",model_group="gpt-4o"} 10.0`, `le="+Inf",model_group="gpt-4o"} 12.0`,
		`metric_count{api_base="https://api.openai.com",model_group="gpt-4o"} 10.0`, `metric_count{api_base="https://api.openai.com",model_group="gpt-4o"} 12.0`, `model_group="gpt-4o"} 0.05`, `model_group="gpt-4o"} 0.057`)
	events, _ := read(t, text, names, state, began+10*second, plenty)
	holds(t, events, "gpt-4o", "", map[string]any{"host": "here", "model": "gpt-4o", "proxy_requests_per_second": .4, "spend_usd_per_second": .025, "tokens_per_second": 10.,
		"proxy_overhead_ms_avg": 3.5, "proxy_overhead_ms_p50": 2.5, "proxy_overhead_ms_p95": 4.75, "proxy_overhead_ms_p99": 4.95, "deployment_state": 2.})
	holds(t, events, "", "", map[string]any{"host": "here", "proxy_requests_in_flight": 3.})
}

// TestTables: what the tables say is valid, and names that are fields carry no scale by mistake.
func TestTables(t *testing.T) {
	for _, family := range Families() {
		for _, r := range known[family] {
			if r.how == byType || (r.as == "") != (r.how == asPart) || r.how == asPart && (r.ratio == nil || r.side < 0 || r.side > 1) {
				t.Errorf("%s: %+v", family, r)
			}
			if r.as != sanitise(r.as) && r.as != "" || len(r.as) > maxOwnName {
				t.Errorf("%s: %q is no name", family, r.as)
			}
			if (r.how == asValue) && r.fold == byKind && r.as != "memory_available_bytes" && r.as != "memory_total_bytes" {
				t.Errorf("%s: say how several series fold", family)
			}
		}
	}
	if len(Families()) < 80 {
		t.Errorf("only %d families", len(Families()))
	}
}

func TestNames(t *testing.T) {
	names := NewNames([]Name{
		{Match: "secret_*", Keep: false, Scale: 1},
		{Match: "temp_kelvin", Keep: true, Name: "temperature", Scale: 2, Combine: "max"},
		{Match: "power_*_watts", Keep: true, Name: "power_w", Combine: "sum", Scale: 1},
		{Match: "jobs_total", Keep: true, Name: "jobs", As: "increase", Scale: 1, Where: map[string]string{"state": "done"}},
		{Match: "node_load1", Keep: true, Name: "load_now", Scale: 1},
	})
	state := NewState(100)
	text := "secret_key 1\ntemp_kelvin{at=\"a\"} 3\ntemp_kelvin{at=\"b\"} 4\npower_psu_watts{n=\"1\"} 100\npower_psu_watts{n=\"2\"} 150\njobs_total{state=\"done\"} %d\njobs_total{state=\"lost\"} %d\nnode_load1 2\n" +
		"9bad_is_fine_when_sanitised 1\nduration 5\n# TYPE model gauge\nmodel 7\ncpu_usage 12\nkv_cache_usage 1.5\n"
	text = strings.Replace(text, "9bad", "bad", 1)
	read(t, fmt.Sprintf(text, 10, 10), names, state, began, plenty)
	events, b := read(t, fmt.Sprintf(text, 14, 99), names, state, began+second, plenty)
	holds(t, events, "", "", map[string]any{"host": "here", "temperature": 8., "power_w": 250., "jobs": 4., "load_now": 2., "bad_is_fine_when_sanitised": 1.,
		"duration_value": 5., "model_value": 7., "cpu_usage": 12.})
	if b.Stats.Refused != 1 || b.Stats.Unnamed != 1 {
		t.Errorf("%+v", b.Stats)
	}
	for _, bad := range []Name{{Keep: true, Scale: 1}, {Match: "x", Name: "a b", Scale: 1}, {Match: "x", Name: "model", Scale: 1}, {Match: "x", Name: "ttft_ms", Scale: 1}, {Match: "x"}, {Match: "x", Name: strings.Repeat("x", 200), Scale: 1}} {
		if bad.Validate() == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
	if err := (Name{Match: "x", Name: "gpu_usage", Scale: 1}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{{"a", "a", true}, {"a", "ab", false}, {"*", "", true}, {"a*", "a", true}, {"a*a", "a", false}, {"a*b*c", "aXbYc", true}, {"a*b*c", "acb", false}, {"*b", "ab", true}, {"**", "x", true}, {"a*bb", "abb", true}} {
		if glob(c.pattern, c.s) != c.want {
			t.Errorf("glob(%q, %q) is not %v", c.pattern, c.s, c.want)
		}
	}
}

// TestBudget: named numbers come first, then others by name; what has no place is counted.
func TestBudget(t *testing.T) {
	var text strings.Builder
	for i := range 50 {
		fmt.Fprintf(&text, "own_%02d 1\n", i)
	}
	text.WriteString("node_load1 1\nnode_load5 1\nnode_memory_MemTotal_bytes 4\nnode_memory_MemAvailable_bytes 1\n")
	events, b := read(t, text.String(), NewNames(nil), NewState(10), began, Limits{Events: 10, Metrics: 6})
	holds(t, events, "", "", map[string]any{"host": "here", "memory_usage": 75., "load1": 1., "load5": 1., "memory_total_bytes": 4., "memory_available_bytes": 1., "own_00": 1., "own_01": 1.})
	if b.Stats.Over != 48 {
		t.Errorf("%+v", b.Stats)
	}
	events, b = read(t, "x{model=\"a\"} 1\nx{model=\"b\"} 1\nx{model=\"c\"} 1\nx{model=\"c\"} 2\n", NewNames(nil), NewState(10), began, Limits{Events: 2, Metrics: 6})
	if len(events) != 2 || b.Stats.Crowded != 2 {
		t.Errorf("%d events, %+v", len(events), b.Stats)
	}
}

// TestNothingInvented: NaN, infinities, repetitions and long pauses give no number.
func TestNothingInvented(t *testing.T) {
	names, state := NewNames(nil), NewState(100)
	at := func(when int64, text string) int {
		events, _ := read(t, text, names, state, when, plenty)
		return len(events)
	}
	if n := at(began, "a NaN\nb +Inf\nc -Inf\nd 1e999\n"); n != 0 {
		t.Errorf("%d events of no number", n)
	}
	for i, c := range []struct {
		when int64
		want int
	}{{began, 0}, {began + second, 1}, {began + second, 0}, {began, 0}, {began + 2*second, 1}, {began + maxGap + 3*second, 0}, {began + maxGap + 4*second, 1}} {
		if n := at(c.when, "c_total 1\n"); n != c.want {
			t.Errorf("%d: %d events, want %d", i, n, c.want)
		}
	}
	if n := at(began+5*second, fmt.Sprintf("old 1 %d\n", began/1000-2*3600_000)); n != 0 {
		t.Error("a sample of two hours ago counts")
	}
}

// TestStateIsBounded: a million series cost no more memory than the State was given, and those read last are known.
func TestStateIsBounded(t *testing.T) {
	s := NewState(1000)
	for i := range 100_000 {
		sample := Sample{Name: "x", Labels: []Label{{"n", fmt.Sprint(i)}}}
		s.advance(sample.key(), 1, began)
		if s.Len() > 1000 {
			t.Fatalf("%d series after %d", s.Len(), i)
		}
	}
	for i := 100_000 - 500; i < 100_000; i++ {
		sample := Sample{Name: "x", Labels: []Label{{"n", fmt.Sprint(i)}}}
		if st, _ := s.advance(sample.key(), 3, began+second); !st.ok || st.increase != 2 {
			t.Fatalf("%d is forgotten", i)
		}
	}
}

// TestUndo: what could not be written counts when it comes again, unless somebody read the series later.
func TestUndo(t *testing.T) {
	names, state := NewNames(nil), NewState(100)
	read(t, "c_total 10\n", names, state, began, plenty)
	first, b := read(t, "c_total 20\nnew_total 1\n", names, state, began+10*second, plenty)
	b.Undo()
	again, b2 := read(t, "c_total 20\nnew_total 1\n", names, state, began+10*second, plenty)
	if len(first) != 1 || len(again) != 1 || !first[0].Equal(&again[0]) {
		t.Errorf("%v and %v", first, again)
	}
	after, _ := read(t, "c_total 30\n", names, state, began+20*second, plenty)
	b2.Undo() // too late
	if got := data(t, &after[0])["c_per_second"]; got != 1. {
		t.Errorf("rate %v", got)
	}
	if events, _ := read(t, "c_total 40\n", names, state, began+30*second, plenty); data(t, &events[0])["c_per_second"] != 1. {
		t.Error("the later reading was taken back")
	}
}

// TestIDs: the same reading has the same ids, another time or model another.
func TestIDs(t *testing.T) {
	one := func(text string, at int64) string {
		events, _ := read(t, text, NewNames(nil), NewState(10), at, plenty)
		return events[0].ID
	}
	a := one("x{model=\"a\"} 1\n", began)
	if a != one("x{model=\"a\"} 2\n", began) || a == one("x{model=\"b\"} 1\n", began) || a == one("x{model=\"a\"} 1\n", began+1) || len(a) != 32 {
		t.Error(a)
	}
}

func TestOperatorsLabels(t *testing.T) {
	b := NewBatch(NewNames(nil), NewState(10), plenty)
	o := &Origin{Source: "s", Host: "h", Read: began, Time: began, Labels: []Label{{"cluster", "eu \"1\""}, {"host", "mine"}, {"model", "m"}}}
	b.Add(&Sample{Name: "x", Value: 1, Labels: []Label{{"host", "theirs"}, {"model", "n"}}}, o)
	e := &b.Events()[0]
	if d := data(t, e); d["host"] != "mine" || d["model"] != "m" || string(e.Metadata) != `{"cluster":"eu \"1\""}` {
		t.Errorf("%v, metadata %s", d, e.Metadata)
	}
}
