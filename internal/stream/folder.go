package stream

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// folder folds the records of one input partition, in the order of their offsets, into the unit that is open. Its lane owns
// it; nothing in it is for concurrent use.
type folder struct {
	src    source
	cfg    *Config
	parser event.Parser
	ev     event.Event
	filter *filter
	names  *names

	next     int64 // offset of the next record
	foldFrom int64 // records below were folded before the restart: they are read for their ids alone
	high     int64 // end of the partition as last told by the broker
	moved    time.Time

	watermark int64
	idle      bool // the chain says that the watermark follows the clock

	open    *work // what is folded and not sent
	pending *work // what is sent and not yet counted; at most one
	sent    time.Time
	skip    int // batches to pass over until that many seeks have been answered
}

// work is a unit in the making: the input offsets [from, to) folded.
type work struct {
	header header
	panes  map[paneKey]*agg.Cell
	last   paneKey // the pane of the last event, so that a busy second costs one comparison
	cell   *agg.Cell
	side   []*bus.Message // dead letters and late events, to be written before the unit
	wait   int            // of those, not yet acknowledged
	values [][]byte       // the encoded unit, kept until it counts, to be sent again when the broker refused it
	parts  int            // of those, not yet acknowledged
	failed bool
}

type paneKey struct {
	start int64
	key   uint32
}

func newWork(src source, from int64) *work {
	w := &work{header: header{Source: src, From: from, To: from}, panes: map[paneKey]*agg.Cell{}}
	_, _ = rand.Read(w.header.Unit[:])
	return w
}

// fold takes one record. Offsets that the folder has passed are ignored.
func (f *folder) fold(m *bus.Message) {
	if m.Offset < f.next {
		return
	}
	f.next = m.Offset + 1
	broker := m.Timestamp.UnixMicro()
	if m.Offset < f.foldFrom {
		if bad := f.parser.Parse(m.Value, &f.ev); bad == nil && f.ev.ID != "" {
			f.filter.seen(f.ev.Identity(), m.Offset, broker)
		}
		return
	}
	w := f.open
	w.header.To = f.next
	t := &w.header.Tally
	t.Records++
	if w.header.Oldest == 0 || broker < w.header.Oldest {
		w.header.Oldest = broker
	}
	bad := f.parser.Parse(m.Value, &f.ev)
	if bad != nil {
		f.bury(m, bad)
		return
	}
	e := &f.ev
	named := e.ID != ""
	e.Complete(f.src.TopicID, m.Partition, m.Offset, broker)
	if e.Time > broker+f.cfg.Future.Microseconds() {
		t.Future++
		f.bury(m, &event.Invalid{Code: event.CodeFuture, Pointer: "/timestamp", Detail: "the event is stamped more than " + f.cfg.Future.String() + " ahead of the broker's clock"})
		return
	}
	if named && f.filter.seen(e.Identity(), m.Offset, broker) {
		t.Duplicates++
		return
	}
	late := f.clock(e.Time, broker)
	if late {
		t.late(e.Source)
		w.side = append(w.side, f.copyLate(m))
	}
	t.Events++
	if e.Kind == event.LLMRequest && e.Has(event.Success) && !e.Bool(event.Success) {
		t.Errors++
	}
	f.pane(e).Add(e, late)
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

// noWatermark is the watermark of a partition that has had no event.
const noWatermark = -1 << 62

// pane returns the cell of the event's second and group.
func (f *folder) pane(e *event.Event) *agg.Cell {
	w := f.open
	k := paneKey{start: floor(e.Time, 1e6) / 1e6, key: f.names.id(e.Text(event.Model), e.Text(event.Tenant))}
	if k == w.last && w.cell != nil {
		return w.cell
	}
	c := w.panes[k]
	if c == nil {
		c = new(agg.Cell)
		w.panes[k] = c
	}
	w.last, w.cell = k, c
	return c
}

// deltas lists the panes of a unit.
func (w *work) deltas(n *names) []delta {
	ds := make([]delta, 0, len(w.panes))
	for k, c := range w.panes {
		ds = append(ds, delta{Start: k.start, Key: n.keys.names[k.key], Cell: c})
	}
	return ds
}

// restart drops what is not counted and folds again from offset to.
func (f *folder) restart(c *chain) {
	f.pending = nil
	f.next, f.foldFrom = c.To, c.To
	f.watermark, f.idle = c.Watermark, c.Idle
	f.begin(c.To)
}

// begin opens the next unit.
func (f *folder) begin(from int64) {
	f.open = newWork(f.src, from)
	f.open.header.Watermark = f.watermark
}

// names tells models and tenants apart up to a budget; the rest count under otherName, so that a stranger who sends a
// million names costs bounded memory and the totals stay exact.
type names struct {
	keys            keys
	models, tenants map[string]bool
	maxModels       int
	maxTenants      int
	overflow        agg.Distinct // which models and tenants did not fit
}

func newNames(c *Config) *names {
	return &names{keys: keys{ids: map[agg.Key]uint32{}}, models: map[string]bool{}, tenants: map[string]bool{}, maxModels: c.MaxModels, maxTenants: c.MaxTenants}
}

func (n *names) id(model, tenant string) uint32 {
	if id, ok := n.keys.ids[agg.Key{Model: model, Tenant: tenant}]; ok {
		return id
	}
	model, tenant = admit(n.models, model, n.maxModels, n), admit(n.tenants, tenant, n.maxTenants, n)
	return n.keys.id(agg.Key{Model: model, Tenant: tenant})
}

func admit(known map[string]bool, name string, most int, n *names) string {
	switch {
	case name == "" || known[name]:
		return name
	case len(known) >= most:
		n.overflow.Add(name)
		return otherName
	}
	known[strings.Clone(name)] = true
	return name
}
