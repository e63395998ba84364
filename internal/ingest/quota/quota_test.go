package quota

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"
)

var noon = time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)

func TestRate(t *testing.T) {
	b := New(Policy{Rate: 10, Burst: 20})
	steps := []struct {
		after time.Duration // since the step before
		n     int
		want  Limit
		retry time.Duration
		left  int64
	}{
		{0, 15, None, 0, 5},
		{0, 6, Rate, 100 * time.Millisecond, 5},
		{100 * time.Millisecond, 6, None, 0, 0},
		{time.Second, 10, None, 0, 0},
		{time.Hour, 20, None, 0, 0},                            // no more than the burst is saved up
		{0, 1, Rate, 100 * time.Millisecond, 0},                //
		{2 * time.Second, 100, None, 0, 0},                     // larger than the burst: taken when the bucket is full
		{7 * time.Second, 1, Rate, 1100 * time.Millisecond, 0}, // and paid back
		{1100 * time.Millisecond, 1, None, 0, 0},
		{-time.Hour, 1, Rate, 100 * time.Millisecond, 0}, // a clock that was set back
	}
	now := noon
	for i, s := range steps {
		now = now.Add(s.after)
		v := b.Take("a", s.n, now)
		if v.Exceeded != s.want || v.Retry != s.retry || v.States[0].Remaining != s.left {
			t.Errorf("step %d: %+v; want %q, retry %v, %d left", i, v, s.want, s.retry, s.left)
		}
	}
	if v := b.Take("b", 20, now); v.Exceeded != None {
		t.Errorf("another sender: %+v", v)
	}
}

func TestDay(t *testing.T) {
	b := New(Policy{Day: 100})
	if v := b.Take("a", 100, noon); v.Exceeded != None || v.States[0].Remaining != 0 {
		t.Errorf("%+v", v)
	}
	if v := b.Take("a", 1, noon.Add(time.Hour)); v.Exceeded != Day || v.Retry != 11*time.Hour {
		t.Errorf("%+v", v)
	}
	if v := b.Take("a", 1, noon.Add(12*time.Hour)); v.Exceeded != None || v.States[0].Remaining != 99 {
		t.Errorf("the next day: %+v", v)
	}
}

// A clock that was far ahead for a while neither gives a day away nor takes all days to come.
func TestDayOfAClockThatWasAhead(t *testing.T) {
	b := New(Policy{Day: 100})
	b.Take("a", 60, noon.AddDate(74, 0, 0))
	if v := b.Take("a", 40, noon); v.Exceeded != None {
		t.Errorf("%+v", v)
	}
	if v := b.Take("a", 1, noon); v.Exceeded != Day || v.Retry != 12*time.Hour {
		t.Errorf("%+v", v)
	}
	if v := b.Take("a", 1, noon.Add(12*time.Hour)); v.Exceeded != None || v.States[0].Remaining != 99 {
		t.Errorf("the next day: %+v", v)
	}
	if v := b.Take("a", 1, noon.Add(12*time.Hour-time.Second)); v.Exceeded != None || v.States[0].Remaining != 98 {
		t.Errorf("somebody who read the clock before midnight: %+v", v)
	}
	if v := b.Take("a", 98, noon.Add(12*time.Hour)); v.Exceeded != None || v.States[0].Remaining != 0 {
		t.Errorf("he gives nobody a new day: %+v", v)
	}
}

func TestSendersAreForgottenOldestFirst(t *testing.T) {
	b := New(Policy{Rate: 1, Burst: 1})
	b.Take("first", 1, noon)
	for i := range MaxSenders - 1 {
		b.Take(fmt.Sprint(i), 1, noon)
	}
	now := noon.Add(time.Second) // all buckets are full again
	b.Take("first", 1, now)
	b.Take("one more", 1, now)
	if len(b.senders) != MaxSenders || b.recent.Len() != MaxSenders {
		t.Fatalf("%d senders, %d in order", len(b.senders), b.recent.Len())
	}
	if v := b.Take("first", 1, now); v.Exceeded != Rate {
		t.Errorf("the one that was heard again is forgotten: %+v", v)
	}
	if b.senders["0"] != nil {
		t.Error("the oldest is not")
	}
}

// TestInventedNamesPushNobodyOut: whoever brings events under very many names gives no sender a new day, and keeps none out that is known.
func TestInventedNamesPushNobodyOut(t *testing.T) {
	b := New(Policy{Day: 100, Rate: 1000})
	b.Known = func(name string) bool { return name == "late" }
	b.Take("acme", 100, noon)
	now := noon.Add(time.Hour)
	taken := 0
	for i := range 2 * MaxSenders {
		if v := b.Take(fmt.Sprint("invented ", i), 1, now); v.Exceeded == None {
			taken++
		}
	}
	if v := b.Take("acme", 1, now); v.Exceeded != Day {
		t.Errorf("acme has a new day: %+v", v)
	}
	if want := MaxSenders - 1 + 100; taken != want || len(b.senders) != MaxSenders+1 {
		t.Errorf("%d invented names brought an event, want %d; there are %d accounts", taken, want, len(b.senders))
	}
	if v := b.Take("late", 100, now); v.Exceeded != None {
		t.Errorf("one that is known has no account: %+v", v)
	}
	path := filepath.Join(t.TempDir(), "book.json")
	if err := b.Keep(path, now); err != nil {
		t.Fatal(err)
	}
	again := New(Policy{Day: 100, Rate: 1000})
	if err := again.Recall(path, now); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"acme", "late", "invented 19999"} {
		if v := again.Take(name, 1, now); v.Exceeded != Day {
			t.Errorf("%s after a restart: %+v", name, v)
		}
	}
	tomorrow := noon.Add(24 * time.Hour)
	for i := range 100 {
		if v := b.Take(fmt.Sprint("tomorrow ", i), 100, tomorrow); v.Exceeded != None {
			t.Fatalf("the next day: %+v", v)
		}
	}
}

func TestHeaders(t *testing.T) {
	b := New(Policy{Rate: 10, Burst: 20, Day: 1000})
	h := http.Header{}
	b.Take("a", 15, noon).SetHeaders(h)
	if got, want := h.Get("RateLimit-Policy"), `"rate";q=20;w=2, "day";q=1000;w=86400`; got != want {
		t.Errorf("RateLimit-Policy %s, want %s", got, want)
	}
	if got, want := h.Get("RateLimit"), `"rate";r=5;t=2, "day";r=985;t=43200`; got != want {
		t.Errorf("RateLimit %s, want %s", got, want)
	}
	if h.Get("Retry-After") != "" {
		t.Errorf("Retry-After beside a body that was taken: %s", h.Get("Retry-After"))
	}
	b.Take("a", 15, noon).SetHeaders(h)
	if got := h.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After %s", got)
	}
}
