package respond

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// worker is a target whose endpoints are drained, and then restarted when nothing runs there any more.
type worker struct {
	*fakeTarget
	runs     int // requests that run
	restarts int
	well     bool // it is up again
	passing  bool
	refuses  bool // the call is refused
	breaks   bool // the call is made and answered with an error
	hangs    bool // it never answers
	lost     error
}

func (w *worker) Begins(*Order) (string, bool) { return "drain", w.passing }

func (w *worker) Await(_ context.Context, _ *Order, at At) (Progress, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.lost != nil:
		return Progress{}, w.lost
	case at.Step == "drain" && w.runs > 0:
		return Progress{Note: fmt.Sprintf("%d requests run", w.runs)}, nil
	case at.Step == "drain":
		return Progress{Next: "restart", Note: "nothing runs"}, nil
	case !w.well:
		return Progress{Note: "it is not up"}, nil
	}
	return Progress{Done: true, Note: "it is up"}, nil
}

func (w *worker) Step(ctx context.Context, _ string, _ *Order, step string) error {
	w.mu.Lock()
	w.restarts++
	refuses, breaks, hangs := w.refuses, w.breaks, w.hangs
	w.mu.Unlock()
	switch {
	case step != "restart":
		return fmt.Errorf("there is no step %q", step)
	case refuses:
		return fmt.Errorf("%w: not today", ErrNotDone)
	case breaks:
		return errors.New("500 Internal Server Error")
	case hangs:
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

// made is how many restarts were made.
func (w *worker) made() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.restarts
}

func (w *worker) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// inWorkshop is inWorld with a worker as the target.
func inWorkshop(t *testing.T, n int, f func(w *world, x *worker)) {
	inWorld(t, n, nil, func(w *world) {
		x := &worker{fakeTarget: w.target, runs: 3, passing: true}
		for _, m := range w.machines {
			m.o.Targets["gpu"] = x
		}
		f(w, x)
		w.intact()
	})
}

// A worker is drained, waited for, restarted, seen to be well and put back, even though its alert is over as soon as it is drained.
func TestStepsOfAChange(t *testing.T) {
	inWorkshop(t, 2, func(w *world, x *worker) {
		w.fire("r", "e01")
		w.pass(time.Second)
		w.resolve("r", "e01")
		w.pass(4 * time.Minute) // longer than the recovery and than a claim
		if r := w.is(Applied); r.Phase != Waiting || r.Step != "drain" || !x.isOut("e01") || x.made() != 0 || r.Reason != "3 requests run" {
			t.Fatalf("phase %q, step %q, out %v, %d restarts, %q", r.Phase, r.Step, x.isOut("e01"), x.made(), r.Reason)
		}
		x.set(func() { x.runs = 0 })
		w.pass(3 * time.Second)
		if r := w.is(Applied); r.Step != "restart" || !x.isOut("e01") || x.made() != 1 {
			t.Fatalf("step %q, out %v, %d restarts", r.Step, x.isOut("e01"), x.made())
		}
		x.set(func() { x.well = true })
		w.pass(3 * time.Second)
		if r := w.is(Reverted); x.isOut("e01") || x.made() != 1 || !strings.Contains(r.Reason, "done its work") {
			t.Errorf("out %v, %d restarts, %q", x.isOut("e01"), x.made(), r.Reason)
		}
		verified := 0
		for _, value := range w.log.records {
			if rec, err := Unseal(value); err == nil && rec.What == WhatVerified {
				verified++
			}
		}
		if verified != 1 || x.applies != 1 || x.backs != 1 {
			t.Errorf("verified %d times, %d changes, %d reverts", verified, x.applies, x.backs)
		}
	})
}

// What stays after its steps stays as any other change does, and what is not done in time is taken back.
func TestStepsAreBoundedByTheLease(t *testing.T) {
	inWorkshop(t, 1, func(w *world, x *worker) {
		x.set(func() { x.passing, x.runs, x.well = false, 0, true })
		w.fire("r", "e01")
		w.pass(time.Hour)
		w.is(Verified) // and renewed
		w.resolve("r", "e01")
		w.pass(3 * time.Minute)
		w.is(Reverted)
		x.set(func() { x.well = false })
		w.fire("other", "e02")
		w.pass(9 * time.Minute)
		w.is(Applied)
		w.pass(2 * time.Minute)
		if r := w.is(Reverted); !strings.Contains(r.Reason, "its lease is over, and it is not done") || x.isOut("e02") {
			t.Errorf("%q, out %v", r.Reason, x.isOut("e02"))
		}
	})
}

func TestStepsThatFail(t *testing.T) {
	cases := map[string]struct {
		set      func(w *world, x *worker)
		after    time.Duration
		want     State
		says     string
		restarts int
	}{
		"the call is refused":            {func(_ *world, x *worker) { x.refuses = true }, 5 * time.Second, Reverted, "not today", 1},
		"it is given up while it drains": {func(_ *world, x *worker) { x.lost = errors.New("3 requests still run after 2m") }, 5 * time.Second, Reverted, "still run", 0},
		"the call breaks and it is done": {func(_ *world, x *worker) { x.breaks, x.well = true, true }, 5 * time.Second, Reverted, "done its work", 1},
		"the call hangs and it is done":  {func(_ *world, x *worker) { x.hangs, x.well = true, true }, 40 * time.Second, Reverted, "done its work", 1},
		"the call breaks and it is not":  {func(_ *world, x *worker) { x.breaks = true }, 11 * time.Minute, Reverted, "lease is over", 1},
		"the kill switch goes on":        {func(w *world, _ *worker) { w.outside("it is night", 0) }, 5 * time.Second, Reverted, "it is night", 0},
		"its target is configured no more": {func(w *world, _ *worker) {
			for _, m := range w.machines {
				m.mu.Lock()
				m.o.Targets = nil
				m.mu.Unlock()
			}
		}, 5 * time.Second, Failed, "configured no more", 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inWorkshop(t, 2, func(w *world, x *worker) {
				w.fire("r", "e01")
				w.pass(2 * time.Second)
				x.set(func() { x.runs = 0; c.set(w, x) })
				w.pass(c.after)
				if r := w.is(c.want); !strings.Contains(r.Reason, c.says) || x.made() != c.restarts {
					t.Errorf("%q, %d restarts", r.Reason, x.made())
				}
			})
		})
	}
}

