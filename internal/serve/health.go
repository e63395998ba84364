package serve

import (
	"context"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/serve/live"
)

// Health makes the topic "health": what the checks say, and the worst of them. They are asked once a second at most.
func Health(report func(context.Context) httpx.HealthBody) live.Topic {
	var asked time.Time
	var last live.Object
	return live.Topic{Name: "health", State: func(ctx context.Context, now time.Time, _ live.Filter) (live.State, error) {
		if now.Sub(asked) >= time.Second {
			b := report(ctx)
			o, err := live.Tree(struct {
				Status httpx.Status           `json:"status"`
				Checks map[string]httpx.Check `json:"checks"`
			}{b.Status, b.Checks})
			if err != nil {
				return live.State{}, err
			}
			asked, last = now, o
		}
		return live.State{Data: last}, nil
	}}
}
