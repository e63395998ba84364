package respond

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/clock"
)

// Journal is the log of records.
type Journal interface {
	// Append writes a record behind all others and returns when everything up to it was applied to the Machine. After an error it
	// may be written all the same; then it is applied when it is read.
	Append(ctx context.Context, value []byte) error
}

// Target is a system that responses change. Its methods keep to the deadline of ctx and may be called from any goroutine.
type Target interface {
	// Can says why an order makes no sense here, nil when it does. It asks nobody.
	Can(o *Order) error
	// Aim names what an order is about there, by the texts that make a difference to the target and no others. It asks nobody.
	Aim(o *Order) string
	// Reverts tells whether Revert can take back what an order does. It asks nobody.
	Reverts(o *Order) bool
	// Check looks at the target and changes nothing. An error says that it is not as it must be.
	Check(ctx context.Context, o *Order) (*Sight, error)
	// Apply makes the change that follows from what Check saw, and tells what is new as JSON. After an error nobody knows what is in
	// place.
	Apply(ctx context.Context, key string, o *Order, s *Sight) (after []byte, err error)
	// Verify says why the change is not in place or does not do what it shall; ErrUnverified when the target cannot be asked.
	Verify(ctx context.Context, key string, o *Order, s *Sight) error
	// Revert makes the target as it was, unless somebody else has changed it meanwhile: then the note says so and it is left alone.
	// It may be called again after an error.
	Revert(ctx context.Context, key string, o *Order, before, after []byte) (note string, err error)
}

// ErrUnverified says that nobody can tell whether a change does what it shall.
var ErrUnverified = errors.New("the target cannot be asked whether the change does what it shall")

// Observer is told what happens, for metrics. Its methods must be quick.
type Observer interface {
	Moved(r *Response, rec *Record)
	Refused(rail Rail)
	Acted(caused, applied time.Time)
}

// Options are what a Machine works with.
type Options struct {
	Limits   Limits
	Owner    string // of this instance, unlike all others
	Journal  Journal
	Targets  map[string]Target
	Kill     func() string                // why the kill switch is on that is not in the log, "" = off
	Lag      func() (time.Duration, bool) // how far the windows are behind, if that is known here
	Observer Observer
	Log      *slog.Logger
	Clock    *clock.Steady // by which it is decided what is due; nil = one of its own
}

// Machine acts by the book. Apply and Reset belong to whoever reads the log, Handle to whoever reads the alerts; all methods may be
// called from any goroutine.
type Machine struct {
	o Options

	rails   atomic.Pointer[Limits]
	writing sync.Mutex // one record of this instance at a time; taken before mu
	poke    chan struct{}

	mu       sync.Mutex
	book     *Book
	subjects map[string]*subjectState
	running  map[string]bool // responses that this instance works on
	work     sync.WaitGroup
	born     time.Time
	swept    time.Time       // when subjects were forgotten last
	acting   context.Context // of the calls of targets; nil while the machine does not run
}

// New makes a machine with an empty book.
func New(o Options) *Machine {
	if o.Clock == nil {
		o.Clock = new(clock.Steady)
	}
	m := &Machine{o: o, poke: make(chan struct{}, 1), book: NewBook(o.Limits), subjects: map[string]*subjectState{}, running: map[string]bool{}, born: o.Clock.Now()}
	m.rails.Store(&o.Limits)
	return m
}

func (m *Machine) limits() *Limits { return m.rails.Load() }

// SetLimits lets other limits hold from now on. What was claimed, granted or frozen under those of before ends as it was said.
func (m *Machine) SetLimits(l Limits) {
	m.rails.Store(&l)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.book.limits = l
	m.wake()
}

// Reset forgets the book: the log comes again from its start.
func (m *Machine) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.book.Reset()
}

// Apply takes the next record of the log.
func (m *Machine) Apply(offset int64, value []byte) {
	m.mu.Lock()
	rec, r := m.book.Apply(offset, value)
	m.mu.Unlock()
	if rec == nil {
		return
	}
	if r != nil && m.o.Observer != nil {
		m.o.Observer.Moved(r, rec)
	}
	m.wake()
}

// Look gives f the book to read. f must not keep anything of it.
func (m *Machine) Look(f func(*Book)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m.book)
}

func (m *Machine) wake() {
	select {
	case m.poke <- struct{}{}:
	default:
	}
}

// What can be wrong with a command.
var (
	ErrUnknown   = errors.New("there is no such response")
	ErrState     = errors.New("the response is not in a state for that")
	ErrSwitch    = errors.New("the kill switch is on")
	ErrContended = errors.New("others write to the log all the time")
)

// mostTries bounds how often a record is written again because another one was first, and commitLimit how long that may take.
const (
	mostTries   = 32
	commitLimit = 15 * time.Second
)

// commit writes the record that decide wants, chained to the last one. When another record was first, decide is asked again about
// the book as it is then. decide runs under the lock; without a record nothing is written.
func (m *Machine) commit(ctx context.Context, decide func(now time.Time) (*Record, error)) (*Record, error) {
	m.writing.Lock()
	defer m.writing.Unlock()
	ctx, stop := context.WithTimeout(ctx, commitLimit)
	defer stop()
	for range mostTries {
		now := stamp(m.o.Clock.Now())
		m.mu.Lock()
		rec, err := decide(now)
		head := m.book.Head()
		m.mu.Unlock()
		if rec == nil || err != nil {
			return nil, err
		}
		rec.At = now
		value, err := rec.Seal(head)
		if err != nil {
			return nil, err
		}
		sent := m.o.Journal.Append(ctx, value)
		m.mu.Lock()
		won := m.book.Has(rec.Hash)
		m.mu.Unlock()
		if won {
			return rec, nil
		}
		if sent != nil {
			return nil, fmt.Errorf("write to the audit log: %w", sent)
		}
	}
	return nil, ErrContended
}

