package replay

import "github.com/hxp-enterprise/hxp/internal/event"

// burstGPT is the trace of the same name, releases 1 and 2: seconds since the midnight of day 0, a failed request has no
// response tokens, release 2 adds session and duration.
var burstGPT = format{
	name:  "burstgpt",
	wants: "the columns Timestamp, Model, Request tokens, Response tokens",
	match: func(p *probe) bool {
		return p.shape == asTable && p.has("Timestamp", "Model", "Request tokens", "Response tokens")
	},
	open: func(o opening) decode {
		c := o.columns("Timestamp", "Model", "Request tokens", "Response tokens", "Total tokens", "Log Type", "Session ID", "Elapsed time")
		return func(r row, _ int64, e *event.Event) error {
			e.Kind = event.LLMRequest
			setText(e, event.Model, at(r, c[1]))
			setText(e, event.SessionID, at(r, c[6]))
			if err := o.relative(e, "Timestamp", at(r, c[0]), 6); err != nil {
				return err
			}
			if err := setCount(e, event.PromptTokens, "Request tokens", at(r, c[2])); err != nil {
				return err
			}
			if err := setCount(e, event.CompletionTokens, "Response tokens", at(r, c[3])); err != nil {
				return err
			}
			if s := at(r, c[4]); s != "" {
				if err := setCount(e, event.TotalTokens, "Total tokens", s); err != nil {
					return err
				}
			}
			if s := at(r, c[7]); s != "" {
				if err := setDuration(e, event.DurationMS, "Elapsed time", s, 9); err != nil {
					return err
				}
			}
			e.SetBool(event.Success, e.Int(event.CompletionTokens) > 0)
			var x extra
			x.text("log_type", at(r, c[5]))
			x.into(e)
			return nil
		}
	},
}
