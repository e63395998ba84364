package core

import (
	"maps"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/tmpl"
)

// Messages wait: for a receiver that is away, for its limits, for room. What they say may be over by then.

const (
	lateAfter = 10 * time.Second // what is not older says what is the case
	holdFor   = 30 * time.Second // between two looks at what is held back
)

// The reasons for which a message is held back.
const (
	HeldQuiet  = "quiet hours"
	HeldHidden = "a silence or an inhibition"
	HeldLimit  = "the limit of its receiver"
)

// waiting looks again at the messages that would be tried now and have waited.
func (f *flush) waiting() {
	e := f.e
	var groups map[string]saying
	for _, key := range slices.Sorted(maps.Keys(e.pending)) {
		m := e.messages[e.pending[key]]
		if m.NextAt.After(f.now) || f.now.Sub(m.CreatedAt) < lateAfter || e.trying[m.ID] {
			continue
		}
		if groups == nil {
			groups = e.sayings()
		}
		f.see()
		delete(e.heldBack, m.ID)
		f.again(m, groups[key])
	}
}

// saying is a group and a way that is told of it.
type saying struct {
	group *Group
	way   *plan.Way
}

// sayings are all of them by key.
func (e *Engine) sayings() map[string]saying {
	out := map[string]saying{}
	for _, g := range e.groups {
		for _, w := range g.Route.Target.Ways {
			out[saidKey(g, w, -1)] = saying{g, w}
		}
		for i, s := range g.Route.Steps {
			for _, w := range s.Target.Ways {
				out[saidKey(g, w, i)] = saying{g, w}
			}
		}
	}
	return out
}

// again decides what becomes of a message: it goes on as it is, is held back, is made anew of what is left of it, or is dropped.
func (f *flush) again(m *Message, s saying) {
	e, g := f.e, s.group
	if g != nil && g.Route.Quiet(f.now) {
		f.hold(m, HeldQuiet)
		return
	}
	if m.Status != tmpl.Firing {
		return
	}
	left, visible, changed := f.leftOf(m)
	switch {
	case left == 0:
		said := e.said[hashed(m.Key)] // it may have arrived, so that the end is told
		if e.unheard[m.ID] {
			said = m.Before
		}
		f.drop(m, said)
		if g != nil {
			g.next = f.now
		}
	case len(visible) == 0:
		f.hold(m, HeldHidden)
	case !changed || g == nil:
	case e.unheard[m.ID] && m.Reason != ForEscalation:
		g.next = f.now // which makes another one in its place
	default:
		f.rebuild(m, s, visible)
	}
}

// leftOf looks at the alerts of a message: how many still have to be told, and what is to be seen of all. Nobody is woken by an escalation
// for what somebody looks at.
func (f *flush) leftOf(m *Message) (left int, visible []member, changed bool) {
	for _, a := range m.Data.Alerts {
		fp := label.Fingerprint(a.Fingerprint)
		have := f.e.alerts[fp]
		if a.Status != tmpl.Firing {
			if have != nil {
				visible = append(visible, member{fp, have})
			}
			continue
		}
		fires := have != nil && !have.Resolved(f.now) && !(m.Reason == ForEscalation && f.e.acked(fp, have))
		if fires {
			left++
		}
		if !fires || f.hidden(have) {
			changed = true
			continue
		}
		visible = append(visible, member{fp, have})
	}
	if !slices.ContainsFunc(visible, func(x member) bool { return !x.alert.Resolved(f.now) }) {
		visible = nil
	}
	return left, visible, changed
}

// hold keeps a message from being tried for a while. It is not stored: whoever speaks next looks by himself.
func (f *flush) hold(m *Message, why string) {
	m.NextAt = f.now.Add(holdFor)
	f.e.heldBack[m.ID] = why
}

// rebuild makes a message of what is left of it, under the same id: who has it already knows it by that.
func (f *flush) rebuild(m *Message, s saying, of []member) {
	anew := *m
	anew.Data = f.data(s.group, s.way, of)
	f.describe(&anew, of)
	f.put(Put(KindMessage, m.ID, anew))
}

// HeldBack says what a message waits for beside its receiver, "" for nothing.
func (e *Engine) HeldBack(id string) string { return e.heldBack[id] }
