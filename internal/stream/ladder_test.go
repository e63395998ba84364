package stream

import (
	"bytes"
	"fmt"
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Whatever was collapsed to coarser spans, the ladder holds every event once, and a window widened to its edges holds
// exactly the events inside.
func TestLadderHoldsEachFactOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLadder(rapid.IntRange(1, 40).Draw(t, "limit"), rapid.Bool().Draw(t, "pairs"))
		type fact struct {
			second int64
			key    values
		}
		var facts []fact
		now := int64(1_000_000)
		for range rapid.IntRange(1, 120).Draw(t, "events") {
			f := fact{rapid.Int64Range(-100, 9000).Draw(t, "second"), values{rapid.SampledFrom([]string{"a", "b"}).Draw(t, "model"), rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, "tenant")}}
			facts = append(facts, f)
			c := new(agg.Cell)
			c.Add(request(max(f.second, 0), f.key[0]), false)
			l.behind = rapid.Bool().Draw(t, "behind")
			if d := (delta{Start: f.second, Key: f.key, Cell: c, text: c.Append(nil)}); !l.take(&d, now) {
				c.Add(request(1, "somebody else has the cell now"), true)
			}
			now += rapid.SampledFrom([]int64{0, 1, 60, 1000, 30_000}).Draw(t, "pause")
			l.age(now)
			l.settle(now)
			if rapid.Bool().Draw(t, "pack") {
				l.pack(now + packAfter)
			}
			if rapid.Bool().Draw(t, "ask") {
				l.compareSums(t, 0, 3600)
			}
		}
		from := rapid.Int64Range(-200, 9000).Draw(t, "from")
		to := from + rapid.Int64Range(1, 4000).Draw(t, "length")
		from, to = l.widen(from, to)
		got, want := map[string]uint64{}, map[string]uint64{}
		l.facts(from, to, func(k values, c *agg.Cell) { got[k[0]] += c.Events })
		for _, f := range facts {
			if from <= f.second && f.second < to {
				want[f.key[0]]++
			}
		}
		for model, n := range want { // what has no room in an hour counts under others
			if x := n - got[model]; x > 0 && x <= got[otherName] {
				got[model] += x
				got[otherName] -= x
			}
		}
		if maps.DeleteFunc(got, func(model string, n uint64) bool { return model == otherName && n == 0 }); !maps.Equal(got, want) {
			t.Fatalf("window [%d,%d): %v, want %v", from, to, got, want)
		}
		if had := l.cells[0]; had > max(l.limit, 2*len(l.hours)) {
			t.Fatalf("%d groups of %d hours, %d may be", had, len(l.hours), l.limit)
		}
		l.compareSums(t, from, to)
		back := newLadder(l.limit, l.keys.pairs)
		d := decoder{src: l.appendTo(nil)}
		d.ladder(back)
		if d.err != nil || !maps.EqualFunc(contents(back), contents(l), bytes.Equal) {
			t.Fatalf("a ladder read back differs: %v", d.err)
		}
	})
}

// compareSums wants every sum within a window, kept from before or made now, to be the merge of the facts within it, and leaves sums
// behind for the next time.
func (l *ladder) compareSums(t *rapid.T, from, to int64) {
	from, to = l.widen(from, to)
	want, sizes := map[named]*agg.Cell{}, map[named]size{}
	l.facts(from, to, func(v values, c *agg.Cell) {
		asked := []named{{v, 0}, {values{}, byNone}}
		if l.keys.pairs {
			asked = append(asked, named{values{v[0]}, byFirst}, named{values{"", v[1]}, bySecond})
		}
		for _, g := range asked {
			if want[g] == nil {
				want[g] = new(agg.Cell)
			}
			want[g].Merge(c)
		}
	})
	l.sizes(from, to, func(w who, x size) {
		g := named{l.keys.names[w], 0}
		have := sizes[g]
		have.add(x)
		sizes[g] = have
	})
	var asked []named
	var of []who
	var sums, passed []*agg.Cell
	for g, c := range want {
		w, known := l.keys.find(g.values, g.which)
		if !known || g.which == 0 && sizes[g] != sizeOf(c) {
			t.Fatalf("[%d,%d) of %v: known %v, size %v, want %v", from, to, g, known, sizes[g], sizeOf(c))
		}
		asked, of, sums, passed = append(asked, g), append(of, w), append(sums, new(agg.Cell)), append(passed, new(agg.Cell))
	}
	l.sums(from, to, of, sums)
	var nodes []*node
	l.visit(from, to, func(n *node) { nodes = append(nodes, n) })
	l.pass(nodes, of, passed)
	for i, g := range asked {
		if !sums[i].Equal(want[g]) || !passed[i].Equal(want[g]) {
			t.Fatalf("[%d,%d) of %v: %d events, %d in a pass, want %d, or others of them", from, to, g, sums[i].Events, passed[i].Events, want[g].Events)
		}
	}
	l.wantKept(t)
}

// wantKept wants as many sums to be kept as the ladder thinks, and no more than it may.
func (l *ladder) wantKept(t interface{ Fatalf(string, ...any) }) {
	kept := 0
	var count func(*node)
	count = func(n *node) {
		kept += len(n.sums) + len(n.rest.sums)
		for _, k := range n.kids {
			count(k)
		}
	}
	for _, n := range l.hours {
		count(n)
	}
	if kept != l.summed || kept > l.limit {
		t.Fatalf("%d sums are kept, %d are known, %d may be", kept, l.summed, l.limit)
	}
}

