package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const burst = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n" +
	"5,ChatGPT,472,18,490,Conversation log\n" +
	"45,ChatGPT,0,0,0,API log\n" +
	"118,GPT-4,417,276,693,Conversation log\n"

func file(tb testing.TB, name, content string) string {
	tb.Helper()
	p := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	return p
}

func parsed(tb testing.TB, it sink.Item) *event.Event {
	tb.Helper()
	var e event.Event
	if bad := new(event.Parser).Parse(it.Value, &e); bad != nil {
		tb.Fatalf("%v: %s", bad, it.Value)
	}
	return &e
}

// One row of each format becomes the expected event.
func TestFormats(t *testing.T) {
	start := time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		format, file, model, content, want string
	}{
		{"burstgpt", "x", "", burst,
			`"timestamp":"2024-05-01T00:00:05Z","source":"replay:burstgpt","data":{"model":"ChatGPT","request_id":"ID","prompt_tokens":472,"completion_tokens":18,"total_tokens":490,"success":true,"log_type":"Conversation log"}`},
		{"burstgpt", "x", "", "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n19440110.5,u-1,43,GPT-4,906,0,906,API log\n",
			`"timestamp":"2024-12-12T00:01:50.5Z","source":"replay:burstgpt","data":{"model":"GPT-4","request_id":"ID","session_id":"u-1","duration_ms":43000,"prompt_tokens":906,"completion_tokens":0,"total_tokens":906,"success":false,"log_type":"API log"}`},
		{"azure-llm", "x", "", "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:17:03.9799609,4808,10",
			`"timestamp":"2023-11-16T18:17:03.97996Z","source":"replay:azure-llm","data":{"model":"azure","request_id":"ID","prompt_tokens":4808,"completion_tokens":10,"total_tokens":4818,"success":true}`},
		{"mooncake", "x", "kimi-2", `{"timestamp": 1250, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1]}`,
			`"timestamp":"2024-05-01T00:00:01.25Z","source":"replay:mooncake","data":{"model":"kimi-2","request_id":"ID","prompt_tokens":6758,"completion_tokens":500,"total_tokens":7258,"success":true}`},
		{"ragpulse", "x", "", `{"timestamp": "82.5", "input_length": 3112, "output_length": 192, "hash_ids": {"a": [1]}, "session_id": "s-1"}`,
			`"timestamp":"2024-05-01T00:01:22.5Z","source":"replay:ragpulse","data":{"model":"ragpulse","request_id":"ID","session_id":"s-1","prompt_tokens":3112,"completion_tokens":192,"total_tokens":3304,"success":true}`},
		{"agent-calls", "x", "", `{"start_time_iso":"2026-04-20T11:44:54.855935+00:00","start_time_s":1.0,"duration_ms":14716.823816299438,"request_model":"azure/x","input_tokens":18987,"output_tokens":217,"session_id":"s","response_id":null,"span_id":"sp","operation_name":"chat","status_code":2,"is_error":false,"finish_reasons":["tool_calls"]}`,
			`"timestamp":"2026-04-20T11:44:54.855935Z","source":"replay:agent-calls","data":{"model":"azure/x","request_id":"sp","session_id":"s","operation":"chat","finish_reason":"tool_calls","duration_ms":14716.823816,"prompt_tokens":18987,"completion_tokens":217,"total_tokens":19204,"success":false}`},
		{"alibaba-cara", "x", "", `{"request_id":"d2cf48ea","instance_id":"c240g5-1_port8300","instance_type":"qwen2.5-3b_p100","num_prompt_tokens":47,"num_predicted_output_tokens":1024,"actual_output_tokens":250,"actual_e2e_latency":23.71594337094575,"actual_ttft":0.13768915797118098,"actual_tpot":0.0946704377588558,"num_running":11,"num_waiting":0,"kv_cache_utilization":0.0,"prediction_timestamp":1773889091.8142216,"completion_timestamp":1773889115.8616304}`,
			`"timestamp":"2026-03-19T02:58:11.814221Z","source":"replay:alibaba-cara","data":{"model":"qwen2.5-3b","request_id":"d2cf48ea","host":"c240g5-1_port8300","duration_ms":23715.943371,"ttft_ms":137.689158,"tpot_ms":94.670438,"prompt_tokens":47,"completion_tokens":250,"total_tokens":297,"success":true,"instance_type":"qwen2.5-3b_p100","num_predicted_output_tokens":1024,"num_running":11,"num_waiting":0,"kv_cache_utilization":0}`},
		{"alibaba-cara", "x", "", `{"request_id":"r","instance_id":"h","instance_type":"qwen2.5-3b_p100","num_prompt_tokens":47,"actual_e2e_latency":0.5,"completion_timestamp":1773889115.5,"schedule_state":{"num_running":11,"running_requests":[{"request_id":"chatcmpl-2","num_prompt_tokens":473}],"waiting_requests":[]}}`,
			`"timestamp":"2026-03-19T02:58:35Z","source":"replay:alibaba-cara","data":{"model":"qwen2.5-3b","request_id":"r","host":"h","duration_ms":500,"prompt_tokens":47,"total_tokens":47,"success":true,"instance_type":"qwen2.5-3b_p100","num_running":11}`},
		{"alibaba-cara", "x", "", "request_id,instance_type,num_prompt_tokens,actual_e2e_latency_s,prediction_timestamp_s\nr,qwen2.5-72b_a100,5,,1773889115\n",
			`"timestamp":"2026-03-19T02:58:35Z","source":"replay:alibaba-cara","data":{"model":"qwen2.5-72b","request_id":"r","prompt_tokens":5,"total_tokens":5,"instance_type":"qwen2.5-72b_a100"}`},
		{"tool-operations", "x", "", `{"args_count":0,"args_fingerprint":"97fc","args_keys":"list","artifacts_bytes":0,"created_at_utc":"2026-04-16T14:48:37.899981+00:00","duration_ms":14.304940006695688,"error_message_preview":"needs rows","error_type":"ValueError","force_retrain":null,"kwargs_key_count":0,"operation_id":"forecast_001","request_id":"c91e","result_payload_bytes":0,"stage":"failed","status":"error","tool_name":"series_forecast","updated_at_utc":"2026-04-16T14:48:37.914029+00:00"}`,
			`"timestamp":"2026-04-16T14:48:37.899981Z","source":"replay:tool-operations","data":{"request_id":"c91e","business_event_type":"tool_operation","operation_id":"forecast_001","tool_name":"series_forecast","status":"error","stage":"failed","error_type":"ValueError","error_message_preview":"needs rows","duration_ms":14.304940006695688,"args_count":0,"kwargs_key_count":0,"result_payload_bytes":0,"artifacts_bytes":0}`},
		{"tool-operations", "x", "", `{"created_at_s":1776614921.399076,"duration_ms":null,"is_cancelled":true,"operation_id":"o","request_id":null,"status":"cancelled","tool_name":"t"}`,
			`"timestamp":"2026-04-19T16:08:41.399076Z","source":"replay:tool-operations","data":{"business_event_type":"tool_operation","operation_id":"o","tool_name":"t","status":"cancelled"}`},
		{"tool-operations", "x", "", "operation_id,tool_name,status,duration_ms,created_at_iso\no,t,ok,2,2026-04-19T16:08:41Z\n",
			`"timestamp":"2026-04-19T16:08:41Z","source":"replay:tool-operations","data":{"business_event_type":"tool_operation","operation_id":"o","tool_name":"t","status":"ok","duration_ms":2}`},
		{"gentd26-requests", "x", "", "gmt_create,predict_type,predict_status,exec_time_seconds,groupId,prompt_length,negative_prompt_length,num_images_per_prompt,num_inference_steps,checkpoint_model_version_id,num_lora\n2024-11-15 16:57:50,TXT_2_IMG,PENDING,,G0000,63.0,,1.0,30.0,M0000,0\n",
			`"timestamp":"2024-11-15T16:57:50Z","source":"replay:gentd26-requests","data":{"model":"M0000","request_id":"ID","user_id":"G0000","operation":"txt_2_img","predict_status":"PENDING","prompt_length":63,"num_images_per_prompt":1,"num_inference_steps":30,"num_lora":0}`},
		{"gentd26-infra", "gentd26_queue_rt_raw_h0-9.csv", "", "value,container_ip,timestamp_anon\n196.5,dfe0,1662859347.0\n",
			`"timestamp":"2022-09-11T01:22:27Z","source":"replay:gentd26-infra","data":{"host":"dfe0","queue_time_ms":196.5}`},
		{"gentd26-infra", "gentd26_qps_h0-9.csv", "", "timestamp_anon,value,container_ip,request_type\n1662859176.0,0.09,,API Requests\n",
			`"timestamp":"2022-09-11T01:19:36Z","source":"replay:gentd26-infra","data":{"host":"gentd26","requests_per_second":0.09,"request_type":"API Requests"}`},
		{"gentd26-infra", "x", "", "timestamp_anon,value,container_ip\n1662859176.0,7,\n",
			`"timestamp":"2022-09-11T01:19:36Z","source":"replay:gentd26-infra","data":{"host":"gentd26","value":7}`},
		{"llmfao-votes", "x", "", "id,prompt,model_x,model_y,worker,winner,left,right\n3,8,97,98,58,right,A 7B,B 12k\n",
			`"timestamp":"2024-05-01T00:00:00Z","source":"replay:llmfao-votes","data":{"model":"B 12k","user_id":"58","thumbs":"up","winner":"right","against":"A 7B","pair":"3","prompt_id":"8"}`},
		{"llmfao-votes", "x", "", "id,prompt,model_x,model_y,worker,winner,left,right\n3,8,97,98,58,tie,A 7B,B 12k\n",
			`"timestamp":"2024-05-01T00:00:00Z","source":"replay:llmfao-votes","data":{"model":"A 7B","user_id":"58","winner":"tie","against":"B 12k","pair":"3","prompt_id":"8"}`},
		{"llmperf", "lepton_70b.json", "", "[\n {\"error_code\": 429, \"error_msg\": \"slow down\", \"inter_token_latency_s\": 0, \"ttft_s\": 0, \"end_to_end_latency_s\": 0, \"number_output_tokens\": 1, \"number_input_tokens\": 550}\n]",
			`"timestamp":"2024-05-01T00:00:00Z","source":"replay:llmperf","data":{"model":"lepton_70b","request_id":"ID","error_type":"429","prompt_tokens":550,"completion_tokens":1,"total_tokens":551,"status_code":429,"success":false,"error_msg":"slow down"}`},
		{"vllm-scale", "x", "", `{"0": {"event_id": 0, "out_len": 409, "in_len": 476, "first_chunk_time": 0.03231741487979889, "total_chunk_time": 0.0326206348836422, "record_time": 14592657.846643506}, "4": {"x": 1}}`,
			`"timestamp":"2024-10-16T21:30:57.814022Z","source":"replay:vllm-scale","data":{"model":"vllm","request_id":"ID","duration_ms":32.620635,"ttft_ms":32.317415,"prompt_tokens":476,"total_tokens":476,"success":true,"out_len_characters":409}`},
		{"vllm-scale", "x", "", `{"0": {"monitor_id": 0, "record_time": 2.5, "GPU_used_mem": 12288, "GPU_total_mem": 24576, "GPU_utilization": 74, "GPU_temperature": 40}}`,
			`"timestamp":"2024-05-01T00:00:02.5Z","source":"replay:vllm-scale","data":{"host":"vllm","gpu_usage":74,"gpu_memory_usage":50,"gpu_temperature_celsius":40}`},
		{"vllm-scale", "x", "", "timestamp,prompt_throughput,generation_throughput,num_running,num_swapped,num_pending,gpu_kvcache_usage,cpu_kvcache_usage\n2.5,3.5,4,1,0,7,12.5,0.0\n",
			`"timestamp":"2024-05-01T00:00:02.5Z","source":"replay:vllm-scale","data":{"host":"vllm","kv_cache_usage":0.125,"requests_running":1,"requests_waiting":7,"cpu_kv_cache_usage":0,"requests_swapped":0,"prompt_tokens_per_second":3.5,"generation_tokens_per_second":4}`},
		{"events", "x", "", `[{"event_id":"e1","source":"me","event_type":"llm-requests","timestamp":"2026-01-01T02:00:00+02:00","data":{"model":"m","request_id":"r","duration":1.5}}]`,
			`"timestamp":"2026-01-01T00:00:00Z","source":"me","data":{"model":"m","request_id":"r","duration_ms":1500}`},
	} {
		t.Run(c.format, func(t *testing.T) {
			for _, named := range []string{"", c.format} {
				_, _, g, stderr := run(t, Options{Files: []string{file(t, c.file, c.content)}, Format: named, Start: start, Model: c.model})
				if len(g.items) == 0 {
					t.Fatalf("nothing came out: %s", stderr)
				}
				e := parsed(t, g.items[0])
				got := string(g.items[0].Value)
				want := strings.ReplaceAll(c.want, `"ID"`, `"`+e.ID+`"`)
				if !strings.Contains(got, want) {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			}
		})
	}
}

