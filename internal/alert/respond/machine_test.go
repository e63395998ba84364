package respond

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestChangeIsMadeVerifiedAndTakenBack(t *testing.T) {
	inWorld(t, 1, nil, func(w *world) {
		w.fire("hot", "e01")
		if r := w.is(Applied); !w.target.isOut("e01") || !r.Automatic || r.LeaseUntil.Sub(r.AppliedAt) != 10*time.Minute {
			t.Fatalf("out %v, %+v", w.target.isOut("e01"), r)
		}
		w.pass(6 * time.Second)
		w.is(Verified)
		w.pass(2 * time.Minute)
		w.resolve("hot", "e01")
		w.pass(119 * time.Second)
		w.is(Verified)
		w.pass(2 * time.Second)
		if w.is(Reverted); w.target.isOut("e01") {
			t.Fatal("the endpoint is still out")
		}
		if b := w.intact(); b.Records() != 6 { // approved, claimed, applied, verified, reverting, reverted
			t.Errorf("%d records", b.Records())
		}
	})
}

// An alert that comes back before the time is over is no recovery.
func TestRecoveryHasHysteresis(t *testing.T) {
	inWorld(t, 1, nil, func(w *world) {
		w.fire("hot", "e01")
		for range 20 {
			w.pass(20 * time.Second)
			w.resolve("hot", "e01")
			w.pass(60 * time.Second)
			w.fire("hot", "e01")
		}
		if w.target.applies != 1 || w.target.backs != 0 {
			t.Errorf("%d changes, %d reverts", w.target.applies, w.target.backs)
		}
	})
}

func TestLease(t *testing.T) {
	inWorld(t, 1, nil, func(w *world) {
		w.fire("hot", "e01")
		w.pass(3 * time.Hour)
		w.is(Verified) // renewed all the time
		w.outside("", 2*time.Minute)
		w.pass(10*time.Minute + 2*time.Second)
		w.is(Reverted) // nobody would know the end of the alert
	})
}

func TestRuleWishesForALease(t *testing.T) {
	for wish, want := range map[string]time.Duration{"30m": 30 * time.Minute, "100h": time.Hour, "-1s": 10 * time.Minute, "soon": 10 * time.Minute} {
		r := Response{Order: Order{With: map[string]string{"lease": wish}}}
		if got := r.lease(testLimits()); got != want {
			t.Errorf("lease %s: %s, want %s", wish, got, want)
		}
	}
}