// A person takes back a change that is waited for; nothing more is made of it.
func TestChangeIsTakenBackWhileItGoesOn(t *testing.T) {
	inWorkshop(t, 2, func(w *world, x *worker) {
		w.fire("r", "e01")
		w.pass(5 * time.Second)
		if err := w.machines[1].Revert(context.Background(), w.is(Applied).ID, "ops", "not now"); err != nil {
			t.Fatal(err)
		}
		x.set(func() { x.runs = 0 })
		w.pass(time.Minute)
		if w.is(Reverted); x.made() != 0 || x.isOut("e01") {
			t.Errorf("%d restarts, out %v", x.made(), x.isOut("e01"))
		}
	})
}

// A person takes back a change in the moment in which its owner finds that it has to: it is taken back once.
func TestChangeIsTakenBackOnce(t *testing.T) {
	inWorkshop(t, 1, func(w *world, x *worker) {
		w.machines[0].o.Targets["gpu"] = slowSteps{x}
		w.fire("r", "e01")
		w.pass(time.Second)
		if err := w.machines[0].Revert(context.Background(), w.is(Applied).ID, "ops", "not now"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		begun := 0
		for _, value := range w.log.records {
			if rec, err := Unseal(value); err == nil && rec.What == WhatReverting {
				begun++
			}
		}
		if r := w.is(Reverted); x.backs != 1 || begun != 1 || r.Reason != "not now" {
			t.Errorf("it was taken back %d times, and %d times that was begun: %q", x.backs, begun, r.Reason)
		}
	})
}

// slowSteps is a worker that answers after some seconds, and is lost by then.
type slowSteps struct{ *worker }

func (s slowSteps) Await(context.Context, *Order, At) (Progress, error) {
	time.Sleep(3 * time.Second)
	return Progress{}, errors.New("somebody else has put it back")
}

func (s slowSteps) Revert(ctx context.Context, key string, o *Order, before, after []byte) (string, error) {
	time.Sleep(4 * time.Second)
	return s.worker.Revert(ctx, key, o, before, after)
}

// While one change goes on another one of the target may be made, within the blast radius.
func TestOthersActWhileAChangeGoesOn(t *testing.T) {
	inWorkshop(t, 1, func(w *world, x *worker) {
		w.fire("r", "e01")
		w.pass(5 * time.Second)
		w.fire("other", "e02")
		w.pass(5 * time.Second)
		if w.is(Applied); !x.isOut("e02") {
			t.Error("the second change waits")
		}
		w.fire("third", "e03")
		w.isRefused(RailBlastRadius)
	})
}

// An instance dies while it waits, or in the middle of a step. Another one goes on, and makes no step again.
func TestSuccessorOfAStep(t *testing.T) {
	for name, hangs := range map[string]bool{"while it waits": false, "in a step": true} {
		t.Run(name, func(t *testing.T) {
			inWorkshop(t, 1, func(w *world, x *worker) {
				a := w.fire("r", "e01")
				w.pass(2 * time.Second)
				if hangs {
					x.set(func() { x.runs, x.hangs = 0, true })
					w.pass(2 * time.Second)
				}
				if r := w.last(); hangs != (r.Phase == Stepping) {
					t.Fatalf("the phase is %q", r.Phase)
				}
				w.log.machines, w.machines = nil, nil
				dead := w.stops[0]
				w.stops = nil
				go dead()
				w.pass(10 * time.Second)
				x.set(func() { x.runs, x.hangs = 0, false })
				w.start(testLimits())
				w.machines[0].o.Targets["gpu"] = x
				w.tell(a)
				w.pass(2 * time.Minute)
				if r := w.is(Applied); r.Step != "restart" || x.made() != 1 || r.Owner != "machine 1" {
					t.Fatalf("step %q, %d restarts, owner %q", r.Step, x.made(), r.Owner)
				}
				x.set(func() { x.well = true })
				w.pass(3 * time.Second)
				if w.is(Reverted); x.made() != 1 || x.isOut("e01") {
					t.Errorf("%d restarts, out %v", x.made(), x.isOut("e01"))
				}
			})
		})
	}
}

// A target that panics between its steps ends neither the process nor in silence.
func TestStepThatPanics(t *testing.T) {
	inWorkshop(t, 1, func(w *world, x *worker) {
		w.machines[0].o.Targets["gpu"] = panickySteps{x}
		w.fire("r", "e01")
		w.pass(3 * time.Second)
		if r := w.is(Reverted); !strings.Contains(r.Reason, "no such map") {
			t.Errorf("the reason is %q", r.Reason)
		}
	})
}

type panickySteps struct{ *worker }

func (panickySteps) Await(context.Context, *Order, At) (Progress, error) { panic("no such map") }
