package respond

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// step begins what is due now.
func (m *Machine) step(ctx context.Context) {
	now := m.o.Clock.Now()
	m.mu.Lock()
	if now.Sub(m.swept) > time.Minute {
		m.swept = now
		m.forgetSubjects(now)
	}
	open := slices.Clone(m.book.open)
	var due []func()
	for _, r := range open {
		if do := m.due(ctx, r, now); do != nil {
			due = append(due, do)
		}
	}
	m.mu.Unlock()
	for _, do := range due {
		do()
	}
}

// due says what is to be done about r, nil for nothing. It is called under the lock.
func (m *Machine) due(ctx context.Context, r *Response, now time.Time) func() {
	id := r.ID
	claimed := r.Phase != Idle && !now.After(r.ClaimUntil)
	start := func(f func(context.Context, *Response, Target)) func() {
		m.running[id] = true
		return func() { m.launch(id, f) }
	}
	switch mine := r.Owner == m.o.Owner; {
	case m.running[id]:
		return nil
	case r.Phase == Waiting && (mine || !claimed), r.Phase == Stepping && !claimed:
		return m.dueWaiting(ctx, r, now, start)
	case claimed:
		return nil
	case r.Phase == Applying || r.Phase == Verifying:
		return start(m.resume)
	case r.Phase == Reverting:
		return start(m.revertFor("the one who took it back did not end"))
	case r.State == Proposed || r.State == Approved:
		if why := m.lapsed(r, now); why != "" {
			return func() { m.expire(ctx, id, why) }
		}
		if r.State == Approved && m.book.busy(r) == nil && m.heard(&r.Order) != nil {
			return start(m.perform)
		}
	case r.InPlace():
		return m.dueInPlace(ctx, r, now, start)
	}
	return nil
}

func (m *Machine) lapsed(r *Response, now time.Time) string {
	s := m.heard(&r.Order)
	switch {
	case !now.Before(r.ExpiresAt) && r.State == Proposed:
		return "nobody approved it in time"
	case !now.Before(r.ExpiresAt):
		return "it could not be carried out in time"
	case r.State == Proposed && s != nil && !s.firing:
		return "the alert is over"
	}
	return ""
}

// dueInPlace looks after a change that is in place.
func (m *Machine) dueInPlace(ctx context.Context, r *Response, now time.Time, start func(func(context.Context, *Response, Target)) func()) func() {
	l := *m.limits()
	firing, over := m.calm(r, now)
	lease := r.lease(l)
	switch {
	case r.State == Failed && now.Before(r.RetryAt):
		return nil
	case r.State == Failed:
		return start(m.revertFor("the last attempt to take it back failed"))
	case r.Passing && r.State == Verified:
		return start(m.revertFor("it has done its work"))
	case !r.Passing && over >= l.Recovery:
		return start(m.revertFor(fmt.Sprintf("the alert is over since %s", over.Round(time.Second))))
	case !now.Before(r.LeaseUntil) && r.Phase == Waiting:
		return start(m.revertFor("its lease is over, and it is not done: " + r.Reason))
	case !now.Before(r.LeaseUntil):
		return start(m.revertFor("its lease is over"))
	case r.Phase == Idle && firing && r.LeaseUntil.Sub(now) <= lease/2 && m.alive(r, now):
		return func() { m.renew(ctx, r.ID, lease) }
	}
	return nil
}

// calm tells whether the alert fires, and for how long it has been over. What was never read here counts as over.
func (m *Machine) calm(r *Response, now time.Time) (firing bool, over time.Duration) {
	s := m.heard(&r.Order)
	switch {
	case s == nil && m.born.After(r.ProposedAt):
		return false, now.Sub(m.born)
	case s == nil:
		return false, now.Sub(r.ProposedAt)
	case s.firing:
		return true, 0
	}
	return false, now.Sub(s.since)
}

