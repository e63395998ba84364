package stream

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Whatever comes in whatever order, is asked for and ages in between: sums are what the facts add up to.
func TestLiveSumsAreThoseOfTheFacts(t *testing.T) {
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 6))
		l := newLadder(60+rnd.IntN(400), seed%3 > 0)
		now, used, models := int64(1_790_000_000)+rnd.Int64N(7200), 0, 1+rnd.IntN(4)
		for range 400 {
			if rnd.IntN(10) == 0 {
				l.behind = !l.behind
			}
			for range rnd.IntN(6) {
				second := now - int64(rnd.IntN(3))
				if rnd.IntN(8) == 0 {
					second = now - int64(rnd.IntN(9000))
				}
				e := request(second, fmt.Sprint("model-", rnd.IntN(models)))
				e.SetText(event.UserID, fmt.Sprint("user-", rnd.IntN(50)))
				e.SetInt(event.DurationMS, rnd.Int64N(1e10))
				cell := new(agg.Cell)
				cell.Add(e, false)
				l.add(second, values{e.Text(event.Model), fmt.Sprint("tenant-", rnd.IntN(3))}, cell, now)
			}
			now += int64(rnd.IntN(3))
			l.age(now)
			if rnd.IntN(3) > 0 {
				l.settle(now)
			}
			if rnd.IntN(4) == 0 {
				l.pack(now + int64(rnd.IntN(packAfter)))
			}
			if rnd.IntN(3) == 0 {
				continue
			}
			from, to := l.widen(now-int64([]int{10, 60, 300, 3600}[rnd.IntN(4)]), now+int64(rnd.IntN(2)))
			used += l.sumsAreRight(t, from, to)
		}
		if used == 0 {
			t.Errorf("seed %d: no node was asked for without its live kid", seed)
		}
	}
}

// What only moves to a coarser span within the live minute is no reason to add up the rest of the hour again.
func TestRestOfTheHourOutlivesWhatAgesInItsLiveMinute(t *testing.T) {
	l, now := newLadder(40, true), int64(1_790_000_000)
	second := func() {
		for i := range 10 {
			cell := new(agg.Cell)
			cell.Add(request(now, "m"), false)
			l.add(now, values{"m", fmt.Sprint("tenant-", i)}, cell, now)
		}
		now++
		l.age(now)
		l.settle(now)
	}
	for range 157 { // nearly to the end of a minute
		second()
	}
	which, _ := l.keys.find(values{"m"}, byFirst)
	ask := func() (looked int) {
		before := l.looked
		from, to := l.widen(now-300, now)
		l.sums(from, to, []who{which}, []*agg.Cell{new(agg.Cell)})
		return l.looked - before
	}
	ask()
	moved := len(l.queues[finest])
	second()
	if len(l.queues[finest]) > moved {
		t.Fatal("no second has become part of its ten seconds")
	}
	if looked := ask(); looked > 2*len(spans) {
		t.Errorf("%d nodes were looked at after a second, the hour was added up again", looked)
	}
}

// Sizes of an hour grow with what comes; only of one that nobody asks for they are made anew.
func TestSizesGrowWithWhatComes(t *testing.T) {
	l, now := newLadder(10_000, true), int64(1_790_000_000)
	add := func(i int) {
		cell := new(agg.Cell)
		cell.Add(request(now, "m"), false)
		l.add(now, values{"m", fmt.Sprint("tenant-", i%7)}, cell, now)
	}
	hour := func() *node { return l.hours[floor(now, spans[0])] }
	events := func() (n uint64) {
		l.sizes(now-10, now+10, func(_ who, x size) { n += x.events })
		return n
	}
	for i := range 3000 {
		add(i)
		if i%100 == 99 {
			if kept := hour().sizes != nil; kept != (i > 99) || events() != uint64(i+1) {
				t.Fatalf("after %d events: sizes kept %v, %d events in them", i+1, kept, events())
			}
		}
	}
	for i := range 2 * fewSizes {
		add(i)
	}
	if hour().sizes != nil || events() != 3000+2*fewSizes {
		t.Errorf("sizes that nobody asks for: %d are kept, %d events in them", len(hour().sizes), events())
	}
}

// What has one model alone is the whole of it, whose sum is then the same cell: what comes to it counts once in each.
func TestSumOfAllThatIsThatOfOneModel(t *testing.T) {
	l, now := newLadder(10_000, true), int64(1_790_000_000)
	for _, l.behind = range []bool{true, false} {
		for i := range 4 {
			cell := new(agg.Cell)
			cell.Add(request(now, "m"), false)
			l.add(now, values{"m", fmt.Sprint("tenant-", i%2)}, cell, now)
		}
		l.settle(now + restAfter)
		l.sumsAreRight(t, now-10, now+1)
	}
}

// sumsAreRight compares the sums of all groups and margins with what the facts add up to, and tells how many rests are kept.
func (l *ladder) sumsAreRight(t *testing.T, from, to int64) (kept int) {
	t.Helper()
	want := map[who]*agg.Cell{}
	add := func(w who, c *agg.Cell) {
		if want[w] == nil {
			want[w] = new(agg.Cell)
		}
		want[w].Merge(c)
	}
	l.visit(from, to, func(n *node) {
		n.facts(func(own groups) {
			for _, g := range own {
				add(g.who, g.open())
				for _, m := range l.keys.margins(g.who) {
					add(m, g.open())
				}
			}
		})
	})
	for w, c := range want {
		got := new(agg.Cell)
		l.sums(from, to, []who{w}, []*agg.Cell{got})
		if !got.Equal(c) {
			t.Fatalf("group %x of [%d, %d): %d events, the facts have %d", w, from, to, got.Events, c.Events)
		}
	}
	l.wantKept(t)
	for _, h := range l.hours {
		h.eachNode(func(n *node) { kept += len(n.rest.sums) })
	}
	return kept
}

func (n *node) eachNode(fn func(*node)) {
	fn(n)
	for _, k := range n.kids {
		k.eachNode(fn)
	}
}
