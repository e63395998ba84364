package replay

import "github.com/hxp-enterprise/hxp/internal/event"

// azureLLM are the Azure LLM inference traces of 2023 and 2024: wall clock with seven fractional digits, UTC; no model, no
// errors.
var azureLLM = format{
	name:  "azure-llm",
	wants: "the columns TIMESTAMP, ContextTokens, GeneratedTokens",
	match: func(p *probe) bool {
		return p.shape == asTable && p.has("TIMESTAMP", "ContextTokens", "GeneratedTokens")
	},
	open: func(o opening) decode {
		c := o.columns("TIMESTAMP", "ContextTokens", "GeneratedTokens")
		model := or(o.model, "azure")
		return func(r row, _ int64, e *event.Event) error {
			e.Kind = event.LLMRequest
			e.SetText(event.Model, model)
			t, err := wallClock("TIMESTAMP", at(r, c[0]))
			if err != nil {
				return err
			}
			if err := setTime(e, "TIMESTAMP", t); err != nil {
				return err
			}
			if err := setCount(e, event.PromptTokens, "ContextTokens", at(r, c[1])); err != nil {
				return err
			}
			e.SetBool(event.Success, true)
			return setCount(e, event.CompletionTokens, "GeneratedTokens", at(r, c[2]))
		}
	},
}

func or(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}
