package respond

import (
	"context"
	"errors"
	"testing"
)

// A trial says what an approval would bring, and changes nothing: neither the target, nor the log, nor what the rails count.
func TestTrial(t *testing.T) {
	inWorld(t, 1, nil, func(w *world) {
		m := w.machines[0]
		a := w.alertOf("busy", "e01", "firing")
		a.Mode = "propose"
		w.tell(a)
		id := a.id(a.Actions[0])
		records := len(w.log.records)
		for range 20 { // more often than the budget of actions allows
			x, err := m.Try(context.Background(), id)
			if err != nil || x.Refused != nil || x.Takes != "e01" || !x.Lasting || string(x.Before) != `{"out":false}` || x.Lease <= 0 || x.Waits != "" {
				t.Fatalf("%v, %+v", err, x)
			}
		}
		w.outside("drill", 0)
		if x, err := m.Try(context.Background(), id); err != nil || x.Refused == nil || x.Refused.Rail != RailKillSwitch {
			t.Errorf("with the kill switch on: %v, %+v", err, x)
		}
		w.outside("", 0)
		w.target.dead = true
		if x, err := m.Try(context.Background(), id); err != nil || x.Refused == nil || x.Refused.Rail != RailPrecondition || x.Before != nil {
			t.Errorf("with a target that answers nothing: %v, %+v", err, x)
		}
		w.target.dead = false
		if w.target.applies > 0 || len(w.log.records) != records {
			t.Errorf("%d changes, %d records, there were %d", w.target.applies, len(w.log.records), records)
		}
		if err := m.Dismiss(context.Background(), id, "ops", "no need"); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Try(context.Background(), id); !errors.Is(err, ErrState) {
			t.Errorf("of what is over: %v", err)
		}
		if _, err := m.Try(context.Background(), "none"); !errors.Is(err, ErrUnknown) {
			t.Errorf("of nothing: %v", err)
		}
	})
}