func TestProposal(t *testing.T) {
	manual := func(l *Limits) { l.Automatic = false }
	inWorld(t, 1, manual, func(w *world) {
		m, ctx := w.machines[0], context.Background()
		w.fire("hot", "e01")
		id := w.is(Proposed).ID
		w.pass(time.Minute)
		if w.target.applies != 0 {
			t.Fatal("it was done without being approved")
		}
		if err := m.Approve(ctx, "none", "ops", ""); !errors.Is(err, ErrUnknown) {
			t.Errorf("approving nothing: %v", err)
		}
		w.outside("it is night", 0)
		if err := m.Approve(ctx, id, "ops", "go"); !errors.Is(err, ErrSwitch) {
			t.Errorf("approving under the kill switch: %v", err)
		}
		w.outside("", 0)
		if err := m.Approve(ctx, id, "ops", "go"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.is(Applied)
		if err := m.Dismiss(ctx, id, "ops", ""); !errors.Is(err, ErrState) {
			t.Errorf("dismissing what is applied: %v", err)
		}
		w.pass(10 * time.Second)
		if err := m.Revert(ctx, id, "ops", "enough"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.is(Reverted)
		if err := m.Revert(ctx, id, "ops", ""); !errors.Is(err, ErrState) {
			t.Errorf("reverting twice: %v", err)
		}
		w.fire("cold", "e02")
		if err := m.Dismiss(ctx, w.is(Proposed).ID, "ops", "no"); err != nil {
			t.Fatal(err)
		}
		w.is(Dismissed)
		w.fire("warm", "e03")
		w.pass(15*time.Minute + time.Second)
		w.is(Expired)
		w.fire("mild", "e04")
		w.resolve("mild", "e04")
		w.pass(time.Second)
		w.is(Expired)
		w.intact()
	})
}

func TestRails(t *testing.T) {
	cases := map[string]struct {
		rail Rail
		do   func(w *world)
	}{
		"the rule only observes": {RailMode, func(w *world) {
			a := w.alertOf("r", "e01", "firing")
			a.Mode = "observe"
			w.tell(a)
		}},
		"an unknown mode": {RailMode, func(w *world) {
			a := w.alertOf("r", "e01", "firing")
			a.Mode = "always"
			w.tell(a)
		}},
		"kill switch outside": {RailKillSwitch, func(w *world) { w.outside("file", 0); w.fire("r", "e01") }},
		"kill switch in the log": {RailKillSwitch, func(w *world) {
			if err := w.machines[0].SetSwitch(context.Background(), true, "ops", "night"); err != nil {
				w.Fatal(err)
			}
			w.fire("r", "e01")
		}},
		"no such target": {RailTarget, func(w *world) {
			a := w.alertOf("r", "e01", "firing")
			a.Actions[0].Target = "moon"
			w.tell(a)
		}},
		"it would stay for ever": {RailTarget, func(w *world) { w.target.forever = true; w.fire("r", "e01") }},
		"the target cannot":      {RailTarget, func(w *world) { w.target.cannot = errors.New("no"); w.fire("r", "e01") }},
		"the same is in place":   {RailSingleFlight, func(w *world) { w.fire("r", "e01"); w.fire("other", "e01") }},
		"not again so soon":      {RailCooldown, func(w *world) { w.cycle("r", "e01"); w.pass(4 * time.Minute); w.fire("r", "e01") }},
		"too many at once": {RailBudget, func(w *world) {
			for i := range 4 {
				w.cycle("r"+fmt.Sprint(i), "e01")
			}
		}},
		"too much of a group": {RailBlastRadius, func(w *world) {
			w.fire("r", "e01")
			w.pass(10 * time.Second)
			w.fire("r", "e02")
			w.pass(10 * time.Second)
			w.fire("r", "e03")
		}},
		"the last healthy one": {RailBlastRadius, func(w *world) {
			for e := range w.target.healthy {
				w.target.healthy[e] = e == "e01"
			}
			w.fire("r", "e01")
		}},
		"not of the group":     {RailBlastRadius, func(w *world) { w.fire("r", "moon") }},
		"it is so already":     {RailPrecondition, func(w *world) { w.target.out["e01"] = true; w.fire("r", "e01") }},
		"the target is not up": {RailPrecondition, func(w *world) { w.target.dead = true; w.fire("r", "e01") }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(l *Limits) { l.ActionRefill = time.Hour }, func(w *world) {
				c.do(w)
				w.isRefused(c.rail)
				if w.refused[c.rail] == 0 {
					t.Error("it is not counted")
				}
				w.intact()
			})
		})
	}
}

// cycle fires, acts, and recovers.
func (w *world) cycle(rule, endpoint string) {
	w.fire(rule, endpoint)
	w.pass(10 * time.Second)
	w.resolve(rule, endpoint)
	w.pass(w.machines[0].o.Limits.Recovery + 2*time.Second)
}

func TestRuleThatFlapsIsLeftAlone(t *testing.T) {
	inWorld(t, 1, func(l *Limits) { l.ActionBurst, l.Cooldown, l.MaxCooldown = 100, time.Second, time.Second }, func(w *world) {
		for range 3 {
			w.cycle("r", "e01")
			w.is(Reverted)
		}
		w.fire("r", "e02")
		w.isRefused(RailFlapping)
		w.pass(time.Hour)
		w.fire("r", "e03")
		w.is(Applied)
	})
}

