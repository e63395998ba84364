package replay

import (
	"fmt"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// llmfaoVotes are votes of a crowd between the answers of two models. A vote is a thumb up for the winner, with the other
// model beside it; a tie is feedback on the left model without a thumb. They have no clock: vote n is placed n seconds after
// the start, which keeps their order and claims no rate.
var llmfaoVotes = format{
	name:  "llmfao-votes",
	wants: "the columns winner, left, right, worker",
	match: func(p *probe) bool { return p.shape == asTable && p.has("winner", "left", "right", "worker") },
	open: func(o opening) decode {
		c := o.columns("winner", "left", "right", "worker", "id", "prompt")
		return func(r row, n int64, e *event.Event) error {
			e.Kind = event.UserFeedback
			if err := setTime(e, "--start", o.start+n*1e6); err != nil {
				return err
			}
			model, against := at(r, c[1]), at(r, c[2])
			winner := at(r, c[0])
			switch winner {
			case "left":
				e.SetText(event.Thumbs, "up")
			case "right":
				e.SetText(event.Thumbs, "up")
				model, against = against, model
			case "tie":
			default:
				return fmt.Errorf("winner %q is none of left, right and tie", clip(winner))
			}
			if model == "" || against == "" {
				return fmt.Errorf("a model is not named")
			}
			setText(e, event.Model, model)
			setText(e, event.UserID, at(r, c[3]))
			var x extra
			x.text("winner", winner)
			x.text("against", against)
			x.text("pair", at(r, c[4]))
			x.text("prompt_id", at(r, c[5]))
			x.into(e)
			return nil
		}
	},
}
