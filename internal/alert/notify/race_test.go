package notify

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/core"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// between is a store that lets a test do something just before a call goes through.
type between struct {
	*memory
	purged int64
	save   func(docs []event.Document)
	own    func()
}

func (b *between) SaveNotifications(ctx context.Context, fence int64, docs []event.Document) error {
	if b.save != nil {
		b.save(docs)
	}
	return b.memory.SaveNotifications(ctx, fence, docs)
}

func (b *between) Notifications(ctx context.Context, after int64) ([]event.Document, int64, error) {
	if after > 0 && after < b.purged {
		return nil, 0, nil
	}
	return b.memory.Notifications(ctx, after)
}

func (b *between) OwnNotifications(ctx context.Context, owner string, term time.Duration) (int64, error) {
	if b.own != nil {
		b.own()
	}
	return b.memory.OwnNotifications(ctx, owner, term)
}

// An alert that fires anew while it is decided that it can be forgotten is not, and is told of.
func TestAnAlertFiresAnewWhileItIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, log := &between{memory: newMemory()}, newTold()
		anew := false
		store.save = func(docs []event.Document) {
			i := slices.IndexFunc(docs, func(d event.Document) bool { return d.Kind == core.KindAlert && d.Body == nil })
			if i < 0 || anew {
				return
			}
			anew = true
			now := time.Now()
			a := core.Alert{Labels: map[string]string{"alertname": "A"}, StartsAt: now, UpdatedAt: now, Since: now, Source: core.FromAPI, EndsAt: now.Add(time.Hour)}
			if err := store.memory.SaveNotifications(t.Context(), 0, []event.Document{core.Put(core.KindAlert, docs[i].ID, a)}); err != nil {
				t.Error(err)
			}
		}
		_, mux, stop := instance(t, store, log, t.TempDir())
		defer stop()
		ask(t, mux, "PUT", "/notifications/config", quick, 200)
		ask(t, mux, "POST", "/api/v2/alerts", posted("A"), 200)
		time.Sleep(2 * time.Second)
		over := posted("A")
		over[0].StartsAt, over[0].EndsAt = time.Now().Add(-time.Second).Format(time.RFC3339Nano), time.Now().Format(time.RFC3339Nano)
		ask(t, mux, "POST", "/api/v2/alerts", over, 200)
		time.Sleep(30 * time.Second)
		if got := ask(t, mux, "GET", "/api/v2/alerts", nil, 200); !anew || !strings.Contains(got, `"A"`) {
			t.Errorf("it happened: %v; the alert that fires is %s", anew, got)
		}
		if got := log.all(); len(got) != 3 {
			t.Errorf("not told that it fires, is over and fires: %q", got)
		}
	})
}

// Who takes over knows what the last owner stored until then, and says nothing of it again.
func TestWhoTakesOverKnowsWhatWasSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, log := newMemory(), newTold()
		_, one, stopOne := instance(t, store, log, t.TempDir())
		defer stopOne()
		ask(t, one, "PUT", "/notifications/config", quick, 200)
		var two *Service
		made, asked := make(chan struct{}), false
		behind := &between{memory: store, own: func() { // it has to wait for the lease, and the other one speaks meanwhile
			if asked {
				return
			}
			asked = true
			<-made
			ask(t, one, "POST", "/api/v2/alerts", posted("A"), 200)
			if err := two.follow(t.Context()); err != nil {
				t.Error(err)
			}
			time.Sleep(3 * time.Second)
			stopOne()
		}}
		two, _, stopTwo := instance(t, behind, log, t.TempDir())
		defer stopTwo()
		close(made)
		time.Sleep(time.Minute)
		if got := log.all(); !asked || len(got) != 1 {
			t.Errorf("%q", got)
		}
		two.mu.Lock()
		defer two.mu.Unlock()
		if !two.owner {
			t.Error("nobody took over")
		}
	})
}

