package respond

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/chain"
)

// An episode gets each of its actions once, however often and to whomever its alert is told.
func TestEpisodeActsOnce(t *testing.T) {
	inWorld(t, 2, func(l *Limits) { l.Cooldown, l.MaxCooldown = time.Second, time.Second }, func(w *world) {
		a := w.fire("r", "e01")
		w.pass(10 * time.Second)
		w.resolve("r", "e01")
		w.pass(3 * time.Minute)
		w.is(Reverted)
		a.At, a.CausedAt = time.Now(), time.Now() // told anew, as though it were news
		for range 3 {
			w.tell(a)
		}
		w.pass(time.Minute)
		if b := w.intact(); w.target.applies != 1 || len(b.All()) != 1 {
			t.Errorf("%d changes, %d responses", w.target.applies, len(b.All()))
		}
	})
}

// Of two changes of one target the second waits for the first.
func TestSecondChangeOfATargetWaits(t *testing.T) {
	inWorld(t, 1, nil, func(w *world) {
		w.target.hang = true
		w.fire("r", "e01")
		w.fire("other", "e02")
		if r := w.is(Approved); w.target.isOut("e02") || r.Phase != Idle {
			t.Fatalf("both are changed at once; the phase is %q", r.Phase)
		}
		w.target.mu.Lock()
		w.target.hang = false
		w.target.mu.Unlock()
		w.pass(45 * time.Second) // the first call ends with its deadline, and is then found in place
		if w.is(Verified); !w.target.isOut("e01") || !w.target.isOut("e02") {
			t.Errorf("out: %v", w.target.out)
		}
	})
}

// Actions of different kinds have buckets of their own, and one together. What is refused takes nothing from a bucket.
func TestTokenBuckets(t *testing.T) {
	slow := func(l *Limits) {
		l.ActionBurst, l.ActionRefill, l.GlobalBurst, l.GlobalRefill = 2, time.Hour, 4, 10*time.Minute
	}
	inWorld(t, 1, slow, func(w *world) {
		n := 0
		ask := func(action string) Response {
			n++
			a := w.alertOf(fmt.Sprint("r", n), fmt.Sprintf("e%02d", n), "firing")
			a.Actions[0].Type = action
			w.tell(a)
			w.pass(10 * time.Second)
			return w.last()
		}
		for _, x := range []struct {
			action string
			want   State
		}{
			{"cap", Verified}, {"cap", Verified}, {"cap", Refused}, {"cap", Refused}, {"fallback_model", Verified}, {"scale", Verified}, {"shift_weights", Refused},
		} {
			if r := ask(x.action); r.State != x.want || x.want == Refused && r.Rail != RailBudget {
				t.Fatalf("%s as number %d is %s (%s %s)", x.action, n, r.State, r.Rail, r.Reason)
			}
		}
		w.pass(10 * time.Minute)
		if r := ask("shift_weights"); r.State != Verified {
			t.Errorf("when one more is free it is %s (%s)", r.State, r.Reason)
		}
		if r := ask("scale"); r.State != Refused || r.Rail != RailBudget {
			t.Errorf("only one more was free, and it is %s", r.State)
		}
	})
}

// At most a tenth of a group is out, one always may be, the last one that works never, for every size of a group.
func TestBlastRadius(t *testing.T) {
	for size := 1; size <= 60; size++ {
		for healthy := 0; healthy <= size; healthy++ {
			b := NewBook(testLimits())
			var group []Endpoint
			for i := range size {
				group = append(group, Endpoint{fmt.Sprint("e", i), i < healthy})
			}
			taken, left := 0, healthy
			for i := range size { // one after another, the healthy ones first
				r := &Response{Order: Order{Target: "gpu"}, Takes: group[i].Name}
				if b.radius(r, &Sight{Takes: r.Takes, Group: group}) != nil {
					continue
				}
				b.open = append(b.open, r)
				taken++
				if group[i].Healthy {
					left--
				}
			}
			if taken > max(1, size/10) || taken > 0 && left == 0 {
				t.Fatalf("of %d endpoints, %d healthy, %d are out and %d work", size, healthy, taken, left)
			}
			if taken == 0 && healthy > 1 {
				t.Fatalf("of %d endpoints, %d healthy, none may be taken out", size, healthy)
			}
		}
	}
}

