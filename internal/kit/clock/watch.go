package clock

import (
	"sync"
	"time"
)

const (
	// least is what a clock is set by; less is the drift between two clocks, and the time that a look takes.
	least = time.Second
	// Distrust is how long a clock that was set forward is not believed by what cannot be taken back: time to set it right.
	Distrust = time.Hour
	// doubtful is how far a clock must have been set forward for that.
	doubtful = time.Minute
)

// Watch compares what a clock says with the time that passes. The zero value watches from the first Look on, and nil watches nothing. It is safe
// for concurrent use.
type Watch struct {
	mu    sync.Mutex
	lap   lap
	said  time.Time     // what the clock said at the last look
	ahead time.Duration // by how much it was set forward
	set   time.Time     // when that was last
}

// Look notes what the clock says at this moment, and returns by how much it was set since the last look: more than zero is forward.
func (w *Watch) Look(says time.Time) (set time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	passed, first := w.lap.next(), w.said.IsZero()
	set = says.Round(0).Sub(w.said) - passed
	w.said = says.Round(0)
	if first || set > -least && set < least {
		return 0
	}
	w.ahead = max(0, w.ahead+set)
	if set > 0 {
		w.set = time.Now()
	}
	return set
}

// Doubt is by how much the clock was set forward lately; 0 when it may be believed, because it was not, or was set back again, or Distrust has
// passed.
func (w *Watch) Doubt() time.Duration {
	if w == nil {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ahead < doubtful || time.Since(w.set) >= Distrust {
		w.ahead = 0
	}
	return w.ahead
}
