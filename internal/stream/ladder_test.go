package stream

import (
	"bytes"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Whatever was collapsed to coarser spans, the ladder holds every event once, and a window widened to its edges holds
// exactly the events inside.
func TestLadderHoldsEachFactOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLadder(rapid.IntRange(1, 40).Draw(t, "limit"))
		type fact struct {
			second int64
			key    agg.Key
		}
		var facts []fact
		now := int64(1_000_000)
		for range rapid.IntRange(1, 120).Draw(t, "events") {
			f := fact{rapid.Int64Range(-100, 9000).Draw(t, "second"), agg.Key{Model: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "model")}}
			facts = append(facts, f)
			c := new(agg.Cell)
			c.Add(request(max(f.second, 0), f.key.Model), false)
			l.add(f.second, f.key, c, now)
			now += rapid.SampledFrom([]int64{0, 1, 60, 1000, 30_000}).Draw(t, "pause")
			l.age(now)
			if rapid.Bool().Draw(t, "ask") {
				l.visit(l.widenTo(0, 3600))
			}
		}
		from := rapid.Int64Range(-200, 9000).Draw(t, "from")
		to := from + rapid.Int64Range(1, 4000).Draw(t, "length")
		from, to = l.widen(from, to)
		got, want := map[string]uint64{}, map[string]uint64{}
		l.visit(from, to, func(k agg.Key, c *agg.Cell) { got[k.Model] += c.Events })
		for _, f := range facts {
			if from <= f.second && f.second < to {
				want[f.key.Model]++
			}
		}
		if !maps.Equal(got, want) {
			t.Fatalf("window [%d,%d): %v, want %v", from, to, got, want)
		}
		back := newLadder(l.limit)
		d := decoder{src: l.appendTo(nil)}
		d.ladder(back)
		if d.err != nil || !maps.EqualFunc(contents(back), contents(l), bytes.Equal) {
			t.Fatalf("a ladder read back differs: %v", d.err)
		}
	})
}

// widenTo is visit's arguments for a question nobody listens to: it fills the caches.
func (l *ladder) widenTo(from, to int64) (int64, int64, func(agg.Key, *agg.Cell)) {
	from, to = l.widen(from, to)
	return from, to, func(agg.Key, *agg.Cell) {}
}

func keyOf(id uint64) [2]uint64 { return [2]uint64{id * 0x9e3779b97f4a7c15, id * 0xbf58476d1ce4e5b9} }

func TestFilterKnowsSmallerOffsetsOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFilter(entryBytes * 64)
		first := map[uint64]int64{}
		var order []uint64
		for offset := range int64(rapid.IntRange(1, 300).Draw(t, "records")) {
			id := rapid.Uint64Range(0, 120).Draw(t, "id")
			key := keyOf(id)
			at, known := first[id]
			if dup := f.seen(key, offset, offset); dup != known {
				t.Fatalf("offset %d id %d: duplicate %v, first seen at %d (%v)", offset, id, dup, at, known)
			}
			if f.seen(key, offset, offset) != known {
				t.Fatal("folding the same record again changed the answer")
			}
			if !known {
				if len(order) == 64 {
					delete(first, order[0])
					order = order[1:]
				}
				first[id] = offset
				order = append(order, id)
			}
		}
		d := decoder{src: f.appendTo(nil)}
		back := d.filter(entryBytes * 64)
		if d.err != nil || len(d.src) != 0 || back.n != f.n || back.next != f.next || back.forgot != f.forgot {
			t.Fatalf("filter read back: %d of %d entries, %v", back.n, f.n, d.err)
		}
		for id, at := range first {
			if !back.seen(keyOf(id), at+1, 0) {
				t.Fatalf("id %d forgotten", id)
			}
		}
	})
}
