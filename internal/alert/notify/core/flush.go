package core

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/tmpl"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// Decided is what follows from the state at a time: documents to be stored, and what the engine does once they are.
type Decided struct {
	Docs []event.Document
	done []func()
	undo []func()
}

// Empty says that nothing follows, and that no group was looked at.
func (d *Decided) Empty() bool { return len(d.undo)+len(d.Docs) == 0 }

// Stored tells the engine that the documents are stored.
func (d *Decided) Stored() {
	for _, f := range d.done {
		f()
	}
}

// Failed tells it that they are not; it decides again soon.
func (d *Decided) Failed() {
	for _, f := range d.undo {
		f()
	}
}

// maxFlush bounds the groups that are decided upon at once.
const maxFlush = 500

// Decide looks at the groups whose time has come.
func (e *Engine) Decide(now time.Time, externalURL string) *Decided {
	d := &Decided{}
	f := flush{e: e, now: now, url: externalURL, d: d, dropped: map[string]*Said{}, left: map[label.Fingerprint]int{}}
	f.waiting()
	var due []*Group
	for _, g := range e.groups {
		if !g.next.After(now) || !g.rises.IsZero() && !g.rises.After(now) {
			due = append(due, g)
		}
	}
	if len(due) == 0 {
		return d
	}
	f.see()
	sorting.By(due, func(a, b *Group) int {
		if c := a.next.Compare(b.next); c != 0 {
			return c
		}
		return strings.Compare(a.Key, b.Key)
	})
	for _, g := range due[:min(len(due), maxFlush)] {
		f.group(g)
	}
	f.forget()
	return d
}

// flush is one look at groups.
type flush struct {
	e         *Engine
	now       time.Time
	url       string
	inhibitor *inhibitor
	silences  []*Silence       // that are active
	dropped   map[string]*Said // by the key of a message that was dropped: what is noted as said in its place
	d         *Decided
	left      map[label.Fingerprint]int // in how many groups an alert that is over has been told of
}

// see looks at what hides alerts, once.
func (f *flush) see() {
	if f.inhibitor == nil {
		f.inhibitor, f.silences = f.e.inhibitor(f.now), f.e.active(f.now)
	}
}

// hidden tells whether an alert is kept from being told.
func (f *flush) hidden(a *Alert) bool {
	return len(f.inhibitor.by(a.Labels)) > 0 || slices.ContainsFunc(f.silences, func(s *Silence) bool { return s.matchers.Match(a.Labels) })
}

func (f *flush) put(d event.Document) { f.d.Docs = append(f.d.Docs, d) }

func (f *flush) group(g *Group) {
	e, next, rises, looked := f.e, g.next, g.rises, g.looked
	regular := !g.next.After(f.now)
	members := e.members(g)
	visible := slices.DeleteFunc(slices.Clone(members), func(m member) bool { return f.hidden(m.alert) })
	held, quiet := false, g.Route.Quiet(f.now)
	done := f.toldOnce(g, visible)
	if !quiet {
		if regular {
			for _, w := range g.Route.Target.Ways {
				held = f.tell(g, w, visible) || held
			}
		}
		for i, s := range g.Route.Steps {
			for _, w := range s.Target.Ways {
				held = f.escalate(g, w, i, visible) || held
			}
		}
	}
	if regular {
		g.next, g.looked = f.now.Add(g.Route.Interval), true
	}
	g.rises = e.nextRise(g, f.now)
	f.d.undo = append(f.d.undo, func() { g.next, g.rises, g.looked = next, rises, looked })
	if !regular || held {
		return // what is over stays until it was told
	}
	for _, m := range members {
		if m.alert.Resolved(f.now) || m.alert.Once && !quiet && done(m) {
			f.left[m.fp]++
			f.d.done = append(f.d.done, func() {
				if a := e.alerts[m.fp]; a == nil || a.Resolved(f.now) || a.Once { // it may fire anew meanwhile
					e.leave(g, m.fp)
				}
			})
		}
	}
}

// members are the alerts of a group in a steady order.
func (e *Engine) members(g *Group) []member {
	out := make([]member, 0, len(g.members))
	for fp := range g.members {
		out = append(out, member{fp, e.alerts[fp]})
	}
	sorting.By(out, func(a, b member) int { return label.Compare(a.alert.Labels, b.alert.Labels) })
	return out
}

// forget removes alerts that are over and were told of in all their groups. One that fires anew before this is stored stays.
func (f *flush) forget() {
	for _, fp := range slices.Sorted(maps.Keys(f.left)) {
		if len(f.e.groupsOf(fp, f.e.alerts[fp])) > f.left[fp] {
			continue
		}
		f.put(removeAs(f.e.alerts[fp].revision, KindAlert, string(fp)))
		if k := f.e.acks[fp]; k != nil {
			f.put(removeAs(k.revision, KindAck, string(fp)))
		}
	}
}

