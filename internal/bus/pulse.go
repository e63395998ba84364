package bus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// How a Pulse is taken.
const (
	beatEvery  = time.Second            // while the brokers answer
	beatAway   = 250 * time.Millisecond // while they do not
	beatWithin = 2 * time.Second        // an answer that takes longer is none
	silence    = 5 * time.Second        // without an answer, after which the brokers are away
)

// Pulse knows whether the brokers answer, so that whoever would wait for them in vain is told at once. One broker that answers
// is enough: a moved leader is no reason to give up.
type Pulse struct {
	// Back, when set, runs when the brokers answer again, before anybody is told; an error means that they are not back yet. Set it
	// before Run.
	Back func(context.Context) error
	// Took, when set, hears how long each answer took. Set it before Run.
	Took func(time.Duration)

	ping func(context.Context) error

	mu    sync.Mutex
	heard time.Time       // the last answer
	life  context.Context // ends when they go away, with the reason as its cause
	end   context.CancelCauseFunc
}

// NewPulse makes a pulse of the brokers, which begins with brokers that answer. Run it.
func (b *Bus) NewPulse() *Pulse {
	p := &Pulse{ping: b.Ping, heard: time.Now()}
	p.life, p.end = context.WithCancelCause(context.Background())
	return p
}

// Run asks the brokers for signs of life until ctx ends.
func (p *Pulse) Run(ctx context.Context) {
	refusals := 0
	for {
		err := p.beat(ctx)
		if ctx.Err() != nil {
			return
		}
		// A port at which nobody listens is as clear as can be, once it is no restart in passing.
		if errors.Is(err, syscall.ECONNREFUSED) {
			refusals++
		} else {
			refusals = 0
		}
		pause := beatEvery
		if p.note(time.Now(), err, refusals >= 2) != nil || err != nil {
			pause = beatAway
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// beat asks for one sign of life.
func (p *Pulse) beat(ctx context.Context) error {
	beat, cancel := context.WithTimeout(ctx, beatWithin)
	defer cancel()
	began := time.Now()
	err := p.ping(beat)
	if err == nil && p.Took != nil {
		p.Took(time.Since(began))
	}
	if err != nil || p.Back == nil || p.Away() == nil {
		return err
	}
	return p.Back(beat)
}

// note takes a beat and returns why the brokers are away, if they are.
func (p *Pulse) note(now time.Time, err error, sure bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	away := context.Cause(p.life)
	switch {
	case err == nil:
		p.heard = now
		if away != nil {
			p.life, p.end = context.WithCancelCause(context.Background())
		}
	case away == nil && (sure || now.Sub(p.heard) >= silence):
		p.end(fmt.Errorf("%w since %s: %w", ErrAway, p.heard.UTC().Format(time.RFC3339), err))
	}
	return context.Cause(p.life)
}

// Away tells why the brokers are away; nil while they answer.
func (p *Pulse) Away() error { return context.Cause(p.lifetime()) }

func (p *Pulse) lifetime() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life
}

// Guard returns a context that also ends when the brokers go away, with that as its cause. Cancel it.
func (p *Pulse) Guard(ctx context.Context) (context.Context, context.CancelFunc) {
	life := p.lifetime()
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(life, func() { cancel(context.Cause(life)) })
	return ctx, func() {
		stop()
		cancel(context.Canceled)
	}
}
