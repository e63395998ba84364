package stream

import (
	"context"
	"sync"
)

// steer lets others tell the goroutine that polls a reader where to go on.
type steer struct {
	mu     sync.Mutex
	seeks  []seek
	cancel context.CancelFunc // ends the Poll under way; nil = none is
}

// seek is a wish: to go on from an offset, or to read a partition no more.
type seek struct {
	source source
	offset int64
	gone   bool
}

// ask makes a wish. It never waits.
func (s *steer) ask(w seek) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seeks = append(s.seeks, w)
	if s.cancel != nil {
		s.cancel()
	}
}

// begin returns the wishes made so far, and a context for the next Poll that ends when there are more.
func (s *steer) begin(ctx context.Context) (poll context.Context, wishes []seek, cancel context.CancelFunc) {
	poll, cancel = context.WithCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	wishes = s.seeks
	s.seeks, s.cancel = nil, cancel
	return poll, wishes, cancel
}