// What a row lacks, and what does not belong where it stands, is told by its name.
func TestRowsOfTracesThatAreRefused(t *testing.T) {
	const cara = `{"instance_type":"m_g","num_prompt_tokens":%s,"actual_e2e_latency":%s%s}`
	const tool = `{"operation_id":%s,"tool_name":"t","status":%s,"duration_ms":%s,"created_at_utc":%s}`
	for row, want := range map[string]string{
		fmt.Sprintf(cara, "1", "2", ""):                                             "has no prediction_timestamp, nor completion_timestamp with actual_e2e_latency",
		fmt.Sprintf(cara, "-1", "2", `,"prediction_timestamp":5`):                   "num_prompt_tokens is negative",
		fmt.Sprintf(cara, "1", `"soon"`, `,"prediction_timestamp":5`):               `actual_e2e_latency "soon" is not a number`,
		fmt.Sprintf(cara, "1", "2", `,"prediction_timestamp":[5]`):                  "prediction_timestamp holds a list, not one value",
		fmt.Sprintf(cara, "1", "2", `,"prediction_timestamp":5,"schedule_state":7`): "schedule_state is not an object",
		fmt.Sprintf(cara, "1", "9", `,"completion_timestamp":5`):                    "completion_timestamp lies outside of 1970 to 9999",
		fmt.Sprintf(tool, `null`, `"ok"`, "1", `"2026-04-16T14:48:37Z"`):            "operation_id is empty: the row tells of no single operation",
		fmt.Sprintf(tool, `"o"`, `""`, "1", `"2026-04-16T14:48:37Z"`):               "status is empty",
		fmt.Sprintf(tool, `"o"`, `{}`, "1", `"2026-04-16T14:48:37Z"`):               "status holds an object, not one value",
		fmt.Sprintf(tool, `"o"`, `"ok"`, `"x"`, `"2026-04-16T14:48:37Z"`):           `duration_ms "x" is not a number`,
		fmt.Sprintf(tool, `"o"`, `"ok"`, "1", `"yesterday"`):                        "created_at_utc \"yesterday\" is not a time",
		fmt.Sprintf(tool, `"o"`, `"ok"`, "1", "null"):                               "has none of created_at_utc, created_at_iso, created_at_s",
	} {
		code, s, g, errs := run(t, Options{Files: []string{file(t, "x.jsonl", row+"\n")}})
		if code != 1 || s.Refused != 1 || len(g.items) != 0 || !strings.Contains(errs, "x.jsonl:1: "+want) {
			t.Errorf("%s: exit %d, %s", row, code, errs)
		}
	}
}