func TestCooldownDoubles(t *testing.T) {
	var u usage = newUsage()
	l, o := testLimits(), &Order{Rule: "r"}
	at := testStart
	for _, want := range []time.Duration{5, 10, 20, 40, 80, 160, 320, 360, 360} {
		u.strike(o, at, l)
		if got := u.until(o, l).Sub(at); got != want*time.Minute {
			t.Errorf("cooldown %s, want %s", got, want*time.Minute)
		}
		at = u.until(o, l)
	}
	u.strike(o, at.Add(13*time.Hour), l)
	if got := u.until(o, l).Sub(at.Add(13 * time.Hour)); got != 5*time.Minute {
		t.Errorf("after a quiet time the cooldown is %s", got)
	}
}

func TestNothingFollowsFromHistory(t *testing.T) {
	inWorld(t, 1, nil, func(w *world) {
		for i := range 1000 {
			a := w.alertOf("r", fmt.Sprintf("e%02d", i%20), "firing")
			a.CausedAt = a.CausedAt.Add(-61 * time.Second)
			w.tell(a)
		}
		w.outside("", 61*time.Second)
		w.fire("other", "e01")
		if b := w.intact(); len(b.All()) != 0 || b.Records() != 2 || w.refused[RailStale] != 1001 {
			t.Errorf("%d responses, %d records, %v", len(b.All()), b.Records(), w.refused)
		}
	})
}

func TestTargetsThatFail(t *testing.T) {
	cases := map[string]struct {
		set   func(*fakeTarget)
		after time.Duration
		want  State
		out   bool
	}{
		"says no and changes nothing":            {func(f *fakeTarget) { f.refuseApply = true }, time.Second, Failed, false},
		"says no and changes it":                 {func(f *fakeTarget) { f.halfApply = true }, 10 * time.Second, Verified, true},
		"never answers":                          {func(f *fakeTarget) { f.hang = true }, 40 * time.Second, Verified, true},
		"does not help":                          {func(f *fakeTarget) { f.failVerify = true }, 10 * time.Second, Reverted, false},
		"does not help and is hard to take back": {func(f *fakeTarget) { f.failVerify, f.failReverts = true, 5 }, 3 * time.Minute, Reverted, false},
		"cannot be taken back yet":               {func(f *fakeTarget) { f.failVerify, f.failReverts = true, 1000 }, 3 * time.Minute, Failed, true},
		"does it once and fails":                 {func(f *fakeTarget) { f.once, f.halfApply = true, true }, 10 * time.Second, Failed, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 2, nil, func(w *world) {
				c.set(w.target)
				w.fire("r", "e01")
				w.pass(c.after)
				w.is(c.want)
				if w.target.applies != 1 || w.target.isOut("e01") != c.out {
					t.Errorf("%d changes, out %v", w.target.applies, w.target.isOut("e01"))
				}
				w.intact()
			})
		})
	}
}

// Of many instances one acts, whoever reads the alert first.
func TestManyInstancesActAsOne(t *testing.T) {
	inWorld(t, 5, nil, func(w *world) {
		a := w.alertOf("r", "e01", "firing")
		for _, m := range w.machines {
			go func() { _ = m.Handle(context.Background(), a) }()
		}
		synctest.Wait()
		w.is(Applied)
		w.pass(time.Minute)
		w.is(Verified)
		w.resolve("r", "e01")
		w.pass(3 * time.Minute)
		w.is(Reverted)
		if w.target.applies != 1 || w.target.backs != 1 {
			t.Errorf("%d changes, %d reverts", w.target.applies, w.target.backs)
		}
		w.intact()
	})
}

