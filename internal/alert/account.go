package alert

import (
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/bus"
)

// Account is what was done about alerts, and is proposed, read from the audit log by who does nothing about them: reports and messages
// tell it in processes that answer no alerts. It is a bus.Book, whose records come from one goroutine; the questions may be asked from any.
type Account struct {
	mu   sync.Mutex // guards book
	book *respond.Book
}

// NewAccount makes an empty one.
func NewAccount() *Account { return &Account{book: respond.NewBook(respond.Limits{})} }

// Reset is part of bus.Book.
func (a *Account) Reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.book.Reset()
}

// Take is part of bus.Book.
func (a *Account) Take(m *bus.Message) {
	if m.Partition != bus.ReplicaPartition {
		return // nobody who acts reads it
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.book.Apply(m.Offset, m.Value)
}

// Trim is part of bus.Book. The log is kept for ever; where somebody cut it, what is left is told.
func (a *Account) Trim(int32, int64) {}

// Between returns what was done, or proposed, about alerts from one time to another, the oldest first.
func (a *Account) Between(from, to time.Time) (out []Response) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.book.All() {
		if !r.ProposedAt.Before(from) && r.ProposedAt.Before(to) {
			out = append(out, shown(r))
		}
	}
	return out
}
