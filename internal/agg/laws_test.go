package agg

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// genEvents draws events of all kinds, from usual to hostile. Many draws have enough users, durations and names to pass every
// change of representation: sizes come from dice, because rapid itself favours small ones.
func genEvents(t *rapid.T) []*event.Event {
	draw := newDice(rapid.Uint64().Draw(t, "seed"))
	return draw.events()
}

func (d *dice) events() []*event.Event {
	users := pick(d, 1, 2, 40, 300, 3000)
	names := pick(d, 1, 5, 200)
	spread := pick[int64](d, 1, 10, 1e6, 1e12, math.MaxInt64)
	events := make([]*event.Event, pick(d, 0, 1, 2, 3, 20, 100, 700, 1500))
	for i := range events {
		events[i] = d.event(users, names, spread)
	}
	return events
}

func pick[T any](d *dice, of ...T) T { return of[d.below(int64(len(of)))] }

// dice makes numbers from a seed (splitmix64): 1500 events of twenty draws each are too many for rapid itself.
type dice struct{ state uint64 }

func newDice(seed uint64) *dice { return &dice{seed} }

func (d *dice) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	z := d.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func (d *dice) below(n int64) int64 { return int64(d.next() % uint64(n)) }

func (d *dice) maybe(percent int64) bool { return d.below(100) < percent }

// float draws any finite value, or a usual one.
func (d *dice) float() float64 {
	switch d.below(4) {
	case 0:
		for {
			if v := math.Float64frombits(d.next()); !math.IsNaN(v) && !math.IsInf(v, 0) {
				return v
			}
		}
	case 1:
		return math.Copysign(0, -1)
	}
	return float64(d.below(1000)) / 10
}

func (d *dice) event(users, names int, spread int64) *event.Event {
	e := &event.Event{Kind: event.Kinds[max(d.below(10)-6, 0)]} // mostly requests
	text := func(f event.Field, what string, percent int64) {
		if d.maybe(percent) {
			e.SetText(f, fmt.Sprint(what, d.below(int64(users))))
		}
	}
	num := func(f event.Field, below, percent int64) {
		if d.maybe(percent) {
			e.SetInt(f, d.below(below))
		}
	}
	switch e.Kind {
	case event.LLMRequest:
		text(event.UserID, "user-", 90)
		text(event.SessionID, "session-", 50)
		num(event.Success, 2, 90)
		num(event.DurationMS, spread, 95)
		num(event.TTFT, spread, 60)
		num(event.TPOT, 3, 60)
		num(event.PromptTokens, 1e9, 80)
		num(event.TotalTokens, math.MaxInt64, 5) // sums that stop at the largest int64
		num(event.CachedTokens, 1000, 10)
		num(event.Cost, 1e15, 70)
	case event.UserFeedback:
		if d.maybe(80) {
			e.SetFloat(event.SatisfactionScore, 1+float64(d.below(400))/100)
		}
		if d.maybe(40) {
			e.SetFloat(event.AccuracyFeedback, float64(d.below(1000))/999)
		}
		if d.maybe(60) {
			e.SetText(event.Thumbs, []string{"up", "down"}[d.below(2)])
		}
	case event.SystemMetric:
		for _, f := range gaugeFields {
			if d.maybe(30) {
				e.SetFloat(f, d.float())
			}
		}
		for range d.below(6) {
			name := fmt.Sprint("gauge_", d.below(int64(names)))
			switch d.below(20) {
			case 0:
				name = strings.Repeat("x", 120+int(d.below(20)))
			case 1:
				name = "" // sorts before all
			}
			e.Metrics = append(e.Metrics, event.Metric{Name: name, Value: d.float()})
		}
	case event.BusinessEvent:
		if d.maybe(90) {
			e.SetInt(event.BusinessValue, d.below(2e15)-1e15)
		}
		num(event.Cost, math.MaxInt64, 30)
	}
	return e
}

func fold(events []*event.Event, late func(int) bool) *Cell {
	var c Cell
	for i, e := range events {
		c.Add(e, late(i))
	}
	return &c
}

