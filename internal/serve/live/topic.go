package live

import (
	"context"
	"encoding/json"
	"time"
)

// Topic is one thing that can be subscribed to: a state, or happenings.
type Topic struct {
	Name string
	// State tells the state at now, as far as f lets through. It is called by one goroutine at a time, only while somebody
	// listens, and with the same now for all filters of a tick. An error keeps the state that was told last. It is nil for a
	// topic of happenings.
	State func(ctx context.Context, now time.Time, f Filter) (State, error)
	// Feed reads happenings from where they are kept, until ctx ends; it runs while somebody listens, and for a while after. It is
	// nil for a topic that is told from elsewhere alone, by Hub.Tell.
	Feed func(ctx context.Context, out *Feed) error
	// Capped topics give a client at most PerSecond happenings.
	Capped bool
	// Tenants says that the topic tells what is of one tenant apart: its states keep to Filter.Tenant, and its happenings name theirs. Who is
	// bound to a tenant hears no other topic.
	Tenants bool
}

// PerSecond is how many happenings of a capped topic a client gets in a second. What is beyond is counted as dropped, and said.
const PerSecond = 1000

// State is what a topic shows at one moment.
type State struct {
	Data      Object
	Watermark time.Time // event time up to which Data is complete; zero when that means nothing
}

// Happening is one thing that happened. It is told once, in order, and never changes.
type Happening struct {
	Time   time.Time       // when it was written where it is kept
	Model  string          // that it names, for filters; "" = none
	Tenant string          // that it is of, and no other; "" = of none, or of several
	Data   json.RawMessage // an object on one line; the hub keeps it. nil = see Feed.Room
}

// Filter narrows what a subscriber sees. It is comparable: equal filters share their bytes.
type Filter struct {
	Model  string // "" = all
	Tenant string // that who listens is bound to, "" = none
}

func (f Filter) match(h *Happening) bool { return f.lets(h.Model, h.Tenant) }

func (f Filter) lets(model, tenant string) bool {
	return (f.Model == "" || f.Model == model) && (f.Tenant == "" || f.Tenant == tenant)
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
