package stream

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// What a spare cell is used for shows nowhere: units of a backlog and live ones take turns, spare cells are spoiled after each, and the windows still
// hold what was counted, also for those who ask meanwhile.
func TestSpareCellsAreNobodys(t *testing.T) {
	o, r := requestsOfOld(8000), rand.New(rand.NewPCG(3, 4))
	l := o.lane("user_id:40")
	all := named{which: byNone}
	groups := []named{all}
	for i := range 12 {
		groups = append(groups, named{values{fmt.Sprint("model-", i)}, byFirst})
	}
	ask := func(span Span) []*agg.Cell {
		cells := newCells(len(groups))
		l.sum(0, span, groups, cells)
		return cells
	}
	began := o.times[0].Unix()
	done := make(chan struct{})
	var asking sync.WaitGroup
	defer asking.Wait()
	defer close(done)
	for asker := range uint64(2) {
		asking.Go(func() {
			for r := rand.New(rand.NewPCG(5, asker)); ; {
				select {
				case <-done:
					return
				default:
				}
				from := began - 2 + r.Int64N(20)
				cells, sum := ask(Span{from, from + 1 + r.Int64N(20)}), new(agg.Cell)
				for _, c := range cells[1:] {
					sum.Merge(c)
				}
				if !sum.Equal(cells[0]) {
					t.Errorf("models have %d requests together, the whole has %d", sum.Requests, cells[0].Requests)
					return
				}
			}
		})
	}
	want, used := newCells(len(groups)), 0
	for from := 0; from < len(o.ends); {
		end, live, had := min(from+1+r.IntN(600), len(o.ends)), r.IntN(3) == 0, len(l.spare)
		o.unit(t, l, from, end, live)
		for _, m := range o.batch(from, end).Messages {
			var d event.Decoder
			var e event.Event
			if bad := d.Decode(m.Value, nil, &e); bad != nil {
				t.Fatal(bad)
			}
			for i, g := range groups {
				if g == all || g.values[0] == e.Text(event.Model) {
					want[i].Add(&e, false)
				}
			}
		}
		if from = end; had > 0 {
			used++
		}
		spoil(l.spare)
		for _, m := range l.units.(*echo).records { // as its producer may
			clear(m.Value)
		}
		if r.IntN(4) == 0 {
			l.rest(r.Int64N(2 * packAfter))
		}
		for i, c := range ask(Span{0, math.MaxInt32}) {
			if !c.Equal(want[i]) {
				t.Fatalf("below %d, %v: %d requests, want %d, or others of them", end, groups[i], c.Requests, want[i].Requests)
			}
		}
		users := newCells(1)
		if l.sum(1, Span{0, math.MaxInt32}, groups[:1], users); !users[0].Equal(want[0]) {
			t.Fatalf("below %d, by users: %d requests, want %d, or others of them", end, users[0].Requests, want[0].Requests)
		}
		for _, c := range l.spare {
			c.Reset()
		}
	}
	if used == 0 {
		t.Error("no cell was used again")
	}
}

// spoil puts into cells what nobody has counted.
func spoil(cells []*agg.Cell) {
	e := request(1, "nobody")
	for i, c := range cells {
		for j := range 4 {
			e.SetInt(event.DurationMS, int64(i+j)*1e9)
			e.SetInt(event.TTFT, int64(i+j)*1e8)
			e.SetText(event.UserID, fmt.Sprint("nobody-", i+j))
			c.Add(e, true)
		}
	}
}

// rest lets seconds go by in which nothing comes to a lane.
func (l *lane) rest(seconds int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now().Unix() + seconds
	for _, x := range l.ladders {
		x.age(now)
		x.settle(now)
		x.pack(now)
	}
}
