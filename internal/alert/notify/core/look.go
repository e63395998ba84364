package core

import (
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// Seen is an alert as it stands at a time.
type Seen struct {
	Fingerprint label.Fingerprint
	Alert       Alert
	Receivers   []string
	SilencedBy  []string
	InhibitedBy []label.Fingerprint
	MutedBy     []string // times for which all its routes are quiet
	Ack         *Ack
	Group       []string // keys of its groups
}

// Suppressed tells whether it is kept from being told.
func (s *Seen) Suppressed() bool { return len(s.SilencedBy)+len(s.InhibitedBy)+len(s.MutedBy) > 0 }

// Alerts are those that fire at a time, by their labels.
func (e *Engine) Alerts(now time.Time) []Seen {
	in, active := e.inhibitor(now), e.active(now)
	out := []Seen{}
	for fp, a := range e.alerts {
		if !a.Resolved(now) {
			out = append(out, e.seen(in, active, fp, a, now))
		}
	}
	sorting.By(out, func(a, b Seen) int { return label.Compare(a.Alert.Labels, b.Alert.Labels) })
	return out
}

// Own are the alerts of hxp itself that fire at a time, but for those that are told once: an Alertmanager would tell of their end.
func (e *Engine) Own(now time.Time) map[label.Fingerprint]*Alert {
	out := map[label.Fingerprint]*Alert{}
	for fp, a := range e.alerts {
		if a.Source == FromHxp && !a.Once && !a.Resolved(now) {
			out[fp] = a
		}
	}
	return out
}

func (e *Engine) seen(in *inhibitor, active []*Silence, fp label.Fingerprint, a *Alert, now time.Time) Seen {
	s := Seen{Fingerprint: fp, Alert: *a, SilencedBy: silencedBy(active, a.Labels), InhibitedBy: in.by(a.Labels)}
	told := false
	for _, r := range e.plan.Routes(a.Labels) {
		quiet := r.MutedBy(now)
		s.MutedBy, told = append(s.MutedBy, quiet...), told || quiet == nil
		s.Receivers = append(s.Receivers, r.Target.Name)
		s.Group = append(s.Group, r.Key+":"+r.GroupLabels(a.Labels).String())
	}
	if slices.Sort(s.MutedBy); told {
		s.MutedBy = nil
	}
	s.MutedBy = slices.Compact(s.MutedBy)
	if e.acked(fp, a) {
		s.Ack = e.acks[fp]
	}
	return s
}

// Gathered is a group as it stands at a time.
type Gathered struct {
	Receiver string
	Labels   label.Set
	Key      string
	Alerts   []Seen
}

// Groups are the groups with the alerts in them that fire at a time.
func (e *Engine) Groups(now time.Time) []Gathered {
	in, active := e.inhibitor(now), e.active(now)
	var out []Gathered
	for _, g := range e.groups {
		x := Gathered{Receiver: g.Route.Target.Name, Labels: g.Labels, Key: g.Key}
		for _, m := range e.members(g) {
			if !m.alert.Resolved(now) {
				s := e.seen(in, active, m.fp, m.alert, now)
				s.MutedBy = g.Route.MutedBy(now)
				x.Alerts = append(x.Alerts, s)
			}
		}
		if x.Alerts != nil {
			out = append(out, x)
		}
	}
	sorting.By(out, func(a, b Gathered) int {
		if c := label.Compare(a.Labels, b.Labels); c != 0 {
			return c
		}
		return strings.Compare(a.Receiver+a.Key, b.Receiver+b.Key)
	})
	return out
}

// Alert finds an alert, nil when it is not known.
func (e *Engine) Alert(fp label.Fingerprint) *Alert { return e.alerts[fp] }

// Ack is what was acknowledged of an alert, nil when nothing was.
func (e *Engine) Ack(fp label.Fingerprint) *Ack { return e.acks[fp] }

// Count is how many alerts are known.
func (e *Engine) Count() int { return len(e.alerts) }

// Silences are all that are kept: those that last longest first.
func (e *Engine) Silences() []Silence {
	out := []Silence{}
	for _, s := range e.silences {
		out = append(out, *s)
	}
	sorting.By(out, func(a, b Silence) int {
		if c := b.EndsAt.Compare(a.EndsAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// Silence finds one, nil when there is none.
func (e *Engine) Silence(id string) *Silence { return e.silences[id] }

// Messages are those made since a time, the newest first.
func (e *Engine) Messages(since time.Time) []Message {
	out := []Message{}
	for _, m := range e.messages {
		if !m.CreatedAt.Before(since) {
			out = append(out, *m)
		}
	}
	sorting.By(out, func(a, b Message) int {
		if c := b.CreatedAt.Compare(a.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// Off says why a way is switched off, nil when it is not.
func (e *Engine) Off(way string) *Off { return e.off[way] }

// OffWays are the ways that are switched off.
func (e *Engine) OffWays() (out []string) {
	for way := range e.off {
		out = append(out, way)
	}
	slices.Sort(out)
	return out
}

// Pending is how many messages are on their way, and since when the oldest of those that nobody holds back.
func (e *Engine) Pending() (n int, since time.Time) {
	for _, id := range e.pending {
		if why := e.heldBack[id]; why == HeldQuiet || why == HeldHidden {
			continue
		}
		if m := e.messages[id]; since.IsZero() || m.CreatedAt.Before(since) {
			since = m.CreatedAt
		}
	}
	return len(e.pending), since
}
