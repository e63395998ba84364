package stream

import (
	"context"
	"sync"
	"time"
)

// The bounds of those who look through the hours at rest.
const (
	searchesAtOnce = 4 // of all clients together
	searchesInLine = 8 // of one client, the one under way included
	searchWait     = 10 * time.Second
)

// searches lets few look through the hours at rest at once, and of each client one: whoever asks for much waits for himself, not others
// for him.
type searches struct {
	mu    sync.Mutex
	lines map[string]*queue
	free  chan struct{} // holds what is under way
}

// queue is the searches of one client.
type queue struct {
	turn   chan struct{} // holds the one whose turn it is
	length int
}

func newSearches() *searches {
	return &searches{lines: map[string]*queue{}, free: make(chan struct{}, searchesAtOnce)}
}

// begin waits until it is a client's turn. Who gets it calls done afterwards.
func (s *searches) begin(ctx context.Context, client string) (done func(), ok bool) {
	ctx, cancel := context.WithTimeout(ctx, searchWait)
	defer cancel()
	l := s.join(client)
	if l == nil {
		return nil, false
	}
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		s.leave(client)
		return nil, false
	}
	select {
	case s.free <- struct{}{}:
		return func() { <-s.free; <-l.turn; s.leave(client) }, true
	case <-ctx.Done():
		<-l.turn
		s.leave(client)
		return nil, false
	}
}

// join puts one more into the line of a client, nil when it is too long.
func (s *searches) join(client string) *queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lines[client]
	if l == nil {
		l = &queue{turn: make(chan struct{}, 1)}
		s.lines[client] = l
	}
	if l.length == searchesInLine {
		return nil
	}
	l.length++
	return l
}

func (s *searches) leave(client string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lines[client].length--; s.lines[client].length == 0 {
		delete(s.lines, client)
	}
}
