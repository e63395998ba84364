package core

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Engine is the state of notifications.
type Engine struct {
	plan     *plan.Plan
	alerts   map[label.Fingerprint]*Alert
	silences map[string]*Silence
	acks     map[label.Fingerprint]*Ack
	said     map[string]*Said // by key
	off      map[string]*Off  // by way
	messages map[string]*Message
	pending  map[string]string // message on its way, by key of what is said
	episodes map[string]label.Fingerprint
	over     map[string]*Over // episodes that have ended, by document
	held     Room             // what the alerts take
	others   Room             // of it, those that are not of hxp
	groups   map[groupID]*Group
	tries    map[string][]try  // of ways, within the last day, in their order
	trying   map[string]bool   // messages that are being tried
	heldBack map[string]string // messages that are not tried now, and why
	unheard  map[string]bool   // messages made here since this instance speaks: nothing arrived and none is being tried, for certain
}

type groupID struct {
	route  int
	labels string
}

// Group are alerts that are told together.
type Group struct {
	Route   *plan.Node
	Labels  label.Set
	Key     string                          // as in messages
	members map[label.Fingerprint]time.Time // since when
	next    time.Time                       // when it is looked at
	rises   time.Time                       // when an escalation is due; zero = none
	looked  bool                            // it was looked at before
}

// member is an alert with its name.
type member struct {
	fp    label.Fingerprint
	alert *Alert
}

// New makes an engine without documents.
func New(p *plan.Plan) *Engine {
	e := &Engine{plan: p, trying: map[string]bool{}}
	e.Reset()
	return e
}

// Reset forgets all documents; the plan stays until another one comes.
func (e *Engine) Reset() {
	e.alerts, e.silences, e.acks, e.said = map[label.Fingerprint]*Alert{}, map[string]*Silence{}, map[label.Fingerprint]*Ack{}, map[string]*Said{}
	e.off, e.messages, e.pending, e.episodes = map[string]*Off{}, map[string]*Message{}, map[string]string{}, map[string]label.Fingerprint{}
	e.over, e.heldBack = map[string]*Over{}, map[string]string{}
	e.held, e.others = Room{}, Room{}
	e.groups, e.tries, e.unheard = map[groupID]*Group{}, map[string][]try{}, map[string]bool{}
}

// Plan is the configuration.
func (e *Engine) Plan() *plan.Plan { return e.plan }

// Apply takes the next document. The error says what in it cannot be read; it is passed over then.
func (e *Engine) Apply(d event.Document) error {
	var err error
	switch d.Kind {
	case KindConfig:
		p, faults := plan.Parse(d.Body)
		if faults != nil {
			return fmt.Errorf("%s: %s", faults[0].Pointer, faults[0].Detail)
		}
		e.plan = p
		e.Regroup()
	case KindAlert:
		err = e.applyAlert(label.Fingerprint(d.ID), d)
	case KindSilence:
		err = apply(e.silences, d.ID, d.Body, func(s *Silence) error { _, err := s.Check(); return err })
	case KindAck:
		err = apply(e.acks, label.Fingerprint(d.ID), d.Body, func(k *Ack) error { k.revision = d.Revision; return nil })
	case KindOff:
		err = apply(e.off, d.ID, d.Body, nil)
	case KindSaid:
		err = apply(e.said, d.ID, d.Body, nil)
	case KindOver:
		err = apply(e.over, d.ID, d.Body, nil)
	case KindMessage:
		err = e.applyMessage(d.ID, d.Body)
	}
	return err
}

// apply puts a document into a map or takes it out.
func apply[K comparable, V any](to map[K]*V, id K, body []byte, check func(*V) error) error {
	if body == nil {
		delete(to, id)
		return nil
	}
	v := new(V)
	if err := json.Unmarshal(body, v); err != nil {
		return err
	}
	if check != nil {
		if err := check(v); err != nil {
			return err
		}
	}
	to[id] = v
	return nil
}

func (e *Engine) applyAlert(fp label.Fingerprint, d event.Document) error {
	old := e.alerts[fp]
	if old != nil && old.Episode != "" {
		delete(e.episodes, old.Episode)
	}
	if err := apply(e.alerts, fp, d.Body, func(a *Alert) error { a.revision, a.bytes = d.Revision, len(d.Body); return nil }); err != nil {
		return err
	}
	a := e.alerts[fp]
	e.count(old, -1)
	e.count(a, 1)
	if a == nil {
		if old != nil {
			for _, g := range e.groupsOf(fp, old) {
				e.leave(g, fp)
			}
		}
		return nil
	}
	if a.Episode != "" {
		e.episodes[a.Episode] = fp
	}
	e.join(fp, a)
	return nil
}

