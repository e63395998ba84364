package live

import (
	"context"
	"time"
)

// Topic is one thing that can be subscribed to.
type Topic struct {
	Name string
	// State tells the state at now, as far as f lets through. It is called by one goroutine at a time, only while somebody
	// listens, and with the same now for all filters of a tick. An error keeps the state that was told last.
	State func(ctx context.Context, now time.Time, f Filter) (State, error)
}

// State is what a topic shows at one moment.
type State struct {
	Data      Object
	Watermark time.Time // event time up to which Data is complete; zero when that means nothing
}

// Filter narrows what a subscriber sees. It is comparable: equal filters share their bytes.
type Filter struct {
	Model string // "" = all
}

// position is what a client says it has seen.
type position struct {
	epoch string
	seq   uint64
	given bool
}

// The intervals that are served; what is asked for is rounded up to one of them.
var intervals = []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 15 * time.Second, time.Minute}

// roundUp returns the served interval for what was asked, false beyond the largest.
func roundUp(d time.Duration) (time.Duration, bool) {
	for _, i := range intervals {
		if d <= i {
			return i, true
		}
	}
	return 0, false
}
