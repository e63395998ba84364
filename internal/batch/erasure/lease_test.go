package erasure

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Of two instances one erases; the other does when that has ended, or was killed a minute ago. A dry run waits for nobody.
func TestOneInstanceErases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &places{lake: map[string]int64{"jane": 1}, sql: map[string]int64{}}
		working, goOn := make(chan struct{}), make(chan struct{})
		p.kill = func() { close(working); <-goOn }
		one, _ := serve(t, p)
		_, other := serve(t, p)
		record, done, err := one.start(t.Context(), "user_id", "jane", Words{}, false)
		if err != nil {
			t.Fatal(err)
		}
		<-working
		time.Sleep(10 * leaseFor) // it gives signs of life
		if code, r := other("POST", "/erasures", `{"user_id":"joe"}`); code != 409 {
			t.Errorf("beside another: %d %v", code, r)
		}
		if code, r := other("POST", "/erasures", `{"user_id":"joe","dry_run":true}`); code != 200 {
			t.Errorf("a dry run beside another: %d %v", code, r)
		}
		close(goOn)
		<-done
		if code, r := other("POST", "/erasures", `{"user_id":"joe"}`); record.State != Done || code != 200 || r["state"] != Done {
			t.Errorf("behind another, %s: %d %v", record.State, code, r)
		}
		if _, err := one.take(t.Context(), "of a process that is killed"); err != nil {
			t.Fatal(err)
		}
		if code, r := other("POST", "/erasures", `{"user_id":"joe"}`); code != 409 {
			t.Errorf("just after a kill: %d %v", code, r)
		}
		time.Sleep(leaseFor + time.Second)
		if code, r := other("POST", "/erasures", `{"user_id":"joe"}`); code != 200 || r["state"] != Done {
			t.Errorf("a while after a kill: %d %v", code, r)
		}
	})
}

// A lease of one that was killed is over when the clock was set back, too, and that of who comes then is one.
func TestLeaseOfATimeToCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &places{lake: map[string]int64{}, sql: map[string]int64{}, lease: []byte(`"killed"`), alive: time.Now().Add(24 * time.Hour)}
		s, err := New(p.deps())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.take(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.take(t.Context(), "two"); !errors.Is(err, errBusy) {
			t.Errorf("beside another: %v", err)
		}
	})
}

// An instance that was thought dead erases no longer.
func TestLeaseThatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &places{lake: map[string]int64{}, sql: map[string]int64{}}
		s, err := New(p.deps())
		if err != nil {
			t.Fatal(err)
		}
		l, err := s.take(t.Context(), "one")
		if err != nil {
			t.Fatal(err)
		}
		held, free := l.hold(t.Context())
		defer free()
		time.Sleep(leaseFor)
		if held.Err() != nil {
			t.Fatalf("lost: %v", context.Cause(held))
		}
		p.mu.Lock()
		p.lease, p.alive = []byte(`"two"`), time.Now().Add(time.Second)
		p.mu.Unlock()
		<-held.Done()
		if why := context.Cause(held).Error(); !strings.Contains(why, "no longer") {
			t.Error(why)
		}
	})
}

// Nor does one whose database does not answer, before others may.
func TestLeaseWithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &places{lake: map[string]int64{}, sql: map[string]int64{}}
		s, err := New(p.deps())
		if err != nil {
			t.Fatal(err)
		}
		l, err := s.take(t.Context(), "one")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		s.deps.Records = mute{p}
		held, free := l.hold(t.Context())
		<-held.Done()
		if took := time.Since(began); took >= leaseFor {
			t.Errorf("noticed after %s: %v", took, context.Cause(held))
		}
		s.deps.Records = p
		free()
	})
}

// mute is a database that does not answer.
type mute struct{ *places }

func (mute) ReplaceAnalysis(ctx context.Context, _ string, _, _ time.Time, _ []byte) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}
