package rule

import (
	"encoding/binary"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Tick is the time between two looks at what may fire early; all rules are judged at whole seconds.
const Tick = 250 * time.Millisecond

// In microseconds.
const (
	second = int64(time.Second / time.Microsecond)
	tick   = int64(Tick / time.Microsecond)
	ticks  = second / tick // of a second
)

// Position is the place of an event on its topic. It breaks ties between events of the same time.
type Position struct {
	Kind      event.Kind
	Partition int32
	Offset    int64
}

// Folder turns events into partials: what they come to for each rule and key in each second. It belongs to one goroutine.
type Folder struct {
	*Program
	event   uint64    // number of the event that is looked at
	answers []answer  // of the conditions
	seen    []uint64  // by rule: the event that it saw last
	found   []int     // the rules that the event may concern
	keys    []numbers // by set of fields
	epoch   uint32    // counted up when the keys are forgotten
	recent  [][]recent
	quotas  []quota
	shown   *sample // of the event shownOf
	shownOf uint64
	begun   uint32 // Partials
}

type answer struct {
	event uint64 // for which it holds
	yes   bool
}

// recent is the partial that a rule added to last for a key, so that a busy second costs one comparison.
type recent struct {
	unit    uint32 // Partials.unit
	at      int32  // in their list
	second  uint32 // of samples
	samples int8   // taken in the second
}

// quota counts the samples that a rule took in a second.
type quota struct {
	second int64
	taken  int
}

// Folder makes a folder for one goroutine.
func (p *Program) Folder() *Folder {
	f := &Folder{
		Program: p, answers: make([]answer, len(p.conditions)), seen: make([]uint64, len(p.rules)),
		keys: make([]numbers, len(p.sets)), recent: make([][]recent, len(p.rules)), quotas: make([]quota, len(p.rules)),
	}
	f.forget()
	return f
}

// forget begins the numbers of keys anew.
func (f *Folder) forget() {
	f.epoch++
	for i := range f.keys {
		f.keys[i] = numbers{fields: f.sets[i], ids: map[string]uint32{}}
	}
	clear(f.recent)
}

// maxKeys bounds the keys that a folder has numbers for, as it holds some hundred bytes for each of them.
const maxKeys = 50_000

// Begin makes what the next unit is folded into. It comes back by Release.
func (f *Folder) Begin() *Partials {
	n := 0
	for i := range f.keys {
		n += len(f.keys[i].names)
	}
	if n > maxKeys {
		f.forget()
	}
	f.begun++
	p := pool.Get().(*Partials)
	p.program, p.versions, p.unit, p.epoch = f.Program, f.versions, f.begun, f.epoch
	return p
}

// sighting is when an event happened and when it counts.
type sighting struct {
	second  int64 // in which it happened
	visible int64 // tick from which on it is seen
	arrival int64 // microseconds
	arrived int64 // second of arrival
}

// Event folds a settled event, which arrived at a time and may be reused afterwards, into p.
func (f *Folder) Event(p *Partials, e *event.Event, arrival int64, at Position) {
	f.event++
	m := sighting{second: floor(e.Time, second), visible: floor(max(e.Time, arrival), tick) + 1, arrival: arrival, arrived: floor(arrival, second)}
	age := m.arrived - m.second
	f.found = f.index.find(e, f.found[:0])
	for _, i := range f.found {
		r := f.rules[i]
		if f.seen[i] == f.event || age > r.age {
			continue
		}
		f.seen[i] = f.event
		switch {
		case !f.holds(r.when, e):
		case r.Type == Sequence:
			f.hold(p, i, e, &m, at)
		default:
			f.fold(p, i, e, &m)
		}
	}
}

// holds tells whether condition i holds of the event.
func (f *Folder) holds(i int, e *event.Event) bool {
	if i < 0 {
		return true
	}
	x := &f.answers[i]
	if x.event != f.event {
		x.event = f.event
		x.yes, _ = f.conditions[i].Matches(e) // what fails is no match
	}
	return x.yes
}

// fold adds e to the partial of its second.
func (f *Folder) fold(p *Partials, i int, e *event.Event, m *sighting) {
	r := f.rules[i]
	id, ok := f.keys[r.set].of(e, f.event)
	if !ok {
		return
	}
	last := f.last(i, id)
	x := f.partial(p, i, id, last, m)
	num, den := x.Num, x.Den
	x.Count++
	x.newest = max(x.newest, m.arrival)
	switch r.Type {
	case Ratio, BurnRate:
		x.Den++
		if f.holds(r.of, e) != (r.Type == BurnRate) { // what is not good burns the budget
			x.Num++
		}
		den = x.Den
	case Absence:
		x.last, x.Num = max(x.last, e.Time), x.Num+1
	case Distinct:
		p.texts += x.value(textOf(e, r.field))
		x.Num++
	default:
		r.metric.add(e, &x.tally)
		if r.metric.spread {
			x.measure(r.metric, e)
		}
		if !r.metric.sums {
			den = x.Den
		}
	}
	if x.Num != num || x.Den != den {
		f.sample(i, last, x, e, m)
	}
}

// last is where to look for the partial that a rule added to last for a key.
func (f *Folder) last(rule int, key uint32) *recent {
	list := f.recent[rule]
	if int(key) >= len(list) {
		list = append(list, make([]recent, max(int(key)+1, 2*len(list))-len(list))...)
		f.recent[rule] = list
	}
	return &list[key]
}

// partial finds or makes the partial of a rule, a key and a moment.
func (f *Folder) partial(p *Partials, rule int, key uint32, last *recent, m *sighting) *Partial {
	if last.unit == p.unit {
		if x := &p.list[last.at]; x.second == m.second && x.visible == m.visible && x.arrived() == m.arrived {
			return x
		}
	}
	if p.epoch != f.epoch { // the numbers of keys mean something else now
		clear(p.where)
		p.epoch = f.epoch
	}
	k := place{int32(rule), key, m.second, m.visible, m.arrived}
	at, found := p.where[k]
	if !found {
		at = int32(len(p.list))
		p.where[k] = at
		p.add(Partial{rule: int32(rule), key: f.keys[f.rules[rule].set].names[key], second: m.second, visible: m.visible, newest: m.arrival})
	}
	last.unit, last.at = p.unit, at
	return &p.list[at]
}

// The samples that a folder takes of a key in a second; of many keys only one each.
const (
	samplesPerSecond = 4
	samplesPerRule   = 256
)

// sample keeps e, unless there are enough of its second.
func (f *Folder) sample(rule int, last *recent, x *Partial, e *event.Event, m *sighting) {
	now, q := floor(m.arrival, second), &f.quotas[rule]
	if last.second != uint32(now) { // many keys have one of these
		last.second, last.samples = uint32(now), 0
	}
	if q.second != now {
		q.second, q.taken = now, 0
	}
	enough := last.samples >= samplesPerSecond || last.samples > 0 && q.taken >= samplesPerRule
	if enough || len(x.samples) >= samplesKept { // arrivals that go back and forth over the edge of a second begin anew each time
		return
	}
	last.samples++
	q.taken++
	if f.shownOf != f.event {
		f.shown, f.shownOf = sampleOf(e), f.event
	}
	x.samples = append(x.samples, f.shown)
}

// hold keeps an event of a sequence: its parts come by different topics, and in any order.
func (f *Folder) hold(p *Partials, i int, e *event.Event, m *sighting, at Position) {
	r := f.rules[i]
	var mask uint8
	for n, s := range r.steps {
		if f.holds(s, e) {
			mask |= 1 << n
		}
	}
	if mask == 0 {
		return
	}
	if id, ok := f.keys[r.set].of(e, f.event); ok {
		p.held = append(p.held, held{
			rule: int32(i), key: f.keys[r.set].names[id], at: e.Time, visible: m.visible, arrival: m.arrival, position: at, mask: mask,
			request: strings.Clone(e.Text(event.RequestID)), id: strings.Clone(e.ID),
		})
	}
}

// numbers gives numbers to what events have in some fields.
type numbers struct {
	fields []event.Field
	ids    map[string]uint32
	names  []string // as appendKey writes them
	buffer []byte
	event  uint64 // for which id and ok hold
	id     uint32
	ok     bool
}

// of returns the number of the key of e; not ok when e lacks a field of it.
func (k *numbers) of(e *event.Event, event uint64) (uint32, bool) {
	if k.event != event {
		k.event = event
		k.id, k.ok = k.find(e)
	}
	return k.id, k.ok
}

func (k *numbers) find(e *event.Event) (uint32, bool) {
	k.buffer = k.buffer[:0]
	for _, f := range k.fields {
		text := textOf(e, f)
		if text == "" {
			return 0, false
		}
		k.buffer = appendString(k.buffer, text)
	}
	id, known := k.ids[string(k.buffer)]
	if !known {
		name := string(k.buffer)
		id = uint32(len(k.names))
		k.names, k.ids[name] = append(k.names, name), id
	}
	return id, true
}

// keyOf puts a key together.
func keyOf(values []string) string {
	var b []byte
	for _, v := range values {
		b = appendString(b, v)
	}
	return string(b)
}

// valuesOf takes a key apart.
func valuesOf(key string) (out []string) {
	for key != "" {
		n, w := binary.Uvarint([]byte(key[:min(len(key), binary.MaxVarintLen64)]))
		if w <= 0 || n > uint64(len(key)-w) {
			return nil
		}
		out = append(out, key[w:w+int(n)])
		key = key[w+int(n):]
	}
	return out
}

// floor divides and rounds down, also below zero.
func floor(t, by int64) int64 {
	if n := t / by; n*by > t {
		return n - 1
	} else {
		return n
	}
}
