package agg

import (
	"fmt"
	"math"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// traffic is what one second of one model looks like: log-normal durations, some hundred users.
func traffic(n, users int) []*event.Event {
	d := newDice(7)
	events := make([]*event.Event, n)
	for i := range events {
		u := d.below(int64(users))
		events[i] = request(fmt.Sprint("user-", u), fmt.Sprint("session-", u, "-", d.below(3)), int64(math.Exp(20+normal(d))))
	}
	return events
}

var kept *Cell

func BenchmarkCellAdd(b *testing.B) {
	for _, users := range []int{50, 5000} {
		b.Run(fmt.Sprint("users=", users), func(b *testing.B) {
			events := traffic(4096, users)
			var c Cell
			for _, e := range events {
				c.Add(e, false)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				c.Add(events[i&4095], false)
				i++
			}
		})
	}
	b.Run("fresh", func(b *testing.B) { // a sparse trace: one event for each cell
		events := traffic(4096, 5000)
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			kept = new(Cell) // must not stay on the stack
			kept.Add(events[i&4095], false)
			i++
		}
	})
}

func BenchmarkSketchAdd(b *testing.B) {
	d := newDice(7)
	values := make([]int64, 4096)
	for i := range values {
		values[i] = int64(math.Exp(20 + normal(d)))
	}
	var s sketch
	for _, v := range values {
		s.add(v)
	}
	i := 0
	for b.Loop() {
		s.add(values[i&4095])
		i++
	}
}

func forCells(b *testing.B, f func(b *testing.B, c *Cell)) {
	for _, size := range []struct{ events, users int }{{1, 1}, {20, 20}, {1000, 100}, {20_000, 20_000}} {
		b.Run(fmt.Sprintf("events=%d", size.events), func(b *testing.B) {
			var c Cell
			for _, e := range traffic(size.events, size.users) {
				c.Add(e, false)
			}
			b.ReportAllocs()
			f(b, &c)
		})
	}
}

func BenchmarkMerge(b *testing.B) {
	forCells(b, func(b *testing.B, c *Cell) {
		into := c.Clone()
		for b.Loop() {
			into.Merge(c)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	forCells(b, func(b *testing.B, c *Cell) {
		var dst []byte
		for b.Loop() {
			dst = c.Append(dst[:0])
		}
		b.ReportMetric(float64(len(dst)), "bytes")
	})
}

func BenchmarkDecode(b *testing.B) {
	forCells(b, func(b *testing.B, c *Cell) {
		src := c.Append(nil)
		var d Cell
		for b.Loop() {
			if _, err := d.Decode(src); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkStats(b *testing.B) {
	forCells(b, func(b *testing.B, c *Cell) {
		for b.Loop() {
			c.Stats(60)
		}
	})
}
