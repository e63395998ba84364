package respond

import (
	"context"
	"fmt"
	"time"
)

// subjectState is what the alerts say of one rule and key.
type subjectState struct {
	firing bool
	at     time.Time // of the newest alert
	seen   time.Time // when it was read
	since  time.Time // of the change to or from firing, as it was read
}

// maxSubjects bounds what is remembered of alerts that ask for actions.
const maxSubjects = 50_000

// see notes what an alert says of its subject. It is called under the lock.
func (m *Machine) see(a *Alert, now time.Time) {
	name := a.subject()
	s := m.subjects[name]
	if s == nil {
		if len(a.Actions) == 0 || len(m.subjects) >= maxSubjects {
			return
		}
		s = &subjectState{}
		m.subjects[name] = s
	}
	firing := a.State == "firing"
	late := stamp(a.At).Before(s.at) && !s.at.After(m.o.Clock.Wall().Add(time.Minute)) // else the clock was set back since
	if late || a.State != "firing" && a.State != "resolved" && a.State != "lapsed" {
		return // partitions of the topic are read side by side
	}
	if s.since.IsZero() || firing != s.firing {
		s.since = now
	}
	if at := stamp(a.At); at.After(s.at) {
		s.at = at
	}
	s.firing, s.seen = firing, now
}

// heard is what is known of the alert of an order; nil while it, or a later one of its subject, was not read here: another instance
// can be ahead. It is called under the lock.
func (m *Machine) heard(o *Order) *subjectState {
	if s := m.subjects[o.subject()]; s != nil && !s.at.Before(o.At) {
		return s
	}
	return nil
}

// forgetSubjects drops what has been over for long. It is called under the lock.
func (m *Machine) forgetSubjects(now time.Time) {
	for name, s := range m.subjects {
		if !s.firing && now.Sub(s.since) > m.limits().Recovery+time.Hour {
			delete(m.subjects, name)
		}
	}
}

// Handle takes the next alert. An error says that the log could not be written; the alert may be given again.
func (m *Machine) Handle(ctx context.Context, a *Alert) error {
	m.mu.Lock()
	m.see(a, m.o.Clock.Now())
	m.mu.Unlock()
	if a.State != "firing" {
		m.wake()
		return nil
	}
	for _, x := range a.Actions {
		if x.Type == "notify" { // is for people
			continue
		}
		if err := m.consider(ctx, a, x); err != nil {
			return err
		}
	}
	return nil
}

// consider makes a response of an action, or a refusal.
func (m *Machine) consider(ctx context.Context, a *Alert, x Action) error {
	id, o := a.id(x), a.order(x)
	o.Aim = m.target(o.Target).Aim(o)
	var no *Refusal
	rec, err := m.commit(ctx, func(now time.Time) (*Record, error) {
		no = nil
		if m.book.Find(id) != nil {
			return nil, nil
		}
		out := m.outside(o, now)
		rec := &Record{Who: "rule " + o.Rule, Response: id, Order: o}
		if no = m.book.stale(a, out); no != nil { // history: it is told, but it is no response
			rec.What, rec.Response, rec.Order, rec.Rule = WhatPassedOver, "", nil, o.Rule
		} else if no = m.unfit(o); no == nil {
			no = m.book.entry(o, out)
		}
		switch {
		case no != nil && m.book.usage.quiet(o.Rule, no.Rail, now):
			return nil, nil
		case no != nil:
			rec.Reason, rec.Rail = no.Reason, no.Rail
			if rec.What == "" {
				rec.What = WhatRefused
			}
		default:
			m.begin(rec, o, now)
		}
		return rec, nil
	})
	if no != nil && m.o.Observer != nil {
		m.o.Observer.Refused(no.Rail)
	}
	if rec != nil && rec.What == WhatApproved {
		m.wake()
	}
	return err
}

// begin fills in the first record of a response.
func (m *Machine) begin(rec *Record, o *Order, now time.Time) {
	l := *m.limits()
	rec.What, rec.Until = WhatProposed, now.Add(l.ApprovalExpiry)
	switch {
	case o.Mode == "auto" && l.Automatic:
		rec.What, rec.Until = WhatApproved, now.Add(l.MaxLag)
		rec.Reason = "the rule acts by itself, and responses.automatic allows it"
	case o.Mode == "auto":
		rec.Reason = "the rule wants to act by itself, but responses.automatic is off"
	default:
		rec.Reason = "the rule proposes it"
	}
	if rec.What == WhatProposed && !OneOff(o.Action) && !m.target(o.Target).Reverts(o) {
		rec.Reason += "; nothing takes it back, because the target has no revert"
	}
}

// unfit tells of an order that no target can carry out.
func (m *Machine) unfit(o *Order) *Refusal {
	if m.o.Targets[o.Target] == nil {
		return refuse(RailTarget, "no target is called %q; targets are set in services/event-processing-api.yaml", o.Target)
	}
	t := m.target(o.Target)
	if err := t.Can(o); err != nil {
		return refuse(RailTarget, "%s", err)
	}
	if err := CheckMode(o.Mode, o.Action, t.Reverts(o)); err != nil {
		return refuse(RailTarget, "%s", err)
	}
	return nil
}

// missing stands for a target that is configured no more.
type missing struct{ name string }

func (t missing) err() error {
	return fmt.Errorf("target %q is configured no more; put it back into services/event-processing-api.yaml", t.name)
}
func (t missing) Aim(*Order) string                             { return "" }
func (t missing) Reverts(*Order) bool                           { return false }
func (t missing) Can(*Order) error                              { return t.err() }
func (t missing) Check(context.Context, *Order) (*Sight, error) { return nil, t.err() }
func (t missing) Apply(context.Context, string, *Order, *Sight) ([]byte, error) {
	return nil, t.err()
}
func (t missing) Verify(context.Context, string, *Order, *Sight) error { return t.err() }
func (t missing) Revert(context.Context, string, *Order, []byte, []byte) (string, error) {
	return "", t.err()
}
