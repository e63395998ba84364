package ingest

import (
	"errors"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
)

func TestFilterForgetsWhatIsGone(t *testing.T) {
	f := newFilter(1 << 16)
	id := func(i int) [2]uint64 { e := event.Event{ID: string(rune(i))}; return e.Identity() }
	const n = 1000
	for i := range n {
		f.add(id(i), place{uint8(i % 4), int32(i % 3), int64(i)})
	}
	for i := n; i < n+10; i++ { // in flight
		if v, _, _ := f.claim(id(i)); v != fresh {
			t.Fatal(v)
		}
	}
	f.add(id(n+10), place{offset: held})
	gone := func(p place) bool { return p.topic == 1 || p.partition == 2 && p.offset >= 500 }
	want := 0
	for i := range n {
		if gone(place{uint8(i % 4), int32(i % 3), int64(i)}) {
			want++
		}
	}
	if got := f.forgetWhere(gone); got != want {
		t.Errorf("%d were forgotten, want %d", got, want)
	}
	for i := range n {
		v, p, _ := f.claim(id(i))
		if forgotten := gone(place{uint8(i % 4), int32(i % 3), int64(i)}); forgotten != (v == fresh) || !forgotten && p.offset != int64(i) {
			t.Fatalf("%d: %v at %+v", i, v, p)
		}
	}
	for i := n; i < n+10; i++ {
		if v, _, _ := f.claim(id(i)); v != pending {
			t.Errorf("%d in flight is %v", i, v)
		}
	}
	if v, _, _ := f.claim(id(n + 10)); v != known {
		t.Errorf("what waits on disk is %v", v)
	}
}

// An event whose topic was made anew is not a duplicate: it is not written anywhere.
func TestTopicMadeAnewUnderTheFilter(t *testing.T) {
	f := start(t, Defaults())
	post := func() reply { return f.post("/events", jsonType_, []byte(one(1))) }
	if r := post(); r.Accepted != 1 {
		t.Fatal(r.Body)
	}
	if err := f.api.checkLogs(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if r := post(); r.Duplicates != 1 {
		t.Fatal(r.Body)
	}
	if err := errors.Join(f.bus.DeleteTopic(t.Context(), "llm-requests"), f.bus.EnsureTopics(t.Context(), event.Topics)); err != nil {
		t.Fatal(err)
	}
	if err := f.api.checkLogs(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	var r reply
	for range 20 { // the producer takes a moment to meet the new topic
		if r = post(); r.Status == 202 {
			break
		}
	}
	if r.Accepted != 1 || len(f.all("llm-requests")) != 1 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// A broker that comes back with a shorter log has lost what the filter takes for written.
func TestBrokerBackWithoutItsTail(t *testing.T) {
	f := start(t, Defaults())
	for i := range 3 {
		f.post("/events", jsonType_, []byte(one(i)))
	}
	var lost event.Event
	lost.ID, lost.Source = "lost", "t"
	f.api.filter.add(lost.Identity(), place{uint8(event.LLMRequest), 1, 1000}) // as if it had been there
	if err := f.api.checkLogs(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if v, _, _ := f.api.filter.claim(lost.Identity()); v != fresh {
		t.Errorf("what the broker lost is %v", v)
	}
	for i := range 3 {
		if r := f.post("/events", jsonType_, []byte(one(i))); r.Duplicates != 1 {
			t.Errorf("%d: %s", i, r.Body)
		}
	}
}
