package replay

import (
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// gentd26Requests are requests of the GenTD26 image serving trace. Its lengths are characters, so they stay out of the
// token fields; the status decides about the outcome, and whatever is neither SUCCEED nor FAILED has none yet.
var gentd26Requests = format{
	name:  "gentd26-requests",
	wants: "the columns gmt_create, predict_status, exec_time_seconds",
	match: func(p *probe) bool {
		return p.shape == asTable && p.has("gmt_create", "predict_status", "exec_time_seconds")
	},
	open: func(o opening) decode {
		c := o.columns("gmt_create", "predict_status", "exec_time_seconds", "groupId", "checkpoint_model_version_id", "predict_type")
		numbers := []string{"prompt_length", "negative_prompt_length", "num_images_per_prompt", "num_inference_steps", "num_lora"}
		n := o.columns(numbers...)
		return func(r row, _ int64, e *event.Event) error {
			e.Kind = event.LLMRequest
			t, err := wallClock("gmt_create", at(r, c[0]))
			if err != nil {
				return err
			}
			if err := setTime(e, "gmt_create", t); err != nil {
				return err
			}
			if s := at(r, c[2]); s != "" {
				if err := setDuration(e, event.DurationMS, "exec_time_seconds", s, 9); err != nil {
					return err
				}
			}
			switch at(r, c[1]) {
			case "SUCCEED":
				e.SetBool(event.Success, true)
			case "FAILED":
				e.SetBool(event.Success, false)
			}
			setText(e, event.UserID, at(r, c[3]))
			setText(e, event.Model, or(at(r, c[4]), o.model))
			setText(e, event.Operation, strings.ToLower(at(r, c[5])))
			var x extra
			x.text("predict_status", at(r, c[1]))
			for i, name := range numbers {
				if err := x.number(name, at(r, n[i])); err != nil {
					return err
				}
			}
			x.into(e)
			return nil
		}
	},
}
