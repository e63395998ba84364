package stream

import (
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// since rates requests that arrive from a moment on.
type since time.Time

func (s since) Rate(e *event.Event, arrived int64) {
	if !e.Has(event.Cost) && arrived >= time.Time(s).UnixMicro() {
		e.SetInt(event.Cost, 5)
	}
}

// A request that brings no cost counts with the one that was known when it arrived, also when the windows are made anew from the topic.
func TestWindowsRateRequests(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		start := time.Now()
		w.prices = since(start.Add(time.Second))
		r := w.start(quick(), t.TempDir())
		own := at(start, "own")
		own.SetInt(event.Cost, 100)
		w.put(requests0, at(start, "early"), own)
		time.Sleep(time.Second)
		w.put(requests0, at(start, "later"))
		want := func() {
			t.Helper()
			r.settle()
			a := r.analytics("window=60")
			if c := a.Overall.CostUSD; a.Overall.Requests != 3 || a.Overall.UnpricedRequests != 1 || c == nil || *c != 105 {
				t.Errorf("%d requests, %d without a price, cost %v; want 3, 1, 105 nano-USD", a.Overall.Requests, a.Overall.UnpricedRequests, c)
			}
		}
		want()
		r.kill()
		w.journal = newLog() // and the windows with it
		r = w.start(quick(), t.TempDir())
		want()
		r.stop()
	})
}
