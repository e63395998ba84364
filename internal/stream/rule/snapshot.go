package rule

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// snapshotMagic and snapshotForm begin a snapshot; the form is counted up when older ones can no longer be read.
const (
	snapshotMagic = "HXPR"
	snapshotForm  = 3
	formBefore    = 2 // knows neither of counters nor of ids of events
)

// Export writes what g knows, for Import.
func (g *Engine) Export() []byte {
	b := append([]byte(snapshotMagic), snapshotForm)
	b = binary.AppendVarint(b, g.now)
	b = binary.AppendVarint(b, g.tick)
	b = binary.AppendUvarint(b, uint64(len(g.rules)))
	for _, r := range g.rules {
		b = appendString(b, r.Name)
		b = appendVersion(b, r.version)
		b = binary.AppendUvarint(b, uint64(len(r.all)))
		for _, group := range r.all {
			b = group.appendTo(b)
		}
	}
	return g.appendPending(b)
}

func appendVersion(dst []byte, version string) []byte {
	var raw [8]byte
	_, _ = hex.Decode(raw[:], []byte(version)) // Rule.Version wrote it
	return append(dst, raw[:]...)
}

// appendPending writes what waits, by the number of its rule.
func (g *Engine) appendPending(b []byte) []byte {
	number := map[*judged]uint64{}
	for i, r := range g.rules {
		number[r] = uint64(i)
	}
	b = binary.AppendUvarint(b, uint64(len(g.pending)))
	for at, c := range g.pending {
		b = binary.AppendVarint(b, at)
		b = binary.AppendUvarint(b, uint64(len(c.cells)))
		for k, x := range c.cells {
			b = binary.AppendUvarint(b, number[k.rule])
			b = x.appendTo(b)
		}
		b = binary.AppendUvarint(b, uint64(len(c.held)))
		for i := range c.held {
			b = binary.AppendUvarint(b, number[c.held[i].rule])
			b = c.held[i].appendTo(b)
		}
	}
	return b
}

func (g *group) appendTo(b []byte) []byte {
	b = appendString(b, g.key)
	b = binary.AppendVarint(b, g.first)
	b = binary.AppendVarint(b, g.newest)
	b = binary.AppendVarint(b, g.counted.total)
	b = binary.AppendVarint(b, g.counted.bad)
	b = binary.AppendUvarint(b, uint64(len(g.steps)))
	before := int64(0)
	for i := range g.steps {
		s := &g.steps[i]
		b = binary.AppendVarint(b, s.at-before)
		before = s.at
		b = appendContents(b, &s.tally, s.last, s.spread, s.values, nil)
	}
	b = appendSamples(b, g.samples)
	b = g.order.appendTo(b)
	for i := range g.episodes {
		b = g.episodes[i].appendTo(b)
	}
	return b
}

func (o *order) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(o.runs)))
	for _, r := range o.runs {
		live := byte(0)
		if r.live {
			live = 1
		}
		b = append(b, live)
		b = binary.AppendVarint(b, r.first)
		b = binary.AppendVarint(b, r.last)
		b = appendTexts(appendTexts(b, r.ids), r.events)
	}
	b = binary.AppendUvarint(b, uint64(len(o.waiting)))
	for i := range o.waiting {
		b = o.waiting[i].appendTo(b)
	}
	return o.end.appendTo(b)
}

func (p *episode) appendTo(b []byte) []byte {
	b = appendString(b, string(p.state))
	if p.state == none {
		return b
	}
	x := &p.reading
	for _, n := range [...]int64{p.start, p.held, x.from, x.to} {
		b = binary.AppendVarint(b, n)
	}
	b = appendFloat(appendFloat(b, x.value), x.threshold)
	return appendTexts(appendTexts(b, x.ids), x.events)
}

func appendTexts(b []byte, texts []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(texts)))
	for _, t := range texts {
		b = appendString(b, t)
	}
	return b
}

func appendFloat(b []byte, v float64) []byte {
	var s agg.ExactSum
	s.Add(v)
	return s.Append(b)
}