// The id depends on content and row alone.
func TestSameContentSameEvents(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = w.Write([]byte(burst))
	_ = w.Close()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	_, _, want, _ := run(t, Options{Files: []string{file(t, "a.csv", burst)}})
	for name, o := range map[string]Options{
		"other name": {Files: []string{file(t, "b.txt", burst)}},
		"gzip":       {Files: []string{file(t, "a.csv", zipped.String())}},
		"zstd":       {Files: []string{file(t, "a", string(enc.EncodeAll([]byte(burst), nil)))}, Format: "burstgpt"},
		"stdin":      {Files: []string{"-"}, Stdin: strings.NewReader(burst)},
		"zip stdin":  {Files: []string{"-"}, Stdin: bytes.NewReader(zipped.Bytes())},
	} {
		code, _, got, stderr := run(t, o)
		if code != 0 || len(got.items) != len(want.items) {
			t.Fatalf("%s: exit %d, %d items; %s", name, code, len(got.items), stderr)
		}
		for i := range want.items {
			if !bytes.Equal(got.items[i].Value, want.items[i].Value) || !bytes.Equal(got.items[i].Key, want.items[i].Key) {
				t.Errorf("%s: %s is not %s", name, got.items[i].Value, want.items[i].Value)
			}
		}
	}
	_, _, other, _ := run(t, Options{Files: []string{file(t, "a.csv", burst+"119,GPT-4,1,1,2,API log\n")}})
	if parsed(t, other.items[0]).Identity() == parsed(t, want.items[0]).Identity() {
		t.Error("rows of different files have the same identity")
	}
}

