package replay

import (
	"errors"
	"fmt"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// agentCalls are LLM calls of agents derived from OpenTelemetry spans: status_code 2 is an error (is_error is not to be
// trusted), no other value is.
var agentCalls = format{
	name:  "agent-calls",
	wants: "the fields start_time_s or start_time_iso, duration_ms, request_model, status_code",
	match: func(p *probe) bool {
		return p.shape != asTable && p.has("duration_ms", "request_model", "status_code") && (p.has("start_time_s") || p.has("start_time_iso"))
	},
	open: func(o opening) decode {
		return func(r row, _ int64, e *event.Event) error {
			var v agentCall
			if err := unmarshal(r, &v); err != nil {
				return err
			}
			e.Kind = event.LLMRequest
			if err := v.when(e); err != nil {
				return err
			}
			setText(e, event.Model, or(v.Model, or(v.Answered, o.model)))
			setText(e, event.RequestID, or(v.Response, v.Span))
			setText(e, event.SessionID, v.Session)
			setText(e, event.Operation, v.Operation)
			if len(v.Finish) > 0 {
				setText(e, event.FinishReason, v.Finish[0])
			}
			for _, f := range []struct {
				field event.Field
				name  string
				value numeral
			}{{event.PromptTokens, "input_tokens", v.Input}, {event.CompletionTokens, "output_tokens", v.Output}} {
				if f.value != "" {
					if err := setCount(e, f.field, f.name, string(f.value)); err != nil {
						return err
					}
				}
			}
			if v.Duration != "" {
				if err := setDuration(e, event.DurationMS, "duration_ms", string(v.Duration), 6); err != nil {
					return err
				}
			}
			return v.outcome(e)
		}
	},
}

type agentCall struct {
	Seconds   numeral  `json:"start_time_s"`
	ISO       string   `json:"start_time_iso"`
	Duration  numeral  `json:"duration_ms"`
	Model     string   `json:"request_model"`
	Answered  string   `json:"response_model"`
	Input     numeral  `json:"input_tokens"`
	Output    numeral  `json:"output_tokens"`
	Session   string   `json:"session_id"`
	Response  string   `json:"response_id"`
	Span      string   `json:"span_id"`
	Operation string   `json:"operation_name"`
	Status    numeral  `json:"status_code"`
	Finish    []string `json:"finish_reasons"`
	Benchmark string   `json:"benchmark"`
	Harness   string   `json:"harness"`
}

// when takes the ISO form first: it has every digit, where the seconds went through floating point.
func (v *agentCall) when(e *event.Event) error {
	if v.ISO != "" {
		t, err := wallClock("start_time_iso", v.ISO)
		if err != nil {
			return err
		}
		return setTime(e, "start_time_iso", t)
	}
	if v.Seconds == "" {
		return errors.New("has neither start_time_iso nor start_time_s")
	}
	t, err := number("start_time_s", string(v.Seconds), 6, floor)
	if err != nil {
		return err
	}
	return setTime(e, "start_time_s", t)
}

func (v *agentCall) outcome(e *event.Event) error {
	status, err := number("status_code", or(string(v.Status), "0"), 0, exactly)
	if err != nil {
		return err
	}
	if status < 0 || status > 2 {
		return fmt.Errorf("status_code %d is not one of OpenTelemetry (0 unset, 1 ok, 2 error)", status)
	}
	e.SetBool(event.Success, status != 2)
	var x extra
	x.text("benchmark", v.Benchmark)
	x.text("harness", v.Harness)
	x.into(e)
	return nil
}
