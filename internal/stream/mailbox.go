package stream

import "sync"

// mailbox takes work without ever blocking who brings it: the producer hands over acknowledgements while the lane may be
// waiting for the producer.
type mailbox struct {
	mu     sync.Mutex
	work   []func()
	filled chan struct{} // has one token while there is work
}

func newMailbox() mailbox { return mailbox{filled: make(chan struct{}, 1)} }

func (m *mailbox) put(f func()) {
	m.mu.Lock()
	m.work = append(m.work, f)
	m.mu.Unlock()
	select {
	case m.filled <- struct{}{}:
	default:
	}
}

func (m *mailbox) take() []func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	work := m.work
	m.work = nil
	return work
}
