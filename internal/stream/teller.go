package stream

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// Every instance judges, since all of them know what counts; the one that is given partition number 0 tells. The others keep what they
// would have told until hxp-alerts says it, so whoever becomes the teller tells the rest, and knows what is open. A teller that was
// thought dead and tells on does no harm: an episode has the same id wherever it is decided, and readers fold by that. Where two
// judges came to different episodes of one series, the teller goes on with its own and ends the other one.

// tellerNumber is the partition number whose owner tells.
const tellerNumber = 0

// judgeHeader names the judge that wrote a decision.
const judgeHeader = "hxp-judge"

// assume begins to tell, or leaves that to another instance, as the group wants it.
func (j *judge) assume() (changed <-chan struct{}) {
	wanted, changed := j.duties.wants(tellerNumber)
	switch {
	case !wanted:
		j.telling, j.claimed = false, false
	case !j.telling && !j.claimed: // once everything is heard that hxp-alerts says by now
		j.claimed = true
		j.ear.ask(seek{})
	}
	if busy := j.telling || !j.alerts.settled(); busy != j.busy {
		j.busy = busy
		j.duties.tell(busy)
	}
	return changed
}

// unsaid are decisions of a judge that does not tell and that hxp-alerts does not say, by series.
type unsaid struct {
	by map[series][]rule.Decision
	n  int
}

func (u *unsaid) add(s series, d *rule.Decision) {
	if u.by == nil {
		u.by = map[series][]rule.Decision{}
	}
	u.by[s] = append(u.by[s], *d)
	u.n++
}

// said drops what is not of a later time than what was told of a series.
func (u *unsaid) said(s series, at rule.Time) {
	have := len(u.by[s])
	left := slices.DeleteFunc(u.by[s], func(d rule.Decision) bool { return d.At <= at })
	if u.n -= have - len(left); len(left) > 0 {
		u.by[s] = left
	} else {
		delete(u.by, s)
	}
}

// forget drops series of which all was over before a time: nobody wants to hear of that any more.
func (u *unsaid) forget(before int64) {
	maps.DeleteFunc(u.by, func(_ series, list []rule.Decision) bool {
		last := &list[len(list)-1]
		gone := last.State != rule.Pending && last.State != rule.Firing && int64(last.At) < before
		if gone {
			u.n -= len(list)
		}
		return gone
	})
}

// take empties u and returns all, by time, those of one series in their order.
func (u *unsaid) take() (all []rule.Decision) {
	for _, list := range u.by {
		all = append(all, list...)
	}
	sorting.StableBy(all, func(a, b rule.Decision) int { return cmp.Compare(a.At, b.At) })
	*u = unsaid{}
	return all
}

// keep notes what this judge would tell, unless hxp-alerts says it. Beyond a bound it is lost.
func (j *judge) keep(d *rule.Decision) {
	a, s := j.alerts, seriesOf(d)
	if have := a.open[s]; a.isOver(d.ID) || int64(d.At) <= a.told[s] || have != nil && have.ID == d.ID && have.State == d.State {
		return
	}
	if j.unsaid.n >= maxQueue {
		j.metrics.lost.Inc()
		return
	}
	j.unsaid.add(s, d)
}

// takeOver tells what the teller before has left unsaid. Episodes that are open go on or end as at a start.
func (j *judge) takeOver() {
	j.claimed = false
	if wanted, _ := j.duties.wants(tellerNumber); !wanted || j.telling {
		return
	}
	j.telling = true
	j.log.Info("decisions are told from here on", "unsaid", j.unsaid.n, "open", len(j.alerts.open))
	j.decide(j.unsaid.take())
	for s, d := range j.unusual {
		if j.alerts.open[s] == nil && j.alerts.told[s] < int64(d.At) {
			j.tellUnusual(d)
		}
	}
	j.alerts.early = early{left: j.alerts.opened(), last: j.alerts.latest()}
	j.taken = false
	j.saver.goOn(j.dir())
}

// hear takes in what hxp-alerts says.
func (j *judge) hear(h hearing) {
	if h.granted {
		j.takeOver()
		return
	}
	a, now := j.alerts, time.Now()
	if h.topic != a.topic {
		a.topic, a.next = h.topic, map[int32]int64{}
	}
	for _, m := range h.batch.Messages {
		if string(headerOf(m, judgeHeader)) != string(a.me[:]) {
			j.learn(m.Value, now)
		}
	}
	a.next[h.batch.Partition] = max(a.next[h.batch.Partition], h.batch.Next)
}

func headerOf(m *bus.Message, key string) []byte {
	for _, h := range m.Headers {
		if h.Key == key {
			return h.Value
		}
	}
	return nil
}

// learn takes in a decision of another judge.
func (j *judge) learn(value []byte, now time.Time) {
	a := j.alerts
	d := a.parse(value, now)
	if d == nil {
		return
	}
	s := seriesOf(d)
	begins, have := d.State == rule.Pending || d.State == rule.Firing, a.open[s]
	if j.telling && begins && have != nil && have.ID != d.ID && !a.isOver(d.ID) {
		end := d.Ended(int64(d.At))
		j.log.Warn("another judge told of an episode beside the one that is open, which ends", "rule", d.Rule, "id", d.ID)
		a.over[d.ID] = int64(d.At)
		a.write(&end)
		return
	}
	a.record(d)
	j.unsaid.said(s, d.At)
	switch {
	case !j.telling:
	case !begins:
		j.engine.Drop(d)
	case a.isOpen(d): // nobody here knows of it, or it goes on
		a.early.left, a.early.last = append(a.early.left, d), max(a.early.last, int64(d.At))
		j.taken = false
	}
}

// found is an anomaly that opened or closed here.
func (j *judge) found(d *rule.Decision) {
	if s := seriesOf(d); d.State == rule.Firing {
		j.unusual[s] = d
	} else {
		delete(j.unusual, s)
	}
	if j.telling {
		j.tellUnusual(d)
	}
}

// tellUnusual tells of an anomaly, unless that was told before a restart. Instances that have not watched for equally long may find it
// under ids of their own: the one that was told first goes on.
func (j *judge) tellUnusual(d *rule.Decision) {
	have, begins := j.alerts.open[seriesOf(d)], d.State == rule.Firing
	if begins == (have != nil) || j.alerts.isOver(d.ID) {
		return // it is told of already, or never was
	}
	told := *d
	if !begins {
		told.ID, told.StartsAt = have.ID, have.StartsAt
	}
	j.metrics.decided(&told)
	j.alerts.tell(&told)
}

// parse reads a decision; nil when it is none. Records of others, such as deadlines of the batch, are no decisions.
func (a *alerts) parse(value []byte, now time.Time) *rule.Decision {
	var d rule.Decision
	if err := json.Unmarshal(value, &d); err != nil || d.Version == "" || d.ID == "" {
		return nil
	}
	if int64(d.At) > now.Add(farAhead).UnixMicro() {
		a.log.Warn("decision of a time to come, passed over", "rule", d.Rule, "id", d.ID, "at", int64(d.At))
		return nil
	}
	return &d
}

// latest is when something was told last by another judge, in microseconds, as far as that is remembered.
func (a *alerts) latest() (at int64) {
	for _, t := range a.told {
		at = max(at, t)
	}
	return at
}