func TestRefusals(t *testing.T) {
	head := "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
	good := `{"event_type":"llm_request","event_id":"a","timestamp":"2026-01-01T00:00:00Z","data":{"model":"m"}}`
	for _, c := range []struct {
		name, content string
		read, sent    int64
		want          []string // after the name of the file
	}{
		{"bad numbers", head + "5,ChatGPT,472,18,490,x\nx,ChatGPT,1,1,2,API log\n7,GPT-4,10,20,30,API log\n8,GPT-4,ten,20,30,API log\n", 4, 2, []string{":3: Timestamp", ":5: Request tokens"}},
		{"fields and quotes", head + "5,ChatGPT\n6,\"Cha\"t,1,1,2,x\n7,ChatGPT,1,1,2,x\n", 3, 1, []string{":2: has 2 fields", ":3: "}},
		{"signs", head + "5,ChatGPT,-1,1,2,x\n-7,ChatGPT,1,1,2,x\nNaN,ChatGPT,1,1,2,x\n1e300,ChatGPT,1,1,2,x\n", 4, 0, []string{":2: ", ":3: Timestamp lies", ":4: ", ":5: "}},
		{"not UTF-8", head + "5,Chat\xffGPT,1,1,2,x\n6,ChatGPT,1,1,2,x\n", 2, 2, nil},
		{"torn lines", good + "\n{\"event_type\n\n" + good + "\n[1,2]\n", 4, 2, []string{":2: syntax", ":5: "}},
		{"torn first line", "{\"event_type\n" + good + "\n", 2, 1, []string{":1: syntax"}},
		{"unknown type", good + "\n{\"event_type\":\"nope\"}\n", 2, 1, []string{":2: unknown_event_type"}},
		{"torn array", "[" + good + ",\n" + good + ",\n{\"event_type\":", 3, 2, []string{":3: the file ends inside"}},
		{"garbled array", "[" + good + "\n;" + good + "]", 2, 1, []string{":2: has ';'"}},
		{"pretty", "{\n \"event_type\": \"llm_request\",\n \"data\": {\"model\": \"}\\\"{\"}\n}\n{\n \"event_type\": \"user_feedback\", \"data\": {\"thumbs\": \"up\"}\n}\n", 2, 2, nil},
		{"member without fields", `{"0": {"record_time": 1.5, "total_chunk_time": 0.5, "first_chunk_time": 0.1}, "1": {}}`, 2, 1, []string{":1: record_time"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := file(t, "in", c.content)
			code, s, _, stderr := run(t, Options{Files: []string{f}})
			if s.Read != c.read || s.Sent != c.sent || s.Refused != c.read-c.sent || (code == 0) != (c.read == c.sent) {
				t.Errorf("exit %d, %+v; %s", code, s, stderr)
			}
			lines := strings.Split(strings.TrimSpace(stderr), "\n")
			for i, w := range c.want {
				if i >= len(lines) || !strings.HasPrefix(lines[i], f+w) {
					t.Errorf("line %d of stderr does not start with FILE%s:\n%s", i, w, stderr)
				}
			}
		})
	}
}

