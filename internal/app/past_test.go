package app

import (
	"context"
	"errors"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// TestRawOneAtATime: an hour is read raw when no other one is, and who has waited long enough goes away.
func TestRawOneAtATime(t *testing.T) {
	r := rawEvents{&system{}, make(chan struct{}, 1)}
	none := func(*event.Event) { t.Error("an event without a lake") }
	for range 2 { // the place is given back
		if err := r.Events(t.Context(), 0, 3600, none); err != nil {
			t.Fatal(err)
		}
	}
	r.one <- struct{}{}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := r.Events(gone, 0, 3600, none); !errors.Is(err, context.Canceled) {
		t.Errorf("while another hour is read: %v", err)
	}
}
