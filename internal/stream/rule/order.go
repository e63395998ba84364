package rule

import (
	"cmp"
	"slices"
)

// order finds the sequences of one key. Events come in any order, for they come by different topics: those of the last seconds
// wait, and are gone through again when one comes that belongs between them.
type order struct {
	runs    []run  // runs[i] has seen i+1 steps, before what waits
	waiting []held // by time
	matches []span // that were found since the last look
	end     held   // the event that ended the last one: the next begins behind it
}

// run is a part of a sequence that was seen.
type run struct {
	live        bool
	first, last int64 // microseconds of its ends
	ids, events []string
}

// span is a sequence that was seen whole.
type span struct {
	first, last int64
	ids, events []string // of requests, and of the events themselves
}

const (
	settles    = 10 * second // an event so old is no longer waited for
	maxWaiting = 256         // events of a key
)

// compare orders events by time, and those of the same time by their place.
func (h *held) compare(o *held) int {
	return cmp.Or(cmp.Compare(h.at, o.at), cmp.Compare(h.position.Kind, o.position.Kind), cmp.Compare(h.position.Partition, o.position.Partition), cmp.Compare(h.position.Offset, o.position.Offset))
}

// add puts an event into its place.
func (o *order) add(h held) {
	if o.end.at != 0 && h.compare(&o.end) <= 0 {
		return
	}
	i := len(o.waiting)
	for i > 0 && o.waiting[i-1].compare(&h) > 0 {
		i--
	}
	o.waiting = slices.Insert(o.waiting, i, h)
}

// find goes through what waits. A match ends all runs: the next begins behind it.
func (o *order) find(steps int, within int64) {
	if o.runs == nil {
		o.runs = make([]run, steps)
	}
	runs := slices.Clone(o.runs)
	for i := 0; i < len(o.waiting); i++ {
		match, found := follow(runs, within, &o.waiting[i])
		if !found {
			continue
		}
		o.matches, o.end = append(o.matches, match), o.waiting[i]
		o.waiting = slices.Delete(o.waiting, 0, i+1)
		clear(o.runs)
		clear(runs)
		i = -1
	}
}

// settle lets go of the oldest events: of those before a time, and of those that are too many.
func (o *order) settle(before, within int64) {
	n := 0
	for n < len(o.waiting) && (o.waiting[n].at < before || len(o.waiting)-n > maxWaiting) {
		follow(o.runs, within, &o.waiting[n])
		n++
	}
	o.waiting = slices.Delete(o.waiting, 0, n)
}

// follow takes the next event in time. For each number of steps that were seen, the run that began last is kept: it can do
// whatever an older one can. So there are fewer live runs than steps, and none is missed.
func follow(runs []run, within int64, h *held) (span, bool) {
	last := len(runs) - 1
	for i := last; i >= 0; i-- {
		if h.mask>>i&1 == 0 {
			continue
		}
		next := run{live: true, first: h.at, last: h.at}
		if i > 0 {
			before := &runs[i-1]
			if !before.live || before.last > h.at || h.at-before.first > within {
				continue
			}
			next.first, next.ids, next.events = before.first, before.ids, before.events
			*before = run{}
		}
		if h.request != "" && !slices.Contains(next.ids, h.request) {
			next.ids = append(slices.Clip(next.ids), h.request)
		}
		if h.id != "" {
			next.events = append(slices.Clip(next.events), h.id)
		}
		if i == last {
			return span{next.first, next.last, next.ids, next.events}, true
		}
		if old := &runs[i]; !old.live || old.first <= next.first {
			*old = next
		}
	}
	return span{}, false
}

// expire ends the runs that no event can end in time.
func (o *order) expire(now, within int64) {
	for i := range o.runs {
		if o.runs[i].live && now-o.runs[i].first > within {
			o.runs[i] = run{}
		}
	}
}

func (o *order) idle() bool {
	return len(o.waiting) == 0 && len(o.matches) == 0 && !slices.ContainsFunc(o.runs, func(r run) bool { return r.live })
}

func (o *order) bytes() int { return 64*cap(o.runs) + 128*cap(o.waiting) }
