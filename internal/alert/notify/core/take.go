package core

import (
	"maps"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Over is the note that an episode of hxp-alerts has ended. It outlives the alert, so that what is said of the episode later is known
// to be late.
type Over struct {
	At   time.Time `json:"at"`
	Once bool      `json:"once,omitempty"` // it was told of once, and may be said for long
}

// Room is how many alerts, and how many bytes of them, there are or may be.
type Room struct{ Alerts, Bytes int }

func (r *Room) add(a *Alert, sign int) {
	r.Alerts += sign
	r.Bytes += sign * a.bytes
}

// fits tells whether there is room for more on top of what is there.
func (r Room) fits(have Room, alerts, bytes int) bool {
	return have.Alerts+alerts <= r.Alerts && have.Bytes+bytes <= r.Bytes
}

// forOthers is the part that alerts may take that are not of hxp: strangers leave room for what hxp itself has to say.
func (r Room) forOthers() Room { return Room{r.Alerts - r.Alerts/4, r.Bytes - r.Bytes/4} }

// taking merges alerts that came together.
type taking struct {
	e       *Engine
	now     time.Time
	most    Room
	all     Room // with those that were taken
	others  Room
	full    bool
	changed map[label.Fingerprint]*Alert
	holder  map[string]label.Fingerprint // of episodes in changed
	over    map[string]bool              // by document: whether they were told of once
}

// Take merges alerts that came with what is known, in their order: the documents to be stored. There may be too many or too large ones;
// full says that some were left out.
func (e *Engine) Take(in []Alert, most Room, now time.Time) (docs []event.Document, full bool) {
	t := taking{e: e, now: now, most: most, all: e.held, others: e.others, changed: map[label.Fingerprint]*Alert{}, holder: map[string]label.Fingerprint{}, over: map[string]bool{}}
	for _, a := range in {
		t.take(a)
	}
	for _, fp := range slices.Sorted(maps.Keys(t.changed)) {
		docs = append(docs, Put(KindAlert, string(fp), t.changed[fp]))
	}
	for _, id := range slices.Sorted(maps.Keys(t.over)) {
		docs = append(docs, Put(KindOver, id, Over{now, t.over[id]}))
	}
	return docs, t.full
}

func (t *taking) take(a Alert) {
	if a.Episode != "" && !t.forward(&a) {
		return
	}
	fp := a.Labels.Fingerprint()
	have := t.alert(fp)
	switch {
	case have != nil:
		a = have.Merge(a, t.now)
	case a.Resolved(t.now): // it was never told of
		return
	}
	if !t.enters(have, &a) {
		t.full = true
		return
	}
	if t.changed[fp] = &a; a.Episode != "" {
		t.holder[a.Episode] = fp
	}
	if a.Once {
		t.over[hashed(a.Episode)] = true
	}
}

// enters tells whether there is room for an alert in the place of what was known of it, and takes it. An end always has some.
func (t *taking) enters(have, a *Alert) bool {
	all, others := t.all, t.others
	if have != nil {
		all.add(have, -1)
		if have.Source != FromHxp {
			others.add(have, -1)
		}
	}
	a.bytes = len(Put(KindAlert, "", a).Body)
	if have == nil || !a.Resolved(t.now) {
		if !t.most.fits(all, 1, a.bytes) || a.Source != FromHxp && !t.most.forOthers().fits(others, 1, a.bytes) {
			return false
		}
	}
	all.add(a, 1)
	if a.Source != FromHxp {
		others.add(a, 1)
	}
	t.all, t.others = all, others
	return true
}

func (t *taking) alert(fp label.Fingerprint) *Alert {
	if a := t.changed[fp]; a != nil {
		return a
	}
	return t.e.alerts[fp]
}

// held is the alert that an episode has, nil when it has none or when a later episode took it.
func (t *taking) held(episode string) *Alert {
	fp, ok := t.holder[episode]
	if !ok {
		fp = t.e.episodes[episode]
	}
	if a := t.alert(fp); a != nil && a.Episode == episode {
		return a
	}
	return nil
}

// forward tells whether what hxp says of an episode counts. It may come twice, late, and after what is said of another episode with the
// same labels, as they lie in different partitions: an episode only goes forward, and ends no other. It keeps the labels with which it
// began.
func (t *taking) forward(a *Alert) bool {
	id := hashed(a.Episode)
	if _, over := t.over[id]; over || t.e.over[id] != nil {
		return false
	}
	held := t.held(a.Episode)
	if held != nil {
		a.Labels = held.Labels
	}
	if a.Resolved(t.now) { // what has not begun here shall not begin after its end
		t.over[id] = false
		return held != nil
	}
	have := t.alert(a.Labels.Fingerprint())
	return have == nil || have.Episode == "" || have.Resolved(t.now) || !a.StartsAt.Before(have.StartsAt)
}