// An instance dies between its claim and the result. Another one finds out what is in place.
func TestSuccessorOfADeadInstance(t *testing.T) {
	cases := map[string]struct {
		landed  bool
		applies int
		over    bool
		want    State
	}{
		"the change is in place":              {true, 1, false, Verified},
		"the change is not in place":          {false, 2, false, Verified},
		"in place, and the alert is over":     {true, 1, true, Reverted},
		"not in place, and the alert is over": {false, 1, true, Failed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, nil, func(w *world) {
				w.target.hang = true
				a := w.fire("r", "e01") // the first instance hangs in the call
				if r := w.last(); r.Phase != Applying {
					t.Fatalf("the phase is %q", r.Phase)
				}
				w.log.machines, w.machines = nil, nil // it hears and writes nothing any more
				dead := w.stops[0]
				w.stops = nil
				w.target.hang = false
				if !c.landed {
					delete(w.target.out, "e01")
				}
				gone := make(chan struct{})
				go func() { dead(); close(gone) }()
				w.pass(10 * time.Second) // the grace is over, and the call broken off
				<-gone
				w.start(testLimits())
				if !c.over {
					w.tell(a)
				}
				w.pass(40 * time.Second)
				if w.last().Phase != Applying {
					t.Fatal("the claim is taken over before its time")
				}
				w.pass(30 * time.Second)
				w.pass(3 * time.Minute)
				w.is(c.want)
				if w.target.applies != c.applies {
					t.Errorf("%d changes, want %d", w.target.applies, c.applies)
				}
				w.intact()
			})
		})
	}
}

// Whoever stood still until its claim was over changes nothing any more: another one has it.
func TestClaimThatIsOver(t *testing.T) {
	inWorld(t, 2, func(l *Limits) { l.Deadline = 2 * time.Second }, func(w *world) {
		w.log.pause = 12 * time.Second
		w.fire("r", "e01")
		w.pass(11 * time.Second)
		if w.target.applies != 1 {
			t.Fatalf("%d changes after the claim was over", w.target.applies)
		}
		w.pass(time.Minute)
		if w.is(Verified); w.target.applies != 1 {
			t.Errorf("%d changes", w.target.applies)
		}
		w.intact()
	})
}

// A call ends with the claim, however long its deadline is.
func TestCallEndsWithItsClaim(t *testing.T) {
	inWorld(t, 1, func(l *Limits) { l.Deadline = 10 * time.Second }, func(w *world) {
		w.log.pause = 20 * time.Second // of 25 that the claim has
		w.target.hang, w.target.refuseApply = true, true
		w.fire("r", "e01")
		w.pass(26 * time.Second)
		if r := w.is(Failed); w.target.applies != 1 || r.UpdatedAt.Sub(r.ClaimedAt) > 25*time.Second {
			t.Errorf("%d changes, it ended after %s", w.target.applies, r.UpdatedAt.Sub(r.ClaimedAt))
		}
	})
}

// What may be asked again after an interruption is asked again only while the rails admit it; otherwise it is taken back.
func TestSuccessorAsksTheRails(t *testing.T) {
	cases := map[string]struct {
		firing  bool
		killed  string
		applies int
		want    State
	}{
		"the alert fires":       {true, "", 2, Verified},
		"the alert is over":     {false, "", 1, Reverted},
		"the kill switch is on": {true, "ops", 1, Reverted},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			once := func(l *Limits) { l.ActionBurst = 1 }
			inWorld(t, 1, once, func(w *world) {
				w.target.hang, w.target.again = true, true
				a := w.fire("r", "e01")
				w.log.machines, w.machines = nil, nil
				dead := w.stops[0]
				w.stops, w.target.hang = nil, false
				dead()
				l := testLimits()
				once(&l)
				w.start(l)
				if c.firing {
					w.tell(a)
				}
				w.outside(c.killed, 0)
				w.pass(2 * time.Minute)
				w.is(c.want)
				if w.target.applies != c.applies {
					t.Errorf("%d changes, want %d", w.target.applies, c.applies)
				}
				w.intact()
			})
		})
	}
}

// A text that makes no difference to the target makes none to the rails.
func TestUnusedTextsAreNoOtherAim(t *testing.T) {
	inWorld(t, 1, nil, func(w *world) {
		w.fire("r", "e01")
		a := w.alertOf("other", "e01", "firing")
		a.Actions[0].With["model"], a.Actions[0].With["tenant"] = "x", "y"
		w.tell(a)
		w.isRefused(RailSingleFlight)
	})
}

