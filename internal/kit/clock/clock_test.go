package clock

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestWatch: what a clock was set by is told apart from the time that passes, and is doubted for an hour or until it is set back.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w Watch
		off := time.Duration(0)
		look := func() time.Duration { return w.Look(time.Now().Add(off)) }
		if set := look(); set != 0 || w.Doubt() != 0 {
			t.Errorf("set by %s at the first look, doubt %s", set, w.Doubt())
		}
		time.Sleep(3 * time.Hour) // nobody looked, and that is no jump
		if set := look(); set != 0 {
			t.Errorf("set by %s after a pause", set)
		}
		for _, c := range []struct{ by, want, doubt time.Duration }{
			{500 * time.Millisecond, 0, 0}, {2 * time.Second, 2 * time.Second, 0}, {-2 * time.Second, -2 * time.Second, 0},
			{time.Hour, time.Hour, time.Hour}, {24 * time.Hour, 24 * time.Hour, 25 * time.Hour}, {-24 * time.Hour, -24 * time.Hour, time.Hour},
			{-time.Hour, -time.Hour, 0}, {-time.Hour, -time.Hour, 0}, {24 * time.Hour, 24 * time.Hour, 24 * time.Hour},
		} {
			off += c.by
			time.Sleep(time.Second)
			if set := look(); set != c.want || w.Doubt() != c.doubt {
				t.Errorf("set by %s: told %s, doubt %s, want %s", c.by, set, w.Doubt(), c.doubt)
			}
		}
		time.Sleep(Distrust - time.Second)
		if look(); w.Doubt() == 0 {
			t.Error("it is believed too early")
		}
		time.Sleep(time.Second)
		if look(); w.Doubt() != 0 {
			t.Error("it is never believed again")
		}
	})
}

// TestSteady: it never goes back and never jumps, and comes to agree with the wall.
func TestSteady(t *testing.T) {
	for name, by := range map[string]time.Duration{"NTP": 2 * time.Second, "NTP back": -2 * time.Second, "an hour": time.Hour, "an hour back": -time.Hour, "a day": 24 * time.Hour, "a day back": -24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				off := time.Duration(0)
				var s Steady
				now := func() time.Time { return s.Follow(time.Now().Add(off)) }
				for range 3 {
					if got := now(); !got.Equal(time.Now()) {
						t.Errorf("it says %s at %s", got, time.Now())
					}
					time.Sleep(time.Minute)
				}
				off = by
				longest := 2 * max(by, -by)
				for end := time.Now().Add(longest); time.Now().Before(end); {
					before := now()
					time.Sleep(time.Second)
					if passed := now().Sub(before); passed < time.Second/2 || passed > 2*time.Second {
						t.Fatalf("%s passed in a second", passed)
					}
				}
				if want, got := time.Now().Add(by), now(); !got.Equal(want) {
					t.Errorf("it says %s at %s, after %s", got, want, longest)
				}
			})
		})
	}
}

// TestSteadyFollowsAFarJump: the clock of a machine without a battery is set by decades.
func TestSteadyFollowsAFarJump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Steady
		for _, off := range []time.Duration{0, 25 * time.Hour, 40 * 365 * 24 * time.Hour, 0} {
			time.Sleep(time.Second)
			if want, got := time.Now().Add(off), s.Follow(time.Now().Add(off)); !got.Equal(want) {
				t.Errorf("it says %s at %s", got, want)
			}
		}
	})
}