// Import takes up what another engine exported, for the rules whose version is the same; the others begin anew. It is called
// before the first event. After an error g is as it was.
func (g *Engine) Import(data []byte) error {
	r := wire{src: data}
	if string(r.bytes(len(snapshotMagic))) != snapshotMagic {
		return errors.New("this is no snapshot of rules")
	}
	if r.form = r.byte(); r.err == nil && r.form != snapshotForm && r.form != formBefore {
		return fmt.Errorf("the snapshot of rules has form %d, and %d is read", r.form, snapshotForm)
	}
	r.nameless = r.form == formBefore
	fresh := NewEngine(g.program, Options{Lateness: time.Duration(g.lateness) * time.Microsecond})
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
		if err := r.groups(rules[i], fresh.tick/ticks); err != nil {
			return fmt.Errorf("snapshot of rule %s: %w", name, err)
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
		case !g.fits(into):
			return errors.New("a group does not fit the rule")
		case g.latest(farAway) != nil && g.latest(farAway).at > now+int64(MaxWindow/time.Second):
			return errors.New("it knows of events more than a day ahead of its time") // and would keep them for ever
		default:
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
		r.contents(&s.tally, &s.last, &spread, &s.values, new([]sample))
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

// Episode is one that is open.
type Episode struct {
	ID, Rule, Version string
}

// Open lists the episodes that are open.
func (g *Engine) Open() (out []Episode) {
	for _, r := range g.rules {
		for _, group := range r.all {
			for class := range group.episodes {
				if p := &group.episodes[class]; p.state != none {
					out = append(out, Episode{r.id(group, class, p.start), r.Name, r.version})
				}
			}
		}
	}
	return out
}

// TakeUp goes on with the episode of a decision that was told before, under its id; what g has instead is dropped. It is false
// when no rule of g can have made the decision.
func (g *Engine) TakeUp(d *Decision) bool {
	r := g.byName[d.Version]
	if r == nil || d.State != Pending && d.State != Firing {
		return false
	}
	key, class := r.series(d)
	group := g.group(r, key, int64(d.StartsAt)/second)
	if group == nil || r.id(group, class, int64(d.StartsAt)) != d.ID {
		return false
	}
	group.newest = max(group.newest, int64(d.CausedAt))
	group.episodes[class] = episode{d.State, int64(d.StartsAt), max(g.now, int64(d.At)), reading{true, d.Value, d.Threshold, int64(d.Window.Start) / second, int64(d.Window.End) / second, d.RequestIDs, d.Events}}
	return true
}

// Drop forgets the episode of a decision, as though it had never begun.
func (g *Engine) Drop(d *Decision) {
	r := g.byName[d.Version]
	if r == nil {
		return
	}
	key, class := r.series(d)
	if group := r.groups[key]; group != nil && group.episodes[class].state != none && r.id(group, class, group.episodes[class].start) == d.ID {
		group.episodes[class] = episode{}
	}
}

// DropAll forgets the open episodes whose id is one of some.
func (g *Engine) DropAll(of func(id string) bool) {
	for _, r := range g.rules {
		for _, group := range r.all {
			for class := range group.episodes {
				if p := &group.episodes[class]; p.state != none && of(r.id(group, class, p.start)) {
					*p = episode{}
				}
			}
		}
	}
}

// series is where the episode of a decision is kept: the key of its group, and its class.
func (r *compiled) series(d *Decision) (key string, class int) {
	values := make([]string, len(r.GroupBy))
	for i, name := range r.GroupBy {
		values[i] = d.Key[name]
	}
	return keyOf(values), max(slices.Index(classNames[:], d.Class), 0)
}

// Swap goes on with other rules. What was kept of a rule stays when its version is the same; what an objective has counted stays also
// when something else of it has changed. The episodes of rules that are no more, or are other ones, end, as is returned.
func (g *Engine) Swap(p *Program) (out []Decision) {
	if g.own != nil { // what Event got is of the rules before
		out = g.Merge(g.own)
		g.own.Release()
	}
	known := map[string]*judged{}
	before := g.rules
	for _, r := range before {
		known[r.version] = r
	}
	former := map[string]*judged{} // by a version that goes on as another one
	for _, r := range before {
		if next := p.successor(r.compiled); next != nil && known[next.version] == nil {
			for _, group := range r.all {
				out = r.end(group, g.tick*tick, out)
			}
			known[next.version], former[r.version] = r, r
		}
	}
	g.load(p, known)
	maps.Copy(g.byName, former) // lanes still send what they folded for it
	for _, r := range before {
		if slices.Contains(g.rules, r) {
			continue
		}
		for _, group := range r.all {
			out = r.end(group, g.tick*tick, out)
		}
	}
	g.purge()
	return out
}

// successor is the rule of p that counts the same as an objective which is not among those of p, nil without one.
func (p *Program) successor(c *compiled) *compiled {
	if c.Type != BurnRate || slices.Contains(p.versions, c.version) {
		return nil
	}
	i := slices.IndexFunc(p.rules, func(n *compiled) bool {
		return n.Type == BurnRate && n.Name == c.Name && n.When == c.When && n.Good == c.Good && n.MaxGroups == c.MaxGroups && slices.Equal(n.GroupBy, c.GroupBy)
	})
	if i < 0 {
		return nil
	}
	return p.rules[i]
}

// end ends the episodes of a group.
func (r *compiled) end(g *group, now int64, out []Decision) []Decision {
	for class := range g.episodes {
		switch g.episodes[class].state {
		case Pending:
			out = append(out, r.tell(g, class, now, Lapsed))
		case Firing:
			out = append(out, r.tell(g, class, now, Resolved))
		}
	}
	return out
}

// purge drops what waits for rules that are no more.
func (g *Engine) purge() {
	gone := func(r *judged) bool { return !slices.Contains(g.rules, r) }
	for _, c := range g.pending {
		for k := range c.cells {
			if gone(k.rule) {
				delete(c.cells, k)
				g.waiting--
			}
		}
		n := len(c.held)
		c.held = slices.DeleteFunc(c.held, func(a arrived) bool { return gone(a.rule) })
		g.waiting -= n - len(c.held)
	}
}
