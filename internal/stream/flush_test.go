package stream

import (
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Units of a backlog grow, but not to where the lane would stop reading until they are sent.
func TestUnitsOfABacklogGrow(t *testing.T) {
	small, busy, wide := newWork(requests0, 0), newWork(requests0, 0), newWork(requests0, 0)
	small.header.Tally.Records = smallUnit - 1
	busy.header.Tally.Records = 10_000
	wide.header.Tally.Records = 20_000
	wide.panes = []panes{{cells: map[paneKey]*agg.Cell{}}}
	for i := range who(maxOpenPane/2 + 1) {
		wide.panes[0].cells[paneKey{1, i}] = nil
	}
	for _, c := range []struct {
		name           string
		w              *work
		live, catching time.Duration
	}{
		{"small", small, smallPause, smallPause},
		{"busy", busy, longPause, backlogPause},
		{"wide", wide, longPause, longPause},
	} {
		if live, catching := c.w.pause(false), c.w.pause(true); live != c.live || catching != c.catching {
			t.Errorf("%s: %v, and %v of a backlog, want %v and %v", c.name, live, catching, c.live, c.catching)
		}
	}
}
