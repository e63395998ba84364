package bus

import (
	"context"
	"errors"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// heart is a broker that answers a ping by a function of the test.
type heart struct {
	mu     sync.Mutex
	answer func(context.Context) error
}

func (h *heart) becomes(answer func(context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = answer
}

func (h *heart) ping(ctx context.Context) error {
	h.mu.Lock()
	answer := h.answer
	h.mu.Unlock()
	return answer(ctx)
}

func beating(t *testing.T, h *heart) *Pulse {
	p := (&Bus{}).NewPulse()
	p.ping = h.ping
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return p
}

func TestPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fine := func(context.Context) error { return nil }
		refused := func(context.Context) error { return syscall.ECONNREFUSED }
		hung := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		h := &heart{answer: fine}
		p := beating(t, h)
		settle := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		settle(time.Minute)
		if err := p.Away(); err != nil {
			t.Fatal(err)
		}
		waiting, cancel := p.Guard(t.Context())
		defer cancel()
		for name, c := range map[string]struct {
			answer func(context.Context) error
			within time.Duration
		}{"nobody listens": {refused, 2 * time.Second}, "nobody answers": {hung, 8 * time.Second}} {
			h.becomes(c.answer)
			settle(c.within)
			if err := p.Away(); !errors.Is(err, ErrAway) || !Retryable(err) {
				t.Errorf("%s: %v", name, err)
			}
			late, cancel := p.Guard(t.Context())
			synctest.Wait()
			if !errors.Is(context.Cause(late), ErrAway) {
				t.Errorf("%s: who begins to wait now is not told: %v", name, context.Cause(late))
			}
			cancel()
			h.becomes(fine)
			settle(3 * time.Second)
			if err := p.Away(); err != nil {
				t.Errorf("%s: after the return: %v", name, err)
			}
		}
		if !errors.Is(context.Cause(waiting), ErrAway) {
			t.Errorf("who waited was not told: %v", context.Cause(waiting))
		}
		h.becomes(refused)
		time.Sleep(100 * time.Millisecond) // one refusal at most: a restart in passing
		h.becomes(fine)
		settle(time.Minute)
		if p.Away() != nil {
			t.Error("a single refusal counts as absence")
		}
	})
}

// How long the brokers take is told of each answer, and of nothing else.
func TestPulseTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := (&Bus{}).NewPulse()
		asked := 0
		p.ping = func(context.Context) error {
			if asked++; asked == 2 {
				return syscall.ECONNREFUSED
			}
			time.Sleep(time.Duration(asked) * time.Millisecond)
			return nil
		}
		var took []time.Duration
		p.Took = func(d time.Duration) { took = append(took, d) }
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		p.Run(ctx)
		if want := []time.Duration{time.Millisecond, 3 * time.Millisecond}; !slices.Equal(took, want) {
			t.Errorf("told %v, not %v", took, want)
		}
	})
}

// Nobody is told that the brokers are back before what has to be done then is done.
func TestPulseBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heart{answer: func(context.Context) error { return syscall.ECONNREFUSED }}
		p := (&Bus{}).NewPulse()
		p.ping = h.ping
		fail := errors.New("not yet")
		tried := 0
		p.Back = func(context.Context) error {
			if tried++; p.Away() == nil {
				t.Error("it is told before")
			}
			if tried < 3 {
				return fail
			}
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); p.Run(ctx) }()
		time.Sleep(10 * time.Second)
		h.becomes(func(context.Context) error { return nil })
		time.Sleep(300 * time.Millisecond) // one beat, or two
		synctest.Wait()
		if p.Away() == nil {
			t.Error("back although that was not seen to")
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		cancel()
		<-done
		if err := p.Away(); err != nil || tried != 3 {
			t.Errorf("%v after %d tries", err, tried)
		}
	})
}