// Nothing is sent once the lease may be over, and what is under way ends with it.
func TestSendingNeedsTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{}, Options{Store: newMemory(), Log: slog.New(slog.DiscardHandler), Registry: telemetry.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		if err := s.engine.Apply(core.Put(core.KindMessage, "m", core.Message{ID: "m", Way: "w", Key: "k", State: core.Waiting, CreatedAt: now, NextAt: now})); err != nil {
			t.Fatal(err)
		}
		sending, cut := context.WithCancel(t.Context())
		l := &speaker{s: s, fence: 1, until: now, flying: map[string]string{}, byWay: map[string]int{}, ended: make(chan tried, mostTries), owning: func() {}, sending: sending, cut: cut}
		if l.send(); len(l.flying) > 0 {
			t.Error("a try without the lease")
		}
		l.until = now.Add(time.Second)
		if l.send(); len(l.flying) != 1 {
			t.Error("no try with it")
		}
		l.tries.Wait()
		if l.yield(); sending.Err() == nil {
			t.Error("tries go on when another instance makes them")
		}
	})
}

// Tries under way end with the lease also where the loop hangs in the store, and begin anew when the lease is renewed.
func TestTriesEndWithTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{}, Options{Store: newMemory(), Log: slog.New(slog.DiscardHandler), Registry: telemetry.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		l := &speaker{s: s, name: "a", flying: map[string]string{}, byWay: map[string]int{}}
		l.own(t.Context(), t.Context())
		first := l.sending
		for range 5 { // renewed in time
			time.Sleep(renewEvery)
			l.own(t.Context(), t.Context())
		}
		if l.sending != first || first.Err() != nil {
			t.Fatal("tries are cut though the lease is renewed")
		}
		time.Sleep(term) // the loop hangs
		synctest.Wait()
		if first.Err() == nil {
			t.Error("tries go on when another instance may make them")
		}
		l.own(t.Context(), t.Context())
		if l.sending.Err() != nil {
			t.Error("no try is made any more")
		}
		last := l.sending
		l.yield()
		if last.Err() == nil {
			t.Error("tries go on behind the owner")
		}
	})
}

// An instance that was away until what it missed is forgotten keeps nothing of what was removed meanwhile.
func TestAwayUntilItIsForgotten(t *testing.T) {
	store := &between{memory: newMemory()}
	s, err := New(Config{}, Options{Store: store, Log: slog.New(slog.DiscardHandler), Registry: telemetry.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	alert := func(name string) event.Document {
		a := core.Alert{Labels: map[string]string{"alertname": name}, StartsAt: now, UpdatedAt: now, Since: now, Source: core.FromAPI}
		return core.Put(core.KindAlert, string(a.Labels.Fingerprint()), a)
	}
	save := func(docs ...event.Document) {
		t.Helper()
		if err := store.memory.SaveNotifications(t.Context(), 0, docs); err != nil {
			t.Fatal(err)
		}
	}
	save(alert("A"), alert("B"))
	if err := s.follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	save(core.Remove(core.KindAlert, alert("A").ID))
	delete(store.docs, core.KindAlert+"/"+alert("A").ID)
	store.purged = store.revision
	save(alert("C"))
	if err := s.follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"A": false, "B": true, "C": true} {
		if got := s.engine.Alert(label.Fingerprint(alert(name).ID)) != nil; got != want {
			t.Errorf("%s is known: %v", name, got)
		}
	}
}

// However many tries hang, a way that has none is tried at once, and the loop does not wake for what has to wait for them.
func TestHangingReceiversHoldUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{}, Options{Store: newMemory(), Log: slog.New(slog.DiscardHandler), Registry: telemetry.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		wait := func(way string, n int, age time.Duration) {
			for i := range n {
				id := fmt.Sprint(way, i)
				if err := s.engine.Apply(core.Put(core.KindMessage, id, core.Message{ID: id, Way: way, Key: id, State: core.Waiting, CreatedAt: now.Add(-age), NextAt: now.Add(-age)})); err != nil {
					t.Fatal(err)
				}
			}
		}
		const hanging = mostTries / mostOfWay
		for i := range hanging {
			wait(fmt.Sprint("hangs", i, "/"), mostOfWay+1, time.Minute)
		}
		wait("well", 1, time.Second)
		l := &speaker{s: s, fence: 1, until: now.Add(term), flying: map[string]string{}, byWay: map[string]int{}, ended: make(chan tried, 2*mostTries), sending: t.Context()}
		l.send()
		l.tries.Wait()
		if l.byWay["well"] != 1 || len(l.flying) != mostTries+1 {
			t.Errorf("under way: %v", l.byWay)
		}
		if next := s.engine.Next(l.free); !next.IsZero() {
			t.Errorf("the loop wakes %s ago for what cannot be sent", now.Sub(next))
		}
	})
}
