package respond

import (
	"fmt"
	"slices"
	"time"
)

// Refusal is a rail that stands in the way.
type Refusal struct {
	Rail   Rail
	Reason string
}

func (r *Refusal) Error() string { return string(r.Rail) + ": " + r.Reason }

func refuse(rail Rail, format string, args ...any) *Refusal {
	return &Refusal{rail, fmt.Sprintf(format, args...)}
}

// Outside is what the rails must know beside the log.
type Outside struct {
	Now    time.Time
	Wall   time.Time     // the clock that stamps alerts; it differs from Now after it was set
	Kill   string        // why the kill switch is on that is not in the log, "" when it is not
	Lag    time.Duration // of the windows, when Known
	Known  bool
	Heard  bool // the alert was read here
	Firing bool // and still fires
}

// Sight is what a target looks like before it is changed.
type Sight struct {
	Before  []byte // JSON that Revert needs, and that shows what was
	InPlace bool   // it is already as it shall be
	Blind   bool   // the target cannot tell what it looks like
	Again   bool   // the change may be made again without harm
	Lasting bool   // the change stays until it is taken back
	Takes   string // endpoint that is taken out of its group, "" = none
	Group   []Endpoint
}

// Endpoint is one member of the group that a target serves with.
type Endpoint struct {
	Name    string
	Healthy bool
}

// entry are the rails at which an alert becomes a response. It returns nil when nothing stands in the way of at least proposing
// it.
func (b *Book) entry(o *Order, out Outside) *Refusal {
	switch {
	case o.Mode != "propose" && o.Mode != "auto":
		return refuse(RailMode, "the rule only observes; with mode propose or auto this would be %s on %q", o.Action, o.Target)
	case o.Mode == "auto" && b.limits.Automatic && b.switched(out) != "":
		return refuse(RailKillSwitch, "%s", b.switched(out))
	}
	if until := b.usage.frozenUntil(o.Rule, b.limits, out.Now); out.Now.Before(until) {
		return refuse(RailFlapping, "the rule came and went %d times; it is left alone until %s", b.limits.FlapCycles, until.Format(time.RFC3339))
	}
	if other := b.sameAim(o); other != nil {
		return refuse(RailSingleFlight, "response %s does the same on the same target, and is %s", other.ID, other.State)
	}
	if until := b.usage.until(o, b.limits); out.Now.Before(until) {
		return refuse(RailCooldown, "the rule did this not long ago; the pause is over at %s", until.Format(time.RFC3339))
	}
	if !b.usage.proposal.has(out.Now, proposalBurst, proposalEvery) {
		return refuse(RailBudget, "there are too many proposals")
	}
	return nil
}

// stale tells of an alert that nothing may follow from.
func (b *Book) stale(a *Alert, out Outside) *Refusal {
	if age := out.Wall.Sub(a.Moment()); age > b.limits.MaxLag {
		return refuse(RailStale, "what caused the alert is %s old; nothing follows after %s", age.Round(time.Second), b.limits.MaxLag)
	}
	return b.lagging(out)
}

func (b *Book) lagging(out Outside) *Refusal {
	if out.Known && out.Lag > b.limits.MaxLag {
		return refuse(RailStale, "the windows are %s behind; nothing is done beyond %s", out.Lag.Round(time.Second), b.limits.MaxLag)
	}
	return nil
}

// switched says why the kill switch is on, "" when it is off.
func (b *Book) switched(out Outside) string {
	switch {
	case out.Kill != "":
		return out.Kill
	case b.kill.On:
		return fmt.Sprintf("%s turned the kill switch on: %s", b.kill.Who, b.kill.Reason)
	}
	return ""
}

// sameAim finds an open response with the same aim.
func (b *Book) sameAim(o *Order) *Response {
	aim := o.aim()
	i := slices.IndexFunc(b.open, func(r *Response) bool { return r.Order.aim() == aim })
	if i < 0 {
		return nil
	}
	return b.open[i]
}

// busy finds another response that is changing the target now.
func (b *Book) busy(r *Response) *Response {
	i := slices.IndexFunc(b.open, func(x *Response) bool {
		return x != r && x.Order.Target == r.Order.Target && x.Phase != Idle && x.Phase != Waiting
	})
	if i < 0 {
		return nil
	}
	return b.open[i]
}

// admit are the rails at the moment of acting, with the target in sight.
func (b *Book) admit(r *Response, s *Sight, out Outside) *Refusal {
	l := b.limits
	if why := b.switched(out); why != "" {
		return refuse(RailKillSwitch, "%s", why)
	}
	if !out.Firing {
		return refuse(RailPrecondition, "the alert is over")
	}
	if r.Automatic {
		if age := out.Wall.Sub(r.Order.CausedAt); age > l.MaxLag+l.Deadline {
			return refuse(RailStale, "what caused the alert is %s old", age.Round(time.Second))
		}
	}
	if no := b.lagging(out); no != nil {
		return no
	}
	if !r.ClaimedAt.IsZero() { // it was interrupted, and has used its budget
		return b.radius(r, s)
	}
	if !b.usage.bucket(r.Order.Action).has(out.Now, l.ActionBurst, l.ActionRefill) {
		return refuse(RailBudget, "%d actions %s were made at once; one more is free every %s", l.ActionBurst, r.Order.Action, l.ActionRefill)
	}
	if !b.usage.bucket("").has(out.Now, l.GlobalBurst, l.GlobalRefill) {
		return refuse(RailBudget, "%d actions were made at once; one more is free every %s", l.GlobalBurst, l.GlobalRefill)
	}
	return b.radius(r, s)
}

// radius bounds what is taken out of a group: a share of it, at least one, and never the last one that works.
func (b *Book) radius(r *Response, s *Sight) *Refusal {
	if s.Takes == "" {
		return nil
	}
	out := map[string]bool{s.Takes: true}
	for _, x := range b.open {
		if x != r && x.Order.Target == r.Order.Target && x.Takes != "" {
			out[x.Takes] = true
		}
	}
	known, left := false, 0
	for _, e := range s.Group {
		known = known || e.Name == s.Takes
		if e.Healthy && !out[e.Name] {
			left++
		}
	}
	most := max(1, int(b.limits.Blast*float64(len(s.Group))))
	switch {
	case !known:
		return refuse(RailBlastRadius, "endpoint %q is not in the group of the target, so nobody knows what would be left", s.Takes)
	case len(out) > most:
		return refuse(RailBlastRadius, "%d of %d endpoints would be out; at most %d may be", len(out), len(s.Group), most)
	case left == 0:
		return refuse(RailBlastRadius, "endpoint %q is the last one that is known to work", s.Takes)
	}
	return nil
}
