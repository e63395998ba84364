package rule

import (
	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// reading is what a rule sees in a group at one second.
type reading struct {
	holds            bool
	value, threshold float64
	from, to         int64    // seconds: the window
	ids, events      []string // of requests, and of the events of sequences
}

// compare tells whether value stands to threshold as op says.
func compare(value float64, op string, threshold float64) bool {
	switch op {
	case ">":
		return value > threshold
	case ">=":
		return value >= threshold
	case "<":
		return value < threshold
	case "<=":
		return value <= threshold
	case "==":
		return value == threshold
	case "!=":
		return value != threshold
	}
	return false
}

// read looks at a group at a second. A window without events says nothing: that is for absence.
func (r *compiled) read(g *group, at int64) reading {
	switch r.Type {
	case Absence:
		return r.silence(g, at)
	case Sequence:
		return r.matches(g)
	case Anomaly:
		return r.against(g, at)
	}
	if r.grows() {
		return r.slope(g, at)
	}
	x := reading{from: at - r.window, to: at, threshold: *r.Value}
	t := g.total(x.from, at)
	if t.Count == 0 || t.Count < r.MinCount {
		return x
	}
	ok := true
	switch r.Type {
	case Ratio:
		x.value, ok = share(&t, 0)
	case Distinct:
		x.value = float64(g.distinct(x.from, at))
	default:
		x.value, ok = r.metricOf(g, &t, x.from, at)
		if r.Type == Rate {
			x.value /= float64(r.window)
		}
	}
	x.holds = ok && compare(x.value, r.Op, x.threshold)
	return x
}

// metricOf is the metric over [from, to), whose tally is t.
func (r *compiled) metricOf(g *group, t *tally, from, to int64) (float64, bool) {
	if !r.metric.spread {
		return r.metric.value(t, float64(to-from))
	}
	var c agg.Cell
	into := map[event.Field]*agg.Measure{event.DurationMS: &c.Latency, event.TTFT: &c.TTFT, event.TPOT: &c.TPOT}[r.metric.field]
	g.between(from, to, func(s *step) {
		if s.spread != nil {
			into.Merge(s.spread)
		}
	})
	return r.metric.of.Of(&c, float64(to-from))
}

func (g *group) distinct(from, to int64) int {
	all := map[string]struct{}{}
	g.between(from, to, func(s *step) {
		for v := range s.values {
			all[v] = struct{}{}
		}
	})
	return len(all)
}

// silence holds when the last event is the window or longer ago.
func (r *compiled) silence(g *group, at int64) reading {
	last := g.latest(at)
	if last == nil || last.at < at-r.reach {
		return reading{from: at, to: at, threshold: float64(r.window)}
	}
	silent := at*second - last.last
	return reading{holds: silent >= r.window*second, value: float64(silent) / float64(second), threshold: float64(r.window), from: last.last / second, to: at}
}

// matches holds when the sequence was seen since the last look.
func (r *compiled) matches(g *group) reading {
	found := g.order.matches
	x := reading{threshold: 1, value: float64(len(found)), holds: len(found) > 0}
	for i, m := range found {
		if i == 0 {
			x.from = floor(m.first, second)
		}
		x.to = floor(m.last, second) + 1
		x.show(m.ids, m.events)
	}
	return x
}

// show adds ids of requests and events, as far as there is room.
func (x *reading) show(requests, events []string) {
	for _, id := range requests {
		x.ids = example(x.ids, id, maxExamples)
	}
	for _, id := range events {
		x.events = example(x.events, id, maxEvents)
	}
}

// against compares the window with the baseline before it. A sum is set into proportion to the part of the baseline in which the
// group was known; less than half of it known says nothing.
func (r *compiled) against(g *group, at int64) reading {
	x := reading{from: at - r.window, to: at}
	start := max(x.from-r.Baseline.seconds(), g.first/r.width*r.width)
	known := x.from - start
	now := g.total(x.from, at)
	if 2*known < r.Baseline.seconds() || now.Count < r.MinCount {
		return x
	}
	before := r.baseline(g, start, x.from)
	if before.count < r.MinCount {
		return x
	}
	value, ok := r.metricOf(g, &now, x.from, at)
	usual := before.value
	if r.metric.grows {
		usual *= float64(r.window) / float64(known)
	}
	x.value, x.threshold = value, finite(usual*r.Factor)
	x.holds = ok && before.ok && compare(x.value, r.Op, x.threshold)
	return x
}

// grows tells whether the rule asks how fast a mean or a share grows.
func (r *compiled) grows() bool { return r.Type == Rate && r.metric.divides() }

// slope is how much the metric grows in a second: the line through its values, step by step, that fits best by least squares, each as heavy as
// what it is the mean of. Where half of the window or less is known it says nothing.
func (r *compiled) slope(g *group, at int64) reading {
	x := reading{from: at - r.window, to: at, threshold: *r.Value}
	var n, count, t, y, tt, ty float64
	first, last := at, x.from
	for i := range g.steps {
		s := &g.steps[i]
		if s.at < x.from || s.at >= at {
			continue
		}
		count += float64(s.Count)
		v, ok := r.metric.value(&s.tally, float64(r.width))
		if !ok {
			continue
		}
		w, seconds := float64(s.Den), float64(s.at-x.from)
		n, t, y = n+w, t+w*seconds, y+w*v
		tt, ty = tt+w*seconds*seconds, ty+w*seconds*v
		first, last = min(first, s.at), max(last, s.at)
	}
	if count < float64(max(r.MinCount, 3)) || 2*(last-first) <= r.window || n == 0 {
		return x
	}
	x.value = finite((ty - t*y/n) / (tt - t*t/n)) // steps lie apart, so that there is something to divide by
	x.holds = compare(x.value, r.Op, x.threshold)
	return x
}

// past is what a metric was over a span.
type past struct {
	from, to int64 // seconds
	count    int64
	value    float64
	ok       bool
}

// baseline is the metric over [from, to). It is long and seldom changes, and is looked at with each tick.
func (r *compiled) baseline(g *group, from, to int64) *past {
	if g.past.from != from || g.past.to != to {
		t := g.total(from, to)
		g.past = past{from: from, to: to, count: t.Count}
		g.past.value, g.past.ok = r.metricOf(g, &t, from, to)
	}
	return &g.past
}

// pair is two windows of the SRE workbook: both must burn faster than the factor, the long one so that it matters, the short
// one so that it still goes on.
type pair struct {
	long, short int64 // seconds
	factor      float64
}

// longest is the longest window of the pairs.
const longest = 3 * 24 * 3600

// pairs are those of a budget of 30 days: two that call people, two that leave it for the working day.
var pairs = [2 * classes]pair{
	{3600, 300, 14.4}, {6 * 3600, 1800, 6},
	{longest, 6 * 3600, 1}, {24 * 3600, 2 * 3600, 3},
}

// classes of alerts of a burn rate, each with episodes of its own.
const classes = 2

var classNames = [classes]string{"page", "ticket"}

// severityOf is how bad it is that the budget of an objective is spent so fast as a class says.
func severityOf(severity string, class int) string {
	if classNames[class] == "ticket" && severity == "critical" {
		return "warning" // it can wait until the morning
	}
	return severity
}

// burn reads the pairs of a class. Value is the burn rate of the long window of the pair that holds, or else of the first.
func (r *compiled) burn(g *group, at int64, class int) reading {
	var first reading
	for i, p := range pairs[2*class : 2*class+2] {
		long, n := r.burned(g, at, p.long)
		short, _ := r.burned(g, at, p.short)
		x := reading{value: long, threshold: p.factor, from: (at - p.long) / 60 * 60, to: at}
		x.holds = n >= r.MinCount && long > p.factor && short > p.factor
		if x.holds {
			return x
		}
		if i == 0 {
			first = x
		}
	}
	return first
}

// burned is how many times faster than allowed the budget went over the last seconds, and of how many events.
func (r *compiled) burned(g *group, at, seconds int64) (rate float64, n int64) {
	t := g.total((at-seconds)/60*60, at)
	if t.Den == 0 {
		return 0, 0
	}
	return float64(t.Num) / float64(t.Den) / (1 - r.Objective), t.Den
}