// tell decides whether a way hears of a group. held says that its last message is still on its way.
func (f *flush) tell(g *Group, w *plan.Way, visible []member) (held bool) {
	e, key := f.e, saidKey(g, w, -1)
	last, m := f.last(key)
	if m != nil {
		firing, _ := f.split(visible)
		if !e.unheard[m.ID] || last == nil || subset(last.Firing, append(firing, e.onceTold(g, m.Before)...)) {
			return true
		}
		last = f.drop(m, m.Before)
	}
	once := e.onceTold(g, last)
	visible = slices.DeleteFunc(slices.Clone(visible), func(m member) bool { return slices.Contains(once, m.fp) })
	firing, resolved := f.split(visible)
	if e.off[w.ID] != nil || len(visible) == 0 {
		return false
	}
	reason := needed(last, firing, resolved, once, w.SendResolved, f.now, g.Route.Repeat)
	if reason == "" {
		return false
	}
	if !w.SendResolved {
		visible = slices.DeleteFunc(slices.Clone(visible), func(m member) bool { return m.alert.Resolved(f.now) })
	}
	f.say(g, w, key, reason, Said{Key: key, At: f.now, Firing: append(firing, once...), Resolved: resolved}, visible, last)
	return false
}

// last is what was said under a key, and the message that is on its way.
func (f *flush) last(key string) (*Said, *Message) {
	if said, dropped := f.dropped[key]; dropped {
		return said, nil
	}
	return f.e.said[hashed(key)], f.e.messages[f.e.pending[key]]
}

// split tells which alerts fire.
func (f *flush) split(of []member) (firing, resolved []label.Fingerprint) {
	for _, m := range of {
		if m.alert.Resolved(f.now) {
			resolved = append(resolved, m.fp)
		} else {
			firing = append(firing, m.fp)
		}
	}
	return firing, resolved
}

// onceTold are the members of a group that are told once and were, as was said. They may stay for others that have not heard of them yet, and are
// noted again with each thing that is said meanwhile.
func (e *Engine) onceTold(g *Group, said *Said) (out []label.Fingerprint) {
	if said == nil {
		return nil
	}
	for _, fp := range said.Firing {
		if _, in := g.members[fp]; in && e.alerts[fp].Once {
			out = append(out, fp)
		}
	}
	return out
}

// toldOnce tells of a member that is told once whether nobody has to hear of it any more: each way was told of it and has it, or cannot be told, or
// it is hidden. It is asked of what was said before this look.
func (f *flush) toldOnce(g *Group, visible []member) func(member) bool {
	e := f.e
	seen := map[label.Fingerprint]bool{}
	for _, m := range visible {
		seen[m.fp] = true
	}
	return func(m member) bool {
		return !seen[m.fp] || !slices.ContainsFunc(g.Route.Target.Ways, func(w *plan.Way) bool {
			last := e.said[hashed(saidKey(g, w, -1))]
			return e.off[w.ID] == nil && (last == nil || !slices.Contains(last.Firing, m.fp))
		})
	}
}

// drop ends a message that was overtaken before it arrived: something in it fires no more, or is hidden. It returns what is noted as said in its
// place: where nothing arrived for certain, what was said before.
func (f *flush) drop(m *Message, said *Said) *Said {
	dropped := *m
	dropped.State, dropped.EndedAt, dropped.Error, dropped.Data, dropped.Before = Failed, f.now, "what it says was over before it arrived", nil, nil
	f.put(Put(KindMessage, m.ID, dropped))
	if said == nil {
		f.put(Remove(KindSaid, hashed(m.Key)))
	} else {
		f.put(Put(KindSaid, hashed(m.Key), said))
	}
	f.dropped[m.Key] = said
	return said
}

// needed is the reason for which something is to be said, "" when nothing is: Alertmanager's rule, to which nothing fires of what was told once.
func needed(last *Said, firing, resolved, once []label.Fingerprint, sendResolved bool, now time.Time, repeat time.Duration) string {
	switch {
	case last == nil:
		if len(firing) > 0 {
			return ForNews
		}
	case !subset(firing, last.Firing):
		return ForNews
	case len(firing) == 0: // also where no message follows, so that what is noted is right
		if !subset(last.Firing, once) {
			return ForNews
		}
	case sendResolved && !subset(resolved, last.Resolved):
		return ForNews
	case last.At.Before(now.Add(-repeat)):
		return ForRepeat
	}
	return ""
}

func subset(a, of []label.Fingerprint) bool {
	in := make(map[label.Fingerprint]bool, len(of))
	for _, fp := range of {
		in[fp] = true
	}
	return !slices.ContainsFunc(a, func(fp label.Fingerprint) bool { return !in[fp] })
}