func (e *Engine) applyMessage(id string, body []byte) error {
	if old := e.messages[id]; old != nil && e.pending[old.Key] == id {
		delete(e.pending, old.Key)
	}
	if err := apply(e.messages, id, body, nil); err != nil {
		return err
	}
	if m := e.messages[id]; m != nil && m.State == Waiting {
		e.pending[m.Key] = id
	} else {
		delete(e.unheard, id)
		delete(e.heldBack, id)
	}
	return nil
}

// Regroup gathers all alerts anew, as after another configuration, or when this instance begins to speak.
func (e *Engine) Regroup() {
	e.groups, e.unheard = map[groupID]*Group{}, map[string]bool{}
	for fp, a := range e.alerts {
		e.join(fp, a)
	}
}

// join puts an alert into the groups of its routes. The first alert of a group says when it is looked at: after group_wait, at once
// when the alert is older than that, and not before group_interval has passed since the group was told of.
func (e *Engine) join(fp label.Fingerprint, a *Alert) {
	for _, r := range e.plan.Routes(a.Labels) {
		labels := r.GroupLabels(a.Labels)
		id := groupID{r.Index, labels.String()}
		old := a.StartsAt.Add(r.Wait).Before(a.Since)
		g := e.groups[id]
		if g == nil {
			g = &Group{Route: r, Labels: labels, Key: r.Key + ":" + id.labels, members: map[label.Fingerprint]time.Time{}, next: a.Since.Add(r.Wait)}
			if old {
				g.next = a.Since
			}
			if last := e.lastSaid(g); !last.IsZero() {
				g.looked = true
				if last = last.Add(r.Interval); last.After(g.next) {
					g.next = last
				}
			}
			e.groups[id] = g
		}
		if old && !g.looked && a.Since.Before(g.next) {
			g.next = a.Since
		}
		if since, known := g.members[fp]; known && since.Equal(a.Since) {
			continue
		}
		g.members[fp] = a.Since
		for _, s := range r.Steps {
			if at := a.Since.Add(s.After); g.rises.IsZero() || at.Before(g.rises) {
				g.rises = at
			}
		}
	}
}

// count keeps what the alerts take.
func (e *Engine) count(a *Alert, sign int) {
	if a == nil {
		return
	}
	e.held.add(a, sign)
	if a.Source != FromHxp {
		e.others.add(a, sign)
	}
}

// groupsOf are the groups in which an alert is.
func (e *Engine) groupsOf(fp label.Fingerprint, a *Alert) (out []*Group) {
	for _, r := range e.plan.Routes(a.Labels) {
		if g := e.groups[groupID{r.Index, r.GroupLabels(a.Labels).String()}]; g != nil && !g.members[fp].IsZero() {
			out = append(out, g)
		}
	}
	return out
}

// lastSaid is when something was said of a group that fires as far as its receivers know.
func (e *Engine) lastSaid(g *Group) (last time.Time) {
	for _, w := range g.Route.Target.Ways {
		if s := e.said[hashed(saidKey(g, w, -1))]; s != nil && len(s.Firing) > 0 && s.At.After(last) {
			last = s.At
		}
	}
	return last
}

// leave takes an alert out of a group. The empty group is forgotten.
func (e *Engine) leave(g *Group, fp label.Fingerprint) {
	if _, known := g.members[fp]; !known {
		return
	}
	if delete(g.members, fp); len(g.members) == 0 {
		delete(e.groups, groupID{g.Route.Index, g.Labels.String()})
	}
}

// saidKey names what a way knows of a group; step is the number of the escalation, -1 for none.
func saidKey(g *Group, w *plan.Way, step int) string {
	if step >= 0 {
		return fmt.Sprintf("%s|escalate %d|%s", g.Key, step, w.ID)
	}
	return g.Key + "|" + w.ID
}

// Next is when the engine has something to decide, or to send that can be sent.
func (e *Engine) Next(free func(*Message) bool) (next time.Time) {
	sooner := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, g := range e.groups {
		sooner(g.next)
		sooner(g.rises)
	}
	for _, id := range e.pending {
		if m := e.messages[id]; free(m) {
			sooner(m.NextAt)
		}
	}
	return next
}