// What holds when a change is proposed is asked again when it is made.
func TestRailsAreAskedAgainWhenItIsMade(t *testing.T) {
	cases := map[string]struct {
		rail Rail
		set  func(w *world)
	}{
		"the windows lag":         {RailStale, func(w *world) { w.outside("", 61*time.Second) }},
		"the last other one died": {RailBlastRadius, func(w *world) { sicken(w.target, "e01") }},
		"the target is away":      {RailPrecondition, func(w *world) { w.target.dead = true }},
		"somebody did it":         {RailPrecondition, func(w *world) { w.target.out["e01"] = true }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(l *Limits) { l.Automatic = false }, func(w *world) {
				w.fire("r", "e01")
				id := w.is(Proposed).ID
				w.pass(time.Minute)
				w.target.mu.Lock()
				c.set(w)
				w.target.mu.Unlock()
				if err := w.machines[0].Approve(context.Background(), id, "ops", "go"); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if w.isRefused(c.rail); w.target.applies != 0 {
					t.Errorf("%d changes", w.target.applies)
				}
			})
		})
	}
}

// sicken lets all endpoints fail but one.
func sicken(t *fakeTarget, but string) {
	for e := range t.healthy {
		t.healthy[e] = e == but
	}
}

// The kill switch goes on between the approval and the change, or while a change is in place: nothing more is made, and what is in
// place is taken back all the same.
func TestKillSwitchWhileSomethingIsInPlace(t *testing.T) {
	inWorld(t, 2, nil, func(w *world) {
		w.fire("r", "e01")
		w.pass(10 * time.Second)
		if err := w.machines[1].SetSwitch(context.Background(), true, "ops", "enough"); err != nil {
			t.Fatal(err)
		}
		w.fire("other", "e02")
		w.isRefused(RailKillSwitch)
		w.resolve("r", "e01")
		w.pass(3 * time.Minute)
		if w.target.isOut("e01") || w.target.applies != 1 || w.target.backs != 1 {
			t.Errorf("out %v, %d changes, %d reverts", w.target.isOut("e01"), w.target.applies, w.target.backs)
		}
	})
}

// A log of which a record is missing, changed, moved or forged refuses everything and says where, on every instance and after a restart.
func TestBrokenChainRefuses(t *testing.T) {
	breaks := map[string]func(records [][]byte) [][]byte{
		"a record is missing": func(r [][]byte) [][]byte { return append(r[:2:2], r[3:]...) },
		"a record is changed": func(r [][]byte) [][]byte {
			changed := []byte(strings.Replace(string(r[2]), `"what":"applied"`, `"what":"refused"`, 1))
			return append(append(r[:2:2], changed), r[3:]...)
		},
		"two have changed places": func(r [][]byte) [][]byte { return append([][]byte{r[0], r[2], r[1]}, r[3:]...) },
	}
	for name, change := range breaks {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, nil, func(w *world) {
				w.fire("r", "e01")
				w.pass(10 * time.Second)
				w.is(Verified)
				w.stops[0]()
				w.stops, w.machines = nil, nil
				w.log.machines = nil
				w.log.records = change(w.log.records)
				m := w.start(testLimits())
				var faults []chain.Flaw
				m.Look(func(b *Book) { faults, _ = b.Faults() })
				if len(faults) == 0 {
					t.Fatal("nothing is found")
				}
				w.fire("other", "e02")
				if r := w.isRefusedBy(RailKillSwitch); !strings.Contains(r.Reason, "not as it was written, at offset") {
					t.Errorf("it says %q", r.Reason)
				}
				a := w.alertOf("third", "e03", "firing")
				a.Mode = "propose"
				w.tell(a)
				if err := m.Approve(context.Background(), w.is(Proposed).ID, "ops", "go"); !errors.Is(err, ErrSwitch) {
					t.Errorf("an approval is taken: %v", err)
				}
				if w.target.applies != 1 {
					t.Errorf("%d changes", w.target.applies)
				}
			})
		})
	}
}

func (w *world) isRefusedBy(rail Rail) Response {
	w.Helper()
	w.isRefused(rail)
	return w.last()
}

// Nothing that a rule can say of itself changes a limit.
func TestNoRuleSwitchesARailOff(t *testing.T) {
	inWorld(t, 1, nil, func(w *world) {
		for i, with := range []map[string]string{
			{"lease": "0s"}, {"lease": "1000h"}, {"cooldown": "0s"}, {"blast_radius": "1"}, {"force": "true"}, {"verify": "false"}, {"automatic": "true", "mode": "auto"},
		} {
			a := w.alertOf(fmt.Sprint("r", i), "e01", "firing")
			for k, v := range with {
				a.Actions[0].With[k] = v
			}
			w.tell(a)
		}
		w.pass(10 * time.Second)
		r := Response{}
		w.machines[0].Look(func(b *Book) { r = *b.All()[0] })
		if lease := r.LeaseUntil.Sub(r.AppliedAt); r.State != Verified || lease != 10*time.Minute || w.target.applies != 1 {
			t.Errorf("%s, a lease of %s, %d changes", r.State, lease, w.target.applies)
		}
	})
}
