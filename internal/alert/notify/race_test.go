package notify

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/core"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// between is a store that lets a test do something just before a call goes through.
type between struct {
	*memory
	save func(docs []event.Document)
	own  func()
}

func (b *between) SaveNotifications(ctx context.Context, fence int64, docs []event.Document) error {
	if b.save != nil {
		b.save(docs)
	}
	return b.memory.SaveNotifications(ctx, fence, docs)
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
