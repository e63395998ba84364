package stream

import (
	"crypto/rand"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/deployments"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// folder folds the records of one input partition, in the order of their offsets, into the unit that is open. Its lane owns
// it; nothing in it is for concurrent use.
type folder struct {
	src     source
	cfg     *Config
	decoder event.Decoder
	ahead   []reading // records that are read and not yet folded
	ev      *event.Event
	filter  *filter
	names   *names
	spare   *spareCells          // of its lane; nil = all are made anew
	prices  event.Prices         // nil = none
	joins   *joins               // nil = its events are not joined
	rules   func() *rule.Folder  // of its lane; nil = no rules look at its events
	lookout *deployments.Lookout // of its lane; nil = what is new is not told

	next     int64 // offset of the next record
	foldFrom int64 // records below are counted already: they are read for their identities alone
	high     int64 // end of the partition as last told by the broker
	moved    time.Time

	watermark int64
	arrival   int64 // the latest broker time of what was folded
	laps      laps
	now       int64 // of the wall, when the batch was taken: nothing has arrived later
	idle      bool  // the chain says that the watermark follows the clock

	open    *work // what is folded and not sent
	pending *work // what is sent and not yet counted; at most one
	sent    time.Time
	anchor  bool  // a unit is wanted although nothing was folded, see snapshots.go
	skip    int   // batches to pass over until that many seeks have been answered
	past    *past // what must be counted again; nil when the journal tells everything

	traced  bool                 // records that carry a trace are told of
	shorter *bus.OutOfRangeError // how the log was cut, to be acted on once pending is judged
}

// work is a unit in the making: the input offsets [from, to) folded.
type work struct {
	header   header
	panes    []panes             // by set of dimensions; nil = nothing was folded
	over     overflow            // what of it counts under otherName
	aside    map[int32][]byte    // parts of requests that other lanes join, by join number
	spent    map[int64]*spenders // what users spent, by span of the finest resolution
	spans    *spenders           // of them, that of the last request
	spanAt   int64
	rules    *rule.Folder // that folds its events; nil until there is one, and without rules
	partials *rule.Partials
	side     []*bus.Message // dead letters, late events and deployments, to be written before the unit
	wait     int            // of those, not yet acknowledged
	sums     [][]delta      // see list
	values   [][]byte       // the encoded unit, kept until it counts, to be sent again when the broker refused it
	parts    int            // of those, not yet acknowledged
	failed   bool
	traces   []traced // of its records
}

// panes are cells of one set of dimensions.
type panes struct {
	cells map[paneKey]*agg.Cell
	near  [nearPanes]nearPane // of them, those of late, so that a busy second costs one comparison
}

type nearPane struct {
	key  paneKey
	cell *agg.Cell
}

// nearPanes are some groups of the few seconds that events are out of order by.
const nearPanes = 128

type paneKey struct {
	start int64
	key   who
}

func (p *panes) at(k paneKey, spare *spareCells) *agg.Cell {
	near := &p.near[(uint64(k.start)*29+uint64(k.key))%nearPanes]
	if near.key == k && near.cell != nil {
		return near.cell
	}
	c := p.cells[k]
	if c == nil {
		if p.cells == nil {
			p.cells = map[paneKey]*agg.Cell{}
		}
		c = spare.get()
		p.cells[k] = c
	}
	*near = nearPane{k, c}
	return c
}

// cells is how many panes w has.
func (w *work) cells() (n int) {
	for i := range w.panes {
		n += len(w.panes[i].cells)
	}
	return n
}

// full tells whether w holds more than a part of what may be open.
func (w *work) full(part int) bool {
	return w.header.Tally.Records > int64(maxOpenRows/part) || w.cells() > maxOpenPane/part || w.partials.Len() > maxOpenPartials/part
}

// first are the panes by model and tenant.
func (w *work) first() map[paneKey]*agg.Cell {
	if w.panes == nil {
		return nil
	}
	return w.panes[0].cells
}

func newWork(src source, from int64) *work {
	w := &work{header: header{Source: src, From: from, To: from}, over: overflow{}, spent: map[int64]*spenders{}}
	_, _ = rand.Read(w.header.Unit[:])
	return w
}

// fold takes one record, as it was read. Offsets that the folder has passed are ignored.
func (f *folder) fold(m *bus.Message, r *reading) {
	if m.Offset < f.next {
		return
	}
	f.ev = &r.event
	broker, bad := r.broker, r.bad
	known := bad == nil && r.named && f.filter.seen(r.identity, m.Offset, broker)
	f.laps.lap(stageDedupe)
	if bad == nil && !known {
		f.correlate(r, m.Offset >= f.foldFrom)
	}
	f.laps.lap(stageJoins)
	f.pass(m.Offset + 1)
	if m.Offset < f.foldFrom {
		return
	}
	h := &f.open.header
	h.To = f.next
	h.Tally.Records++
	f.arrival = later(f.arrival, min(broker, f.now), f.now) // a producer's clock may be wrong; this is never ahead
	h.Arrival = f.arrival
	if h.Oldest == 0 || broker < h.Oldest {
		h.Oldest = broker
	}
	switch {
	case bad != nil:
		f.bury(m, bad)
	case known:
		h.Tally.Duplicates++
		h.Tally.odd(f.ev.Source, oddities{Duplicates: 1})
	default:
		f.count(m, broker)
	}
	f.laps.lap(stageWindows)
}

// recount folds a record that counts already and whose unit is forgotten.
func (f *folder) recount(m *bus.Message) {
	if m.Offset >= f.next {
		f.past.foldSome([]*bus.Message{m})
		f.next = f.past.next
	}
}

// pass moves the folder behind what it has taken in.
func (f *folder) pass(next int64) {
	f.next = next
	f.filter.next = max(f.filter.next, next)
}

// count adds the event that was read to its pane.
func (f *folder) count(m *bus.Message, broker int64) {
	e, t := f.ev, &f.open.header.Tally
	late := f.clock(e.Time, broker)
	if late {
		t.Late++
		t.odd(e.Source, oddities{Late: 1, Ancient: ancient(e.Time, f.watermark)})
		f.open.side = append(f.open.side, f.copyLate(m))
	}
	if !late {
		f.open.fold(f, m)
	}
	f.laps.lap(stageRules)
	f.tellDeployment(m)
	if f.traced && len(m.Headers) > 0 {
		f.open.note(m, e)
	}
	t.Events++
	if e.Kind == event.LLMRequest && e.Has(event.Success) && !e.Bool(event.Success) {
		t.Errors++
	}
	f.pane(e, late)
	if user := e.Text(event.UserID); user != "" && e.Kind == event.LLMRequest {
		f.open.spenders(floor(e.Time, 1e6)/1e6).take(user, spendOf(e), mostSpenders)
	}
}

// spenders are the users of the span that holds second at.
func (w *work) spenders(at int64) *spenders {
	start := floor(at, spenderSpans[finestSpend])
	if w.spans == nil || w.spanAt != start {
		if w.spent[start] == nil {
			w.spent[start] = &spenders{}
		}
		w.spans, w.spanAt = w.spent[start], start
	}
	return w.spans
}

// clock moves the watermark on and tells whether an event of that time is late: older than the watermark by more than the
// lateness that windows stay open for.
func (f *folder) clock(at, broker int64) (late bool) {
	if f.idle { // while nothing came the watermark followed the clock; it never goes back
		f.watermark = max(f.watermark, broker-f.cfg.Disorder.Microseconds())
		f.idle = false
	}
	late = f.watermark != noWatermark && at < f.watermark-f.cfg.Lateness.Microseconds()
	f.watermark = max(f.watermark, at-f.cfg.Disorder.Microseconds())
	f.open.header.Watermark = f.watermark
	return late
}

// ancientAfter is how late an event is that comes from a clock that is wrong, or from an old trace.
const ancientAfter = 24 * time.Hour

// ancient is 1 when an event is ancient by the watermark.
func ancient(at, watermark int64) int64 {
	if watermark-at > ancientAfter.Microseconds() {
		return 1
	}
	return 0
}

// noWatermark is the watermark of a partition that has had no event.
const noWatermark = -1 << 62

// pane adds the event to its second and its group, of every set.
func (f *folder) pane(e *event.Event, late bool) {
	w, second := f.open, floor(e.Time, 1e6)/1e6
	if w.panes == nil {
		w.panes = make([]panes, len(f.names.sets))
	}
	for i := range w.panes {
		n := &f.names.sets[i]
		v := n.valuesOf(e)
		id, under := n.id(v)
		if under != v {
			n.note(w.over, v, under, second)
		}
		w.panes[i].at(paneKey{second, id}, f.spare).Add(e, late)
	}
}

// list is what the panes came to, by set.
func (w *work) list(n *names) [][]delta {
	for set := len(w.sums); set < len(w.panes); set++ {
		w.sums = append(w.sums, w.deltas(set, n))
	}
	return w.sums
}

// deltas lists the panes of one set of a unit.
func (w *work) deltas(set int, n *names) []delta {
	ds := make([]delta, 0, len(w.panes[set].cells))
	for k, c := range w.panes[set].cells {
		ds = append(ds, delta{Start: k.start, Key: n.sets[set].keys.names[k.key], Cell: c})
	}
	return ds
}

// payload is what the unit carries.
func (w *work) payload(n *names) payload {
	c := payload{users: w.spent, rules: w.partials.Blocks(), over: w.over}
	for set, ds := range w.list(n) {
		if set == 0 {
			c.deltas = ds
		} else {
			c.further = append(c.further, setDeltas{n.sets[set].name, ds})
		}
	}
	return c
}

// restart drops what is not counted and goes on behind what the chain says is. What others counted is read for its
// identities. It tells whether the reader must go to another offset for that.
func (f *folder) restart(c *chain) (seek bool) {
	was := f.next
	f.pending = nil
	f.foldFrom = c.To
	f.rewind(c)
	f.next = min(f.filter.next, c.To)
	return f.next != was
}

// rewind drops what is open, and what it did to the clocks.
func (f *folder) rewind(c *chain) {
	f.watermark, f.arrival, f.idle = c.Watermark, c.Arrival, c.Idle
	f.begin(c.To)
}

// turned tells whether a unit of f says that the log was cut and does not count yet. The filter knows of the cut already, the
// chain does not.
func (f *folder) turned() bool { return f.open.back() || f.pending != nil && f.pending.back() }

// back tells whether w covers no records but goes back to where the log was cut.
func (w *work) back() bool { return w.header.To < w.header.From }

// exhausted tells whether f is read to its end, as far as the broker has told, and all of it counts.
func (f *folder) exhausted() bool {
	return f.next >= f.high && f.next >= f.foldFrom && f.pending == nil && f.open.header.To == f.open.header.From && f.past == nil && f.skip == 0
}

// begin opens the next unit.
func (f *folder) begin(from int64) {
	f.open = newWork(f.src, from)
	f.open.header.Watermark, f.open.header.Arrival = f.watermark, f.arrival
}
