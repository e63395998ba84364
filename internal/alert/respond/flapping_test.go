package respond

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// Ten minutes of alerts that come and go every few seconds on two instances: few changes, all of them taken back, all in the log. The
// same alerts once more, as a replay of history brings them: nothing.
func TestFlappingInput(t *testing.T) {
	quick := func(l *Limits) { l.Recovery, l.Cooldown, l.Settle = 5*time.Second, 10*time.Second, time.Second }
	inWorld(t, 2, quick, func(w *world) {
		var told []*Alert
		for i := range 60 {
			rule, endpoint := fmt.Sprintf("r%d", i%4), fmt.Sprintf("e%02d", i%5)
			told = append(told, w.fire(rule, endpoint))
			w.pass(4 * time.Second)
			a := w.alertOf(rule, endpoint, "resolved")
			told = append(told, w.tell(a))
			w.pass(6 * time.Second)
		}
		w.pass(time.Minute)
		b := w.intact()
		if w.target.applies == 0 || w.target.applies > 10 || w.target.applies != w.target.backs || len(w.target.out) > 0 {
			t.Errorf("%d changes, %d reverts, %d in place", w.target.applies, w.target.backs, len(w.target.out))
		}
		if w.target.mostOut > 2 {
			t.Errorf("%d of 20 endpoints were out at once", w.target.mostOut)
		}
		if len(b.Open()) > 0 {
			t.Errorf("%d responses are open", len(b.Open()))
		}
		before := b.Records()
		for _, a := range told { // it is more than a minute later
			w.tell(a)
		}
		w.pass(time.Hour)
		if b := w.intact(); w.target.applies != w.target.backs || b.Records() > before+8 {
			t.Errorf("a replay made %d records", b.Records()-before)
		}
		for _, r := range w.intact().All() {
			if r.ProposedAt.After(testBubble.Add(11*time.Minute)) && r.State != Refused {
				t.Errorf("a replay made the response %+v", r)
			}
		}
	})
}

// testBubble is when time begins in a bubble.
var testBubble = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// Whatever happens, in whatever order, on two instances, with a target that fails at times: the log is whole, all instances agree, the
// rails hold, and when all alerts are over and the target is well again, nothing is left in place.
func TestWhateverHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(0, 11), 10, 60).Draw(rt, "steps")
		numbers := rapid.SliceOfN(rapid.IntRange(0, 1000), 60, 60).Draw(rt, "numbers")
		wait := rapid.SliceOfN(rapid.IntRange(0, 400), 60, 60).Draw(rt, "seconds")
		inWorld(t, 2, nil, func(w *world) {
			for i, step := range steps {
				w.doAnything(step, numbers[i])
				w.pass(time.Duration(wait[i]) * time.Second)
			}
			w.settle()
			b := w.intact()
			if len(b.Open()) > 0 || len(w.target.out) > 0 {
				rt.Fatalf("%d responses are open, %v out", len(b.Open()), w.target.out)
			}
			if w.target.mostOut > 2 {
				rt.Fatalf("%d of 20 endpoints were out at once", w.target.mostOut)
			}
			checkBudget(rt, w)
		})
	})
}

func (w *world) doAnything(step, n int) {
	rule, endpoint, m := fmt.Sprintf("r%d", n%3), fmt.Sprintf("e%02d", n%6), w.machines[n%2]
	w.target.mu.Lock()
	switch step {
	case 4:
		w.target.refuseApply = !w.target.refuseApply
	case 5:
		w.target.halfApply = !w.target.halfApply
	case 6:
		w.target.hang = !w.target.hang
	case 7:
		w.target.failVerify = !w.target.failVerify
	case 8:
		w.target.failReverts = n % 4
	}
	w.target.mu.Unlock()
	switch id := w.last().ID; step {
	case 0, 1, 2:
		w.fire(rule, endpoint)
	case 3:
		w.resolve(rule, endpoint)
	case 9:
		_ = m.Revert(context.Background(), id, "ops", "")
	case 10:
		_ = m.SetSwitch(context.Background(), n%2 == 0, "ops", "")
	case 11:
		a := w.alertOf(rule, endpoint, "firing")
		a.Mode = "propose"
		w.tell(a)
		_ = m.Approve(context.Background(), w.last().ID, "ops", "")
	}
	synctest.Wait()
}

// settle ends all alerts and mends the target.
func (w *world) settle() {
	w.target.mu.Lock()
	w.target.refuseApply, w.target.halfApply, w.target.hang, w.target.failVerify, w.target.failReverts = false, false, false, false, 0
	w.target.mu.Unlock()
	for r := range 3 {
		for e := range 6 {
			w.resolve(fmt.Sprintf("r%d", r), fmt.Sprintf("e%02d", e))
		}
	}
	w.pass(20 * time.Minute)
}

// checkBudget counts the first claims of responses in any ten minutes: the burst and one for each refill.
func checkBudget(t *rapid.T, w *world) {
	var claims []time.Time
	w.machines[0].Look(func(b *Book) {
		for _, r := range b.All() {
			if !r.ClaimedAt.IsZero() {
				claims = append(claims, r.ClaimedAt)
			}
		}
	})
	for _, from := range claims {
		n := 0
		for _, at := range claims {
			if !at.Before(from) && at.Sub(from) < 10*time.Minute {
				n++
			}
		}
		if n > 4 {
			t.Fatalf("%d changes within ten minutes", n)
		}
	}
}
