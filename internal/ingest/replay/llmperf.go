package replay

import (
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// llmPerf are the raw results of the LLMPerf leaderboard. They have no clock: row n is placed n milliseconds after the
// start, which keeps their order and claims no rate. A row with an error code failed; the zeros in its latencies mean
// nothing and are left out. The model is the file's name unless --model names it.
var llmPerf = format{
	name:  "llmperf",
	wants: "the fields end_to_end_latency_s, ttft_s, error_code, number_input_tokens, number_output_tokens",
	match: func(p *probe) bool {
		return p.shape != asTable && p.has("error_code", "ttft_s", "end_to_end_latency_s")
	},
	open: func(o opening) decode {
		model := or(o.model, or(o.name, "llmperf"))
		return func(r row, n int64, e *event.Event) error {
			var v struct {
				Code   numeral `json:"error_code"`
				Msg    string  `json:"error_msg"`
				TTFT   numeral `json:"ttft_s"`
				TPOT   numeral `json:"inter_token_latency_s"`
				Total  numeral `json:"end_to_end_latency_s"`
				Input  numeral `json:"number_input_tokens"`
				Output numeral `json:"number_output_tokens"`
			}
			if err := unmarshal(r, &v); err != nil {
				return err
			}
			e.Kind = event.LLMRequest
			e.SetText(event.Model, model)
			if err := setTime(e, "--start", o.start+n*1000); err != nil {
				return err
			}
			if err := setCount(e, event.PromptTokens, "number_input_tokens", string(v.Input)); err != nil {
				return err
			}
			if err := setCount(e, event.CompletionTokens, "number_output_tokens", string(v.Output)); err != nil {
				return err
			}
			e.SetBool(event.Success, v.Code == "")
			if v.Code != "" {
				e.SetText(event.ErrorType, string(v.Code))
				if code, err := number("error_code", string(v.Code), 0, exactly); err == nil && code >= 100 && code < 600 {
					e.SetInt(event.StatusCode, code)
				}
				var x extra
				x.text("error_msg", strings.ToValidUTF8(v.Msg[:min(len(v.Msg), 500)], ""))
				x.into(e)
				return nil
			}
			for _, d := range []struct {
				field event.Field
				name  string
				value numeral
			}{{event.DurationMS, "end_to_end_latency_s", v.Total}, {event.TTFT, "ttft_s", v.TTFT}, {event.TPOT, "inter_token_latency_s", v.TPOT}} {
				if d.value != "" {
					if err := setDuration(e, d.field, d.name, string(d.value), 9); err != nil {
						return err
					}
				}
			}
			return nil
		}
	},
}
