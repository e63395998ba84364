package stream

import (
	"fmt"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// What is at rest is packed, and the ten seconds above have the sums that its seconds had; what comes late unpacks no more than its group.
func TestWhatIsAtRestIsPacked(t *testing.T) {
	l, now := newLadder(30_000, true), int64(1_790_000_000)
	add := func(second int64, model, tenant string) {
		c := new(agg.Cell)
		for range 30 {
			c.Add(request(second, model), false)
		}
		l.add(second, values{model, tenant}, c, now)
	}
	for second := now - 40; second < now; second++ {
		for m := range 3 {
			for n := range 4 {
				add(second, fmt.Sprint("m", m), fmt.Sprint("t", n))
			}
		}
	}
	count := func() (packed, open int) {
		for _, n := range l.queues[finest] {
			for i := range n.own {
				if n.own[i].cell == nil {
					packed++
				} else {
					open++
				}
			}
		}
		return packed, open
	}
	sum := func(from, to int64, w who) []byte {
		c := new(agg.Cell)
		l.sums(from, to, []who{w}, []*agg.Cell{c})
		return c.Append(nil)
	}
	asked := []who{byNone, byFirst, bySecond | 2, 5}
	before := map[who]string{}
	for _, w := range asked {
		before[w] = string(sum(now-37, now-3, w)) // cuts through ten seconds at both ends
	}
	l.settle(now + restAfter)
	l.pack(now + packAfter - 1)
	if packed, _ := count(); packed != 0 {
		t.Errorf("%d cells are packed before they are at rest", packed)
	}
	l.pack(now + packAfter)
	if packed, open := count(); packed != 40*12 || open != 0 {
		t.Errorf("%d cells are packed, %d are not", packed, open)
	}
	for _, n := range l.queues[finest] {
		if n.margins[0] != nil || n.margins[1] != nil || n.margins[2] != nil {
			t.Error("a packed second keeps sums that the ten above have")
		}
	}
	for _, w := range asked {
		if string(sum(now-37, now-3, w)) != before[w] {
			t.Errorf("the sum of %x is another one", w)
		}
	}
	now += packAfter
	add(now-30, "m1", "t2")
	if _, open := count(); open != 1 {
		t.Errorf("%d cells are unpacked for one", open)
	}
	c := new(agg.Cell)
	if err := decodeInto(c, sum(now-30, now-29, byNone)); err != nil || c.Events != 13*30 {
		t.Errorf("%d events with a late one: %v", c.Events, err)
	}
	l.pack(now + packAfter)
	if packed, open := count(); packed != 40*12 || open != 0 {
		t.Errorf("%d cells are packed again, %d are not", packed, open)
	}
	l.wantKept(t)
}

func decodeInto(c *agg.Cell, b []byte) error {
	_, err := c.Decode(b)
	return err
}

// A backlog is kept packed as it becomes part of coarser nodes, in memory of its own: the units in which it was written go.
func TestWhatBecomesCoarserIsPacked(t *testing.T) {
	l, now := newLadder(100, true), int64(1_790_000_000)
	l.behind = true
	var units [][]byte
	for second := now - 3*3600; second < now; second++ {
		c := new(agg.Cell)
		c.Add(request(second, "m"), false)
		unit := c.Append(nil)
		units = append(units, unit)
		l.take(&delta{Start: second, Key: values{fmt.Sprint("m", second%2), "t"}, Cell: c, text: unit}, now)
		l.age(now)
	}
	l.age(now + keep[finest])
	for _, unit := range units {
		clear(unit)
	}
	for level := range finest {
		open := 0
		for _, n := range l.queues[level] {
			if len(n.own) > 0 && len(n.kids) == 0 && !n.packed {
				open++
			}
			for i := range n.own {
				if n.packed && n.own[i].cell != nil {
					t.Fatalf("a packed node of %d s has a cell that is not", spans[level])
				}
			}
		}
		if len(l.queues[level]) < 2 || open > 0 {
			t.Errorf("of %d s: %d of %d nodes that are whole are not packed", spans[level], open, len(l.queues[level]))
		}
	}
	for w, want := range map[who]uint64{byNone: 3 * 3600, byFirst: 3 * 1800, 1: 3 * 1800} {
		c := new(agg.Cell)
		from, to := l.widen(now-3*3600, now)
		if l.sums(from, to, []who{w}, []*agg.Cell{c}); c.Requests != want {
			t.Errorf("%x has %d requests, want %d", w, c.Requests, want)
		}
	}
	l.wantKept(t)
}