// outside is what the rails must know beside the book. It is called under the lock.
func (m *Machine) outside(o *Order, now time.Time) Outside {
	out := Outside{Now: now, Wall: m.o.Clock.Wall()}
	if m.o.Kill != nil {
		out.Kill = m.o.Kill()
	}
	if m.o.Lag != nil {
		out.Lag, out.Known = m.o.Lag()
	}
	if s := m.heard(o); s != nil {
		out.Heard, out.Firing = true, s.firing
	}
	return out
}

// Approve lets a proposal be carried out.
func (m *Machine) Approve(ctx context.Context, id, who, reason string) error {
	return m.command(ctx, id, func(r *Response, now time.Time) (*Record, error) {
		switch why := m.book.switched(m.outside(&r.Order, now)); {
		case r.State != Proposed || now.After(r.ExpiresAt):
			return nil, fmt.Errorf("%w: it is %s", ErrState, r.State)
		case why != "":
			return nil, fmt.Errorf("%w: %s", ErrSwitch, why)
		}
		return &Record{Who: who, What: WhatApproved, Reason: reason, Until: now.Add(m.limits().ApprovalExpiry)}, nil
	})
}

// Dismiss ends a proposal.
func (m *Machine) Dismiss(ctx context.Context, id, who, reason string) error {
	return m.command(ctx, id, func(r *Response, _ time.Time) (*Record, error) {
		if r.State != Proposed {
			return nil, fmt.Errorf("%w: it is %s", ErrState, r.State)
		}
		return &Record{Who: who, What: WhatDismissed, Reason: reason}, nil
	})
}

// Revert begins to take back what is in place.
func (m *Machine) Revert(ctx context.Context, id, who, reason string) error {
	mine := false
	err := m.command(ctx, id, func(r *Response, now time.Time) (*Record, error) {
		switch {
		case !r.InPlace():
			return nil, fmt.Errorf("%w: it is %s, so there is nothing to take back", ErrState, r.State)
		case r.Phase != Waiting && (m.running[id] && !mine || r.Phase != Idle && !now.After(r.ClaimUntil)):
			return nil, fmt.Errorf("%w: it is being changed at this moment", ErrState)
		}
		m.running[id], mine = true, true
		return m.reverting(who, reason, now), nil
	})
	if err == nil {
		m.launch(id, m.takeBack)
		return nil
	}
	if mine {
		m.mu.Lock()
		delete(m.running, id)
		m.mu.Unlock()
	}
	return err
}

func (m *Machine) command(ctx context.Context, id string, decide func(*Response, time.Time) (*Record, error)) error {
	_, err := m.commit(ctx, func(now time.Time) (*Record, error) {
		r := m.book.Find(id)
		if r == nil {
			return nil, ErrUnknown
		}
		rec, err := decide(r, now)
		if rec != nil {
			rec.Response = id
		}
		return rec, err
	})
	return err
}

// SetSwitch turns the kill switch of the log on or off.
func (m *Machine) SetSwitch(ctx context.Context, on bool, who, reason string) error {
	what := WhatSwitchOff
	if on {
		what = WhatSwitchOn
	}
	_, err := m.commit(ctx, func(time.Time) (*Record, error) {
		return &Record{Who: who, What: what, Reason: reason}, nil
	})
	return err
}

// Run works until ctx ends: it does what is due, and waits for what it has begun. What does not end within the grace is broken off;
// whoever takes over finds the claim.
func (m *Machine) Run(ctx context.Context) {
	acting, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	m.mu.Lock()
	m.acting = acting
	m.mu.Unlock()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		m.step(ctx)
		select {
		case <-ctx.Done():
		case <-m.poke:
		case <-tick.C:
		}
	}
	m.mu.Lock()
	m.acting = nil
	m.mu.Unlock()
	grace := time.AfterFunc(stopGrace, stop)
	defer grace.Stop()
	m.work.Wait()
}

// stopGrace is how long the end waits for calls of targets.
const stopGrace = 5 * time.Second

// launch works on a response in a goroutine of its own. The caller has marked it as running.
func (m *Machine) launch(id string, f func(ctx context.Context, r *Response, t Target)) {
	m.mu.Lock()
	r, ctx := m.book.Find(id), m.acting
	if r == nil || ctx == nil {
		delete(m.running, id)
		m.mu.Unlock()
		return
	}
	now := *r
	now.Order.With, now.Order.Key = maps.Clone(r.Order.With), maps.Clone(r.Order.Key)
	m.work.Add(1)
	m.mu.Unlock()
	go func() {
		defer m.work.Done()
		defer func() { // what is still to be done is due with the next tick, so that a log that is away is not asked all the time
			m.mu.Lock()
			delete(m.running, id)
			m.mu.Unlock()
		}()
		f(ctx, &now, m.target(now.Order.Target))
	}()
}

// target is a target by name, also one that is not configured any more.
func (m *Machine) target(name string) Target {
	if t := m.o.Targets[name]; t != nil {
		return guarded{t, name, m.o.Log}
	}
	return missing{name}
}
