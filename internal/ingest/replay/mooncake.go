package replay

import "github.com/hxp-enterprise/hxp/internal/event"

// mooncake are the traces of the Mooncake paper: milliseconds since the start; no model, no errors.
var mooncake = format{
	name:  "mooncake",
	wants: "the fields timestamp (milliseconds), input_length, output_length",
	match: func(p *probe) bool { return p.has("timestamp", "input_length", "output_length") },
	open:  lengths(3, "kimi"),
}

// ragPulse is the RAGPulse trace: the same fields, seconds in a decimal string, and a session.
var ragPulse = format{
	name:  "ragpulse",
	wants: "the fields timestamp (seconds), input_length, output_length, session_id",
	match: func(p *probe) bool {
		return p.has("timestamp", "input_length", "output_length") && (p.has("session_id") || p.keys["timestamp"] == '"')
	},
	open: lengths(6, "ragpulse"),
}

// lengths decodes rows of arrival time, input and output length. places makes microseconds of the clock's unit.
func lengths(places int, model string) func(opening) decode {
	return func(o opening) decode {
		model := or(o.model, model)
		return func(r row, _ int64, e *event.Event) error {
			var v struct {
				Timestamp numeral `json:"timestamp"`
				Input     numeral `json:"input_length"`
				Output    numeral `json:"output_length"`
				Session   string  `json:"session_id"`
			}
			if err := unmarshal(r, &v); err != nil {
				return err
			}
			e.Kind = event.LLMRequest
			e.SetText(event.Model, model)
			setText(e, event.SessionID, v.Session)
			if err := o.relative(e, "timestamp", string(v.Timestamp), places); err != nil {
				return err
			}
			if err := setCount(e, event.PromptTokens, "input_length", string(v.Input)); err != nil {
				return err
			}
			e.SetBool(event.Success, true)
			return setCount(e, event.CompletionTokens, "output_length", string(v.Output))
		}
	}
}