// alive tells whether the end of the alert would be known: either the windows are not behind, or the alert was told anew since the
// lease was given.
func (m *Machine) alive(r *Response, now time.Time) bool {
	if m.o.Lag != nil {
		if lag, known := m.o.Lag(); known {
			return lag <= m.limits().MaxLag
		}
	}
	s := m.heard(&r.Order)
	return s != nil && s.seen.After(r.UpdatedAt)
}

// lease is how long a change stays: what the order wishes, within bounds.
func (r *Response) lease(l Limits) time.Duration {
	if d, err := time.ParseDuration(r.Order.With["lease"]); err == nil && d >= time.Second {
		return min(d, l.MaxLease)
	}
	return l.Lease
}

// revertFor takes a response back for a reason.
func (m *Machine) revertFor(reason string) func(context.Context, *Response, Target) {
	return func(ctx context.Context, r *Response, t Target) { m.revert(ctx, r, t, reason) }
}

func (m *Machine) expire(ctx context.Context, id, why string) {
	err := m.command(ctx, id, func(r *Response, now time.Time) (*Record, error) {
		if r.State != Proposed && r.State != Approved || r.Phase != Idle {
			return nil, nil
		}
		return &Record{Who: "hxp", What: WhatExpired, Reason: why}, nil
	})
	m.unwritten(err, id)
}

func (m *Machine) renew(ctx context.Context, id string, lease time.Duration) {
	err := m.command(ctx, id, func(r *Response, now time.Time) (*Record, error) {
		if !r.InPlace() || r.Phase != Idle || r.LeaseUntil.Sub(now) > lease/2 {
			return nil, nil
		}
		return &Record{Who: "hxp", What: WhatRenewed, Reason: "the alert still fires", Until: now.Add(lease)}, nil
	})
	m.unwritten(err, id)
}

// unwritten tells of a record that could not be written. What it was about is due again with the next step.
func (m *Machine) unwritten(err error, id string) {
	if err != nil && !errors.Is(err, ErrUnknown) && !errors.Is(err, context.Canceled) {
		m.o.Log.Warn("a step of a response could not be recorded; it is tried again", "response", id, "error", err)
	}
}

// record writes what happened to r, if its state still allows it, and keeps the copy that the caller works with up to date.
func (m *Machine) record(ctx context.Context, r *Response, rec Record) bool {
	out, err := m.commit(ctx, func(now time.Time) (*Record, error) {
		rec := rec
		rec.At, rec.Response, rec.Owner = now, r.ID, m.o.Owner
		if rec.Who == "" {
			rec.Who = "hxp"
		}
		if x := m.book.Find(r.ID); x == nil || !x.allows(&rec) {
			return nil, ErrState
		}
		return &rec, nil
	})
	if err != nil {
		m.unwritten(err, r.ID)
		return false
	}
	r.take(out)
	return true
}

// perform carries out an approved response.
func (m *Machine) perform(ctx context.Context, r *Response, t Target) {
	limit, stop := context.WithTimeout(ctx, m.limits().Deadline)
	defer stop()
	s, no := m.sighted(limit, &r.Order, t)
	switch {
	case ctx.Err() != nil:
		return
	case no != nil:
		m.refuse(ctx, r, no)
		return
	}
	if mine, _ := m.claim(ctx, r, s, true, ""); mine {
		m.apply(ctx, r, t, s)
	}
}

// refuse ends an approved response.
func (m *Machine) refuse(ctx context.Context, r *Response, no *Refusal) {
	if m.record(ctx, r, Record{What: WhatRefused, Reason: no.Reason, Rail: no.Rail}) && m.o.Observer != nil {
		m.o.Observer.Refused(no.Rail)
	}
}

