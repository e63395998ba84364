package bus_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// holder is what a member was told.
type holder struct {
	mu   sync.Mutex
	has  map[int32]bool
	lost int
}

func join(t *testing.T, b *bus.Bus, instance string) (*bus.Member, *holder) {
	t.Helper()
	h := &holder{has: map[int32]bool{}}
	set := func(numbers []int32, to bool) {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, n := range numbers {
			if h.has[n] == to {
				t.Errorf("%s: number %d was %v before", instance, n, to)
			}
			h.has[n] = to
		}
	}
	m, err := b.Join(bus.MemberOptions{
		Group: "g", Instance: instance, Topics: []string{"llm-requests", "hxp-panes"}, Session: 6 * time.Second,
		Given: func(n []int32) { set(n, true) }, Taken: func(_ context.Context, n []int32) { set(n, false) },
		Lost: func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.has, h.lost = map[int32]bool{}, h.lost+1
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m, h
}

func (h *holder) numbers() (out []int32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for n, has := range h.has {
		if has {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// settled waits until the holders have all numbers, each one of them, and as many as wanted.
func settled(t *testing.T, numbers int, counts []int, all ...*holder) {
	t.Helper()
	var have [][]int32
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		have = have[:0]
		seen, right := map[int32]bool{}, true
		for i, h := range all {
			have = append(have, h.numbers())
			right = right && len(have[i]) == counts[i]
			for _, n := range have[i] {
				seen[n] = true
			}
		}
		if right && len(seen) == numbers {
			return
		}
	}
	t.Fatalf("shared out as %v, want %v of %d numbers", have, counts, numbers)
}

// Members share numbers over all topics, whatever their partitions; who comes gets some, the others get what one that leaves had, static
// or not, and positions are stored by members alone.
func TestMembers(t *testing.T) {
	b, addr := bustest.Start(t, event.Topic{Name: "llm-requests", Partitions: 3}, event.Topic{Name: "hxp-panes", Partitions: 5})
	if n, err := b.Rivals(t.Context(), "g", "one"); n != 0 || err != nil {
		t.Errorf("%d members before there is a group, %v", n, err)
	}
	one, first := join(t, b, "one")
	settled(t, 5, []int{5}, first)
	if ok, err := one.Joined(); !ok || err != nil {
		t.Errorf("joined %v, %v", ok, err)
	}
	if err := one.Commit(t.Context(), map[string]map[int32]int64{"llm-requests": {0: 7, 2: 8}}); err != nil {
		t.Error(err)
	}
	if g := group(t, b, "g"); len(g.Members) != 1 || g.Members[0].Instance != "one" || g.Partitions[len(g.Partitions)-1].Position != 8 {
		t.Errorf("group %+v", g)
	}
	if err := b.CommitGroup(t.Context(), "g", map[string]map[int32]int64{"llm-requests": {0: 9}}); err == nil {
		t.Error("a stranger stored a position of a group with members")
	}
	two, second := join(t, bustest.Connect(t, addr), "")
	settled(t, 5, []int{3, 2}, first, second)
	_, third := join(t, bustest.Connect(t, addr), "three")
	settled(t, 5, []int{2, 2, 1}, first, second, third)
	for instance, want := range map[string]int{"one": 2, "three": 2, "other": 3} {
		if n, err := b.Rivals(t.Context(), "g", instance); n != want || err != nil {
			t.Errorf("%d members beside %s, want %d, %v", n, instance, want, err)
		}
	}
	one.Close()
	settled(t, 5, []int{3, 2}, second, third)
	two.Close()
	settled(t, 5, []int{5}, third)
}

// A static member that comes again, as after a kill, takes the place of the one before, which is told that it has lost everything.
func TestMemberComesAgain(t *testing.T) {
	b, addr := bustest.Start(t, event.Topic{Name: "llm-requests", Partitions: 2}, event.Topic{Name: "hxp-panes", Partitions: 2})
	_, first := join(t, b, "one")
	settled(t, 2, []int{2}, first)
	_, again := join(t, bustest.Connect(t, addr), "one")
	settled(t, 2, []int{2}, again)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		first.mu.Lock()
		lost := first.lost
		first.mu.Unlock()
		if lost > 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal(fmt.Sprint("the one before still has ", first.numbers()))
		}
	}
}
