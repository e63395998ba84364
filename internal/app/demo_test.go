package app

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever is told that the demo is ready finds its own event at once, so it is ready when the windows are not behind.
func TestDemoIsReadyWhenItsPastIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		behind := 5
		d := &demo{counted: func(int64) bool { behind--; return behind < 0 }, ready: make(chan struct{})}
		began := time.Now()
		d.await(t.Context(), 1)
		if <-d.ready; time.Since(began) != 500*time.Millisecond {
			t.Errorf("ready after %s", time.Since(began))
		}
		d = &demo{counted: func(int64) bool { return false }, ready: make(chan struct{})}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		d.await(ctx, 1)
		select {
		case <-d.ready:
			t.Error("it is ready though nothing is counted")
		default:
		}
	})
}

// fakeWindows have counted so much, and are so far behind.
type fakeWindows struct {
	counted int64
	lag     time.Duration
}

func (f fakeWindows) Lag() (time.Duration, bool) { return f.lag, f.lag > 0 }
func (f fakeWindows) Counted() int64             { return f.counted }

// More traffic than can be counted does not keep a demo from being ready: its past alone is waited for.
func TestDemoDoesNotWaitForWhatComesNow(t *testing.T) {
	for w, want := range map[fakeWindows]bool{
		{99, time.Minute}: false, {100, time.Minute}: true, {50, time.Millisecond}: true, {99, 0}: false, // of which nothing is known
	} {
		if got := caughtUp(w, 100); got != want {
			t.Errorf("%+v: %v", w, got)
		}
	}
}
