package rule

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// Import takes up what another engine exported, for the rules whose version is the same; the others begin anew. It is called
// before the first event. After an error g is as it was.
func (g *Engine) Import(data []byte) error {
	r := wire{src: data}
	if string(r.bytes(len(snapshotMagic))) != snapshotMagic {
		return errors.New("this is no snapshot of rules")
	}
	if r.form = r.byte(); r.err == nil && (r.form > snapshotForm || r.form < formBefore) {
		return fmt.Errorf("the snapshot of rules has form %d, and %d is read", r.form, snapshotForm)
	}
	r.nameless = r.form == formBefore
	fresh := NewEngine(g.program, Options{Lateness: time.Duration(g.lateness) * time.Microsecond, Clock: g.clock})
	fresh.stint = g.stint
	fresh.now, fresh.tick = r.number(), r.number()
	if r.err == nil && fresh.tick != floor(fresh.now, tick) {
		r.fail(fmt.Sprintf("its time is %d µs, and it judged tick %d last", fresh.now, fresh.tick))
	}
	rules := make([]*judged, r.count(MaxRules))
	for i := range rules {
		name, version := r.text(), hex.EncodeToString(r.bytes(8))
		into := fresh.byName[version]
		if into != nil && into.Name == name {
			rules[i] = into
		}
		since := fresh.tick/ticks - longest
		if r.form >= snapshotForm {
			since = r.number()
		}
		if into != nil {
			into.since = since
		}
		if err := r.groups(rules[i], fresh.tick/ticks); err != nil {
			return fmt.Errorf("snapshot of rule %s: %w", name, err)
		}
	}
	for _, into := range fresh.rules {
		if into.since == 0 {
			into.since, into.fresh = beginning(fresh.tick), into.Type == BurnRate
		}
	}
	r.pending(fresh, rules)
	if r.err == nil && len(r.src) > 0 {
		r.fail("something follows its end")
	}
	if r.err != nil {
		return fmt.Errorf("snapshot of rules: %w", r.err)
	}
	*g = *fresh
	return nil
}

// groups reads the groups of a rule; of one that is no more they are passed over.
func (r *wire) groups(into *judged, now int64) error {
	for n := r.count(MaxGroups + 1); n > 0 && r.err == nil; n-- { // and __other__
		g := r.group()
		switch {
		case r.err != nil || into == nil:
		case into.groups[g.key] != nil:
			return errors.New("a group is there twice")
		case !g.fits(into) || into.Type != BurnRate && len(g.budget) > 0:
			return errors.New("a group does not fit the rule")
		case g.latest(farAway) != nil && g.latest(farAway).at > now+int64(MaxWindow/time.Second):
			return errors.New("it knows of events more than a day ahead of its time") // and would keep them for ever
		default:
			if into.Type == BurnRate && r.form < snapshotForm {
				g.budget = g.rebuilt()
			}
			into.groups[g.key] = g
			into.all = append(into.all, g)
		}
	}
	return r.err
}

// fits tells whether g can be of r.
func (g *group) fits(r *judged) bool {
	return len(g.values) == len(r.fields) && (len(g.order.runs) == 0 || len(g.order.runs) == len(r.steps)) && (r.Type == Sequence || g.order.idle())
}

func (r *wire) group() *group {
	g := &group{key: r.text(), first: r.number(), newest: r.number()}
	g.values = valuesOf(g.key)
	if r.form != formBefore {
		g.counted.total, g.counted.bad = r.number(), r.number()
	}
	if r.form >= snapshotForm {
		g.budget = r.spending()
	}
	at := int64(0)
	for n := r.count(len(r.src)); n > 0 && r.err == nil; n-- {
		gain := r.number()
		if len(g.steps) > 0 && gain <= 0 {
			r.fail("steps are out of order")
		}
		if at += gain; at > farAway/second || at < -farAway/second {
			r.fail("a second is out of range")
		}
		s := step{at: at}
		var spread agg.Measure
		r.contents(&s.tally, &s.last, &spread, &s.values, new([]*sample))
		if spread.Count() > 0 {
			s.spread = &spread
		}
		g.kept += len(s.values)
		g.steps = append(g.steps, s)
	}
	r.samples(&g.samples)
	r.order(&g.order)
	for i := range g.episodes {
		r.episode(&g.episodes[i])
	}
	return g
}

func (r *wire) order(o *order) {
	for n := r.count(MaxSteps); n > 0 && r.err == nil; n-- {
		o.runs = append(o.runs, run{r.byte() == 1, r.number(), r.number(), r.texts(), r.events()})
	}
	for n := r.count(maxWaiting + maxHeld); n > 0 && r.err == nil; n-- {
		var h held
		if r.held(&h); len(o.waiting) > 0 && o.waiting[len(o.waiting)-1].compare(&h) > 0 {
			r.fail("events are out of order")
		}
		o.waiting = append(o.waiting, h)
	}
	r.held(&o.end)
	if len(o.waiting) > 0 && len(o.runs) == 0 {
		r.fail("events wait that nothing waits for")
	}
}

func (r *wire) episode(p *episode) {
	p.state = State(r.text())
	if r.err != nil || p.state == none {
		return
	}
	if p.state != Pending && p.state != Firing {
		r.fail("an episode is neither pending nor firing")
		return
	}
	p.start, p.held = r.number(), r.number()
	p.reading = reading{holds: true, from: r.number(), to: r.number(), value: r.float(), threshold: r.float(), ids: r.texts(), events: r.events()}
}

func (r *wire) float() float64 {
	var s agg.ExactSum
	if r.err == nil {
		r.src, r.err = s.Decode(r.src)
	}
	return finite(s.Value())
}

// events reads the ids of events, where they were written.
func (r *wire) events() []string {
	if r.nameless {
		return nil
	}
	return r.texts()
}

func (r *wire) texts() (out []string) {
	for n := r.count(maxExamples + MaxSteps); n > 0 && r.err == nil; n-- {
		out = append(out, strings.Clone(r.text()))
	}
	return out
}

// pending reads what waits, of the rules that are known.
func (r *wire) pending(g *Engine, rules []*judged) {
	known := func() *judged {
		if i := r.uvarint(); i < uint64(len(rules)) {
			return rules[i]
		}
		r.fail("there is no such rule")
		return nil
	}
	for n := r.count(len(r.src)); n > 0 && r.err == nil; n-- {
		at := r.number()
		for m := r.count(len(r.src)); m > 0 && r.err == nil; m-- {
			into, x := known(), Partial{}
			if r.partial(&x); r.err == nil && into != nil && x.fits(into) {
				x.visible = max(at, g.tick+1)
				g.keep(into, &x)
			}
		}
		for m := r.count(len(r.src)); m > 0 && r.err == nil; m-- {
			into, h := known(), held{}
			if r.held(&h); r.err == nil && into != nil && h.fits(into) && into.held < maxHeld {
				h.visible = max(at, g.tick+1)
				c := g.at(h.visible)
				c.held = append(c.held, arrived{into, h})
				into.held++
				g.waiting++
			}
		}
	}
}
