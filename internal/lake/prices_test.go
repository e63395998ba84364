package lake

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// odd is a price book that knows the cost of requests with an odd number of tokens, and when they arrived.
type odd struct{}

func (odd) Rate(e *event.Event, arrived int64) {
	if n := e.Int(event.PromptTokens); n%2 == 1 && arrived > 0 && !e.Has(event.Cost) {
		e.SetInt(event.Cost, 1000+n)
	}
}

// A request without a cost lies in the lake with the one that was known when it arrived, or with none.
func TestRequestsAreRatedOnTheWayIn(t *testing.T) {
	b, l, m := bustest.New(t), openTest(t), newMemory()
	w := NewWriter(Config{}, l, b, m, slog.New(slog.DiscardHandler), nil)
	w.Prices = odd{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	<-w.Ready()
	send(t, b, requests(0, 10)...)
	await(t, b, w)
	files, err := m.Files(t.Context(), event.LakeFilter{})
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	if err := l.Scan(t.Context(), files, func(r *event.LakeRow) error {
		seen++
		n := r.Event.Int(event.PromptTokens)
		if r.Event.Has(event.Cost) != (n%2 == 1) || n%2 == 1 && r.Event.Int(event.Cost) != 1000+n {
			return fmt.Errorf("%d tokens cost %d (%v)", n, r.Event.Int(event.Cost), r.Event.Has(event.Cost))
		}
		return nil
	}); err != nil || seen != 10 {
		t.Fatalf("%d rows: %v", seen, err)
	}
}
