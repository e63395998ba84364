package replay

import (
	"errors"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// cara is the trace of a router before a set of vLLM servers, published as asdwb/cara_latency_prediction: each row is a
// request with the state of the server it was sent to. The files *_queue_details.jsonl hold that state in schedule_state,
// the others beside the rest; copies of them name seconds with _s. A row that tells no latency tells no outcome either.
var cara = format{
	name:  "alibaba-cara",
	wants: "the fields instance_type, num_prompt_tokens, prediction_timestamp, actual_e2e_latency (also with _s at their end)",
	match: func(p *probe) bool {
		return p.has("instance_type", "num_prompt_tokens") && (p.has("actual_e2e_latency") || p.has("actual_e2e_latency_s"))
	},
	open: func(o opening) decode {
		return func(r row, _ int64, e *event.Event) error {
			v, err := o.named(r, "schedule_state")
			if err != nil {
				return err
			}
			e.Kind = event.LLMRequest
			err = caraRequest(v, e, o.model)
			if err == nil {
				err = caraTime(v, e)
			}
			if err == nil {
				err = caraState(v, e)
			}
			return v.reason(err)
		}
	},
}

var caraNumbers = []struct {
	field event.Field
	names []string
}{
	{event.PromptTokens, []string{"num_prompt_tokens"}},
	{event.CompletionTokens, []string{"actual_output_tokens"}},
	{event.DurationMS, []string{"actual_e2e_latency", "actual_e2e_latency_s"}},
	{event.TTFT, []string{"actual_ttft", "actual_ttft_s"}},
	{event.TPOT, []string{"actual_tpot", "actual_tpot_s"}},
}

func setSeconds(e *event.Event, f event.Field, name, value string) error {
	return setDuration(e, f, name, value, 9)
}

func caraRequest(v *named, e *event.Event, model string) error {
	served := v.text("instance_type") // qwen2.5-3b_p100: the model, then the GPU
	if gpu := strings.LastIndexByte(served, '_'); gpu > 0 {
		served = served[:gpu]
	}
	setText(e, event.Model, or(served, model))
	setText(e, event.RequestID, v.text("request_id"))
	setText(e, event.Host, v.text("instance_id"))
	for _, f := range caraNumbers {
		name, s := v.get(f.names...)
		if s == "" {
			continue
		}
		set := setCount
		if event.Catalogue[f.field].Type == event.Duration {
			set = setSeconds
		}
		if err := set(e, f.field, name, s); err != nil {
			return err
		}
	}
	if e.Has(event.DurationMS) {
		e.SetBool(event.Success, true)
	}
	return nil
}

// caraTime takes the moment in which the router chose the server; without it, the end less the latency.
func caraTime(v *named, e *event.Event) error {
	if name, s := v.get("prediction_timestamp", "prediction_timestamp_s"); s != "" {
		t, err := number(name, s, 6, floor)
		if err != nil {
			return err
		}
		return setTime(e, name, t)
	}
	name, s := v.get("completion_timestamp", "completion_timestamp_s")
	if s == "" || !e.Has(event.DurationMS) {
		return errors.New("has no prediction_timestamp, nor completion_timestamp with actual_e2e_latency")
	}
	t, err := number(name, s, 6, floor)
	if err != nil {
		return err
	}
	return setTime(e, name, t-e.Int(event.DurationMS)/1000)
}

// caraStates are what the server said of itself, in the order of the files.
var caraStates = []string{
	"num_predicted_output_tokens", "num_running", "num_waiting", "num_active_decode_seqs", "num_preempted", "max_num_seqs", "pending_prefill_tokens", "pending_decode_tokens",
	"prefill_chunk_size", "token_budget_per_iter", "kv_cache_utilization", "kv_free_blocks", "kv_evictions_per_s", "decode_ctx_p50", "decode_ctx_p95", "decode_ctx_max",
	"ema_decode_iter_ms", "ema_decode_tok_per_s", "ema_prefill_tok_per_s", "prediction_latency_ms", "probe_latency_ms",
}

func caraState(v *named, e *event.Event) error {
	var x extra
	x.text("instance_type", v.text("instance_type"))
	for _, name := range caraStates {
		if err := x.number(name, v.text(name)); err != nil {
			return err
		}
	}
	x.into(e)
	return nil
}
