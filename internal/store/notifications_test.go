package store

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

func doc(kind, id, body string) event.Document {
	d := event.Document{Kind: kind, ID: id}
	if body != "" {
		d.Body = []byte(body)
	}
	return d
}

func told(docs []event.Document) string {
	var b strings.Builder
	for _, d := range docs {
		b.WriteString(d.Kind + "/" + d.ID + "=" + string(d.Body) + " ")
	}
	return strings.TrimSpace(b.String())
}

// Documents are followed by revision, the removed ones too; whoever begins sees only what is there.
func TestNotificationDocuments(t *testing.T) {
	s, ctx := open(t), t.Context()
	save := func(docs ...event.Document) {
		t.Helper()
		if err := s.SaveNotifications(ctx, 0, docs); err != nil {
			t.Fatal(err)
		}
	}
	read := func(after int64, want string) (upTo int64) {
		t.Helper()
		docs, upTo, err := s.Notifications(ctx, after)
		if err != nil {
			t.Fatal(err)
		}
		if got := told(docs); got != want {
			t.Errorf("after %d: %q, want %q", after, got, want)
		}
		return upTo
	}
	read(0, "")
	save(doc("alert", "a", "1"), doc("alert", "b", "1"))
	first := read(0, "alert/a=1 alert/b=1")
	save(doc("alert", "a", ""), doc("silence", "s", "x"))
	save(doc("alert", "b", "2"))
	read(first, "alert/a= silence/s=x alert/b=2")
	now := read(0, "silence/s=x alert/b=2")
	read(now, "")
	if err := s.PurgeNotifications(ctx, now+1); err != nil {
		t.Fatal(err)
	}
	// Who did not see that a was removed cannot learn it any more, and begins anew. Who did goes on.
	if upTo := read(first, ""); upTo >= first {
		t.Errorf("up to %d after %d, where a removed document is forgotten", upTo, first)
	}
	read(0, "silence/s=x alert/b=2")
	save(doc("alert", "b", ""))
	read(now, "alert/b=")
}

// A removal that names a revision does nothing to a document that somebody has changed since.
func TestNotificationsRemovedAsTheyWere(t *testing.T) {
	s, ctx := open(t), t.Context()
	save := func(docs ...event.Document) (upTo int64) {
		t.Helper()
		if err := s.SaveNotifications(ctx, 0, docs); err != nil {
			t.Fatal(err)
		}
		_, upTo, err := s.Notifications(ctx, 0)
		if err != nil {
			t.Fatal(err)
		}
		return upTo
	}
	seen := save(doc("alert", "a", "over"), doc("alert", "b", "over"))
	save(doc("alert", "a", "fires"))
	save(event.Document{Kind: "alert", ID: "a", Revision: seen}, event.Document{Kind: "alert", ID: "b", Revision: seen}, event.Document{Kind: "alert", ID: "c", Revision: seen})
	docs, _, err := s.Notifications(ctx, seen)
	if got, want := told(docs), "alert/a=fires alert/b="; err != nil || got != want {
		t.Errorf("%q %v, want %q", got, err, want)
	}
}

// One instance is the owner; another one takes over when its time is up, and what the first then writes is refused.
func TestNotificationOwner(t *testing.T) {
	s, ctx, now := open(t), t.Context(), noon
	s.UseClock(func() time.Time { return now })
	own := func(name string) int64 {
		t.Helper()
		fence, err := s.OwnNotifications(ctx, name, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return fence
	}
	a := own("a")
	if a == 0 || own("b") != 0 || own("a") != a {
		t.Fatalf("fence %d", a)
	}
	now = now.Add(11 * time.Second)
	b := own("b")
	if b <= a || own("a") != 0 {
		t.Fatalf("fences %d and %d", a, b)
	}
	if err := s.SaveNotifications(ctx, a, []event.Document{doc("m", "1", "x")}); !errors.Is(err, event.ErrNotOwner) {
		t.Errorf("the old owner writes: %v", err)
	}
	if err := s.SaveNotifications(ctx, b, []event.Document{doc("m", "2", "x")}); err != nil {
		t.Error(err)
	}
	if err := s.LeaveNotifications(ctx, "a"); err != nil || own("c") != 0 {
		t.Errorf("somebody else gave the place away: %v", err)
	}
	if err := s.LeaveNotifications(ctx, "b"); err != nil || own("c") <= b {
		t.Errorf("the place is not free: %v", err)
	}
}

// However many write at once, one that follows by revision misses nothing.
func TestNotificationRevisionsComeInOrder(t *testing.T) {
	s, ctx := open(t), t.Context()
	const writers, each = 4, 10
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := s.SaveNotifications(ctx, 0, []event.Document{doc("d", strconv.Itoa(w)+"-"+strconv.Itoa(i), "x")}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	seen, at := map[string]bool{}, int64(0)
	for last := false; ; {
		docs, upTo, err := s.Notifications(ctx, at)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range docs {
			seen[d.ID] = true
		}
		at = upTo
		if last {
			break
		}
		select {
		case <-done:
			last = true
		default:
		}
	}
	if len(seen) != writers*each {
		t.Errorf("%d of %d documents seen", len(seen), writers*each)
	}
}