// escalate decides whether a further receiver hears of alerts that nobody has acknowledged. It hears again as often as the route
// repeats, and of the end once everything is over that it was told.
func (f *flush) escalate(g *Group, w *plan.Way, step int, visible []member) (held bool) {
	e, key := f.e, saidKey(g, w, step)
	last, m := f.last(key)
	if m != nil {
		return true
	}
	if e.off[w.ID] != nil {
		return false
	}
	after := g.Route.Steps[step].After
	var due, over []member
	told := map[label.Fingerprint]bool{}
	if last != nil {
		for _, fp := range last.Firing {
			told[fp] = true
		}
	}
	known := func(fp label.Fingerprint) bool { return told[fp] }
	still := false // something that was told fires on
	for _, m := range visible {
		switch {
		case m.alert.Resolved(f.now):
			if known(m.fp) {
				over = append(over, m)
			}
		case e.acked(m.fp, m.alert):
			still = still || known(m.fp)
		case !m.alert.Once && !m.alert.Since.Add(after).After(f.now):
			due = append(due, m)
		}
	}
	news := slices.ContainsFunc(due, func(m member) bool { return !known(m.fp) })
	switch {
	case len(due) > 0 && (news || last.At.Before(f.now.Add(-g.Route.Repeat))):
		f.say(g, w, key, ForEscalation, Said{Key: key, At: f.now, Firing: names(due)}, due, last)
	case len(due) == 0 && !still && len(over) > 0:
		if w.SendResolved {
			f.say(g, w, key, ForEscalation, Said{Key: key, At: f.now, Resolved: names(over)}, over, last)
		} else {
			f.put(Remove(KindSaid, hashed(key)))
		}
	}
	return false
}

func names(ms []member) (out []label.Fingerprint) {
	for _, m := range ms {
		out = append(out, m.fp)
	}
	return out
}

// acked tells whether somebody has acknowledged this episode.
func (e *Engine) acked(fp label.Fingerprint, a *Alert) bool {
	k := e.acks[fp]
	return k != nil && !k.At.Before(a.Since)
}

// nextRise is when an escalation of the group is due after a time.
func (e *Engine) nextRise(g *Group, after time.Time) (next time.Time) {
	for _, s := range g.Route.Steps {
		for fp := range g.members {
			a := e.alerts[fp]
			if at := a.Since.Add(s.After); at.After(after) && (next.IsZero() || at.Before(next)) && !e.acked(fp, a) {
				next = at
			}
		}
	}
	return next
}

// say makes a message, if there is anything in it, and notes what is said by it.
func (f *flush) say(g *Group, w *plan.Way, key, reason string, said Said, of []member, before *Said) {
	f.put(Put(KindSaid, hashed(key), said))
	if len(of) == 0 {
		return
	}
	d := f.data(g, w, of)
	m := Message{
		ID: "msg_" + hashed(key+"|"+f.now.UTC().Format(time.RFC3339Nano)), Receiver: w.Receiver, Channel: w.Channel, Way: w.ID, Key: key, Reason: reason, State: Waiting,
		CreatedAt: f.now, NextAt: f.now, GroupLabels: d.GroupLabels, Data: d, Before: before,
	}
	f.describe(&m, of)
	f.put(Put(KindMessage, m.ID, m))
	f.d.done = append(f.d.done, func() { f.e.unheard[m.ID] = true })
}

// describe notes what a message is about.
func (f *flush) describe(m *Message, of []member) {
	firing, resolved := f.split(of)
	m.Status, m.Title, m.Firing, m.Resolved = m.Data.Status, plan.Title(m.Data), len(firing), len(resolved)
}

// maxData bounds the alerts of one message, in bytes of their documents; how many more there are stands in it.
const maxData = 1 << 20

func (f *flush) data(g *Group, w *plan.Way, of []member) *tmpl.Data {
	d := &tmpl.Data{Version: "4", GroupKey: g.Key, Status: tmpl.Resolved, Receiver: w.Receiver, GroupLabels: g.Labels, ExternalURL: f.url, Alerts: []tmpl.Alert{}}
	var labels, annotations []label.Set
	if firing, _ := f.split(of); firing != nil {
		d.Status = tmpl.Firing
	}
	bytes := 0
	for i, m := range of {
		if bytes += m.alert.bytes; bytes > maxData && i > 0 {
			d.TruncatedAlerts = len(of) - i
			break
		}
		a := tmpl.Alert{Status: tmpl.Firing, Labels: m.alert.Labels, Annotations: m.alert.Annotations, StartsAt: m.alert.StartsAt.UTC(), GeneratorURL: m.alert.GeneratorURL, Fingerprint: string(m.fp)}
		if a.Annotations == nil {
			a.Annotations = map[string]string{}
		}
		if m.alert.Resolved(f.now) {
			a.Status, a.EndsAt = tmpl.Resolved, m.alert.EndsAt.UTC()
		}
		d.Alerts = append(d.Alerts, a)
		labels, annotations = append(labels, m.alert.Labels), append(annotations, m.alert.Annotations)
	}
	d.CommonLabels, d.CommonAnnotations = label.Common(labels), label.Common(annotations)
	return d
}
