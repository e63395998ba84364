package stream

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
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

// A topic that is read to its end waits for its units as long as ever, also while its lane works off a backlog of another one.
func TestOnlyUnitsOfTheBacklogGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const records = 200
		l, now := requestsOfOld(1).lane(), time.Now()
		live := source{TopicID: "id", Topic: event.UserFeedback.Topic()}
		l.folders[live] = l.newFolder(live, bus.Range{End: records}, nil, now)
		for src, f := range l.folders {
			f.open.header.To, f.open.header.Tally.Records, f.next, f.high = records, records, records, records
			f.arrival, f.sent = now.UnixMicro(), now.Add(-backlogPause/2)
			if src != live {
				f.arrival, f.high = now.Add(-time.Hour).UnixMicro(), 1000
			}
		}
		if l.flush(t.Context(), false); l.folders[live].pending == nil || l.folders[requests0].pending != nil {
			t.Errorf("%+v of what is live was sent, %+v of the backlog", l.folders[live].pending, l.folders[requests0].pending)
		}
	})
}