// claim makes r this instance's to change, if the rails admit a change that is yet to be made. It is not when another instance was
// first, or when it has to wait. When the rails refuse what an instance that is gone may have done, it is this one's to take back.
func (m *Machine) claim(ctx context.Context, r *Response, s *Sight, change bool, why string) (mine bool, no *Refusal) {
	rec, err := m.commit(ctx, func(now time.Time) (*Record, error) {
		x := m.book.Find(r.ID)
		rec := &Record{At: now, Who: "hxp", What: WhatClaimed, Reason: why, Response: r.ID, Owner: m.o.Owner, ClaimUntil: now.Add(m.limits().claim()), Before: s.Before, Takes: s.Takes}
		no = nil
		if x == nil || !x.allows(rec) || change && m.book.busy(x) != nil {
			return nil, nil
		}
		if change {
			out := m.outside(&x.Order, now)
			if !out.Heard && now.Before(x.ExpiresAt) {
				return nil, nil // the alert is yet to be read here
			}
			no = m.book.admit(x, s, out)
		}
		if maybe := x.Phase != Idle && s.Again; no != nil && !maybe {
			rec.What, rec.Reason, rec.Rail, rec.ClaimUntil, rec.Before, rec.Takes = WhatRefused, no.Reason, no.Rail, time.Time{}, nil, ""
			if x.Phase != Idle { // it was interrupted, and nothing is in place
				rec.What, rec.Owner = WhatFailed, x.Owner
			}
		}
		return rec, nil
	})
	m.unwritten(err, r.ID)
	if no != nil && rec != nil && m.o.Observer != nil {
		m.o.Observer.Refused(no.Rail)
	}
	if rec == nil || rec.What != WhatClaimed {
		return false, no
	}
	r.take(rec)
	return true, no
}

// within bounds a call that changes a target by the deadline and by the claim: after it somebody else may be at it.
func (m *Machine) within(ctx context.Context, r *Response) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, min(m.limits().Deadline, r.ClaimUntil.Sub(m.o.Clock.Now())))
}

// apply makes the change of a claimed response. A claim that took as long to write as it holds is left to whoever comes next.
func (m *Machine) apply(ctx context.Context, r *Response, t Target, s *Sight) {
	limit, stop := m.within(ctx, r)
	defer stop()
	if limit.Err() != nil {
		return
	}
	after, err := t.Apply(limit, r.ID, &r.Order, s)
	switch {
	case ctx.Err() != nil: // broken off: the claim tells whoever comes next
	case err != nil:
		m.unsure(ctx, r, t, s, err)
	default:
		m.applied(ctx, r, t, s, after, "")
	}
}

// applied notes a change that is in place, and verifies it.
func (m *Machine) applied(ctx context.Context, r *Response, t Target, s *Sight, after []byte, why string) {
	if !m.noteApplied(ctx, r, s, after, why) {
		return
	}
	if m.o.Observer != nil {
		m.o.Observer.Acted(r.Order.CausedAt, r.AppliedAt)
	}
	if r.Phase == Verifying { // a change that goes in steps is looked after by and by
		m.verify(ctx, r, t, s)
	}
}

func (m *Machine) noteApplied(ctx context.Context, r *Response, s *Sight, after []byte, why string) bool {
	l := *m.limits()
	now := m.o.Clock.Now()
	rec := Record{What: WhatApplied, Reason: why, After: after, ClaimUntil: now.Add(l.claim() + l.Settle)}
	if len(after) > maxState {
		rec.After = nil
	}
	if s.Lasting {
		rec.Until = now.Add(r.lease(l))
		rec.Step, rec.Passing = m.begins(&r.Order)
	}
	return m.record(ctx, r, rec)
}

// unsure looks what became of a change whose target answered with an error, or not at all.
func (m *Machine) unsure(ctx context.Context, r *Response, t Target, s *Sight, cause error) {
	limit, stop := context.WithTimeout(ctx, m.limits().Deadline)
	defer stop()
	now, err := t.Check(limit, &r.Order)
	switch {
	case ctx.Err() != nil:
	case err == nil && now.InPlace:
		m.applied(ctx, r, t, s, nil, words.Clip("the target answered with an error, but the change is in place: "+cause.Error(), maxReason))
	case err == nil && !now.Blind && bytes.Equal(now.Before, s.Before):
		m.record(ctx, r, Record{What: WhatFailed, Reason: "nothing was changed: " + cause.Error()})
	case !s.Lasting:
		m.record(ctx, r, Record{What: WhatFailed, Reason: "nobody knows whether it was done, and it is not done twice: " + cause.Error()})
	case m.noteApplied(ctx, r, s, nil, words.Clip("nobody knows what is in place, so it is taken back: "+cause.Error(), maxReason)):
		m.revert(ctx, r, t, "the change did not go through: "+cause.Error())
	}
}

