package batch

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// claims keeps apart those who want to make the same period at the same time.
type claims struct {
	mu   sync.Mutex
	busy map[claim]chan struct{} // closed when done
}

type claim struct {
	level string
	start int64
}

func newClaims() *claims { return &claims{busy: map[claim]chan struct{}{}} }

// take waits until nobody makes the period and keeps others from it until done is called.
func (c *claims) take(ctx context.Context, level string, start int64) (done func(), err error) {
	k := claim{level, start}
	for {
		c.mu.Lock()
		other := c.busy[k]
		if other == nil {
			mine := make(chan struct{})
			c.busy[k] = mine
			c.mu.Unlock()
			return func() {
				c.mu.Lock()
				delete(c.busy, k)
				c.mu.Unlock()
				close(mine)
			}, nil
		}
		c.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// settle waits until nothing that is being made now is being made any more. What begins meanwhile is not waited for.
func (c *claims) settle(ctx context.Context) error {
	c.mu.Lock()
	others := slices.Collect(maps.Values(c.busy))
	c.mu.Unlock()
	for _, other := range others {
		select {
		case <-other:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// Settle waits until the aggregations that are under way here have stored what they read before.
func (s *Service) Settle(ctx context.Context) error { return s.busy.settle(ctx) }