func TestUsage(t *testing.T) {
	ok := file(t, "ok.csv", burst)
	for name, o := range map[string]Options{
		"no file":        {},
		"unknown format": {Files: []string{ok}, Format: "nope"},
		"two stdins":     {Files: []string{"-", "-"}, Stdin: strings.NewReader("")},
	} {
		if code, _, g, stderr := run(t, o); code != 2 || stderr == "" || len(g.items) > 0 {
			t.Errorf("%s: exit %d, %d items, %q", name, code, len(g.items), stderr)
		}
	}
	for name, o := range map[string]Options{
		"missing":   {Files: []string{ok, "/no/such/file"}},
		"folder":    {Files: []string{ok, t.TempDir()}},
		"unknown":   {Files: []string{ok, file(t, "x.csv", "a,b\n1,2\n")}},
		"empty":     {Files: []string{ok, file(t, "x.csv", " \n")}},
		"other":     {Files: []string{ok}, Format: "azure-llm"},
		"torn gzip": {Files: []string{ok, file(t, "x.gz", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x01")}},
	} {
		if code, _, g, stderr := run(t, o); code != 1 || stderr == "" || len(g.items) > 0 {
			t.Errorf("%s: exit %d, %d items, %q", name, code, len(g.items), stderr)
		}
	}
	if _, _, _, stderr := run(t, Options{Files: []string{"/no/such/file"}}); !strings.Contains(stderr, "no such file") {
		t.Error(stderr)
	}
	for _, s := range []string{"sideways", "0", "-1", "NaN", "Inf"} {
		if v, err := ParseSpeed(s); err == nil {
			t.Errorf("speed %q is %v", s, v)
		}
	}
}

// At speed 10, 113 seconds of trace take 11.3 seconds; what stands in a batch goes out before each wait.
func TestSpeed(t *testing.T) {
	f := file(t, "a.csv", burst)
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var at []time.Duration
		g := &gather{stop: func(int) error { at = append(at, time.Since(began)); return nil }}
		if code := Run(t.Context(), Options{Files: []string{f}, Speed: 10, Every: -1}, g, new(bytes.Buffer), os.Stderr); code != 0 {
			t.Fatal(code)
		}
		if len(at) != 3 || at[0] != 0 || at[1] != 4*time.Second || at[2] != 11300*time.Millisecond {
			t.Errorf("sent at %v", at)
		}
	})
}

func TestInterrupt(t *testing.T) {
	f := file(t, "a.csv", burst)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		g := &gather{stop: func(n int) error {
			if n == 2 {
				time.AfterFunc(time.Second, cancel)
			}
			return nil
		}}
		var out, errs bytes.Buffer
		code := Run(ctx, Options{Files: []string{f}, Speed: 1, JSON: true}, g, &out, &errs)
		if code != 1 || !strings.Contains(errs.String(), "interrupted") || !strings.Contains(out.String(), `"read":3,"sent":2`) {
			t.Errorf("exit %d\n%s%s", code, out.String(), errs.String())
		}
	})
}

