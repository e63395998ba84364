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
	At time.Time `json:"at"`
}

// taking merges alerts that came together.
type taking struct {
	e       *Engine
	now     time.Time
	room    int // for alerts that are not known yet
	full    bool
	changed map[label.Fingerprint]*Alert
	holder  map[string]label.Fingerprint // of episodes in changed
	over    map[string]bool              // by document
}

// Take merges alerts that came with what is known, in their order: the documents to be stored. Of those that are not known yet there
// may be too many; full says that some were left out.
func (e *Engine) Take(in []Alert, most int, now time.Time) (docs []event.Document, full bool) {
	t := taking{e: e, now: now, room: most - len(e.alerts), changed: map[label.Fingerprint]*Alert{}, holder: map[string]label.Fingerprint{}, over: map[string]bool{}}
	for _, a := range in {
		t.take(a)
	}
	for _, fp := range slices.Sorted(maps.Keys(t.changed)) {
		docs = append(docs, Put(KindAlert, string(fp), t.changed[fp]))
	}
	for _, id := range slices.Sorted(maps.Keys(t.over)) {
		docs = append(docs, Put(KindOver, id, Over{now}))
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
	case t.room <= 0:
		t.full = true
		return
	default:
		t.room--
	}
	if t.changed[fp] = &a; a.Episode != "" {
		t.holder[a.Episode] = fp
	}
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
	if t.over[id] || t.e.over[id] != nil {
		return false
	}
	held := t.held(a.Episode)
	if held != nil {
		a.Labels = held.Labels
	}
	if a.Resolved(t.now) { // what has not begun here shall not begin after its end
		t.over[id] = true
		return held != nil
	}
	have := t.alert(a.Labels.Fingerprint())
	return have == nil || have.Episode == "" || have.Resolved(t.now) || !a.StartsAt.Before(have.StartsAt)
}