// Whoever asks for hundreds of groups of a year costs a few looks at each fact, and leaves no more behind than there may be.
func TestWideQuestionLooksAtFactsOnce(t *testing.T) {
	const hours, models = 9600, 1000
	l, now := newLadder(30_000, true), int64(1_790_000_000)
	for i := range int64(hours) {
		c := new(agg.Cell)
		c.Add(request(now-i*3600, "m"), false)
		l.add(now-i*3600, values{fmt.Sprint("m", i%models)}, c, now)
	}
	from, to := l.widen(now-hours*3600, now+1)
	var of []who
	for i := range models {
		w, _ := l.keys.find(values{fmt.Sprint("m", i)}, byFirst)
		of = append(of, w)
	}
	for range 3 {
		before, cells := l.looked, make([]*agg.Cell, len(of))
		for i := range cells {
			cells[i] = new(agg.Cell)
		}
		l.sums(from, to, of, cells)
		if looked := l.looked - before; looked > 3*len(spans)*hours {
			t.Errorf("%d looks for %d facts", looked, hours)
		}
		for i, c := range cells {
			if want := uint64(hours-i+models-1) / models; c.Events != want {
				t.Fatalf("model %d has %d events, want %d", i, c.Events, want)
			}
		}
		l.wantKept(t)
		l.settle(now)
	}
}

// Groups of hours are bounded as those of finer panes are: the hours that came first keep their totals, and the latest their groups.
func TestHoursAreBounded(t *testing.T) {
	for _, pairs := range []bool{true, false} {
		const hours, models = 50, 30
		l, now := newLadder(300, pairs), int64(1_790_000_000)
		first := floor(now, spans[0])
		for h := range int64(hours) {
			for m := range models {
				c := new(agg.Cell)
				c.Add(request(first+h*spans[0], "m"), false)
				l.add(first+h*spans[0], values{fmt.Sprint("m", m)}, c, now+h)
			}
			l.age(now + h + keep[1])
			l.age(now + h + keep[1]) // a call does a bounded piece
		}
		for _, c := range []struct {
			hour, untold int64
			of           named
		}{
			{0, models, named{values{"m1"}, byFirst}}, {0, models, named{values{"stranger"}, byFirst}}, {0, models, named{which: byNone}},
			{hours - 1, 0, named{values{"m1"}, byFirst}}, {hours - 1, 0, named{values{"stranger"}, byFirst}},
		} {
			if !pairs && c.of.which == byFirst {
				c.of.which = 0
			}
			from := first + c.hour*spans[0]
			if untold, all := l.untold(from, from+spans[0], c.of); untold != uint64(c.untold) || all != models {
				t.Errorf("hour %d, %v: %d of %d are not told apart, want %d of %d", c.hour, c.of, untold, all, c.untold, models)
			}
		}
		if l.cells[0] > l.limit {
			t.Errorf("%d groups, %d may be", l.cells[0], l.limit)
		}
		late := new(agg.Cell)
		late.Add(request(first, "m"), false)
		l.add(first, values{"m1"}, late, now+hours)
		for range 4 {
			l.age(now + hours + keep[1])
		}
		for h := range int64(hours) {
			from, events, groups := first+h*spans[0], uint64(0), map[values]uint64{}
			l.facts(from, from+spans[0], func(v values, c *agg.Cell) {
				events += c.Events
				groups[v] += c.Events
			})
			want := uint64(models)
			if h == 0 {
				want++
			}
			if events != want || len(groups) != map[bool]int{true: 1, false: models}[h < hours-8] {
				t.Errorf("hour %d: %d events in %d groups", h, events, len(groups))
			}
		}
		cells := 0
		for _, n := range l.queues[0] {
			cells += len(n.own)
		}
		if cells != l.cells[0] {
			t.Errorf("%d groups, the ladder thinks %d", cells, l.cells[0])
		}
		for range 10 {
			l.age(now + 2*keep[0])
		}
		if len(l.hours) != 0 || l.merged != 0 || l.cells[0] != 0 {
			t.Errorf("%d hours are left of long ago, %d of them merged, %d groups", len(l.hours), l.merged, l.cells[0])
		}
	}
}

// What is not known under its own name may be among others, alone or with the other value; what is known is not.
func TestHidden(t *testing.T) {
	l := newLadder(1000, true)
	for _, v := range []values{{"a", "t"}, {otherName, "t"}, {"a", otherName}, {otherName, otherName}, {"b", "u"}} {
		c := new(agg.Cell)
		c.Add(request(7200, "m"), false)
		l.add(7200, v, c, 0)
	}
	for _, c := range []struct {
		of   named
		want uint64
	}{
		{named{values{"a", "t"}, 0}, 0}, {named{values{"a", "u"}, 0}, 2}, {named{values{"x", "t"}, 0}, 2}, {named{values{"x", "y"}, 0}, 1},
		{named{values{"x"}, byFirst}, 2}, {named{values{"a"}, byFirst}, 0}, {named{values{"", "y"}, bySecond}, 2}, {named{which: byNone}, 0},
	} {
		if untold, all := l.untold(7200, 7201, c.of); untold != c.want || all != 5 {
			t.Errorf("%v: %d of %d, want %d of 5", c.of, untold, all, c.want)
		}
	}
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