func TestSinkFails(t *testing.T) {
	g := &gather{stop: func(n int) error {
		if n == 2 {
			return errors.New("the broker is gone")
		}
		return nil
	}}
	var out, errs bytes.Buffer
	code := Run(t.Context(), Options{Files: []string{file(t, "a.csv", burst)}, Every: -1}, g, &out, &errs)
	if code != 1 || !strings.Contains(errs.String(), "the broker is gone") || !strings.Contains(out.String(), "sent 1 ") {
		t.Errorf("exit %d\n%s%s", code, out.String(), errs.String())
	}
}

// Whatever a file holds, replay ends, counts each row once, and what it sends are valid events.
func FuzzReplay(f *testing.F) {
	f.Add([]byte(burst), "")
	f.Add([]byte("TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:17:03.9799609,4808,10"), "azure-llm")
	f.Add([]byte(`{"timestamp": 1250, "input_length": 6758, "output_length": 500}`), "mooncake")
	f.Add([]byte(`{"timestamp": "82.5", "input_length": 3112, "output_length": 192, "session_id": "s-1"}`), "ragpulse")
	f.Add([]byte(`{"start_time_s":1.0,"duration_ms":14.5,"request_model":"x","status_code":2}`), "agent-calls")
	f.Add([]byte(`{"instance_type":"a_b","num_prompt_tokens":"4","actual_e2e_latency_s":1e-3,"completion_timestamp_s":2,"schedule_state":{"num_running":1,"kv_cache_utilization":0.5}}`), "alibaba-cara")
	f.Add([]byte("operation_id,tool_name,status,duration_ms,created_at_s\no,t,ok,2,177.5\n"), "tool-operations")
	f.Add([]byte("gmt_create,predict_status,exec_time_seconds\n2024-11-15 16:57:50,PENDING,3\n"), "gentd26-requests")
	f.Add([]byte(`[{"error_code": "-100", "ttft_s": 0, "end_to_end_latency_s": 0, "number_output_tokens": 1, "number_input_tokens": 550}]`), "llmperf")
	f.Add([]byte(`{"0": {"first_chunk_time": 0.03, "total_chunk_time": 0.04, "record_time": 14592657.8}, "4": {"x": 1}}`), "vllm-scale")
	f.Add([]byte(`{"0": {"record_time": 2.5, "GPU_used_mem": 12288, "GPU_total_mem": 24576, "GPU_utilization": 74}}`), "vllm-scale")
	f.Add([]byte("timestamp,num_running,gpu_kvcache_usage\n2.5,3,12.5\n"), "vllm-scale")
	f.Add([]byte(`[{"event_type":"llm_request"},{}, 1, "x"]`), "events")
	f.Fuzz(func(t *testing.T, content []byte, format string) {
		if CheckFormat(format) != nil {
			format = ""
		}
		code, s, g, _ := run(t, Options{Files: []string{file(t, "in", string(content))}, Format: format})
		if s.Sent+s.Refused != s.Read || int(s.Sent) != len(g.items) || code == 0 && s.Sent != s.Read {
			t.Fatalf("exit %d, %+v, %d items", code, s, len(g.items))
		}
		for _, it := range g.items {
			parsed(t, it)
		}
	})
}

// A row that its readers would quarantine is refused, whatever the way; the others are sent.
func TestRowsAheadOfTheClock(t *testing.T) {
	ahead := `{"event_type":"llm_request","timestamp":"9990-01-01T00:00:00Z","data":{"model":"m"}}` + "\n"
	good := `{"event_type":"llm_request","timestamp":"2024-01-01T00:00:00Z","data":{"model":"m"}}` + "\n"
	code, s, g, errs := run(t, Options{Files: []string{file(t, "in.ndjson", good+ahead+good)}, Future: 5 * time.Minute})
	if code != 1 || s.Read != 3 || s.Sent != 2 || s.Refused != 1 || len(g.items) != 2 {
		t.Errorf("exit %d, %+v, %d items", code, s, len(g.items))
	}
	if !strings.Contains(errs, "in.ndjson:2: "+event.CodeFuture) {
		t.Errorf("stderr: %s", errs)
	}
}