// What was approved is looked at again: the target may be configured otherwise by then.
func TestApprovedUnderAnotherConfiguration(t *testing.T) {
	inWorld(t, 1, func(l *Limits) { l.Automatic = false }, func(w *world) {
		w.fire("r", "e01")
		w.target.cannot = errors.New("no revert")
		if err := w.machines[0].Approve(context.Background(), w.is(Proposed).ID, "ops", "go"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if w.isRefused(RailTarget); w.target.applies != 0 {
			t.Error("it was done all the same")
		}
	})
}

// A log that is away stops everything, and nothing is forgotten.
func TestLogAway(t *testing.T) {
	inWorld(t, 1, nil, func(w *world) {
		w.fire("r", "e01")
		w.pass(10 * time.Second)
		w.log.mu.Lock()
		w.log.away = true
		w.log.mu.Unlock()
		if err := w.machines[0].Handle(context.Background(), w.alertOf("r", "e02", "firing")); err == nil {
			t.Error("an alert is taken although it cannot be recorded")
		}
		w.resolve("r", "e01")
		w.pass(10 * time.Minute)
		w.is(Verified)
		w.log.mu.Lock()
		w.log.away = false
		w.log.mu.Unlock()
		w.pass(2 * time.Second)
		w.is(Reverted)
		if w.target.applies != 1 {
			t.Errorf("%d changes", w.target.applies)
		}
	})
}

// A log that was tampered with turns the kill switch on, until a person turns it off.
func TestTamperedLogStopsEverything(t *testing.T) {
	inWorld(t, 1, nil, func(w *world) {
		if err := w.log.Append(context.Background(), []byte("garbage")); err != nil {
			t.Fatal(err)
		}
		w.fire("r", "e01")
		w.isRefused(RailKillSwitch)
		if err := w.machines[0].SetSwitch(context.Background(), false, "ops", "I looked"); err != nil {
			t.Fatal(err)
		}
		w.fire("other", "e01")
		w.is(Applied)
	})
}

// A flood of alerts that rails refuse is no flood of records.
func TestFloodOfAlerts(t *testing.T) {
	inWorld(t, 2, nil, func(w *world) {
		w.outside("off", 0)
		for i := range 5000 {
			a := w.alertOf(fmt.Sprintf("r%d", i%500), fmt.Sprintf("e%02d", i%20), "firing")
			w.tell(a)
			time.Sleep(10 * time.Millisecond)
		}
		if b := w.intact(); b.Records() > refusalBurst+2 {
			t.Errorf("%d records", b.Records())
		}
		if w.refused[RailKillSwitch] < 9000 {
			t.Errorf("refusals counted: %v", w.refused)
		}
	})
}

// What only tells somebody has nothing to be taken back, and a person may approve what stays; the proposal says that it does.
func TestWhatHasNoRevert(t *testing.T) {
	inWorld(t, 1, nil, func(w *world) {
		w.target.forever, w.target.once = true, true
		a := w.alertOf("r", "e01", "firing")
		a.Actions[0].Type = "webhook"
		w.tell(a)
		w.is(Applied)
		a = w.alertOf("other", "e02", "firing")
		a.Mode = "propose"
		w.tell(a)
		if r := w.is(Proposed); !strings.Contains(r.Reason, "nothing takes it back") {
			t.Errorf("the proposal says %q", r.Reason)
		}
		w.intact()
	})
}

// What nobody can verify is not called verified. It has its lease all the same.
func TestUnverifiedChange(t *testing.T) {
	inWorld(t, 2, nil, func(w *world) {
		w.target.blind = true
		w.fire("r", "e01")
		w.pass(10 * time.Second)
		if r := w.is(Applied); r.Phase != Idle || !r.InPlace() || !strings.Contains(r.Reason, "cannot be asked") {
			t.Errorf("phase %q, in place %v, reason %q", r.Phase, r.InPlace(), r.Reason)
		}
		w.pass(time.Hour)
		w.is(Applied) // its lease is renewed
		w.resolve("r", "e01")
		w.pass(3 * time.Minute)
		w.is(Reverted)
		w.intact()
	})
}
