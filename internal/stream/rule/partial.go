package rule

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// Partial is what some events come to for a rule and a key, that happened in one second, arrived in one, and are seen from one tick on. Partials
// of the same moment are added in any order.
type Partial struct {
	rule    int32 // in the versions of its Partials
	key     string
	second  int64
	visible int64
	newest  int64 // microseconds: arrival of the latest event
	tally
	last    int64               // of absence: microseconds of the latest event
	spread  agg.Measure         // of percentiles
	values  map[string]struct{} // of distinct
	samples []*sample
}

// value counts a value of a distinct rule and returns about how many bytes that takes.
func (x *Partial) value(text string) int {
	if _, known := x.values[text]; known || text == "" || len(x.values) >= MaxDistinct {
		return 0
	}
	if x.values == nil {
		x.values = map[string]struct{}{}
	}
	x.values[strings.Clone(text)] = struct{}{}
	return len(text) + 48
}

// measure adds the duration that e has to the sketch.
func (x *Partial) measure(m metric, e *event.Event) {
	if ns, ok := m.duration(e); ok {
		x.spread.Add(ns)
		x.Num++
	}
}

// arrived is the second in which the events arrived. Of those that are stamped ahead it is not that before they are seen, and the budget of an
// objective begins with one.
func (x *Partial) arrived() int64 { return floor(x.newest, second) }

// become makes x, which is empty, what o is. They change their memory, so o is of no more use than for another one.
func (x *Partial) become(o *Partial) {
	x.spread, o.spread = o.spread, x.spread
	x.samples, o.samples = o.samples[:min(len(o.samples), samplesKept)], x.samples
	x.key, x.second, x.visible, x.newest, x.tally, x.last, x.values = o.key, o.second, o.visible, o.newest, o.tally, o.last, o.values
	o.values = nil
}

// merge adds o, which stays as it is.
func (x *Partial) merge(o *Partial) {
	x.newest, x.last = max(x.newest, o.newest), max(x.last, o.last)
	x.tally.merge(&o.tally)
	if o.spread.Count() > 0 {
		x.spread.Merge(&o.spread)
	}
	if len(o.values) > 0 && x.values == nil {
		x.values = map[string]struct{}{}
	}
	maps.Copy(x.values, o.values)
	x.samples = append(x.samples, o.samples[:min(len(o.samples), max(0, samplesKept-len(x.samples)))]...)
}

// reset empties x for another use, but for what memory it has.
func (x *Partial) reset() {
	spread, samples := x.spread, x.samples
	spread.Reset()
	clear(samples)
	*x = Partial{spread: spread, samples: samples[:0]}
}

// held is an event of a sequence.
type held struct {
	rule     int32 // in the versions of its Partials
	key      string
	at       int64 // microseconds
	visible  int64
	arrival  int64
	position Position
	mask     uint8 // steps that it matches
	request  string
	id       string // of the event; "" of one that an older version has written
	told     bool   // it has begun an episode already
}

// Partials are what the events of a unit come to. They belong to whoever has them; Release gives them back.
type Partials struct {
	program  *Program // nil when they were decoded
	versions []string // of the rules
	unit     uint32   // of their folder
	epoch    uint32
	list     []Partial
	where    map[place]int32
	held     []held
	texts    int // bytes of values
}

// place is where a partial belongs.
type place struct {
	rule                     int32
	key                      uint32
	second, visible, arrived int64
}

var pool = sync.Pool{New: func() any { return &Partials{where: map[place]int32{}} }}

// add takes x over, in memory that was used before where there is some.
func (p *Partials) add(x Partial) *Partial {
	n := len(p.list)
	if n == cap(p.list) {
		p.list = slices.Grow(p.list, max(64, n))
	}
	p.list = p.list[:n+1]
	have := &p.list[n]
	x.spread, x.samples = have.spread, have.samples
	*have = x
	return have
}

// Len is about how much p holds: partials, events of sequences, and values.
func (p *Partials) Len() int {
	if p == nil {
		return 0
	}
	return len(p.list) + len(p.held) + p.texts/100
}

// Release gives p back. Nobody may use it afterwards.
func (p *Partials) Release() {
	if p == nil {
		return
	}
	const large = 1 << 14
	if len(p.list) > large || len(p.held) > large { // an exception, not worth keeping
		return
	}
	for i := range p.list {
		p.list[i].reset()
	}
	clear(p.where)
	clear(p.held)
	p.program, p.versions, p.list, p.held, p.texts = nil, nil, p.list[:0], p.held[:0], 0
	pool.Put(p)
}

// sample is an event that an alert can show. Many wait and are kept, so its texts lie in one string, and all rules that take it share it: it never
// changes.
type sample struct {
	at   int64 // microseconds
	all  string
	ends [len(told)]uint32 // of the texts, in all
}

// text is what the event has in a field of told.
func (s *sample) text(field int) string {
	if field == 0 {
		return s.all[:s.ends[0]]
	}
	return s.all[s.ends[field-1]:s.ends[field]]
}

// told are the fields of samples: the request, and where it may come from.
var told = [...]event.Field{event.RequestID, event.Model, event.Tenant, event.UserID, event.Endpoint, event.ErrorType, event.Host, event.Operation}

// toldError is where in told the type of an error stands.
const toldError = 5

// samplesKept is how many a group keeps.
const samplesKept = 32

func sampleOf(e *event.Event) *sample {
	s := &sample{at: e.Time}
	for i, f := range told {
		s.ends[i] = uint32(len(e.Text(f)))
		if i > 0 {
			s.ends[i] += s.ends[i-1]
		}
	}
	var b strings.Builder
	b.Grow(int(s.ends[len(told)-1]))
	for _, f := range told {
		b.WriteString(e.Text(f))
	}
	s.all = b.String()
	return s
}
