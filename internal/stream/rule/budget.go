package rule

import (
	"encoding/binary"
	"slices"
)

// The budget of an objective is counted over its whole period, hour by hour, beside the steps that the burn rates need.

// defaultPeriod is that of the SRE workbook, and of the window pairs.
const (
	defaultPeriod = 30 * 24 * 3600 // seconds
	longestPeriod = 90 * 24 * 3600
)

// spending is what an objective counted of a key in each hour, in order. Hours without an event are left out.
type spending []spent

type spent struct {
	hour       int64 // second at which it begins
	total, bad int64
}

// add counts what happened in a second. It comes nearly in order.
func (s *spending) add(at int64, t *tally) {
	hour := floor(at, 3600) * 3600
	i := len(*s)
	for i > 0 && (*s)[i-1].hour > hour {
		i--
	}
	if i == 0 || (*s)[i-1].hour != hour {
		*s = slices.Insert(*s, i, spent{hour: hour})
		i++
	}
	x := &(*s)[i-1]
	x.total, x.bad = plus(x.total, t.Den), plus(x.bad, t.Num)
}

// between adds up the hours that begin in [from, to).
func (s spending) between(from, to int64) (total, bad int64) {
	for i := len(s) - 1; i >= 0 && s[i].hour >= from; i-- {
		if s[i].hour < to {
			total, bad = plus(total, s[i].total), plus(bad, s[i].bad)
		}
	}
	return total, bad
}

// forget drops the hours before a second.
func (s *spending) forget(before int64) {
	n := 0
	for n < len(*s) && (*s)[n].hour < before {
		n++
	}
	if n > 0 {
		*s = slices.Delete(*s, 0, n)
	}
}

// budgetFrom is the second from which on the budget is counted at another one: a whole hour.
func (r *compiled) budgetFrom(at int64) int64 { return max(floor(at-r.period, 3600)*3600, 0) }

// spent is what an objective counted of a key from a whole hour on up to a second, which itself is not counted: whole hours by their sums, the
// hour under way by its steps.
func (g *group) spent(from, at int64) (total, bad int64) {
	hour := floor(at, 3600) * 3600
	total, bad = g.budget.between(from, hour)
	t := g.total(hour, at)
	return plus(total, t.Den), plus(bad, t.Num)
}

func (s spending) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	before := int64(0)
	for _, x := range s {
		b = binary.AppendUvarint(binary.AppendUvarint(binary.AppendVarint(b, (x.hour-before)/3600), uint64(x.total)), uint64(x.bad))
		before = x.hour
	}
	return b
}

// spending reads what appendTo wrote.
func (r *wire) spending() (s spending) {
	hour := int64(0)
	for n := r.count(len(r.src)); n > 0 && r.err == nil; n-- {
		gain := r.number()
		if len(s) > 0 && gain <= 0 || gain > farAway/second/3600 || gain < -farAway/second/3600 {
			r.fail("hours are out of order")
		}
		hour += gain * 3600
		x := spent{hour, int64(r.uvarint()), int64(r.uvarint())}
		if x.total < 0 || x.bad < 0 || hour > farAway/second {
			r.fail("a count is out of range")
		}
		s = append(s, x)
	}
	return s
}

// rebuilt is the spending as far as steps tell it: of a snapshot that did not know of budgets.
func (g *group) rebuilt() (s spending) {
	for i := range g.steps {
		if t := &g.steps[i].tally; t.Den > 0 {
			s.add(g.steps[i].at, t)
		}
	}
	return s
}