// verify sees whether a change does what it shall, and takes it back if not.
func (m *Machine) verify(ctx context.Context, r *Response, t Target, s *Sight) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(m.limits().Settle):
	}
	limit, stop := context.WithTimeout(ctx, m.limits().Deadline)
	defer stop()
	err := t.Verify(limit, r.ID, &r.Order, s)
	switch {
	case ctx.Err() != nil:
	case err == nil:
		m.record(ctx, r, Record{What: WhatVerified, Reason: "the target says so"})
	case errors.Is(err, ErrUnverified):
		m.record(ctx, r, Record{What: WhatUnverified, Reason: "it was made, and stays applied: " + err.Error()})
	case r.InPlace():
		m.revert(ctx, r, t, "verification failed: "+err.Error())
	default:
		m.record(ctx, r, Record{What: WhatFailed, Reason: "verification failed: " + err.Error()})
	}
}

// reverting is the claim of one who takes a change back. It is called under the lock.
func (m *Machine) reverting(who, reason string, now time.Time) *Record {
	return &Record{Who: who, What: WhatReverting, Reason: reason, Owner: m.o.Owner, ClaimUntil: now.Add(m.limits().claim())}
}

func (m *Machine) revert(ctx context.Context, r *Response, t Target, reason string) {
	rec := m.reverting("hxp", reason, m.o.Clock.Now())
	if m.record(ctx, r, *rec) {
		m.takeBack(ctx, r, t)
	}
}

// takeBack makes the target as it was. Whoever calls it holds the claim.
func (m *Machine) takeBack(ctx context.Context, r *Response, t Target) {
	limit, stop := m.within(ctx, r)
	defer stop()
	if limit.Err() != nil {
		return
	}
	why := r.Reason
	note, err := t.Revert(limit, r.ID, &r.Order, r.Before, r.After)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		m.o.Log.Error("a change could not be taken back; it is tried again", "response", r.ID, "target", r.Order.Target, "action", r.Order.Action, "tries", r.Tries+1, "error", err)
		m.record(ctx, r, Record{What: WhatFailed, Reason: "it could not be taken back: " + err.Error()})
	default:
		if note != "" {
			why += "; " + note
		}
		m.record(ctx, r, Record{What: WhatReverted, Reason: why})
	}
}

// resume goes on with what an instance had begun that is gone.
func (m *Machine) resume(ctx context.Context, r *Response, t Target) {
	limit, stop := context.WithTimeout(ctx, m.limits().Deadline)
	defer stop()
	s, err := t.Check(limit, &r.Order)
	if ctx.Err() != nil {
		return
	}
	unknown := err != nil
	if unknown {
		s = &Sight{Blind: true, Lasting: true}
	}
	verifying := r.Phase == Verifying
	untouched := !verifying && !s.InPlace && !s.Blind && bytes.Equal(s.Before, r.Before)
	found := &Sight{Before: r.Before, Takes: r.Takes, Group: s.Group, Lasting: s.Lasting, Blind: s.Blind, Again: s.Again}
	change := untouched || s.Again && !verifying && !s.InPlace
	mine, no := m.claim(ctx, r, found, change, "the instance that began it is gone")
	if !mine {
		return
	}
	switch {
	case verifying && unknown:
		m.revert(ctx, r, t, "nobody knows whether it is in place: "+err.Error())
	case verifying:
		m.verify(ctx, r, t, found)
	case s.InPlace:
		m.applied(ctx, r, t, found, nil, "it was found in place after an interruption")
	case no != nil:
		m.unsure(ctx, r, t, found, no)
	case change:
		m.apply(ctx, r, t, found)
	default:
		m.unsure(ctx, r, t, found, errors.New("it was interrupted"))
	}
}
