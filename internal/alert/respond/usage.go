package respond

import "time"

// usage is what the rails remember of what was done. It follows from the records alone.
type usage struct {
	buckets  map[string]*bucket // by action; "" = all of them
	habits   map[string]*habit
	cycles   map[string][]time.Time // ends of responses by rule, as its alert came and went
	refusals map[string]time.Time   // last record by rule and rail
	refusal  bucket                 // of records of refusals
	proposal bucket
}

// maxHabits bounds each of the maps; what is left out is the oldest.
const maxHabits = 10_000

// The bounds of records that nobody asked for.
const (
	refusalEvery  = 10 * time.Minute // of one rule and rail
	refusalBurst  = 60
	refusalRefill = time.Minute
	proposalBurst = 30
	proposalEvery = time.Minute
)

func newUsage() usage {
	return usage{buckets: map[string]*bucket{}, habits: map[string]*habit{}, cycles: map[string][]time.Time{}, refusals: map[string]time.Time{}}
}

// bucket is a token bucket that begins full.
type bucket struct {
	used float64
	at   time.Time
}

// level is how much is used at a time.
func (b *bucket) level(now time.Time, refill time.Duration) float64 {
	if refill <= 0 {
		return 0
	}
	return max(0, b.used-float64(now.Sub(b.at))/float64(refill))
}

func (b *bucket) has(now time.Time, burst int, refill time.Duration) bool {
	return b.level(now, refill) <= float64(burst-1)+1e-9
}

func (b *bucket) use(now time.Time, refill time.Duration) {
	b.used, b.at = b.level(now, refill)+1, now
}

// habit is how often a rule did the same thing.
type habit struct {
	strikes int
	last    time.Time
}

// pause is the time after the last strike for which nothing follows.
func (h *habit) pause(l Limits) time.Duration {
	return min(l.Cooldown<<min(max(h.strikes-1, 0), 20), l.MaxCooldown)
}

// until is the end of the cooldown.
func (u *usage) until(o *Order, l Limits) time.Time {
	h := u.habits[o.habit()]
	if h == nil {
		return time.Time{}
	}
	return h.last.Add(h.pause(l))
}

// note remembers what a record says of r.
func (u *usage) note(r *Response, rec *Record, l Limits) {
	switch rec.What {
	case WhatProposed:
		u.proposal.use(rec.At, proposalEvery)
	case WhatRefused:
		u.refused(r.Order.Rule, rec.Rail, rec.At)
	case WhatClaimed:
		if rec.At.Equal(r.ClaimedAt) {
			u.bucket(r.Order.Action).use(rec.At, l.ActionRefill)
			u.bucket("").use(rec.At, l.GlobalRefill)
		}
	case WhatDismissed, WhatExpired:
		u.strike(&r.Order, rec.At, l)
	case WhatReverted:
		u.strike(&r.Order, rec.At, l)
		u.cycle(r.Order.Rule, rec.At)
	case WhatVerified, WhatUnverified, WhatFailed:
		if !r.InPlace() {
			u.strike(&r.Order, rec.At, l)
		}
	}
}

func (u *usage) bucket(action string) *bucket {
	b := u.buckets[action]
	if b == nil {
		b = &bucket{}
		u.buckets[action] = b
	}
	return b
}

// strike begins a cooldown. Long after the last one it counts from the beginning.
func (u *usage) strike(o *Order, at time.Time, l Limits) {
	name := o.habit()
	h := u.habits[name]
	if h == nil {
		if len(u.habits) >= maxHabits {
			dropOldest(u.habits, func(h *habit) time.Time { return h.last })
		}
		h = &habit{}
		u.habits[name] = h
	}
	if at.Sub(h.last) > h.pause(l)+l.MaxCooldown {
		h.strikes = 0
	}
	h.strikes, h.last = h.strikes+1, at
}

// frozenUntil is the end of the time for which a rule is left alone because it flaps.
func (u *usage) frozenUntil(rule string, l Limits, now time.Time) time.Time {
	ends := u.cycles[rule]
	n := 0
	for _, t := range ends {
		if now.Sub(t) < l.FlapWindow+l.FlapFreeze && ends[len(ends)-1].Sub(t) < l.FlapWindow {
			n++
		}
	}
	if n < l.FlapCycles {
		return time.Time{}
	}
	return ends[len(ends)-1].Add(l.FlapFreeze)
}

func (u *usage) cycle(rule string, at time.Time) {
	if _, known := u.cycles[rule]; !known && len(u.cycles) >= maxHabits {
		dropOldest(u.cycles, func(ends []time.Time) time.Time { return ends[len(ends)-1] })
	}
	ends := append(u.cycles[rule], at)
	u.cycles[rule] = ends[max(0, len(ends)-32):]
}

// quiet tells whether a refusal needs no record, because the last one of its kind is not long ago or there are too many.
func (u *usage) quiet(rule string, rail Rail, now time.Time) bool {
	last, ok := u.refusals[rule+"\x00"+string(rail)]
	return ok && now.Sub(last) < refusalEvery || !u.refusal.has(now, refusalBurst, refusalRefill)
}

func (u *usage) refused(rule string, rail Rail, at time.Time) {
	name := rule + "\x00" + string(rail)
	if _, known := u.refusals[name]; !known && len(u.refusals) >= maxHabits {
		dropOldest(u.refusals, func(t time.Time) time.Time { return t })
	}
	u.refusals[name] = at
	u.refusal.use(at, refusalRefill)
}

func dropOldest[V any](m map[string]V, at func(V) time.Time) {
	oldest, found := "", false
	for k, v := range m {
		if !found || at(v).Before(at(m[oldest])) {
			oldest, found = k, true
		}
	}
	delete(m, oldest)
}
