package sdk

import (
	"errors"
	"slices"
	"sync"
)

// memory is a bounded queue in memory with the shape of spill.Queue.
type memory struct {
	maxEvents int
	maxBytes  int
	more      chan struct{}

	mu     sync.Mutex
	events [][]byte
	bytes  int
	closed bool
}

func newMemory(maxEvents, maxBytes int) *memory {
	return &memory{maxEvents: maxEvents, maxBytes: maxBytes, more: make(chan struct{}, 1)}
}

// ErrFull and ErrClosed are what Emit may answer.
var (
	ErrFull   = errors.New("the queue of events is full")
	ErrClosed = errors.New("the producer is closed")
)

func (m *memory) add(event []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return ErrClosed
	case len(m.events) >= m.maxEvents || m.bytes+len(event) > m.maxBytes:
		return ErrFull
	}
	m.events = append(m.events, event)
	m.bytes += len(event)
	select {
	case m.more <- struct{}{}:
	default:
	}
	return nil
}

// More holds a signal when events were added since the last one was taken.
func (m *memory) More() <-chan struct{} { return m.more }

// Peek returns the oldest events.
func (m *memory) Peek(most int) ([][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.events[:min(most, len(m.events))]), nil
}

// Ack removes the oldest n.
func (m *memory) Ack(n int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, e := range m.events[:n] {
		m.bytes -= len(e)
		m.events[i] = nil
	}
	if m.events = m.events[n:]; len(m.events) == 0 {
		m.events = nil
	}
	return nil
}

func (m *memory) len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.events)
}

func (m *memory) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
}
