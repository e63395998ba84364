package respond

import (
	"context"
	"fmt"
	"time"
)

// Trial is what would become of a response, were it carried out now.
type Trial struct {
	At      time.Time
	Refused *Refusal // nil = it would be carried out
	Waits   string   // the response that is changing the target, behind which it would wait; "" = none
	Before  []byte   // the target as it is, JSON; nil when it was not seen
	Takes   string   // endpoint that would be taken out of its group
	Lasting bool     // the change would stay until it is taken back, or its lease is over
	Lease   time.Duration
}

// Try says what would become of a response that waits, and changes nothing: the target is looked at, the rails are asked, and nothing is recorded.
func (m *Machine) Try(ctx context.Context, id string) (*Trial, error) {
	m.mu.Lock()
	x := m.book.Find(id)
	if x == nil {
		m.mu.Unlock()
		return nil, ErrUnknown
	}
	r := *x
	m.mu.Unlock()
	if r.State != Proposed && r.State != Approved {
		return nil, fmt.Errorf("%w: it is %s", ErrState, r.State)
	}
	limit, stop := context.WithTimeout(ctx, m.limits().Deadline)
	defer stop()
	s, no := m.sighted(limit, &r.Order, m.target(r.Order.Target))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	now := stamp(m.o.Clock.Now())
	out := &Trial{At: now, Refused: no}
	if s != nil {
		out.Before, out.Takes, out.Lasting, out.Lease = s.Before, s.Takes, s.Lasting, r.lease(*m.limits())
	}
	if no != nil {
		return out, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if x = m.book.Find(id); x == nil { // the log was made anew meanwhile
		return nil, ErrUnknown
	}
	out.Refused = m.book.admit(x, s, m.outside(&x.Order, now))
	if other := m.book.busy(x); other != nil {
		out.Waits = other.ID
	}
	return out, nil
}

// sighted looks at the target of an order that is yet to be carried out. What was seen comes along with a refusal, as far as it may be shown.
func (m *Machine) sighted(ctx context.Context, o *Order, t Target) (*Sight, *Refusal) {
	if no := m.unfit(o); no != nil { // it was approved under another configuration
		return nil, no
	}
	s, err := t.Check(ctx, o)
	switch {
	case err != nil:
		return nil, refuse(RailPrecondition, "the target is not as it must be: %s", err)
	case s.InPlace:
		return s, refuse(RailPrecondition, "the target is already so, by somebody else")
	case len(s.Before) > maxState:
		return nil, refuse(RailPrecondition, "the target says too much of itself to be put back: %d bytes", len(s.Before))
	}
	return s, nil
}