// Any split, order and grouping of the same events, with or without a detour through bytes or memory used before, gives the
// bytes of folding them one after another.
func TestLawOneCellHoweverMade(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := genEvents(t)
		isLate := func(i int) bool { return i%7 == 3 }
		want := fold(events, isLate).Append(nil)

		d := newDice(rapid.Uint64().Draw(t, "order"))
		cells := make([]*Cell, 1+d.below(pick[int64](d, 1, 3, 12)))
		for i := range cells {
			cells[i] = &Cell{}
			if d.maybe(30) { // memory used before
				for range pick(d, 1, 2, 60, 800) {
					cells[i].Add(d.event(5000, 100, 1e12), true)
				}
				cells[i].Reset()
			}
		}
		order := make([]int, len(events))
		for i := range order {
			j := int(d.below(int64(i + 1)))
			order[i], order[j] = order[j], i
		}
		for _, i := range order {
			cells[d.below(int64(len(cells)))].Add(events[i], isLate(i))
		}
		for len(cells) > 1 {
			i := int(d.below(int64(len(cells))))
			from := cells[i]
			cells = append(cells[:i], cells[i+1:]...)
			into := cells[d.below(int64(len(cells)))]
			before := from.Append(nil)
			if d.maybe(50) {
				*from = *recode(t, from)
			}
			into.Merge(from)
			if !bytes.Equal(before, from.Append(nil)) {
				t.Fatalf("Merge changed its argument")
			}
			from.Add(d.event(9, 9, 9), false) // nothing is shared
			from.Reset()
		}
		if got := cells[0].Append(nil); !bytes.Equal(got, want) {
			t.Fatalf("merged: %x\nfolded: %x", got, want)
		}
		if !bytes.Equal(recode(t, cells[0]).Append(nil), want) {
			t.Fatalf("decoding and encoding changed the bytes")
		}
	})
}

func recode(t interface{ Fatalf(string, ...any) }, c *Cell) *Cell {
	var d Cell
	rest, err := d.Decode(append(c.Append(nil), "rest"...))
	if err != nil || string(rest) != "rest" {
		t.Fatalf("Decode: %v, rest %q", err, rest)
	}
	return &d
}

func TestLawMergeIsAssociativeAndCommutative(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		never := func(int) bool { return false }
		a, b, c := fold(genEvents(t), never), fold(genEvents(t), never), fold(genEvents(t), never)
		ab, bc := a.Clone(), b.Clone()
		ab.Merge(b)
		bc.Merge(c)
		left, right := ab.Clone(), a.Clone()
		left.Merge(c)
		right.Merge(bc)
		if !left.Equal(right) {
			t.Fatalf("(a+b)+c and a+(b+c) differ")
		}
		ba := b.Clone()
		ba.Merge(a)
		if !ab.Equal(ba) {
			t.Fatalf("a+b and b+a differ")
		}
		same := a.Clone()
		same.Merge(&Cell{})
		if !same.Equal(a) {
			t.Fatalf("a+0 is not a")
		}
	})
}

func TestCloneSharesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := fold(genEvents(t), func(int) bool { return true })
		before := c.Append(nil)
		d := c.Clone()
		if !bytes.Equal(d.Append(nil), before) {
			t.Fatalf("the copy differs")
		}
		dice := newDice(1)
		for range 400 {
			d.Add(dice.event(500, 100, 1e12), true)
		}
		if !bytes.Equal(c.Append(nil), before) {
			t.Fatalf("a change of the copy changed the cell")
		}
		d.Reset()
		if !d.Empty() || !d.Equal(&Cell{}) {
			t.Fatalf("a cell that was reset is not empty")
		}
	})
}

// Stats never meet numbers that JSON cannot write.
func TestStatsOfAnyCellAreJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := fold(genEvents(t), func(int) bool { return false }).Stats(300)
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatalf("%v", err)
		}
		var back Stats
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatalf("%v", err)
		}
		if again, _ := json.Marshal(back); !bytes.Equal(again, b) {
			t.Fatalf("read back:\n%s\n%s", b, again)
		}
	})
}

// Events may be reused and their text overwritten after Add.
func TestAddKeepsNothingOfTheEvent(t *testing.T) {
	name := []byte("my_gauge")
	e := &event.Event{Kind: event.SystemMetric, Metrics: []event.Metric{{Name: unsafeString(name), Value: 1}}}
	var c Cell
	c.Add(e, false)
	copy(name, "XXXXXXXX")
	if got := c.System.Gauge("my_gauge").Count; got != 1 {
		t.Errorf("the name of a gauge changed with the event: %q", c.System.Gauges[0].Name)
	}
}
