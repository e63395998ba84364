package respond

import (
	"testing"
	"time"
)

// Other rails hold at once, for what is waiting as well as for what comes; an approval that was given holds as long as was said.
func TestSetLimits(t *testing.T) {
	inWorld(t, 1, func(l *Limits) { l.Automatic = false }, func(w *world) {
		m := w.machines[0]
		l := *m.limits()
		w.fire("hot", "e01")
		w.pass(time.Second)
		until := w.is(Proposed).ExpiresAt
		l.Automatic, l.ApprovalExpiry, l.Recovery = true, 2*l.ApprovalExpiry, 10*time.Minute
		m.SetLimits(l)
		if got := w.is(Proposed); !got.ExpiresAt.Equal(until) {
			t.Errorf("it expires at %s, not %s", got.ExpiresAt, until)
		}
		w.fire("cold", "e02")
		w.pass(10 * time.Second)
		w.is(Verified)
		w.resolve("cold", "e02")
		w.pass(9 * time.Minute)
		w.is(Verified)
		l.Recovery, l.Cooldown, l.MaxCooldown = time.Minute, 24*time.Hour, 24*time.Hour
		m.SetLimits(l)
		w.pass(2 * time.Second)
		w.is(Reverted)
		w.pass(12 * time.Hour)
		w.fire("cold", "e02")
		w.isRefused(RailCooldown)
		w.intact()
	})
}
