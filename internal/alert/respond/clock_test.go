package respond

import (
	"testing"
	"time"
)

// jumps are what a clock is set by.
var jumps = map[string]time.Duration{"an hour forward": time.Hour, "a day forward": 24 * time.Hour, "an hour back": -time.Hour, "a day back": -24 * time.Hour, "NTP": 2 * time.Second, "NTP back": -2 * time.Second}

// A clock that is set ends no lease, and what is in place is taken back when its alert is over, not when the clock says so.
func TestClockJumpsEndNoLease(t *testing.T) {
	for name, by := range jumps {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 2, nil, func(w *world) {
				w.fire("hot", "e01")
				w.pass(time.Minute)
				w.is(Verified)
				w.setClock(by)
				w.pass(3 * time.Hour)
				if w.is(Verified); w.target.backs != 0 || w.target.applies != 1 {
					t.Fatalf("%d changes, %d taken back", w.target.applies, w.target.backs)
				}
				w.resolve("hot", "e01")
				w.pass(2*w.machines[0].o.Limits.Recovery + 10*time.Second) // the clock may run at half speed
				w.is(Reverted)
				w.intact()
			})
		})
	}
}

// Neither does it bring actions in a burst, because a pause looks over, nor keep new ones from being made.
func TestClockJumpsKeepCooldowns(t *testing.T) {
	for name, by := range jumps {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, nil, func(w *world) {
				w.fire("hot", "e01")
				w.pass(10 * time.Second)
				w.resolve("hot", "e01")
				w.pass(3 * time.Minute)
				w.is(Reverted)
				w.setClock(by)
				w.pass(time.Second)
				w.fire("hot", "e01")
				w.isRefused(RailCooldown)
				w.fire("cold", "e02") // nothing stands in its way
				w.pass(10 * time.Second)
				w.is(Verified)
				w.intact()
			})
		})
	}
}

// A proposal does not expire because of the clock.
func TestClockJumpsKeepProposals(t *testing.T) {
	for name, by := range jumps {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(l *Limits) { l.Automatic = false }, func(w *world) {
				w.fire("hot", "e01")
				w.setClock(by)
				w.pass(time.Minute)
				w.is(Proposed)
				w.pass(30*time.Minute + time.Second) // twice its time
				w.is(Expired)
			})
		})
	}
}
