package respond

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Stepwise is a Target of which some changes take longer than one call may: a worker that ends its requests and starts anew, replicas
// that load a model. Such a change is applied with its first call. From then on it is looked at again and again, and further calls are
// made, until it does what it shall. Its lease bounds all of that and is not renewed before: a change that is not done by then is taken back.
type Stepwise interface {
	Target
	// Begins names the step that Apply is, "" for a change of one call. A passing change has done its work when it is verified, and is
	// then taken back at once.
	Begins(o *Order) (step string, passing bool)
	// Await looks how far a change is, and changes nothing. An error ends the change: it is taken back.
	Await(ctx context.Context, o *Order, at At) (Progress, error)
	// Step makes the call of a step that Await named. It is called once for each; who dies meanwhile leaves a change that is waited for
	// and never made again. After ErrNotDone the change is taken back, after any other error it is waited for as well.
	Step(ctx context.Context, key string, o *Order, step string) error
}

// At is the place of a change among its steps.
type At struct {
	ID     string // of the response
	Step   string
	For    time.Duration // since the step began
	Before []byte        // what Check saw
}

// Progress is how far a change is.
type Progress struct {
	Done bool   // it does what it shall
	Next string // step that is to be made now; "" = it goes on by itself
	Note string // what was reached, or is waited for
	Seen []byte // what counts from Next on as what Check saw; nil = what counted so far
}

// ErrNotDone says that a call was understood and refused.
var ErrNotDone = errors.New("it was refused")

// begins is the first step of an order, if it has steps.
func (m *Machine) begins(o *Order) (step string, passing bool) {
	if s := m.stepwise(o.Target); s != nil {
		return s.Begins(o)
	}
	return "", false
}

// stepwise is a target that goes in steps, nil for any other.
func (m *Machine) stepwise(name string) Stepwise {
	if t, ok := m.o.Targets[name].(Stepwise); ok {
		return guardedSteps{guarded{t, name, m.o.Log}, t}
	}
	return nil
}

// guardedSteps makes errors of panics, as guarded does.
type guardedSteps struct {
	guarded
	steps Stepwise
}

func (g guardedSteps) Begins(o *Order) (step string, passing bool) {
	var err error // it is verified as though it were one call, and found not to be in place
	defer g.rescue("begins", &err)
	return g.steps.Begins(o)
}

func (g guardedSteps) Await(ctx context.Context, o *Order, at At) (p Progress, err error) {
	defer g.rescue("await", &err)
	return g.steps.Await(ctx, o, at)
}

func (g guardedSteps) Step(ctx context.Context, key string, o *Order, step string) (err error) {
	defer g.rescue("step", &err)
	return g.steps.Step(ctx, key, o, step)
}

// dueWaiting looks after a change that goes on.
func (m *Machine) dueWaiting(ctx context.Context, r *Response, now time.Time, start func(func(context.Context, *Response, Target)) func()) func() {
	if do := m.dueInPlace(ctx, r, now, start); do != nil {
		return do
	}
	return start(m.await)
}

// await looks how far a change is, and does what comes next. A claim whose owner is gone is taken over first.
func (m *Machine) await(ctx context.Context, r *Response, t Target) {
	if (r.Phase == Stepping || r.Owner != m.o.Owner) && !m.wait(ctx, r, "the instance that began it is gone; no step is made twice") {
		return
	}
	s := m.stepwise(r.Order.Target)
	if s == nil {
		m.revert(ctx, r, t, fmt.Sprintf("target %q is not configured any more", r.Order.Target))
		return
	}
	limit, stop := context.WithTimeout(ctx, m.limits().Deadline)
	defer stop()
	p, err := s.Await(limit, &r.Order, At{r.ID, r.Step, m.o.Clock.Now().Sub(r.StepAt), r.Before})
	switch half := m.limits().claim() / 2; {
	case ctx.Err() != nil:
	case err != nil:
		m.revert(ctx, r, t, err.Error())
	case p.Done:
		m.record(ctx, r, Record{What: WhatVerified, Reason: p.Note})
	case p.Next != "":
		m.makeStep(ctx, r, t, s, p)
	case r.ClaimUntil.Sub(m.o.Clock.Now()) < half, r.Reason == "" && p.Note != "":
		m.wait(ctx, r, p.Note)
	}
}

// wait notes that a change is waited for here.
func (m *Machine) wait(ctx context.Context, r *Response, note string) bool {
	return m.record(ctx, r, Record{What: WhatWaiting, Reason: note, ClaimUntil: m.o.Clock.Now().Add(m.limits().claim())})
}

// makeStep makes the next step. It is written down before, and the kill switch is asked at that moment.
func (m *Machine) makeStep(ctx context.Context, r *Response, t Target, s Stepwise, p Progress) {
	killed := ""
	rec, err := m.commit(ctx, func(now time.Time) (*Record, error) {
		rec := &Record{At: now, Who: "hxp", What: WhatStepping, Reason: p.Note, Response: r.ID, Owner: m.o.Owner, Step: p.Next, Before: p.Seen, ClaimUntil: now.Add(m.limits().claim())}
		x := m.book.Find(r.ID)
		if killed = m.book.switched(m.outside(&r.Order, now)); killed != "" || x == nil || !x.allows(rec) {
			return nil, nil
		}
		return rec, nil
	})
	m.unwritten(err, r.ID)
	if killed != "" {
		m.revert(ctx, r, t, killed)
	}
	if rec == nil {
		return
	}
	r.take(rec)
	limit, stop := m.within(ctx, r)
	defer stop()
	if limit.Err() != nil {
		return
	}
	err = s.Step(limit, r.ID, &r.Order, p.Next)
	switch {
	case ctx.Err() != nil: // broken off: the claim tells whoever comes next
	case errors.Is(err, ErrNotDone):
		m.revert(ctx, r, t, err.Error())
	case err != nil:
		m.wait(ctx, r, "nobody knows whether it was done, so it is waited for: "+err.Error())
	default:
		m.wait(ctx, r, "the step "+p.Next+" is made")
	}
}
