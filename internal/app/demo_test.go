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
		d := &demo{counted: func() bool { behind--; return behind < 0 }, ready: make(chan struct{})}
		began := time.Now()
		d.await(t.Context())
		if <-d.ready; time.Since(began) != 500*time.Millisecond {
			t.Errorf("ready after %s", time.Since(began))
		}
		d = &demo{counted: func() bool { return false }, ready: make(chan struct{})}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		d.await(ctx)
		select {
		case <-d.ready:
			t.Error("it is ready though nothing is counted")
		default:
		}
	})
}
